"""Empty the build directories that are to start anew: a server says so, or their age does."""

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from runner.chores.builds import show
from runner.chores.check_ami import fetch
from runner.chores.clobbers import LAST, Told, Verdict, judge, make_query, parse_answer
from runner.chores.directories import find_bases, opened, read_builds
from runner.chores.disk_settings import Clobber, parse_age
from runner.chores.frame import RETRY, Call, Outcome, Plan, log
from runner.remove import remove

BUILD_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MOST_DIGITS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A build directory and what is to become of it."""

    base: Path
    name: str
    verdict: Verdict


class Server:
    """Who is asked about each directory; one that has failed to answer is asked no more."""

    def __init__(self, settings: Clobber, slavename: str) -> None:
        self.settings = settings
        self.slavename = slavename
        self.failed = settings.url is None

    def ask(self, builddir: str, ours: int | None) -> Told | None:
        """Ask about one; None also where there is no answer, with a warning."""
        if self.failed or self.settings.url is None:
            return None
        asked = {"builddir": builddir, "slave": self.slavename}
        asked |= {"master": self.settings.master, "branch": self.settings.branch}
        asked |= {"lastclobber": "" if ours is None else str(ours)}
        url = make_query(self.settings.url, asked)
        try:
            text = fetch(url, self.settings.timeout_s).decode("utf-8", "surrogateescape")
            return parse_answer(text, builddir)
        except (OSError, http.client.HTTPException, ValueError) as err:
            log.warning("%s: %s; nothing is clobbered for it", self.settings.url, show(str(err)))
            self.failed = True
            return None


def plan(call: Call, settings: Clobber) -> Plan:
    """Ask about every build directory, and judge it."""
    bases, lines = find_bases(settings.paths)
    own = settings.slavename or call.worker.slavename or call.run.environ.get("FARMHAND_HOST")
    server = Server(settings, own or socket.gethostname())
    now = int(call.run.now.timestamp())
    judged = [each for base in bases for each in judge_all(base, settings, server, now)]
    for each in judged:
        if each.verdict.clobber:
            lines.append(f"{show(f'{each.base}/{each.name}')}: {each.verdict.why}")

    def act() -> Outcome:
        counts = {"clobbered": 0, "left": 0}
        for each in judged:
            if each.verdict.note is not None:
                apply(each, each.verdict.note, counts)
        why = "not all could be removed" if counts["left"] else ""
        return Outcome(code=RETRY if why else 0, why=why, counts=counts)

    return Plan(lines=tuple(lines), act=act)


def judge_all(base: Path, settings: Clobber, server: Server, now: int) -> Iterator[Judged]:
    """Judge each directory of builds; links are none."""
    force_after_s = parse_age(settings.force_clobber_after)
    with opened(base) as parent:
        found = read_builds(base, parent) if parent is not None else []
        for each in found:
            if any(fnmatchcase(each.name, pattern) for pattern in settings.keep):
                continue
            with opened_build(base, parent, each.name) as directory:
                if directory is not None:
                    ours = read_last(directory)
                    verdict = judge(ours, server.ask(each.name, ours), force_after_s, now)
                    yield Judged(base=base, name=each.name, verdict=verdict)


@contextmanager
def opened_build(base: Path, parent: int | None, name: str) -> Iterator[int | None]:
    """Open a build directory; None where it is gone or a link, and, with a warning, closed."""
    try:
        directory = os.open(name, BUILD_DIRECTORY, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    except OSError as err:
        log.warning("%s: %s", show(f"{base}/{name}"), err.strerror)
        yield None
        return
    try:
        yield directory
    finally:
        os.close(directory)


def read_last(directory: int) -> int | None:
    """Read when it was clobbered last; None where nobody has noted it."""
    try:
        note = os.open(LAST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return None
    try:
        text = os.read(note, MOST_DIGITS + 1).strip()
    except OSError:
        return None
    finally:
        os.close(note)
    return int(text) if text.isdigit() and len(text) <= MOST_DIGITS else None


def apply(judged: Judged, note: int, counts: dict[str, int]) -> None:
    """Empty it where that is the verdict, and note when; one that is killed here does it again."""
    path = show(f"{judged.base}/{judged.name}")
    with (
        opened(judged.base) as parent,
        opened_build(judged.base, parent, judged.name) as directory,
    ):
        if parent is None or directory is None:
            return
        if judged.verdict.clobber:
            left = empty(directory)
            if left:
                log.warning("%s: %s", path, left)
                counts["left"] += 1
                return
            log.info("clobbered %s: %s", path, judged.verdict.why)
            counts["clobbered"] += 1
        write_last(path, directory, note)


def empty(directory: int) -> str:
    """Remove all in a directory but the note; return why something is left."""
    names = [name for name in os.listdir(directory) if name != LAST]
    left = [
        f"{show(name)} can't be removed: {why}"
        for name in names
        if (why := remove(directory, name))
    ]
    return left[0] if left else ""


def write_last(path: str, directory: int, note: int) -> None:
    """Note it, in a file of our own: who builds there could have linked it to another."""
    try:
        with suppress(FileNotFoundError):
            os.unlink(LAST, dir_fd=directory)
        created = os.open(LAST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=directory)
        os.write(created, f"{note}\n".encode())
        os.close(created)
    except OSError as err:
        log.warning("%s/%s: %s", path, LAST, err.strerror)
