"""What a whole farm is to be like, and the files that say so: from those that we ship."""

import csv
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from tests import buildbot_master
from tests.ec2_control import Ec2Server
from tests.machine_image import MachineImage
from tests.services import free_port

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "configs"
TAC = ROOT / "slavealloc/tacs/buildbot-worker.tac.j2"
FARM = "demo"
ZONES = {
    "us-east-1": ("us-east-1a", "us-east-1b", "us-east-1d"),
    "us-west-2": ("us-west-2a", "us-west-2b"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FarmPlan:
    """`builders` says which instance type each one needs, `limits` how many machines there may be.

    Of each instance type Buildbot and slavealloc know `names` workers. `watch` and `runner` are
    what farmhand.yml has besides, on the manager host and on machines. With `left_behind`, each
    build leaves a process behind.
    """

    directory: Path
    builders: Mapping[str, str]
    limits: Mapping[str, int]
    watch: Mapping[str, Any] = field(default_factory=dict)
    runner: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    shipped: tuple[str, ...] = ("4-buildbot",)
    disk: bool = False
    left_behind: bool = False
    scheduler_db: str | None = None
    farm_db: str | None = None
    build_seconds: float = 1.0
    boot_s: float = 0.0
    names: int = 9
    pb_port: int = field(default_factory=free_port)
    www_port: int = field(default_factory=free_port)
    allocator_port: int = field(default_factory=free_port)

    @property
    def master_directory(self) -> Path:
        """Where the master lives."""
        return self.directory / "master"

    @property
    def scheduler_url(self) -> str:
        """Buildbot's database, as farmhand.yml has it."""
        return self.scheduler_db or f"sqlite:///{self.master_directory}/state.sqlite"

    @property
    def farm_url(self) -> sa.URL:
        """The farm's database, with a driver."""
        return with_driver(self.farm_db or f"sqlite:///{self.directory}/farmhand.db")

    @property
    def allocator_url(self) -> str:
        """Where slavealloc listens."""
        return f"http://127.0.0.1:{self.allocator_port}"

    def workers(self, instance_type: str) -> list[str]:
        """Name an instance type's workers."""
        return [f"{instance_type}-spot-{number:03d}" for number in range(1, self.names + 1)]

    def all_workers(self) -> dict[str, str]:
        """Name all workers: name → instance type."""
        return {name: kind for kind in self.limits for name in self.workers(kind)}


def with_driver(url: str) -> sa.URL:
    """Make a URL that SQLAlchemy takes of one that farmhand.yml has."""
    made = sa.make_url(url)
    return made.set(drivername="mysql+pymysql") if made.drivername == "mysql" else made


def write_config(plan: FarmPlan, ec2: Ec2Server) -> None:
    """Write the manager host's farmhand.yml: the shipped one, with the networks of the stand-in."""
    settings = yaml.safe_load((SHIPPED / "farmhand.yml").read_text())
    settings = {"farm": FARM, **{name: settings[name] for name in ("watch_pending", "slavealloc")}}
    if plan.farm_db is not None:
        settings["database"] = plan.farm_db
    watch = settings["watch_pending"]
    types = {name: watch["instance_types"][name] for name in plan.limits}
    for name, instance_type in types.items():
        for region in instance_type["regions"]:
            instance_type["regions"][region] |= make_place(ec2, region, name)
    master = f"{os.uname().nodename}:{plan.master_directory}"
    watch |= {
        "scheduler_db": plan.scheduler_url,
        "min_pending_age_s": 0,
        "buildermap": {
            pattern: kind for pattern, kind in watch["buildermap"].items() if kind in types
        },
        "instance_types": types,
        "jacuzzis": {},
        "masters": {master: {"url": f"http://127.0.0.1:{plan.www_port}/"}},
        "on_demand": {"limits": {"global": dict.fromkeys(types, 0)}},
        "spot": make_spot(plan, watch["spot"]["rules"]),
        **plan.watch,
    }
    settings["slavealloc"]["api_url"] = plan.allocator_url
    for template in SHIPPED.glob("*.j2"):
        (plan.directory / template.name).write_text(template.read_text())
    (plan.directory / "farmhand.yml").write_text(yaml.safe_dump(settings, sort_keys=False))


def make_spot(plan: FarmPlan, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Make the section `spot`: the shipped rules, and the plan's limits."""
    limits = {scope: dict(plan.limits) for scope in ("global", *ZONES)}
    return {"rules": {name: rules[name] for name in plan.limits}, "limits": limits}


def make_place(ec2: Ec2Server, region: str, name: str) -> dict[str, Any]:
    """Make one instance type's networks and AMI in a region."""
    ec2.add_image(region, f"spot-{name}-2026-11-20", tags={"moz-type": name})
    return {
        "subnets": [ec2.add_subnet(region, zone, free=60) for zone in ZONES[region]],
        "security_groups": [ec2.add_security_group(region, name)],
        "instance_profile": None,
    }


@cache
def market() -> Mapping[tuple[str, str], float]:
    """Make a market: (zone, EC2 type) → USD an hour, a third of the list price, more or less."""
    settings = yaml.safe_load((SHIPPED / "farmhand.yml").read_text())
    listed = settings["watch_pending"]["usd_per_hour"]
    chance = random.Random(20)  # the same every time
    return {
        (zone, ec2_type): round(price * chance.uniform(0.28, 0.45), 4)
        for zones in ZONES.values()
        for zone in zones
        for ec2_type, price in listed.items()
    }


def seed_prices(ec2: Ec2Server) -> None:
    """Fill the stand-in's market."""
    ec2.seed_prices(
        [
            {"region": zone[:-1], "az": zone, "ec2_type": ec2_type, "price_usd_per_hour": price}
            for (zone, ec2_type), price in market().items()
        ]
    )


def make_image(plan: FarmPlan) -> MachineImage:
    """Make what all machines have on their disks."""
    settings = yaml.safe_load((SHIPPED / "farmhand.yml").read_text())
    runner = settings["runner"] | dict(plan.runner)
    # Machines here share one host name; a real one has its own, and needs no `slavename`.
    worker = {"slavename": "${FARMHAND_HOST}", "basedir": "/builds/slave"}
    runner["worker"] = worker | dict(runner.get("worker", {}))
    runslave = {"allocator_url": f"{plan.allocator_url}/gettac/SLAVE", "timeout_s": 60}
    return MachineImage(
        settings={"farm": FARM, "runslave": runslave, "runner": runner},
        tasks=plan.tasks,
        shipped=plan.shipped,
        disk=plan.disk,
    )


def write_places(plan: FarmPlan) -> list[str]:
    """Write what slavealloc imports: workers, masters, passwords and a tac; return the options."""
    folder = plan.directory / "slavealloc"
    folder.mkdir(exist_ok=True)
    words = []
    for option, rows in make_places(plan).items():
        path = folder / f"{option[2:]}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        words += [option, str(path)]
    # The shipped tac looks each 10 s whether it shall leave; this one hears it at once.
    tac = TAC.read_text().replace("allow_shutdown = 'file'", "allow_shutdown = 'signal'")
    (folder / TAC.name).write_text(tac)
    return [*words, "--tac-template", str(folder / TAC.name), "--enable"]


def make_places(plan: FarmPlan) -> dict[str, list[dict[str, Any]]]:
    """Make slavealloc's rows: option of `dbimport` → its file's."""
    same = {"pool": "build", "distro": "linux64", "datacenter": "here", "market": "spot"}
    basedir = f"{plan.directory}/machines/{{}}/builds/slave"
    workers = [
        {"name": name, "basedir": basedir.format(name), "instance_type": kind, **same}
        for name, kind in plan.all_workers().items()
    ]
    master = {
        "nickname": "bm1-build",
        "fqdn": "127.0.0.1",
        "pb_port": plan.pb_port,
        "http_port": plan.www_port,
        "datacenter": "here",
        "pool": "build",
    }
    password = {"pool": "build", "distro": "*", "password": buildbot_master.PASSWORD}
    return {"--slave-data": workers, "--master-data": [master], "--password-data": [password]}
