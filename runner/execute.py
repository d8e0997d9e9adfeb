"""Run one process to its end, and all that it starts: deadline, stop requests, output.

No time is spent asking whether it has ended: the kernel wakes us.
"""

import logging
import math
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.cgroups import Cgroup
from runner.processes import end_strays, find_children, find_strays, has_children, read_processes
from runner.protocol import Ended, Verdict, read_code
from runner.stops import Stops
from runner.transcript import Output, Transcript

log = logging.getLogger("runner")

LONGEST_WAIT_S = 1e6  # poll counts milliseconds in 32 bits
BLINK_S = 0.05
# Python ignores these; a program expects not to.
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What to run, and what it may take; one that `hears_stop` is told when we are to stop.

    Where one that `keeps` something fails by itself, what it kept lives on, for the next try to
    look after. That is the worker, in which a build may run.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    user: str | None = None
    stdin: bytes = b""
    max_time_s: float = math.inf
    grace_s: float = 20.0
    output_limit: int = 1_000_000
    hears_stop: bool = False
    keeps: bool = False


def execute(
    job: Job, stops: Stops, cgroup: Cgroup | None, lasting: Callable[[], None] = lambda: None
) -> Ended:
    """Run it; when this returns, nothing that it started lives, or `undead` says how many do.

    `lasting` is called once it runs for longer than a blink: to tell of less is not worth the time.
    """
    if cgroup is not None:
        cgroup.stand(keeps=job.keeps)
    apart: set[int] = set()
    if not job.keeps and has_children():
        apart = find_children(read_processes(), os.getpid())
    try:
        output, end = os.pipe2(os.O_CLOEXEC)
    except OSError as err:
        return _never(str(err.strerror))
    try:
        try:
            pid = _start(job, end)
        except FileNotFoundError as err:
            there = Path(job.argv[0]).exists()
            return _never("its interpreter is missing" if there else str(err.strerror))
        except (OSError, ValueError, LookupError) as err:
            return _never(getattr(err, "strerror", None) or err.args[0])
        finally:
            os.close(end)
        transcript = Transcript(job.name, job.output_limit)
        child = Child(job, pid, Output(output, transcript), lasting, cgroup)
        return _follow(child, stops, apart)
    finally:
        os.close(output)


def _never(why: str) -> Ended:
    """Say why it could not be started, which a try later may change."""
    return Ended(code=None, why=f"could not be started: {why}", seconds=0.0, started=False)


def _start(job: Job, output: int) -> int:
    """Start it in a session of its own and return its id; raises OSError or LookupError."""
    stdin = _open_stdin(job.stdin)
    try:
        if job.user is not None:
            return _start_as(job, job.user, stdin, output)
        actions = [(os.POSIX_SPAWN_DUP2, stdin, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, output, fd) for fd in (1, 2)]
        return os.posix_spawnp(
            job.argv[0],
            job.argv,
            dict(job.environ),
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=DEFAULT_SIGNALS,
        )
    finally:
        os.close(stdin)


def _start_as(job: Job, user: str, stdin: int, output: int) -> int:
    """Start it as another user, with that one's groups and home; needs root."""
    import grp
    import pwd
    import subprocess

    account = pwd.getpwnam(user)
    home = {"HOME": account.pw_dir, "USER": user, "LOGNAME": user, "SHELL": account.pw_shell}
    process = subprocess.Popen(
        job.argv,
        env={**job.environ, **home},
        stdin=stdin,
        stdout=output,
        stderr=output,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[each.gr_gid for each in grp.getgrall() if user in each.gr_mem],
        start_new_session=True,
    )
    process.returncode = 0  # it is waited for here, not there
    return process.pid


def _open_stdin(data: bytes) -> int:
    """Open what it reads: a pipe's buffer holds what hooks are told, else nothing."""
    if not data:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.write(write_fd, data)
    os.close(write_fd)
    os.set_blocking(read_fd, True)
    return read_fd


@dataclass(frozen=True, slots=True)
class Child:
    """A process that runs."""

    job: Job
    pid: int
    output: Output
    lasting: Callable[[], None]
    cgroup: Cgroup | None


def _follow(child: Child, stops: Stops, apart: Collection[int]) -> Ended:
    """Wait for its end, or bring it about; then end what it left."""
    job, pid, output = child.job, child.pid, child.output
    began = time.monotonic()
    pidfd = os.pidfd_open(pid)
    try:
        why = _watch(child, pidfd, stops)
    finally:
        os.close(pidfd)
    code = None if why else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = len(find_strays(apart, child.cgroup)) if code is not None and has_children() else 0
    if left and job.keeps and read_code(code) is Verdict.RETRY:
        log.warning("%s: what it kept goes on without it: %d processes", job.name, left)
        left = 0
    undead = end_strays(apart, job.grace_s, output, child.cgroup) if why or left else 0
    output.finish()
    seconds = time.monotonic() - began
    return Ended(
        code=code,
        why=why or _say(code),
        seconds=seconds,
        left=left,
        undead=undead,
        said=output.transcript.said,
    )


def _watch(child: Child, pidfd: int, stops: Stops) -> str:
    """Wait; return why it is to be ended, or nothing where it has ended by itself."""
    job, output = child.job, child.output
    blink = time.monotonic() + BLINK_S
    deadline = blink - BLINK_S + job.max_time_s
    noticed = False
    now_at = max(2, stops.count + 1)
    told = not job.hears_stop
    poller = select.poll()
    for fd in (pidfd, output.fd, stops.fd):
        poller.register(fd, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if stops.count >= now_at:
            return "ended, since we are to stop now"
        if stops.count and not told:
            told = True
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not noticed and time.monotonic() >= blink:
            noticed = True
            child.lasting()
        wait_s = min(left, LONGEST_WAIT_S if noticed else BLINK_S)
        ready = {fd for fd, _ in poller.poll(wait_s * 1000)}
        if stops.fd in ready:
            stops.drain()
        if output.fd in ready:
            output.read()
            if not output.open:
                poller.unregister(output.fd)
        if pidfd in ready:
            return ""
    return f"no end within {job.max_time_s:g} s"


def _say(code: int | None) -> str:
    """Say how it ended by itself.

    >>> _say(1), _say(-15)
    ('exit code 1', 'ended by SIGTERM')
    """
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"
