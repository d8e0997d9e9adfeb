"""The world that the manual's lines run in: a manager host with a small farm, in a directory.

A page is typed as it stands; `here` puts its paths below the directory, and its hosts on this one.
What a line needs is started when a page has such a line.
"""

import functools
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from tests.daemon_server import running_daemons
from tests.farm import Farm
from tests.processes import Finished
from tests.runner_machine import wait_until
from tests.scan_farm import Daemon
from tests.scheduler_schemas import ACTIVE_MASTER
from tests.services import free_port
from tests.shell import Shell

# Directories of a host that pages name, and that are below the world's here.
PLACES = "builds|etc|home|opt|run|srv|tmp|tools|var"
PATH = re.compile(rf"(?<![\w./}}])/(?=(?:{PLACES})/)|(?<=:///)/(?=(?:{PLACES})/)")
ALLOCATOR = re.compile(
    r"https?://slavealloc(?:\.build)?\.example\.com|http://(?:127\.0\.0\.1|localhost):1080"
)
FILES = re.compile(r"https?://(?:files|farm-public|hg)\.example\.com")
DAEMON = re.compile(r"http://daemon(\d)\.example\.com:8221")
MASTER = re.compile(r"http://bm1\.build\.example\.com:8010/(?=api/)")
ASKS_ALLOCATOR = re.compile(
    rf"{ALLOCATOR.pattern}|\bslavealloc (?:-A \S+ )?"
    r"(?:gettac|lock|disable|enable|notes|workers|masters?|history)\b|\brunslave "
)
ENDLESS = re.compile(r"\b(?:slavealloc serve|status --watch)\b[^&\n]*$")

# What has no end: a server in the foreground, a screen; and rounds, of which few are run.
SERVER = re.compile(r"\bslavealloc serve\b(?!.*--port)")
ROUNDS = re.compile(r"\brunner(?= (?!--? |.*(?:-n\b|--dry-run|-g\b)).*tasks\.d\b)")
MANY_ROUNDS = re.compile(r"-n \d\d+(?= .*tasks\.d\b)")


@dataclass(kw_only=True, slots=True)
class World:
    """A manager host, and what it knows; a scene changes it freely."""

    directory: Path
    farm: Farm
    shell: Shell
    held: ExitStack
    port: int = field(default_factory=free_port)
    serves: bool = False
    files_url: str = ""
    daemons: list[Daemon] = field(default_factory=list)

    @property
    def clone(self) -> Path:
        """Where the reader is: in a clone of the repository."""
        return self.directory / "home/buildduty/farmhand"

    @property
    def database(self) -> sa.Engine:
        """The farm database."""
        return sa.create_engine(f"sqlite:///{self.directory}/var/lib/farmhand/farmhand.db")

    def here(self, command: str) -> str:
        """Make a line of a page one that runs here."""
        if ASKS_ALLOCATOR.search(command):
            self.serve()
        command = PATH.sub(f"{self.directory}/", command)
        command = ALLOCATOR.sub(f"http://127.0.0.1:{self.port}", command)
        command = FILES.sub(lambda _: self.serve_files(), command)
        command = DAEMON.sub(lambda found: self.daemon(int(found[1])).url, command)
        command = MASTER.sub(self.farm.watch["masters"][ACTIVE_MASTER]["url"], command)
        command = ROUNDS.sub(r"\g<0> -n 1", command)
        command = MANY_ROUNDS.sub("-n 2", command)
        return SERVER.sub(rf"\g<0> -v --port {self.port}", command)

    def there(self, printed: str) -> str:
        """Make what was printed here what a reader would see."""
        printed = printed.replace(str(self.directory), "").replace(self.files_url or "\0", "")
        return printed.replace(f"http://127.0.0.1:{self.port}", "http://slavealloc.example.com")

    def run(self, command: str) -> Finished:
        """Run a line of a page; what has no end is ended when it is up."""
        if "slavealloc serve" in command:
            self.serves = True
        run = self.shell.run_until_it_speaks if ENDLESS.search(command) else self.shell.run
        return run(self.here(command))

    def do(self, command: str) -> None:
        """Do what a scene needs to have been done."""
        done = self.run(command)
        assert done.code == 0, f"{command}: {done.err}"

    def serve(self) -> None:
        """Run slavealloc's server, unless one runs."""
        if not self.serves:
            self.do("slavealloc serve &")
            wait_until(lambda: is_open(self.port))

    def serve_files(self) -> str:
        """Run the server of files that other hosts have: `var/www/html`; return its URL."""
        if not self.files_url:
            files = serving_files(self.directory / "var/www/html")
            self.files_url = self.held.enter_context(files)
        return self.files_url

    def daemon(self, number: int) -> Daemon:
        """Run the build daemon of that number."""
        while len(self.daemons) < number:
            self.daemons.append(Daemon(arch_tag="i386"))
            self.held.enter_context(running_daemons(self.daemons[-1]))
        return self.daemons[number - 1]


def is_open(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving_files(directory: Path) -> Iterator[str]:
    """Serve a directory's files; yields the URL."""
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
