"""Ten jobs on ten instances, from the request to the last one terminated: ours, and Buildbot's.

Both sides are a real Buildbot master of one version on its own, both use the same stand-in for EC2,
and their machines boot in the same way: a plain worker starts once EC2 shows an instance that runs
and bears a name. Ours are real commands, started at once where cron would start them in a while. An
idle machine goes at once on both sides, where their defaults let it wait for ten minutes.
"""

import math
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks.results import Kind, Part, Row
from tests.allocators import environ
from tests.buildbot_master import BuildbotMaster, running_master
from tests.ec2_control import Ec2Server, running_ec2_server
from tests.whole_farm import make_master
from tests.whole_farm_plan import FARM, FarmPlan, seed_prices, write_config

COUNT = 10
REPEATS = 2
BUILDER = "Linux x86-64 mozilla-central build"
TYPE = "bld-linux64"
OURS = "watch-pending, two regions, cron's lines started at once"
# Half of the periods of cron/crontab, a minute and five, and the age that a request must have.
CRON_ADDS = f"{10 + 60 // 2}; {10 + 60 // 2 + 300 // 2}"
LOOK_S = 0.1
BUILT_LIMIT_S, GONE_LIMIT_S, COMMAND_LIMIT_S, JOIN_LIMIT_S = 90.0, 60.0, 60.0, 15.0
# EC2LatentWorker looks each 5 s whether an instance is gone; so long no call must come.
QUIET_S, QUIET_LIMIT_S = 6.0, 30.0
BUILT = sa.text("SELECT COUNT(*) FROM buildrequests WHERE complete=1 AND results=0")
SPOT = {"spot_instance": True, "max_spot_price": 0.2}
PEERS: Mapping[str, Mapping[str, object]] = {
    "EC2LatentWorker, spot, no price history": SPOT | {"price_multiplier": None},
    "EC2LatentWorker, spot, price history": SPOT | {"price_multiplier": 1.2},
    "EC2LatentWorker, on demand": {},
}
_PEER_CFG = """
import os

os.environ.update({environ!r})
c["workers"] = [
    worker.EC2LatentWorker(name, farm["password"], tags={{"Name": name}}, **{options!r})
    for name in farm["workers"]
]
"""


@dataclass(frozen=True, slots=True)
class Before:
    """What came first: the master's start, and a run of cron's lines with nothing to do."""

    start_s: float
    start_calls: int
    idle_calls: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One measured run; seconds count from before the first force, and are infinite at a limit."""

    before: Before
    calls: Counter[str]
    built_s: float
    gone_s: float


@dataclass(kw_only=True, slots=True)
class Machines:
    """What boots here: a worker for each instance, by its id, until its plug is pulled."""

    ec2: Ec2Server
    master: BuildbotMaster
    plugs: dict[str, threading.Event] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Start and end workers as EC2 shows instances, until we close."""
        while not self.closing.wait(LOOK_S):
            for instance in self.ec2.instances():
                key, name = instance["id"], instance["name"]
                if instance["state"] == "running" and name and key not in self.plugs:
                    self.plugs[key] = threading.Event()
                    self.start(partial(self.boot, str(name), self.plugs[key]))
                elif instance["state"] == "terminated" and key in self.plugs:
                    self.plugs[key].set()

    def boot(self, name: str, plug: threading.Event) -> None:
        """Be a machine; one that ends before its worker is connected is nobody's fault."""
        with suppress(RuntimeError), self.master.worker(name):
            plug.wait()

    def start(self, work: Callable[[], None]) -> None:
        """Start a thread."""
        self.threads.append(threading.Thread(target=work, daemon=True))
        self.threads[-1].start()

    def close(self) -> None:
        """Pull all plugs, and wait until nothing runs."""
        self.closing.set()
        self.threads[0].join(JOIN_LIMIT_S)
        for plug in self.plugs.values():
            plug.set()
        for thread in self.threads[1:]:
            thread.join(JOIN_LIMIT_S)


