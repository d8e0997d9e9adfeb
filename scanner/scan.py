"""One scan: all daemons at once, in waves.

A wave is what has ended since the last one: its results are judged and written together, in one
transaction, and what follows is begun. So a daemon that hangs, or fetches for minutes, keeps nobody
waiting, and the statements of a wave are as many for one daemon as for thousands. While anything is
under way over the network, no transaction is open.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farmhand.conflicts import retried
from farmhand.db import FarmDb
from scanner import dispatch_queries, queries, result_queries
from scanner.config import Scanner
from scanner.dispatch import choose, warn_of_chroots
from scanner.judge import judge_result
from scanner.models import Action, Assignment, Daemon, Fate, Next
from scanner.progress import show_nothing
from scanner.publish import Publisher
from scanner.report import Report, tell
from scanner.rescue import find_pairs
from scanner.steps import (
    Collected,
    Done,
    Observed,
    Outcome,
    Published,
    Started,
    Steps,
)
from scanner.store import StoreTrouble

log = logging.getLogger("scanner")
Step = Coroutine[Any, Any, Done]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """Which jobs this run has just given, to which daemons; `missing`: what has no chroot."""

    missing: Sequence[Mapping[str, str]]
    daemons: Mapping[int, Daemon] = field(default_factory=dict)
    assignments: Mapping[int, Assignment] = field(default_factory=dict)


def do_nothing() -> None:
    """Go on."""


@dataclass(kw_only=True, slots=True)
class Scan:
    """A scan under way.

    `finished_scanning` is called once only files are under way, to daemons or from them, and builds
    are published: from then on another scan of this host may begin, for what takes long has its
    lease. `takes_jobs` is False where nothing is to be dispatched.
    """

    database: FarmDb
    limits: Scanner
    hold: queries.Hold
    steps: Steps
    publisher: Publisher
    finished_scanning: Callable[[], None] = do_nothing
    takes_jobs: bool = True
    progress: Callable[[int, int], None] = show_nothing
    report: Report = field(default_factory=Report)
    under_way: dict[asyncio.Task[Done], int | None] = field(default_factory=dict)
    lasting: set[asyncio.Task[Done]] = field(default_factory=set)
    ready: set[int] = field(default_factory=set)
    publishing: set[int] = field(default_factory=set)

    async def run(self, only: Collection[str]) -> Report:
        """Scan all daemons, or those of these names, that no other run works on."""
        held = self._take(only)
        self.steps.clock.note()
        self._publish()
        self.report.seen(held.values())
        for daemon in held.values():
            self._begin(self.steps.observe(daemon), daemon.id)
        try:
            while self.under_way:
                await self._wave()
        finally:
            await self._abandon()
        self._let_go(set())
        return self.report

    @retried
    def _take(self, only: Collection[str]) -> dict[int, Daemon]:
        with self.database.begin() as connection:
            queries.take_leases(connection, self.hold, only)
            dispatch_queries.renew_used_ids(connection)
            return queries.read_held(connection, self.hold)

    async def _wave(self) -> None:
        """Wait until all is done, or a while; settle what is."""
        done, _ = await asyncio.wait(self.under_way, timeout=self.limits.wave_s)
        for task in done:
            del self.under_way[task]
            self.lasting.discard(task)
        results = [result for task in done if (result := self._result_of(task)) is not None]
        if results or not self.steps.clock.is_fresh():
            self._settle(results)
        self.progress(len(self.report.verdicts), len(self.report.names))
        if set(self.under_way) <= self.lasting:
            self._release_idle()
            self.finished_scanning()

    def _result_of(self, task: asyncio.Task[Done]) -> Done | None:
        """Return a step's result; a bug in one step must not stop all others."""
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, Exception):
            raise error
        log.error("this is a bug in the scanner: please report it", exc_info=error)
        self.report.trouble(f"a step failed: {error!r}")
        return None

    async def _abandon(self) -> None:
        for task in self.under_way:
            task.cancel()
        await asyncio.gather(*self.under_way, return_exceptions=True)

    def _begin(self, step: Step, daemon_id: int | None, *, lasting: bool = False) -> None:
        task = asyncio.create_task(step)
        self.under_way[task] = daemon_id
        if lasting:
            self.lasting.add(task)

    def _busy(self) -> set[int]:
        return {each for each in self.under_way.values() if each is not None}

    # Settling

    def _settle(self, results: Sequence[Done]) -> None:
        """Write what follows from results, and begin what comes next."""
        settled = self._write(results)
        self.steps.clock.note()
        nexts = [each for _, each in settled]
        # Apart: it waits for builds that another scan is ending, which may wait for ours.
        if any(each.change and each.change.fate is Fate.ENDED for each in nexts):
            self._publish()
        for result, following in settled:
            self._tell(result, following)
            self._go_on(result, following)
        if self.takes_jobs and self._may_give(nexts):
            self._give()
        if nexts:
            self._let_go(self._busy() | self.ready)

    @retried
    def _write(self, results: Sequence[Done]) -> list[tuple[Done, Next]]:
        """Judge results by the rows as they are now, and write what follows."""
        asked = [(each.daemon, each.seen) for each in results if isinstance(each, Observed)]
        with self.database.begin() as connection:
            now = queries.renew(connection, self.hold)
            held = queries.read_held(connection, self.hold)
            known = queries.read_known(connection, find_pairs(asked))
            settled = [
                (result, following)
                for result in results
                if (following := judge_result(result, held, known, now, self.limits)) is not None
            ]
            queries.write_nexts(connection, [each for _, each in settled], now)
            result_queries.write_harvests(connection, _harvests(settled), now)
            published = [each for each in results if isinstance(each, Published)]
            self._note_published(connection, published)
        return settled

    def _tell(self, result: Done, following: Next) -> None:
        tell(self.report, following)
        if isinstance(result, Collected) and result.ours:
            self.report.trouble(result.error)
        if isinstance(result, Started) and result.outcome is Outcome.STARTED:
            self.report.started += 1

    def _go_on(self, result: Done, following: Next) -> None:
        """Begin what comes next for one daemon."""
        daemon, verdict = following.daemon, following.verdict
        status = result.seen.status if isinstance(result, Observed) and result.seen else None
        if following.then is Action.COLLECT and daemon.job is not None and status is not None:
            collect = self.steps.collect(daemon, daemon.job, status, verdict)
            self._begin(collect, daemon.id, lasting=True)
        elif following.then is Action.ABORT:
            self._begin(self.steps.abort(daemon, verdict.stop_reason), daemon.id)
        elif following.then is Action.CLEAN:
            self._begin(self.steps.clean(daemon), daemon.id)
        elif verdict.action is Action.READY:
            self.ready.add(daemon.id)

    @retried
    def _let_go(self, keep: set[int]) -> None:
        """Let others have the daemons that nothing more is to be done about."""
        with self.database.begin() as connection:
            queries.let_go(connection, self.hold, keep)

    def _release_idle(self) -> None:
        """Keep only the daemons of which files are under way: the next scan may have all others."""
        if self.ready:
            self.ready.clear()
            self._let_go(self._busy())

    # Giving jobs

    def _may_give(self, nexts: Iterable[Next]) -> bool:
        """Whether there is a free daemon, and anything new since the last time."""
        return bool(self.ready) and any(
            each.verdict.action is Action.READY
            or (each.change is not None and each.change.fate is Fate.REQUEUED)
            for each in nexts
        )

    def _give(self) -> None:
        """Give waiting jobs to free daemons: written first, then done."""
        claims = self._claim()
        self.steps.clock.note()
        self.report.warn(warn_of_chroots(claims.missing))
        self.ready -= set(claims.daemons)
        for key, daemon in claims.daemons.items():
            assignment = claims.assignments.get(daemon.job.build_id) if daemon.job else None
            self._begin(self.steps.start(daemon, assignment), key, lasting=True)

    @retried
    def _claim(self) -> Claims:
        with self.database.begin() as connection:
            queries.renew(connection, self.hold)
            ready = dispatch_queries.read_ready(connection, self.hold, self.ready)
            free = dispatch_queries.read_free(connection, ready)
            candidates = dispatch_queries.read_candidates(connection, len(free)) if free else ()
            missing = dispatch_queries.read_without_chroot(connection)
            pairs = choose(candidates, free)
            if not pairs:
                return Claims(missing=missing)
            claimed = dispatch_queries.claim_jobs(connection, self.hold, pairs, self.limits.fetch_s)
            assignments = dispatch_queries.read_assignments(connection, claimed)
        return Claims(missing=missing, daemons=claimed, assignments=assignments)

    # Publishing

    def _publish(self) -> None:
        """Begin to publish the builds that have ended."""
        for build in self._take_unpublished():
            if build.build_id not in self.publishing:
                self.publishing.add(build.build_id)
                self._begin(self._publish_one(build), None, lasting=True)

    @retried
    def _take_unpublished(self) -> tuple[result_queries.EndedBuild, ...]:
        lease_s = self.limits.command_s + self.limits.lease_s
        with self.database.begin() as connection:
            return result_queries.take_unpublished(connection, self.hold, lease_s)

    async def _publish_one(self, build: result_queries.EndedBuild) -> Published:
        async with self.steps.collects:
            try:
                error = await self.publisher.publish(build)
            except StoreTrouble as err:
                return Published(build_id=build.build_id, error=str(err), again=True)
        return Published(build_id=build.build_id, error=error or "")

    def _note_published(self, connection: Any, published: Sequence[Published]) -> None:
        done = [each.build_id for each in published if not each.again]
        if done:
            result_queries.write_published(connection, self.hold, done)
        for each in published:
            if each.error:
                self.report.trouble(each.error)


def _harvests(settled: Sequence[tuple[Done, Next]]) -> dict[int, Any]:
    """Find what is to be written of builds that end now: build id → what they left."""
    return {
        following.change.job.build_id: result.harvest
        for result, following in settled
        if isinstance(result, Collected)
        and result.harvest is not None
        and following.change is not None
    }
