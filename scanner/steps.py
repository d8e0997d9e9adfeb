"""What a run does to one daemon at a time, over the network only; the database waits outside.

Each step ends in a Done, whatever the daemon does; only what is our own trouble says so.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from farmhand.errors import FarmError
from scanner.collect import Collector, Harvest
from scanner.models import Assignment, Daemon, Job, Observation, StopReason, Verdict
from scanner.store import StoreTrouble
from scanner.transport.calls import Order, Source, Transport
from scanner.transport.errors import DaemonFault, HostExhausted, ProtocolError, UnknownState
from scanner.transport.wire import DaemonState, Dialect, Status

log = logging.getLogger("scanner")
BUILD_TYPES = ("binarypackage", "debian")


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What a daemon said when it was asked; `job` is what it had then."""

    daemon: Daemon
    seen: Observation | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What a build has left; None where that could not be had."""

    daemon: Daemon
    verdict: Verdict
    harvest: Harvest | None = None
    error: str = ""
    ours: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Aborted:
    """abort() was called; what came of it, the next status tells."""

    daemon: Daemon
    reason: StopReason | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """clean() was called; `error` where the daemon is not IDLE now."""

    daemon: Daemon
    error: str = ""


class Outcome(StrEnum):
    """How giving a job to a daemon ended.

    REFUSED, by the daemon or for its files, counts against both; PUT_OFF against nobody. UNSURE:
    only the next status tells whether it builds.
    """

    STARTED = "started"
    REFUSED = "refused"
    PUT_OFF = "put off"
    UNSURE = "unsure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A job was given to a daemon, of which more is known now.

    `sweep`: it may build something all the same.
    """

    daemon: Daemon
    outcome: Outcome
    reason: str = ""
    sweep: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A build's manifest is there; `error` where something is left to do by hand, or again."""

    build_id: int
    error: str = ""
    again: bool = False


Done = Observed | Collected | Aborted | Cleaned | Started | Published