@contextmanager
def booting(ec2: Ec2Server, master: BuildbotMaster) -> Iterator[None]:
    """Let instances boot."""
    machines = Machines(ec2=ec2, master=master)
    machines.start(machines.watch)
    try:
        yield
    finally:
        machines.close()


def measure(repeats: int = REPEATS) -> dict[str, list[Found]]:
    """Run each method in turn, so that a busy moment strikes all alike."""
    methods: dict[str, Callable[[Path, Ec2Server], Found]] = {OURS: run_ours}
    methods |= {name: partial(run_peer, options) for name, options in PEERS.items()}
    found: dict[str, list[Found]] = {name: [] for name in methods}
    with running_ec2_server() as ec2:
        for _ in range(repeats):
            for name, run in methods.items():
                ec2.reset()
                seed_prices(ec2)
                with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
                    found[name].append(run(Path(folder), ec2))
    return found


def run_ours(folder: Path, ec2: Ec2Server) -> Found:
    """Let cron's two lines do it; both have run before, when there was nothing to do."""
    plan = make_plan(folder)
    write_config(plan, ec2)
    more = {"FARMHAND_CONFIG": str(folder / "farmhand.yml"), **ec2.env(key=f"{FARM}.all")}
    cron = partial(run_command, environ(folder, **more), folder)
    ec2.clear_calls()
    began = time.perf_counter()
    with make_master(plan) as master, booting(ec2, master):
        start_s, start_calls = time.perf_counter() - began, take_calls(ec2).total()
        cron("run")
        cron("stop-idle")
        before = Before(start_s, start_calls, take_calls(ec2).total())
        return watch(ec2, master, before, cron)


def run_peer(options: Mapping[str, object], folder: Path, ec2: Ec2Server) -> Found:
    """Let the master do it, with latent workers that end their machine after each build."""
    workers = make_plan(folder).workers(TYPE)
    cfg = _PEER_CFG.format(environ=ec2.env(), options=make_options(ec2) | dict(options))
    ec2.clear_calls()
    began = time.perf_counter()
    with (
        running_master(folder, builders=[BUILDER], workers=workers, more_cfg=cfg) as master,
        booting(ec2, master),
    ):
        before = Before(time.perf_counter() - began, take_calls(ec2).total())
        return watch(ec2, master, before, lambda _: None)


def watch(
    ec2: Ec2Server, master: BuildbotMaster, before: Before, cron: Callable[[str], object]
) -> Found:
    """Ask for the builds, and wait until all is over; `stop-idle` runs as often as is needed."""
    forced = time.perf_counter()
    master.force(BUILDER, COUNT)
    cron("run")
    built_s = wait_for(lambda: are_built(master), BUILT_LIMIT_S, forced)
    gone_s = wait_for(lambda: bool(cron("stop-idle")) or are_gone(ec2), GONE_LIMIT_S, forced)
    wait_until_quiet(ec2)
    return Found(before, take_calls(ec2), built_s, gone_s)


def make_plan(folder: Path) -> FarmPlan:
    """Make the farm's plan: an idle machine goes at once, as does the peer's."""
    return FarmPlan(
        directory=folder,
        builders={BUILDER: TYPE},
        limits={TYPE: COUNT},
        watch={"stop_idle": {"idle_s": {"spot": 0.01}, "min_age_s": {"spot": 0.01}}},
        names=COUNT,
    )


def make_options(ec2: Ec2Server) -> dict[str, object]:
    """Make what all latent workers are told: one type in one zone, as they can't choose."""
    region = "us-east-1"
    return {
        "instance_type": "c7i.xlarge",
        "ami": ec2.add_image(region, "worker"),
        "region": region,
        "placement": "a",
        "subnet_id": ec2.add_subnet(region, f"{region}a", free=60),
        "security_group_ids": [ec2.add_security_group(region)],
        "keypair_name": "bench",
        "max_builds": 1,
        "build_wait_timeout": 0,
    }


