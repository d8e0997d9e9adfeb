"""A night of bad days: a farm, its demand, and what AWS, machines and hosts do to it, by dice.

A round is a minute: everything that is written down gets a minute older after it. Machines boot,
take a job each, and finish it; some are reclaimed. After each round the promises are checked.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from farmhand.tables.base import UtcDateTime, metadata
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import GONE, kill, known, live, read, runs
from tests.scheduler_schemas import METADATA, add_worker
from tests.stops import set_connected

MINUTE = timedelta(minutes=1)
JACUZZI = "Linux x86-64 mozilla-central nightly"
NOBODY_S = "Something that no pattern matches"
BUILDERS = (BUILD, BUILD, TRY, JACUZZI, NOBODY_S)
TYPES = {BUILD: "bld-linux64", JACUZZI: "bld-linux64", TRY: "try-linux64"}
LIMITS = {"global": 12, "us-east-1": 8, "us-west-2": 6}
ON_DEMAND = 3
MOST_USD_PER_HOUR = 1.5
PRICES = {"c7i.xlarge": 0.05, "m7i.xlarge": 0.08}
LIST_PRICES = {"c7i.xlarge": 0.18, "m7i.xlarge": 0.2}
BOOTS_ROUNDS = 3
# Whatever else goes wrong, a run may end so; never by a bug (1) or by what we configured (2).
ENDS = {0, 3, 4, 75}
HOSTS = ("one", "two")


def settle(farm: Farm) -> None:
    """Set the farm's limits, and user data that lets launches share a call."""
    farm.watch["spot"]["limits"] = {
        scope: dict.fromkeys(set(TYPES.values()), most) for scope, most in LIMITS.items()
    }
    farm.watch["on_demand"]["limits"] = {
        "global": dict.fromkeys(set(TYPES.values()), ON_DEMAND),
    }
    farm.watch["max_usd_per_hour"] = MOST_USD_PER_HOUR
    farm.watch["usd_per_hour"] = LIST_PRICES
    farm.watch["jacuzzis"] = {JACUZZI: ["bld-linux64-001", "bld-linux64-002"]}
    template = farm.directory / "worker.user-data.j2"
    template.write_text("#!/bin/sh\necho {{ names | join(' ') }} {{ launch_id }}\n")


