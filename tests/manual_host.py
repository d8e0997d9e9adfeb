"""Makes the manual's world: directories, the shipped configuration with this farm's networks, a
scheduler database with jobs, a farm database with workers, and machines.
"""

import csv
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from slavealloc.cli import main as slavealloc
from tests import scheduler_schemas
from tests.allocators import ROOT, add_token
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.manual_stand_ins import write_stand_ins
from tests.manual_world import World
from tests.run_here import run_here
from tests.shell import Programs, Shell
from tests.stops import add_idle_machine, master_of
from tests.whole_farm_plan import ZONES, market

CONFIGS = ROOT / "configs"
FOLDERS = (
    "builds/slave",
    "etc/bash_completion.d",
    "etc/cron.d",
    "etc/farmhand/tasks.d",
    "etc/systemd/system",
    "home/buildduty",
    "opt/farmhand/bin",
    "run",
    "srv/farmhand/builds",
    "tmp",
    "var/backups/slavealloc",
    "var/lib/farmhand",
    "var/lib/prometheus/node-exporter",
    "var/log/farmhand",
    "var/www/html",
)
CLONED = ("configs", "cron", "docs")
# Pages speak of these beside those of configs/.
MORE_WORKERS = ("bld-linux64-007", "bld-linux64-008", "bld-linux64-009", "tst-linux64-001")
MORE_MASTERS = ("bm81-build1",)
EMPTY_FILES = ("chroot.tar.bz2", "hello_1.0-1.dsc")


def fill_database(directory: Path) -> Path:
    """Make a farm database with the workers and masters of configs/, and those of the pages."""
    path = directory / "farmhand.db"
    workers = _add_rows(directory, "workers.csv", MORE_WORKERS)
    masters = _add_rows(directory, "masters.csv", MORE_MASTERS)
    words = f"--slave-data {workers} --master-data {masters}"
    words += f" --password-data {CONFIGS}/passwords.csv --enable"
    environ = {"FARMHAND_STATE": str(directory), "FARMHAND_FARM": "example"}
    for command in ("dbinit", f"dbimport {words}"):
        done = run_here(slavealloc, [*command.split(), "-D", f"sqlite:///{path}"], environ)
        assert done.code == 0, done.err
    return path


def _add_rows(directory: Path, name: str, more: tuple[str, ...]) -> Path:
    """Copy a file of configs/ with more rows, like the first one but for their names."""
    rows = list(csv.reader((CONFIGS / name).read_text("utf-8").splitlines()))
    path = directory / name
    with path.open("w", newline="") as opened:
        csv.writer(opened).writerows([*rows, *([each, *rows[1][1:]] for each in more)])
    return path


@contextmanager
def running_world(directory: Path, ec2: Ec2Server, database: Path) -> Iterator[World]:
    """Make a world, as a page begins with it; `database` is its farm database, to be copied."""
    for folder in FOLDERS:
        (directory / folder).mkdir(parents=True)
    clone = directory / "home/buildduty/farmhand"
    for name in CLONED:
        shutil.copytree(ROOT / name, clone / name)
    for name in EMPTY_FILES:
        (directory / "var/www/html" / name).touch()
    shutil.copy(database, directory / "var/lib/farmhand/farmhand.db")
    own = directory / "run/manual"
    own.mkdir()
    write_stand_ins(own)
    programs = Programs(folder=own)
    programs.write(own / "programs", directory / "opt/farmhand/bin", clone / ".venv/bin")
    programs.write_program(own / "aws", "tests.aws_line")
    farm = make_farm(directory, ec2)
    with ExitStack() as held:
        held.enter_context(master_of(farm))
        held.enter_context(programs.serving())
        environ = make_environ(directory, ec2, own / "bin")
        farm.environ = environ
        secrets = directory / "etc/farmhand/secrets.yml"
        secrets.write_text(yaml.safe_dump({"slavealloc": {"api_token": environ["FARMHAND_TOKEN"]}}))
        secrets.chmod(0o600)
        shell = Shell(programs, clone, environ)
        held.callback(shell.close)
        world = World(directory=directory, farm=farm, shell=shell, held=held)
        farm.settings["slavealloc"]["api_url"] = f"http://127.0.0.1:{world.port}"
        farm.settings["runslave"]["allocator_url"] = f"http://127.0.0.1:{world.port}/gettac/SLAVE"
        farm.settings["runslave"]["twistd_cmd"] = f"{own}/bin/twistd"
        farm.write_config()
        staging = {"farm": "staging", "database": f"sqlite:///{directory}/srv/staging.db"}
        (directory / "etc/farmhand/staging.yml").write_text(yaml.safe_dump(staging))
        yield world