def run_command(given: Mapping[str, str], folder: Path, verb: str) -> None:
    """Run a line of the crontab to its end."""
    words = [sys.executable, "-m", "watch_pending.cli", verb, "-q"]
    subprocess.run(words, env=given, cwd=folder, check=True, timeout=COMMAND_LIMIT_S)


def are_built(master: BuildbotMaster) -> bool:
    """Whether all requests have been built with success; asked of the database."""
    engine = sa.create_engine(master.db_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return bool(connection.scalar(BUILT) == COUNT)


def are_gone(ec2: Ec2Server) -> bool:
    """Whether all instances that were are terminated."""
    states = [each["state"] for each in ec2.instances()]
    return len(states) >= COUNT and set(states) == {"terminated"}


def wait_for(reached: Callable[[], bool], limit_s: float, since: float) -> float:
    """Return after how many seconds something was so, infinite if it took too long."""
    deadline = time.perf_counter() + limit_s
    while not reached():
        if time.perf_counter() > deadline:
            return math.inf
        time.sleep(LOOK_S / 2)
    return time.perf_counter() - since


def wait_until_quiet(ec2: Ec2Server) -> None:
    """Wait until nobody has called EC2 for a while."""
    deadline = time.perf_counter() + QUIET_LIMIT_S
    before, since = ec2.call_counts(), time.perf_counter()
    while time.perf_counter() < min(since + QUIET_S, deadline):
        time.sleep(LOOK_S)
        if (now := ec2.call_counts()) != before:
            before, since = now, time.perf_counter()


def take_calls(ec2: Ec2Server) -> Counter[str]:
    """Count EC2 calls by action, and begin anew."""
    found = +Counter(ec2.call_counts())
    ec2.clear_calls()
    return found


def measure_all(quick: bool) -> list[Row]:
    """Make the rows: EC2's calls, seconds until all was built, and until all was gone; medians."""
    found = measure(1 if quick else REPEATS)
    names = sorted({action for runs in found.values() for run in runs for action in run.calls})
    rows = []
    for method, runs in found.items():
        kind = Kind.OURS if method == OURS else Kind.PEER
        start_s = statistics.median(run.before.start_s for run in runs)
        timed: dict[str, float | str] = {
            "cron and min_pending_age_s would add, mean s": CRON_ADDS if kind is Kind.OURS else "0",
            "master starts, s": start_s,
        }
        calls: dict[str, float | str] = {
            name: statistics.mean(run.calls[name] for run in runs) for name in names
        }
        calls["besides: when the master starts"] = runs[0].before.start_calls
        calls["besides: cron's lines with nothing to do"] = runs[0].before.idle_calls
        measures: list[tuple[str, str, float, dict[str, float | str]]] = [
            ("all built", "s", statistics.median(run.built_s for run in runs), timed),
            ("all terminated", "s", statistics.median(run.gone_s for run in runs), timed),
            (
                "request to terminated",
                "EC2 calls",
                statistics.median(map(count_calls, runs)),
                calls,
            ),
        ]
        rows += [
            Row(case=case, method=method, kind=kind, value=value, unit=unit, also=also)
            for case, unit, value, also in measures
        ]
    return sorted(rows, key=lambda row: CASES.index(row.case))


def count_calls(found: Found) -> int:
    """Count a run's calls."""
    return found.calls.total()


CASES = ("all built", "all terminated", "request to terminated")
PART = Part(
    name="whole_farm",
    title="From ten requests to the last machine terminated",
    about=f"{COUNT} instances, {COUNT} builds of 1 s, beside Buildbot's own EC2LatentWorker. "
    "Cron's lines are started at once, and a column says what cron's minutes would add.",
    sized_by="",
    about_s=220,
    measure=measure_all,
)