@dataclass(kw_only=True)
class Night:
    """The dice decide everything; `broken` says whether machines that boot never connect."""

    farm: Farm
    engine: sa.Engine
    dice: random.Random
    broken: bool = False
    round: int = 0
    born: dict[str, int] = field(default_factory=dict)
    connected: set[str] = field(default_factory=set)

    def fall(self) -> None:
        """Live through a minute."""
        self.round += 1
        for _ in range(self.dice.randint(0, 3)):
            self.farm.add_pending(self.dice.choice(BUILDERS), self.dice.randint(1, 4))
        if self.dice.random() < 0.6:
            self.dice.choice(EVENTS)(self)
        self._run()
        self._work()
        self._grow_old()
        self.check()

    def calm(self) -> None:
        """Let all that was wrong be mended."""
        self.farm.ec2.clear_faults()
        self.farm.ec2.settings(lag_s=0.0, buckets=False)
        self.broken = False
        for subnets in self.farm.subnets.values():
            for subnet in subnets:
                self.farm.ec2.set_free_addresses(subnet, 100)

    def dawn(self, rounds: int = 12) -> None:
        """Let it all come to its end: no new jobs, nothing wrong, and time for what is open."""
        self.calm()
        for each in self.machines():
            if self.born.get(each["id"], 0) > self.round:  # it will never connect
                self.farm.ec2.poke_instance(each["id"], state="terminated")
        for _ in range(rounds):
            self._run_alone(HOSTS[0], "--retry-stopped")
            self._work()
            self._grow_old()
            self.check()

    def _run(self) -> None:
        """Run on one host or on both at once; now and then one is killed."""
        hosts = self.dice.sample(HOSTS, self.dice.choice((1, 1, 1, 2)))
        killed = self.dice.random() < 0.2
        if len(hosts) == 1 and not killed:
            self._run_alone(hosts[0])
            return
        commands = [self.farm.start("run", **self._environ(host)) for host in hosts]
        if killed:
            time.sleep(self.dice.uniform(0, 0.6))
            kill(commands.pop())
        for command in commands:
            done = command.finish(60)
            assert done.code in ENDS, done.err

    def _run_alone(self, host: str, *args: str) -> None:
        done = self.farm.run("run", *args, **self._environ(host))
        assert done.code in ENDS, done.err

    def _environ(self, host: str) -> dict[str, str]:
        state = str(self.farm.directory / f"state-{host}")
        return {"FARMHAND_STATE": state, "FARMHAND_HOST": host}

    def machines(self) -> list[dict[str, Any]]:
        """List what lives in EC2, whether it shows it or not."""
        return [each for each in self.farm.ec2.instances() if each["state"] not in GONE]

    def names(self) -> list[str]:
        """List the names that live machines bear, by the tags that each launch gave them."""
        return sorted(name_of(each) for each in self.machines())

    def _work(self) -> None:
        """Let machines that have booted connect, take one job each, and be done with it."""
        alive = {each["id"]: name_of(each) for each in self.machines()}
        for instance_id in alive:
            if instance_id not in self.born:
                self.born[instance_id] = 1 << 30 if self.broken else self.round
        for instance_id, name in alive.items():
            if self.round - self.born[instance_id] >= BOOTS_ROUNDS and name not in self.connected:
                self._connect(name, instance_id)
        for name in self.connected - set(alive.values()):
            self._disconnect(name)
        for name in sorted(self.connected):
            if self.dice.random() < 0.5:
                self._complete_one(name)

    def _connect(self, name: str, instance_id: str) -> None:
        scheduler, shape = self.farm.scheduler, self.farm.shape
        with scheduler.connect() as connection:
            workers = METADATA[shape].tables["workers"]
            exists = connection.scalar(sa.select(workers.c.id).where(workers.c.name == name))
        if exists is None:
            add_worker(scheduler, shape, name, info={"host": instance_id})
        else:
            set_connected(self.farm, name, connected=True)
        self.connected.add(name)

    def _disconnect(self, name: str) -> None:
        set_connected(self.farm, name, connected=False)
        self.connected.discard(name)

    def _complete_one(self, name: str) -> None:
        """Complete the oldest request that the worker may build."""
        tables = METADATA[self.farm.shape].tables
        requests, builders = tables["buildrequests"], tables["builders"]
        in_jacuzzi = name in self.farm.watch["jacuzzis"][JACUZZI]
        mine = [
            builder
            for builder, instance_type in TYPES.items()
            if name.startswith(instance_type) and (builder == JACUZZI) == in_jacuzzi
        ]
        oldest = (
            sa.select(sa.func.min(requests.c.id))
            .join(builders, builders.c.id == requests.c.builderid)
            .where(requests.c.complete == 0, builders.c.name.in_(mine))
        )
        with self.farm.scheduler.begin() as connection:
            request = connection.scalar(oldest)
            done = requests.update().where(requests.c.id == request).values(complete=1, results=0)
            connection.execute(done)

    def _grow_old(self) -> None:
        """Let a minute pass over everything that is written down."""
        with self.engine.begin() as connection:
            for table in metadata.sorted_tables:
                _age(connection, table)
        requests = METADATA[self.farm.shape].tables["buildrequests"]
        older = requests.c.submitted_at - int(MINUTE.total_seconds())
        with self.farm.scheduler.begin() as connection:
            connection.execute(requests.update().values(submitted_at=older))
        for each in self.machines():
            launched = datetime.fromisoformat(each["launch_time"])
            earlier = (launched - MINUTE).isoformat()
            self.farm.ec2.poke_instance(each["id"], launch_time=earlier)

    def check(self) -> None:
        """See that the promises hold, whatever has happened."""
        machines = self.machines()
        names = Counter(name_of(each) for each in machines)
        assert [name for name, count in names.items() if count > 1] == [], self.round
        by_type = Counter((each["lifecycle"], type_of(each)) for each in machines)
        by_region = Counter(
            (type_of(each), each["region"]) for each in machines if each["lifecycle"] == "spot"
        )
        for instance_type in set(TYPES.values()):
            assert by_type["spot", instance_type] <= LIMITS["global"], self.round
            assert by_type["on-demand", instance_type] <= ON_DEMAND, self.round
            for region in REGIONS:
                assert by_region[instance_type, region] <= LIMITS[region], self.round
        assert round(sum(map(price_of, machines)), 6) <= MOST_USD_PER_HOUR, self.round
        for row in read(self.engine, runs):
            summary = row["summary"] or {}
            if summary.get("unmet"):
                why = (summary["why_not"], summary["errors"], summary.get("error"))
                assert any(why), row

    def unknown(self) -> Mapping[str, Any]:
        """Return what lives in EC2 and has no row, or not the right one."""
        rows = known(self.engine)
        return {key: each for key, each in live(self.farm.ec2).items() if key not in rows}


