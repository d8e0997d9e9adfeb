"""Launching up to 600 machines in two regions at 100 ms a call: groups, singles, the original.

The stand-in for EC2 keeps AWS's documented buckets. Ours are whole processes, as cron starts them.
The original's way is its loop, one machine after another: RunInstances, half a second's sleep, and
four CreateTags; ten machines are started so, and the time is multiplied.
"""

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.results import Kind, Part, Row
from farmhand.tables.launches import launches
from tests.ec2_client import make_client
from tests.ec2_control import Ec2Server, running_ec2_server
from tests.farm import BUILD, REGIONS, Farm

LATENCY_S = 0.1
FEW, MACHINES, MANY = 10, 100, 600
MANY_FREE = 1000
SINGLE = "{{ hostname }} {{ launch_id }}\n"
TAGS = ("Name", "FQDN", "moz-type", "moz-state")
LOOPED = 10
SLEEP_S = 0.5
CASE = "first call to last name, two regions, 100 ms a call"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One measured run; seconds count from its first RunInstances, but for the whole."""

    machines: int
    calls: Counter[str]
    throttled: int
    launched_s: float
    named_s: float
    whole_s: float


def measure_all(quick: bool) -> list[Row]:
    """Measure each method once; `quick` leaves out those that take long."""
    with running_ec2_server() as ec2:
        groups = [run_ours(ec2, count) for count in ((FEW,) if quick else (FEW, MACHINES, MANY))]
        idle = run_ours(ec2, 0)
        singly = [] if quick else [run_ours(ec2, MACHINES, SINGLE)]
        loop_s = run_loop(ec2) / LOOPED
    rows = [row_of("watch-pending, in groups", Kind.OURS, found) for found in groups]
    name = "watch-pending, a call for each (a template with hostname)"
    rows += [row_of(name, Kind.PEER, found) for found in singly]
    for found in groups:
        said = {"EC2 calls": found.machines * 5, "RunInstances": found.machines}
        rows.append(
            Row(
                case=CASE,
                size=found.machines,
                method="the original's loop (extrapolated from ten)",
                kind=Kind.NAIVE,
                value=loop_s * found.machines,
                unit="s",
                also={**said, "CreateTags": found.machines * len(TAGS), "throttled": 0},
            )
        )
    rows.append(
        Row(
            case="all are on their way, nothing to launch",
            method="watch-pending",
            kind=Kind.OURS,
            value=idle.whole_s,
            unit="s",
            also=calls_of(idle),
        )
    )
    return rows


def row_of(method: str, kind: Kind, found: Found) -> Row:
    """Make a run's row: the time from the first call until all is launched and named."""
    more = {"all launched, s": found.launched_s, "whole run, s": found.whole_s}
    return Row(
        case=CASE,
        size=found.machines,
        method=method,
        kind=kind,
        value=found.named_s,
        unit="s",
        also={**calls_of(found), **more},
    )


def calls_of(found: Found) -> dict[str, float | str]:
    """Say how often EC2 was called."""
    return {
        "EC2 calls": found.calls.total(),
        "RunInstances": found.calls["RunInstances"],
        "CreateTags": found.calls["CreateTags"],
        "throttled": found.throttled,
    }


def run_ours(ec2: Ec2Server, machines: int, template: str | None = None) -> Found:
    """Let one run start so many machines, half of them in each region; none: a second run."""
    ec2.reset()
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        farm = make_farm(Path(folder), ec2, machines or MACHINES)
        if template:
            (farm.directory / "worker.user-data.j2").write_text(template)
        if not machines:
            farm.run_from_cron("run")
        ec2.clear_calls()
        ec2.settings(buckets=True, latency_s=LATENCY_S)
        began = time.time()
        done = farm.run_from_cron("run")
        whole_s = time.time() - began
        assert done.code == 0, done.err
        times = [each.at for each in ec2.calls() if each.action in {"RunInstances", "CreateTags"}]
        first, last = min(times, default=began), max(times, default=began)
        return Found(
            machines=machines,
            calls=Counter(ec2.call_counts()),
            throttled=sum(ec2.throttled_counts().values()),
            launched_s=find_last_launch(farm).timestamp() - first,
            named_s=last + LATENCY_S - first,
            whole_s=whole_s,
        )


def make_farm(folder: Path, ec2: Ec2Server, machines: int) -> Farm:
    """Make a farm in which so many jobs wait, and each region has room for half."""
    farm = Farm.make(folder, ec2)
    farm.allow_groups()
    for region in REGIONS:
        farm.watch["spot"]["limits"][region]["bld-linux64"] = machines // 2
        for subnet in farm.subnets[region]:
            ec2.set_free_addresses(subnet, MANY_FREE)
    farm.watch["spot"]["limits"]["global"]["bld-linux64"] = machines
    farm.add_pending(BUILD, machines)
    return farm


def find_last_launch(farm: Farm) -> datetime:
    """Find when the last launch was answered and journalled."""
    with farm.database.connect() as connection:
        found: datetime = connection.execute(
            sa.select(sa.func.max(launches.c.closed_at))
        ).scalar_one()
    return found


def run_loop(ec2: Ec2Server) -> float:
    """Start LOOPED machines as the original did; return the seconds."""
    ec2.reset()
    image = ec2.add_image(REGIONS[0], "worker")
    client = make_client(ec2, REGIONS[0])
    ec2.settings(buckets=True, latency_s=LATENCY_S)
    began = time.perf_counter()
    for number in range(LOOPED):
        reply = client.run_instances(
            ImageId=image, InstanceType="c7i.xlarge", MinCount=1, MaxCount=1
        )
        time.sleep(SLEEP_S)
        for tag in TAGS:
            client.create_tags(
                Resources=[reply["Instances"][0]["InstanceId"]],
                Tags=[{"Key": tag, "Value": f"bld-linux64-{number:03d}"}],
            )
    return time.perf_counter() - began


PART = Part(
    name="launch",
    title="Launching many machines",
    about="Whole commands, as cron starts them, against a stand-in that keeps AWS's documented "
    "rates; the original's loop has one RunInstances, half a second's sleep and four CreateTags "
    "for each machine.",
    sized_by="machines",
    about_s=80,
    measure=measure_all,
)