def make_environ(directory: Path, ec2: Ec2Server, stand_ins: Path) -> dict[str, str]:
    """Say what the reader's shell has, and nothing of the developer's."""
    programs = [
        stand_ins,
        directory / "opt/farmhand/bin",
        *map(Path, ("/usr/sbin", "/usr/bin", "/bin")),
    ]
    engine = sa.create_engine(f"sqlite:///{directory}/var/lib/farmhand/farmhand.db")
    return {
        "PATH": ":".join(map(str, programs)),
        "HOME": str(directory / "home/buildduty"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "FARMHAND_STATE": str(directory / "var/lib/farmhand"),
        "FARMHAND_CONFIG": str(directory / "etc/farmhand/farmhand.yml"),
        "FARMHAND_FARM": "example",
        "FARMHAND_TOKEN": add_token(engine, "jill"),
        **ec2.env(key="example.all"),
    }


@cache
def read_settings() -> dict[str, Any]:
    """Read the shipped configuration."""
    settings: dict[str, Any] = yaml.safe_load((CONFIGS / "farmhand.yml").read_text())
    return settings


def make_farm(directory: Path, ec2: Ec2Server) -> Farm:
    """Make the shipped configuration's farm: networks, AMIs, prices, jobs that wait, machines."""
    etc = directory / "etc/farmhand"
    settings = deepcopy(read_settings())
    for template in CONFIGS.glob("*.j2"):
        shutil.copy(template, etc)
    subnets = {
        region: [ec2.add_subnet(region, zone, free=60) for zone in ZONES[region]]
        for region in REGIONS
    }
    groups = {region: ec2.add_security_group(region, "workers") for region in REGIONS}
    amis = {}
    for name, instance_type in settings["watch_pending"]["instance_types"].items():
        for region, place in instance_type["regions"].items():
            place |= {"subnets": subnets[region], "security_groups": [groups[region]]}
            place["instance_profile"] = None
            amis[region, name] = ec2.add_image(region, f"spot-{name}", tags={"moz-type": name})
    ec2.seed_prices(
        [
            {"region": zone[:-1], "az": zone, "ec2_type": ec2_type, "price_usd_per_hour": price}
            for (zone, ec2_type), price in market().items()
        ]
    )
    url = f"sqlite:///{directory}/srv/scheduler.sqlite"
    scheduler = sa.create_engine(url)
    scheduler_schemas.create_shape(scheduler, "C")
    settings["watch_pending"] |= {"scheduler_db": url, "jacuzzis": {}}
    settings["watch_pending"]["usd_per_hour"]["t3.micro"] = 0.0104  # who is idle runs on that
    settings["runner"] |= {
        "sleep_time": 0,
        "retry_jitter": 0,
        "round_interval": 0,
        "chores": {"halt": dict.fromkeys(("reboot", "shutdown", "terminate"), "true")},
    }
    settings["scanner"]["store"] = str(directory / "srv/farmhand/builds")
    farm = Farm(
        directory=etc,
        ec2=ec2,
        scheduler=scheduler,
        shape="C",
        settings=settings,
        subnets=subnets,
        amis=amis,
    )
    farm.add_pending(BUILD, 5)
    farm.add_pending(TRY, 3)
    add_idle_machine(farm, "bld-linux64-spot-001", tags={"moz-type": "bld-linux64"})
    return farm