@dataclass(kw_only=True, slots=True)
class LeaseClock:
    """Says whether leases renewed last at `renewed` can't have lapsed yet; our own clock."""

    lease_s: float
    renewed: float = 0.0

    def note(self) -> None:
        """Count from now."""
        self.renewed = time.monotonic()

    def is_fresh(self) -> bool:
        """Whether it is too early to renew them."""
        return time.monotonic() - self.renewed < self.lease_s / 4

    def holds(self) -> bool:
        """Whether there is time enough for one more call."""
        return time.monotonic() - self.renewed < self.lease_s / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """All steps, with what they need."""

    transport: Transport
    collector: Collector
    fetches: asyncio.Semaphore
    collects: asyncio.Semaphore
    clock: LeaseClock

    async def observe(self, daemon: Daemon) -> Observed:
        """Ask a daemon what it does; a disabled one is not asked."""
        if not daemon.enabled:
            return Observed(daemon=daemon, seen=None)
        try:
            seen = Observation(status=await self.transport.status(daemon.url))
        except FarmError as err:
            seen = Observation(
                status=None,
                error=str(err),
                ours=isinstance(err, HostExhausted),
                unknown=isinstance(err, UnknownState),
            )
        return Observed(daemon=daemon, seen=seen)

    async def collect(
        self, daemon: Daemon, job: Job, status: Status, verdict: Verdict
    ) -> Collected:
        """Store what a build has left."""
        try:
            async with self.collects:
                harvest = await self.collector.collect(daemon.url, job, status, verdict)
        except FarmError as err:
            ours = isinstance(err, HostExhausted | StoreTrouble)
            return Collected(daemon=daemon, verdict=verdict, error=str(err), ours=ours)
        return Collected(daemon=daemon, verdict=verdict, harvest=harvest)

    async def abort(self, daemon: Daemon, reason: StopReason | None) -> Aborted:
        """Have a daemon end what it builds."""
        try:
            await self.transport.abort(daemon.url)
        except FarmError as err:
            log.info("%s: abort() failed, which may mean that it has ended: %s", daemon.name, err)
        return Aborted(daemon=daemon, reason=reason)

    async def clean(self, daemon: Daemon) -> Cleaned:
        """Have a daemon forget a build that has ended."""
        try:
            await self.transport.clean(daemon.url)
        except FarmError as err:
            return Cleaned(daemon=daemon, error=str(err))
        return Cleaned(daemon=daemon)

    async def start(self, daemon: Daemon, assignment: Assignment | None) -> Started:
        """Have a daemon fetch what a job needs, and build it if it is still IDLE then."""
        job = daemon.job
        if job is None or assignment is None:
            return Started(daemon=daemon, outcome=Outcome.PUT_OFF, reason="its chroot is gone")
        try:
            async with self.fetches:
                daemon = await self._prepare(daemon, assignment)
                status = await self.transport.status(daemon.url)
        except HostExhausted as err:
            return Started(daemon=daemon, outcome=Outcome.PUT_OFF, reason=str(err))
        except FarmError as err:
            return Started(daemon=daemon, outcome=Outcome.REFUSED, reason=str(err))
        if status.state is not DaemonState.IDLE:
            reason = f"{daemon.name} is {status.state} though it has no job"
            return Started(daemon=daemon, outcome=Outcome.PUT_OFF, reason=reason)
        if not self.clock.holds():
            reason = "this run was too slow, and may have lost its lease"
            return Started(daemon=daemon, outcome=Outcome.PUT_OFF, reason=reason)
        return await self._build(daemon, job, assignment)

    async def _build(self, daemon: Daemon, job: Job, assignment: Assignment) -> Started:
        order = Order(
            cookie=job.cookie,
            build_type=str(assignment.build_type or daemon.build_type),
            chroot_sha1=assignment.chroot.sha1,
            files={name: source.sha1 for name, source in assignment.inputs},
            args=assignment.args,
        )
        try:
            reply = await self.transport.build(daemon.url, order)
        except (DaemonFault, ProtocolError) as err:
            # It may have started all the same, or have taken our cookie for another build.
            refused = Outcome.REFUSED
            return Started(daemon=daemon, outcome=refused, reason=str(err), sweep=True)
        except FarmError as err:
            return Started(daemon=daemon, outcome=Outcome.UNSURE, reason=str(err))
        if reply.accepted:
            return Started(daemon=daemon, outcome=Outcome.STARTED)
        reason = f"build() says {reply.text}"
        return Started(daemon=daemon, outcome=Outcome.REFUSED, reason=reason)

    async def _prepare(self, daemon: Daemon, assignment: Assignment) -> Daemon:
        """Learn how a daemon is spoken to, and have it fetch all files."""
        if daemon.build_type is None:
            info = await self.transport.info(daemon.url)
            offered = next((each for each in BUILD_TYPES if each in info.build_types), None)
            daemon = replace(daemon, build_type=offered, arch_tag=info.arch_tag)
            kind = assignment.build_type or offered
            if kind is None or kind not in info.build_types:
                raise FarmError(f"{daemon.name} builds no {kind or ' or '.join(BUILD_TYPES)}")
        if daemon.arity is None and daemon.dialect is Dialect.DICT:
            daemon = replace(daemon, arity=4)
        if daemon.arity is None:
            daemon = replace(daemon, arity=await self.transport.probe_arity(daemon.url))
        for name, source in (("the chroot", assignment.chroot), *assignment.inputs):
            await self._ensure(daemon, name, source)
        return daemon

    async def _ensure(self, daemon: Daemon, name: str, source: Source) -> None:
        presence = await self.transport.ensurepresent(daemon.url, source, arity=daemon.arity or 4)
        if not presence.present:
            raise FarmError(f"{daemon.name} could not get {name}: {presence.info}")
