"""A build daemon of ours: what it does when it is called, in each era, with the real one's traps.

It is as strict as the real one, about what is legal in which state, and as wrong. How it talks is
in daemon_server.py, what a hostile one does on the wire in daemon_attacks.py.
"""

import base64
import hashlib
import http.client
import inspect
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit
from xmlrpc.client import Binary, Fault

WITH_FILES = {"OK", "PACKAGEFAIL", "DEPFAIL"}
BUILD_TYPES = {
    "seed": ("debian",),
    "list": ("debian", "binarypackage"),
    "late-list": ("binarypackage", "sourcepackagerecipe", "translation-templates"),
    "dict": (
        *("binarypackage", "sourcepackagerecipe", "translation-templates", "livefs", "snap"),
        *("oci", "charm", "rock", "craft", "ci"),
    ),
}
TAIL = 2048
MOST_DIRECTORY_NAME = 255


class Era(StrEnum):
    """When the daemon was made: October 2005, from 2008, from September 2013, from January 2014."""

    SEED = "seed"
    LIST = "list"
    LATE_LIST = "late-list"
    DICT = "dict"

    @property
    def has_aborted(self) -> bool:
        """Whether an abort ends in a state ABORTED."""
        return self in {Era.SEED, Era.LIST}


class State(StrEnum):
    IDLE = "BuilderStatus.IDLE"
    BUILDING = "BuilderStatus.BUILDING"
    WAITING = "BuilderStatus.WAITING"
    ABORTING = "BuilderStatus.ABORTING"
    ABORTED = "BuilderStatus.ABORTED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a build does; time passes by polls: each status() that says BUILDING is one.

    `log` grows by one part a poll. `polls` of None is a build that never ends, `aborting` of None
    one that is ABORTING for ever. A build() that does not answer may have started it, or not.
    """

    status: str = "OK"
    log: tuple[bytes, ...] = (b"building\n", b"done\n")
    files: Mapping[str, bytes] = field(default_factory=dict)
    dependencies: str | None = None
    polls: int | None = 1
    aborting: int | None = 1
    killable: bool = True
    starts: bool = True
    reply: Literal["yes", "fault", "none"] = "yes"


class Refused(Exception):
    """Fault 8002, the same for everything."""


class NoAnswer(Exception):
    """The connection is kept, and nothing said."""


class Daemon:
    """One daemon; a test looks at its attributes, and calls what follows `# For tests`."""

    def __init__(self, era: Era = Era.DICT, *, arch_tag: str = "amd64") -> None:
        self.era = era
        self.arch_tag = arch_tag
        self.build_types = BUILD_TYPES[era]
        self.version: str | None = None
        self.extra: dict[str, object] = {}
        self.url = ""
        self.lock = threading.RLock()
        self.state = State.IDLE
        self.cookie: str | None = None
        self.build_status: str | None = None
        self.log: bytes | None = None
        self.cache: dict[str, bytes] = {}
        self.results: dict[str, str] = {}
        self.directories: set[str] = set()
        self.wedged = False
        self.job = Job()
        self.polls = 0
        # What tests set and read
        self.jobs: dict[str, Job] = {}
        self.default_job = Job()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.said: dict[str, deque[object]] = {}
        self.attacks: dict[str, Callable[..., Any]] = {}
        self.frozen = False
        self.delay_s = 0.0

    # For tests

    def put(self, content: bytes) -> str:
        """Have a file in the cache; return its SHA-1."""
        sha1 = hashlib.sha1(content).hexdigest()
        self.cache[sha1] = content
        return sha1

    def url_of(self, sha1: str) -> str:
        """Where the cache has a file: another daemon may fetch it from this one."""
        return f"{self.url}/filecache/{sha1}"

    def restart(self) -> None:
        """Start again: idle, with the old log and the old build's directory still there."""
        with self.lock:
            self.state, self.cookie, self.build_status = State.IDLE, None, None
            self.wedged = False

    def finish(self) -> None:
        """End the build now, as it would end."""
        with self.lock:
            self._end(self.job.status)

    def say(self, method: str, *values: object) -> None:
        """Let the next calls return these, whatever is true; the last one from then on."""
        self.said[method] = deque(values)

    def attack(self, call: str, how: Callable[..., Any]) -> None:
        """Answer a method, `file` or `*`, by an attack from daemon_attacks."""
        self.attacks[call] = how

    def behave(self) -> None:
        """Be honest, and quick, from now on."""
        self.said, self.attacks, self.delay_s, self.frozen = {}, {}, 0.0, False

    def called(self, *methods: str) -> list[tuple[Any, ...]]:
        """The parameters of these methods' calls until now."""
        return [params for method, params in self.calls if method in methods]

    # The protocol

    def call(self, method: str, params: tuple[Any, ...]) -> object:
        """Do what is asked. Raises Fault and NoAnswer."""
        function = getattr(self, f"xmlrpc_{method}", None)
        if function is None:
            raise Fault(8001, f"procedure {method} not found")
        with self.lock:
            self.calls.append((method, params))
            if said := self.said.get(method):
                return said.popleft() if len(said) > 1 else said[0]
            try:
                inspect.signature(function).bind(*params)
            except TypeError:
                raise Fault(8002, "error") from None
        try:
            return function(*params)
        except Refused:
            raise Fault(8002, "error") from None

    def xmlrpc_echo(self, *params: object) -> object:
        return list(params)

    def xmlrpc_info(self) -> object:
        return ["1.0", self.arch_tag, list(self.build_types)]

    def xmlrpc_status(self) -> object:
        with self.lock:
            reply = self._status()
            self._pass_time()
            return reply

    def xmlrpc_build(
        self, cookie: Any, kind: str, chroot: str, files: dict[str, str], args: dict[str, Any]
    ) -> object:
        with self.lock:
            return self._build(cookie, kind, chroot, files, args)

    def xmlrpc_abort(self) -> object:
        with self.lock:
            again = self.state is State.ABORTING and not self.era.has_aborted
            if self.state is not State.BUILDING and not again:
                raise Refused
            if not again:
                self.state, self.polls = State.ABORTING, 0
                self._pass_abort()
            return State.ABORTING.value

    def xmlrpc_clean(self) -> object:
        with self.lock:
            if self.state not in {State.WAITING, State.ABORTED}:
                raise Refused
            for sha1 in self.results.values():
                self.cache.pop(sha1, None)
            self.directories.discard(self.cookie or "")
            self.state, self.cookie, self.log, self.results = State.IDLE, None, None, {}
            return State.IDLE.value

    def xmlrpc_ensurepresent(self, sha1: str, url: str | None, *rest: str | None) -> object:
        """Fetch the file while nobody else is answered: the real one has one thread."""
        if len(rest) != (0 if self.era is Era.SEED else 2):
            raise Refused
        present, info = self._fetch(sha1, url, *(rest or (None, None)))
        return present if self.era is Era.SEED else [present, info]

    def xmlrpc_proxy_info(self) -> object:
        raise Refused

    def read(self, name: str) -> bytes | None:
        """What /filecache has under a name."""
        return self.log if name == "buildlog" else self.cache.get(name)

    # Inside

    def _build(
        self, cookie: Any, kind: str, chroot: str, files: dict[str, str], args: dict[str, Any]
    ) -> object:
        if kind not in self.build_types:
            why = f"{kind} is unknown" if self.era is Era.DICT else None
            return ["BuilderStatus.UNKNOWNBUILDER", why]
        if missing := [sum_ for sum_ in (chroot, *files.values()) if sum_ not in self.cache]:
            return ["BuilderStatus.UNKNOWNSUM", missing[0]]
        if not isinstance(cookie, str) or not cookie:
            raise Refused
        job = self.jobs.get(cookie) or self.jobs.get(cookie.partition("-")[0]) or self.default_job
        if job.starts:
            self._start(cookie, job, kind, files, args)
        if job.reply == "none":
            raise NoAnswer
        if job.reply == "fault":
            raise Refused
        return [State.BUILDING.value, cookie]

    def _start(
        self, cookie: str, job: Job, kind: str, files: dict[str, str], args: dict[str, Any]
    ) -> None:
        self.cookie, self.log = cookie, b""
        if self.state is not State.IDLE:
            raise Refused  # too late: the running build has the new cookie now
        self.state, self.polls, self.job, self.results = State.BUILDING, 0, job, {}
        self.wedged = (
            "/" in cookie
            or len(f"build-{cookie}".encode()) > MOST_DIRECTORY_NAME
            or cookie in self.directories
            or (kind in {"debian", "binarypackage"} and not any(n.endswith(".dsc") for n in files))
            or (self.era is Era.DICT and "series" not in args)
        )
        if self.wedged:
            raise Refused
        self.directories.add(cookie)
        self._pass_build()

    def _pass_time(self) -> None:
        if self.state is State.BUILDING:
            self.log = (self.log or b"") + b"".join(self._log_parts()[:1])
            self.polls += 1
            self._pass_build()
        elif self.state is State.ABORTING:
            self.polls += 1
            self._pass_abort()

    def _pass_build(self) -> None:
        if not self.wedged and self.job.polls is not None and self.polls >= self.job.polls:
            self._end(self.job.status)

    def _pass_abort(self) -> None:
        if self.wedged or self.job.aborting is None or self.polls < self.job.aborting:
            return
        self._aborted()

    def _log_parts(self) -> tuple[bytes, ...]:
        """What the log still has to get."""
        return () if self.wedged else self.job.log[self.polls :]

    def _aborted(self) -> None:
        if not self.job.killable:
            self._end("BUILDERFAIL")
        elif self.era.has_aborted:
            self.state = State.ABORTED
        else:
            self._end("ABORTED")

    def _end(self, status: str) -> None:
        self.state, self.build_status = State.WAITING, status
        self.log = (self.log or b"") + b"".join(self._log_parts())
        if status in WITH_FILES:
            self.results = {name: self.put(content) for name, content in self.job.files.items()}

    def _status(self) -> object:
        return self._status_dict() if self.era is Era.DICT else self._status_list()

    def _status_dict(self) -> dict[str, object]:
        reply: dict[str, object] = {**self.extra, "builder_status": self.state.value}
        if self.version:
            reply["builder_version"] = self.version
        if self.state is not State.IDLE:
            reply["build_id"] = self.cookie
        if self.state is State.BUILDING:
            reply["logtail"] = Binary((self.log or b"")[-TAIL:])
        if self.state is State.WAITING:
            reply["build_status"] = f"BuildStatus.{self.build_status}"
            if self.build_status in WITH_FILES:
                reply |= {"filemap": self.results, "dependencies": self.job.dependencies}
        return reply

    def _status_list(self) -> list[object]:
        seed = self.era is Era.SEED
        head: list[object] = [self.state.value]
        match self.state:
            case State.IDLE:
                return head if seed else [*head, ""]
            case State.BUILDING:
                return [*head, self.cookie, *([] if seed else [Binary((self.log or b"")[-TAIL:])])]
            case State.ABORTING | State.ABORTED:
                return [*head, self.cookie]
            case State.WAITING:
                return self._status_waiting()

    def _status_waiting(self) -> list[object]:
        status = f"BuildStatus.{self.build_status}"
        head: list[object] = [self.state.value, status, self.cookie]
        if self.build_status not in WITH_FILES:
            return head
        more = [] if self.era is Era.SEED else [self.job.dependencies]
        return [*head, self.results, *more]

    def _fetch(
        self, sha1: str, url: str | None, user: str | None, password: str | None
    ) -> tuple[bool, str]:
        if sha1 in self.cache:
            return True, "Cache"
        if not url:
            return False, "No URL"
        try:
            content = _download(url, user, password)
        except OSError as err:
            return False, f"Error accessing Librarian: {err}"
        if hashlib.sha1(content).hexdigest() != sha1:
            return False, "Digests did not match, removing again!"
        self.put(content)
        return True, "Download"


def _download(url: str, user: str | None, password: str | None) -> bytes:
    parts = urlsplit(url)
    headers = {}
    if user:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.request("GET", parts.path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{url}: HTTP {response.status}")
        return response.read()
    finally:
        connection.close()
