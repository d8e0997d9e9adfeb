"""A cloud to plan against, run after run: instances show late, launches fail, runs are killed.

It keeps what the farm database would, by the same rules, so that planning alone is tried out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random

from tests.builders import NOW
from tests.plans import make_plan
from tests.worlds import World
from watch_pending.aws_errors import Meaning, learn
from watch_pending.backoff_models import Backoff
from watch_pending.backoffs import remember, without_disproved
from watch_pending.models import Instance, Launch, OpenLaunch, Outcome, Plan, Snapshot, Status
from watch_pending.waves import with_outcomes

MOST_LAG_S = 120
UNSEEN = timedelta(seconds=300)
MOST_WAVES = 8
FATES = (*[Status.LAUNCHED] * 6, Status.UNKNOWN, *Meaning)


@dataclass(kw_only=True, slots=True)
class Sky:
    """What there is, what of it shows, and what was written down of it."""

    world: World
    random: Random
    now: datetime = NOW
    exist: dict[str, tuple[Instance, datetime]] = field(default_factory=dict)
    journal: dict[str, OpenLaunch] = field(default_factory=dict)
    backoffs: dict[str, Backoff] = field(default_factory=dict)
    tokens: Iterator[int] = field(default_factory=count)

    def look(self) -> Snapshot:
        """See what shows by now; what is not seen stays in the journal for five minutes."""
        seen = {token: each for token, (each, at) in self.exist.items() if at <= self.now}
        self.journal = {
            token: launch
            for token, launch in self.journal.items()
            if token not in seen and launch.begun_at and self.now - launch.begun_at < UNSEEN
        }
        return replace(
            self.world.snapshot,
            instances=(*self.world.snapshot.instances, *seen.values()),
            open_launches=(*self.world.snapshot.open_launches, *self.journal.values()),
            backoffs=tuple(
                replace(each, is_over=each.until is not None and each.until <= self.now)
                for each in self.backoffs.values()
            ),
        )

    def run(self) -> list[tuple[Snapshot, Plan]]:
        """Run once, perhaps killed in the midst; return what was planned on what."""
        snapshot, made = self.look(), list[tuple[Snapshot, Plan]]()
        while len(made) < MOST_WAVES and (plan := self._plan(snapshot)).launches:
            made.append((snapshot, plan))
            tokens = [f"sky-{next(self.tokens)}" for _ in plan.launches]
            planned = dict(zip(tokens, plan.launches, strict=True))
            self.journal |= {t: self._open(t, launch) for t, launch in planned.items()}
            killed_at = self.random.choice([None] * 5 + list(range(len(tokens))))
            outcomes = [self._call(t, planned[t]) for t in tokens[:killed_at]]
            if killed_at is not None:
                return made
            snapshot = with_outcomes(snapshot, outcomes)
        return made

    def _plan(self, snapshot: Snapshot) -> Plan:
        return make_plan(snapshot, self.world.config, now=self.now)

    def _open(self, token: str, launch: Launch) -> OpenLaunch:
        offer = launch.offer
        return OpenLaunch(
            token=token,
            name=launch.name,
            instance_type=launch.instance_type,
            market=offer.market,
            region=offer.region,
            availability_zone=offer.availability_zone,
            subnet=launch.subnet,
            ec2_type=offer.ec2_type,
            ami=offer.ami,
            begun_at=self.now,
        )

    def _call(self, token: str, launch: Launch) -> Outcome:
        fate = self.random.choice(FATES)
        if isinstance(fate, Meaning):
            del self.journal[token]
            self._refuse(fate, launch)
            exhausted = learn(fate, launch, "no luck")
            return Outcome(launch=launch, status=Status.FAILED, token=token, exhausted=exhausted)
        if fate is Status.LAUNCHED or self.random.random() < 0.5:
            self._start(token)
        if fate is Status.LAUNCHED:
            kept = without_disproved(self.backoffs.values(), [launch])
            self.backoffs = {each.scope: each for each in kept}
        return Outcome(launch=launch, status=fate, token=token)

    def _start(self, token: str) -> None:
        machine = self.journal[token]
        values = {each.name: getattr(machine, each.name) for each in fields(machine)}
        del values["begun_at"]
        instance = Instance(
            **values,
            instance_id=f"i-{token}",
            state="running",
            launched_at=self.now,
            farm=self.world.snapshot.farm,
        )
        shows_at = self.now + timedelta(seconds=self.random.uniform(0, MOST_LAG_S))
        self.exist[token] = (instance, shows_at)

    def _refuse(self, meaning: Meaning, launch: Launch) -> None:
        refused = remember(meaning, launch, "no luck")
        if refused is None:
            return
        old = self.backoffs.get(refused.scope)
        if old and (old.until is None or old.until > self.now):
            return
        failures = old.failures + 1 if old else 1
        stops = meaning in {Meaning.BAD_SETTINGS, Meaning.NO_ACCESS}
        wait = timedelta(seconds=self.world.config.backoff.wait_s(failures))
        self.backoffs[refused.scope] = Backoff(
            **{each.name: getattr(refused, each.name) for each in fields(refused)},
            failures=failures,
            began_at=old.began_at if old else self.now,
            until=None if stops else self.now + wait,
            is_over=False,
        )
