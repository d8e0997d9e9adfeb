"""A small farm for integration tests: a scheduler database, settings, and commands run for real."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from tests import processes, scheduler_schemas
from tests.ec2_control import Ec2Server, name_of
from tests.farm_tables import copy_database
from tests.processes import Command
from tests.processes import Finished as Finished  # found here too
from tests.run_here import run_here
from tests.scheduler_schemas import Shape

REGIONS = ("us-east-1", "us-west-2")
TYPES = ("bld-linux64", "try-linux64")
BUILD = "Linux x86-64 mozilla-central build"
TRY = "Linux x86-64 try build"
COMMAND_TIMEOUT_S = 120


@dataclass(kw_only=True, slots=True)
class Farm:
    """`settings` is farmhand.yml as data; change it freely, it is written before each command."""

    directory: Path
    ec2: Ec2Server
    scheduler: sa.Engine
    shape: Shape
    settings: dict[str, Any]
    subnets: dict[str, list[str]]
    amis: dict[tuple[str, str], str]
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        directory: Path,
        ec2: Ec2Server,
        *,
        scheduler_url: str | None = None,
        shape: Shape = "C",
    ) -> "Farm":
        """Make networks, images and prices in both regions, and both databases, empty."""
        url = scheduler_url or f"sqlite:///{directory}/scheduler.sqlite"
        scheduler = sa.create_engine(url)
        scheduler_schemas.create_shape(scheduler, shape)
        zones = {region: (f"{region}a", f"{region}b") for region in REGIONS}
        subnets = {r: [ec2.add_subnet(r, zone, free=100) for zone in zones[r]] for r in REGIONS}
        amis = {
            (r, t): ec2.add_image(r, f"spot-{t}", tags={"moz-type": t})
            for r in REGIONS
            for t in TYPES
        }
        ec2.seed_prices(
            [
                {"region": r, "az": zone, "ec2_type": ec2_type, "price_usd_per_hour": price}
                for r in REGIONS
                for zone in zones[r]
                for ec2_type, price in (("c7i.xlarge", 0.05), ("m7i.xlarge", 0.08))
            ]
        )
        (directory / "worker.user-data.j2").write_text(
            "#!/bin/sh\necho {{ hostname }} {{ launch_id }}\n"
        )
        (directory / "state").mkdir()
        copy_database(directory / "state/farmhand.db")
        farm = cls(
            directory=directory,
            ec2=ec2,
            scheduler=scheduler,
            shape=shape,
            settings=_settings(url, subnets),
            subnets=subnets,
            amis=amis,
        )
        farm.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            **ec2.env(key="test.all"),
            "FARMHAND_STATE": str(directory / "state"),
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        return farm

    @property
    def watch(self) -> dict[str, Any]:
        """The section `watch_pending`, to change."""
        section: dict[str, Any] = self.settings["watch_pending"]
        return section

    @property
    def config_path(self) -> Path:
        """Where farmhand.yml is."""
        return self.directory / "farmhand.yml"

    @property
    def database(self) -> sa.Engine:
        """The embedded farm database."""
        return sa.create_engine(f"sqlite:///{self.directory}/state/farmhand.db")

    def forget_database(self) -> None:
        """Be a farm on which no command has run yet."""
        shutil.rmtree(self.directory / "state")

    def allow_groups(self) -> None:
        """Let machines share a call: their user data has a list of all names."""
        text = "#!/bin/sh\necho {{ names }} {{ fqdns }} {{ launch_id }}\n"
        (self.directory / "worker.user-data.j2").write_text(text)

    def rows(self, statement: str) -> list[Mapping[str, Any]]:
        """Read rows of the farm database."""
        with self.database.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(statement))]

    def add_pending(
        self, builder: str = BUILD, count: int = 1, *, age_s: float = 60, **more: Any
    ) -> None:
        """Let requests wait."""
        submitted_at = int(time.time() - age_s)
        scheduler_schemas.add_requests(
            self.scheduler, self.shape, builder, count, submitted_at=submitted_at, **more
        )

    def write_config(self) -> Path:
        """Write farmhand.yml as `settings` has it, at once: a command may be reading it."""
        written = self.config_path.with_suffix(".new")
        written.write_text(yaml.dump(self.settings, Dumper=yaml.CSafeDumper, sort_keys=False))
        return written.replace(self.config_path)

    def command(self, *args: str, program: str = "watch_pending") -> list[str]:
        """Say how a command is started; with this farm's farmhand.yml unless `-c` is given."""
        return [sys.executable, "-m", f"{program}.cli", *self.with_config(*args)]

    def with_config(self, *args: str) -> list[str]:
        """Add this farm's farmhand.yml, as it is now, unless `-c` is given."""
        return [*args] if "-c" in args else [*args, "-c", str(self.write_config())]

    def start(self, *args: str, program: str = "watch_pending", **environ: str) -> Command:
        """Start a command and do not wait for it."""
        return processes.start(
            f"{program}.cli",
            *self.with_config(*args),
            environ={**self.environ, **environ},
            directory=self.directory,
        )

    def run(self, *args: str, program: str = "watch_pending", **environ: str) -> Finished:
        """Run a command to its end, in this process: that takes a third of what another would."""
        main = import_module(f"{program}.cli").main
        whole = {**self.environ, **environ}
        return run_here(main, self.with_config(*args), whole, self.directory)

    def run_from_cron(
        self, *args: str, program: str = "watch_pending", prefix: tuple[str, ...] = ()
    ) -> Finished:
        """Run a command to its end, with all that an interpreter does before and after it."""
        done = subprocess.run(
            [*prefix, *self.command(*args, program=program)],
            env=self.environ,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return Finished(code=done.returncode, out=done.stdout, err=done.stderr)

    def start_by_hand(self, region: str, tags: Mapping[str, str], count: int = 1) -> str:
        """Start instances as anybody with access to the account may; return the first one's id."""
        import boto3  # not at the top: the unit tests read this file too

        client = boto3.client(
            "ec2",
            region,
            endpoint_url=self.ec2.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        reply = client.run_instances(
            ImageId=self.amis[region, TYPES[0]],
            InstanceType="t3.micro",
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        return reply["Instances"][0]["InstanceId"]

    def names(self) -> list[str]:
        """List the names of all live instances."""
        return sorted(
            name_of(item)
            for item in self.ec2.instances()
            if item["state"] not in {"terminated", "shutting-down"}
        )


def _settings(url: str, subnets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    types = {
        name: {
            "names": f"{name}-%03d",
            "user_data": "worker.user-data.j2",
            "regions": {
                r: {"subnets": list(subnets[r]), "ec2_type": "c7i.xlarge"} for r in REGIONS
            },
        }
        for name in TYPES
    }
    rules = [
        {"ec2_type": name, "max_price_usd_per_hour": 0.2} for name in ("c7i.xlarge", "m7i.xlarge")
    ]
    limits = {scope: dict.fromkeys(TYPES, 100) for scope in ("global", *REGIONS)}
    return {
        "farm": "test",
        "watch_pending": {
            "scheduler_db": url,
            "buildermap": {"Linux x86-64 try": "try-linux64", "Linux": "bld-linux64"},
            "region_priorities": dict.fromkeys(REGIONS, 1),
            "instance_types": types,
            "spot": {"rules": {name: deepcopy(rules) for name in TYPES}, "limits": limits},
            "on_demand": {"limits": {"global": dict.fromkeys(TYPES, 0)}},
        },
    }
