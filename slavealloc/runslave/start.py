"""Start a worker's twistd, unless one runs; talks to processes only."""

import logging
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from farmhand.errors import BadInput, Locked
from farmhand.files import read_pid
from slavealloc.runslave.basedir import TAC
from slavealloc.secret import TOKEN_VARIABLE

log = logging.getLogger("runslave")

PID_FILE = "twistd.pid"
LOG_FILE = "twistd.log"
PROGRAM = re.compile(r"(twistd\d?|buildbot(-worker)?|buildslave)(\.py|\.exe)?")
STDERR = 2
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)


def twistd_command(twistd: Sequence[str], basedir: Path) -> list[str]:
    """Make the command line, as the original's."""
    logfile, tac = str(basedir / LOG_FILE), str(basedir / TAC)
    return [*twistd, "--no_save", "--logfile", logfile, "--python", tac]


def refuse_second(basedir: Path) -> None:
    """Raise Locked while the worker that twistd.pid names is at work."""
    pid = read_pid(basedir / PID_FILE)
    if pid is not None and _is_worker_alive(pid):
        raise Locked(f"{basedir / PID_FILE}: a worker runs already, as process {pid}")


def clear_pid_file(basedir: Path) -> None:
    """Remove the twistd.pid of a worker that is gone; twistd would not start beside it.

    Raises Locked while it is not gone; BadInput where the file can't be removed.
    """
    refuse_second(basedir)
    path = basedir / PID_FILE
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}; remove it") from err
    log.info("removed %s: no worker is behind it", path)


def _is_worker_alive(pid: int) -> bool:
    """Whether the process is there, and no other that got its number after a reboot."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    words = _read_command_line(pid)
    return words is None or is_worker(words)


def _read_command_line(pid: int) -> list[str] | None:
    """Read a live process's command line; None where this system shows none to us."""
    if not Path("/proc/self/cmdline").exists():
        done = subprocess.run(
            ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return done.stdout.split() or None
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None


def is_worker(words: Sequence[str]) -> bool:
    """Whether a command line is a worker's.

    >>> is_worker(["/usr/bin/python", "/usr/bin/twistd", "--no_save"])
    True
    >>> is_worker(["tail", "-f", "/builds/slave/twistd.log"])
    False
    """
    if "--python" in words and any(word.endswith(f"/{TAC}") for word in words):
        return True
    return any(PROGRAM.fullmatch(Path(word).name) for word in words)


def start_worker(command: Sequence[str], basedir: Path) -> int:
    """Run twistd there until it is in the background, or ends; return its exit code.

    What it prints goes to stderr: stdout is for our report. Whoever ends us ends it too. A worker
    tells its master, and its jobs, all of its environment: our token is not in it.
    """
    environ = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    process = None
    try:
        with _signals_put_off():
            process = subprocess.Popen(command, cwd=basedir, stdout=STDERR, env=environ)
        code = process.wait()
    except OSError as err:
        raise BadInput(f"{command[0]}: {err.strerror}") from err
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _signals_put_off() -> Iterator[None]:
    """Hear at the end what would end us: a process that is being started is nobody's to end yet."""
    heard: list[int] = []
    actions = {number: signal.getsignal(number) for number in ENDING}
    taken = {number: action for number, action in actions.items() if callable(action)}
    for number in taken:
        signal.signal(number, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for number, action in taken.items():
            signal.signal(number, action)
        for each in heard:
            signal.raise_signal(each)
