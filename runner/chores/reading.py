"""The processes of this machine, as /proc has them."""

import os
import pwd
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from farmhand.errors import BadInput
from runner.chores.strays import Process
from runner.worker.process import PROGRAM, find_worker

KERNEL_THREAD = 0x00200000
REAL_UID = re.compile(rb"^Uid:\t(\d+)", re.MULTILINE)


def read_processes() -> dict[int, Process]:
    """Read them all; one that ends meanwhile is left out."""
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - thousands of Paths are slow
        if entry.isdecimal():
            with suppress(OSError, ValueError, AttributeError):
                found[int(entry)] = read_process(int(entry))
    return found


def read_process(pid: int) -> Process:
    """Read one; raises OSError where it is gone."""
    directory = Path(f"/proc/{pid}")
    head, _, tail = (directory / "stat").read_bytes().rpartition(b")")
    fields = tail.split()
    real = REAL_UID.search((directory / "status").read_bytes())
    if real is None:
        raise ProcessLookupError(pid)
    return Process(
        pid=pid,
        start=int(fields[19]),
        parent=int(fields[1]),
        uid=int(real[1]),
        name=head.partition(b"(")[2].decode("utf-8", "backslashreplace"),
        program=os.fsdecode((directory / "cmdline").read_bytes().partition(b"\0")[0]),
        dead=fields[0] in (b"Z", b"X"),
        kernel=bool(int(fields[6]) & KERNEL_THREAD),
    )


def find_workers(processes: Iterable[Process]) -> list[Process]:
    """Find workers that run, as the twistd.pid of the directory that each stands in says."""
    return [each for each in processes if may_be_worker(each.pid) and is_worker(each.pid)]


def may_be_worker(pid: int) -> bool:
    """Whether its words have a program that runs workers."""
    try:
        words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return False
    return any(PROGRAM.fullmatch(Path(word).name) for word in words)


def is_worker(pid: int) -> bool:
    """Whether the directory that it stands in is a worker's, and the worker is this process."""
    try:
        worker = find_worker(Path(f"/proc/{pid}/cwd").readlink())
    except (OSError, BadInput):
        return False
    if worker is None:
        return False
    worker.close()
    return worker.pid == pid


def find_uid(user: str) -> int:
    """Find a user's number, by name or as it is given; raises BadInput."""
    try:
        return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError as err:
        raise BadInput(f"there is no user {user!r} on this machine") from err