def name_of(machine: Mapping[str, Any]) -> str:
    """Say whose place a machine has: its Name, or its part of the names of its group."""
    tags = machine["tags"]
    if "Name" in tags:
        return str(tags["Name"])
    parts = [tags[key] for key in sorted(tags) if key.startswith("farmhand:names-")]
    return str(",".join(parts).split(",")[machine["launch_index"]])


def type_of(machine: Mapping[str, Any]) -> str:
    """Return a machine's instance type."""
    return str(machine["tags"]["moz-type"])


def price_of(machine: Mapping[str, Any]) -> float:
    """Return what a machine costs an hour."""
    spot = machine["lifecycle"] == "spot"
    return (PRICES if spot else LIST_PRICES)[machine["ec2_type"]]


def _age(connection: sa.Connection, table: sa.Table) -> None:
    """Let all that a table says of time be a minute older."""
    times = [each for each in table.c if isinstance(each.type, UtcDateTime)]
    keys = list(table.primary_key.columns)
    if not times or not sa.inspect(connection).has_table(table.name):
        return
    moved = [
        {f"key_{key.name}": row[key.name] for key in keys}
        | {each.name: row[each.name] and row[each.name] - MINUTE for each in times}
        for row in connection.execute(sa.select(*keys, *times)).mappings()
    ]
    if moved:
        where = [key == sa.bindparam(f"key_{key.name}") for key in keys]
        values: dict[str, Any] = {each.name: sa.bindparam(each.name) for each in times}
        connection.execute(table.update().where(*where).values(values), moved)


# What may happen


def _no_capacity(night: Night) -> None:
    where = night.dice.choice(({"InstanceType": "c7i.xlarge"}, {"@az": "us-east-1a"}, {}))
    code = night.dice.choice(("InsufficientInstanceCapacity", "UnfulfillableCapacity"))
    left = night.dice.randint(1, 6)
    night.farm.ec2.add_fault(action="RunInstances", match=where, code=code, left=left)


def _quota(night: Night) -> None:
    night.farm.ec2.add_fault(
        action="RunInstances",
        match={"@market": "spot"},
        region=night.dice.choice(REGIONS),
        code="MaxSpotInstanceCountExceeded",
        left=night.dice.randint(1, 3),
    )


def _full_subnet(night: Night) -> None:
    region = night.dice.choice(REGIONS)
    night.farm.ec2.set_free_addresses(night.dice.choice(night.farm.subnets[region]), 0)


def _throttled(night: Night) -> None:
    night.farm.ec2.add_fault(
        action=night.dice.choice(("RunInstances", "Describe*", "CreateTags")),
        code="RequestLimitExceeded",
        left=night.dice.randint(1, 3),
    )


def _unanswered(night: Night) -> None:
    night.farm.ec2.add_fault(action="RunInstances", drop="after", left=1)


def _deaf_region(night: Night) -> None:
    region = night.dice.choice(REGIONS)
    night.farm.ec2.add_fault(
        action="DescribeInstances", region=region, code="UnauthorizedOperation", left=1
    )


def _bad_settings(night: Night) -> None:
    night.farm.ec2.add_fault(action="RunInstances", code="InvalidParameterValue", left=1)


def _no_tags(night: Night) -> None:
    night.farm.ec2.add_fault(
        action="CreateTags", code="InvalidParameterValue", left=night.dice.randint(1, 4)
    )


def _lag(night: Night) -> None:
    night.farm.ec2.settings(lag_s=night.dice.uniform(0.5, 3))


def _reclaim(night: Night) -> None:
    machines = night.machines()
    for each in night.dice.sample(machines, min(len(machines), 3)):
        night.farm.ec2.poke_instance(each["id"], state="terminated")


def _broken_machines(night: Night) -> None:
    night.broken = True


EVENTS: tuple[Callable[[Night], None], ...] = (
    _no_capacity,
    _no_capacity,
    _quota,
    _full_subnet,
    _throttled,
    _unanswered,
    _deaf_region,
    _bad_settings,
    _no_tags,
    _lag,
    _reclaim,
    _reclaim,
    _broken_machines,
    Night.calm,
    Night.calm,
)
