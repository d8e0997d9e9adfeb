"""`python -m tests.forks_server FOLDER MODULE… PADDING` imports modules, then forks who asks.

Who asks sends what a program is to be and its first three files, hears its process id, then how it
ended; who goes away before has it killed. It serves until its stdin ends, and removes the folder.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import marshal
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

LONGEST = 100_000


class Server:
    """Forks, and waits for what was forked.

    `modules` may have a `wake`, for what is not to be shared with others.
    """

    def __init__(self, folder: Path, modules: Sequence[ModuleType]) -> None:
        self.modules = modules
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(folder / "socket"))
        self.listener.listen(100)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def serve(self) -> None:
        """Do what is asked until stdin ends."""
        self.selector.register(0, selectors.EVENT_READ, sys.exit)
        while True:
            for key, _ in self.selector.select():
                key.data()

    def accept(self) -> None:
        """Fork for somebody."""
        asker, _ = self.listener.accept()
        message, files, _, _ = socket.recv_fds(asker, LONGEST, 3)
        if len(files) < 3:
            asker.close()
            return
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self.forget(asker)
                code = become(marshal.loads(message), files, self.modules)
            except BaseException:  # noqa: BLE001 - nobody else would tell
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        for file in files:
            os.close(file)
        with contextlib.suppress(OSError):
            asker.send(str(pid).encode())
        end = os.pidfd_open(pid)

        def kill() -> None:
            if asker.fileno() >= 0:
                os.kill(pid, signal.SIGKILL)
                self.selector.unregister(asker)

        def tell() -> None:
            if asker in self.selector.get_map():
                self.selector.unregister(asker)
            self.selector.unregister(end)
            os.close(end)
            _, status = os.waitpid(pid, 0)
            with contextlib.suppress(OSError):
                asker.send(str(os.waitstatus_to_exitcode(status)).encode())
            asker.close()

        self.selector.register(asker, selectors.EVENT_READ, kill)
        self.selector.register(end, selectors.EVENT_READ, tell)

    def forget(self, asker: socket.socket) -> None:
        """Close what a child has no part in."""
        asker.close()
        for key in [*self.selector.get_map().values()]:
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            elif key.fd > 0:
                os.close(key.fd)
        self.selector.close()


def become(asked: dict[str, Any], files: Sequence[int], modules: Sequence[ModuleType]) -> int:
    """Be the program that was asked for, to its end; return its exit code."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    out = os.fdopen(1, "w", closefd=False)
    err = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0, closefd=False), out, err
    if asked["new_session"]:
        os.setsid()
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    words = asked["words"]
    name_process([sys.executable, *words])
    sys.executable = asked["python"]
    sys.argv[:] = words if words[0] != "-m" else words[1:]
    for module in modules:
        getattr(module, "wake", str)()
    if words[0] == "-m":
        sys.modules.pop(words[1], None)  # Python would warn of one that is there already
        return run(lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True))
    return run(lambda: runpy.run_path(words[0], run_name="__main__"))


def run(program: Callable[[], object]) -> int:
    """Run it, and end it as Python does."""
    code: object = 0
    try:
        program()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - whatever it is, it is how the program ends
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for file in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):  # the program has closed it
            file.flush()
    return code if isinstance(code, int) else 0


def name_process(words: Sequence[str]) -> None:
    """Show these words as the command line, in the place of our own."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    text = "\0".join(words).encode()
    assert len(text) < end - start, "PADDING is too short"
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def main() -> None:
    """Import, and serve."""
    folder = Path(sys.argv[1])
    server = Server(folder, [importlib.import_module(module) for module in sys.argv[2:-1]])
    gc.collect()
    gc.freeze()  # a child would copy all that it looks at
    print("ready", flush=True)  # noqa: T201
    try:
        server.serve()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
