"""What has happened in the manual's world before a page, or a section of one, is read."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import boto3
import sqlalchemy as sa
import yaml

from tests.daemon import Job
from tests.manual import DOCS
from tests.manual_world import World

Scene = Callable[[World], None]
NOT_HERE = {"graphite_host", "graphite_hosts", "syslog_address", "getcert_server"}


def on_a_machine(world: World) -> None:
    """The reader is on a worker's machine."""
    world.do("export FARMHAND_HOST=bld-linux64-007")


def fill_in_originals(world: World, folder: Path | None = None) -> None:
    """Say in the original's files where networks and database are here."""
    folder = folder or world.clone / "configs/originals"
    for path in folder.iterdir():
        if path.suffix == ".user-data":
            continue
        document = json.loads(path.read_text())
        for region, subnets in world.farm.subnets.items():
            if region in document and "subnet_ids" in document[region]:
                document[region]["subnet_ids"] = subnets
                for key in ("device_map", "instance_profile_name"):
                    del document[region][key]
                document[region]["ami"] = world.farm.amis[region, "bld-linux64"]
        if "db" in document:
            document["db"] = world.farm.settings["watch_pending"]["scheduler_db"]
        path.write_text(json.dumps({k: v for k, v in document.items() if k not in NOT_HERE}))


def as_the_original(world: World) -> None:
    """The reader stands where the original stood, beside its configuration and its secrets."""
    configs = world.clone.parent / "configs"
    shutil.copytree(world.clone / "configs/originals", configs)
    fill_in_originals(world, configs)
    secrets = world.clone / "secrets"
    secrets.mkdir()
    shutil.move(configs / "aws-secrets.json.example", secrets / "aws-secrets.json")
    (secrets / "aws-secrets.json").chmod(0o600)
    path = configs / "watch_pending.cfg"
    path.write_text(path.read_text().replace("try-linxu64", "bld-linux64"))


def beside_tasks(world: World) -> None:
    """The reader is where the original's runner is started; what it does here harms nobody."""
    world.do("cp configs/runner.cfg . && mkdir tasks.d")
    world.do("echo '#!/bin/sh' | tee tasks.d/1-look tasks.d/halt.sh && chmod +x tasks.d/*")


def beside_a_bucket(world: World) -> None:
    """AWS has a bucket that all may read."""
    client = boto3.client(
        "s3",
        endpoint_url=world.farm.ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="farm-public")


def with_processors(world: World) -> None:
    """The scanner knows what can be built."""
    world.do("scanner processor add i386 && scanner processor add amd64")


def after_sixteen_builds(world: World) -> None:
    """The next build is number 17."""
    with world.database.begin() as connection:
        connection.execute(sa.text("INSERT INTO sqlite_sequence VALUES ('builds', 16)"))


def with_a_build_done(world: World) -> None:
    """What was queued is built, with a file."""
    world.daemon(1).default_job = Job(files={"hello_1.0-1_i386.deb": b"!<arch>\n" * 1000})
    world.do("for n in 1 2 3 4; do scanner scan -q; done; scanner build log 17 >/dev/null")


def beside_originals(world: World) -> None:
    """The reader is in the directory of the original's files, with their secrets."""
    fill_in_originals(world)
    world.do("cd configs/originals && cp aws-secrets.json.example aws-secrets.json")
    world.do("chmod 600 aws-secrets.json")
    path = world.clone / "configs/originals/watch_pending.cfg"
    path.write_text(path.read_text().replace("try-linxu64", "bld-linux64"))


def with_a_new_type(world: World) -> None:
    """The reader has written what the page shows, and made the AMI."""
    page = (DOCS / "add-an-instance-type.md").read_text("utf-8")
    fences = dict(re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    (world.clone / "lnt-workers.csv").write_text(fences["csv"])
    new = yaml.safe_load(fences["yaml"])["watch_pending"]
    watch = world.farm.settings["watch_pending"]
    for place in new["instance_types"]["lnt-linux64"]["regions"].values():
        own = watch["instance_types"]["bld-linux64"]["regions"]["us-east-1"]
        place |= {name: own[name] for name in ("subnets", "security_groups")}
    watch["buildermap"] = new["buildermap"] | watch["buildermap"]
    watch["instance_types"] |= new["instance_types"]
    watch["spot"]["rules"] |= new["spot"]["rules"]
    for scope, limits in new["spot"]["limits"].items():
        watch["spot"]["limits"][scope] |= limits
    world.farm.write_config()
    world.farm.ec2.add_image("us-east-1", "lnt-1", tags={"moz-type": "lnt-linux64"})


def with_an_empty_database(world: World) -> None:
    """The farm's database was made anew."""
    world.do("rm -f /var/lib/farmhand/farmhand.db*")


def with_a_release_in_use(world: World) -> None:
    """One release has an environment of its own, and a link says that it is in use."""
    world.do("rm -rf /opt/farmhand && python3 -m venv /opt/farmhand-1.2.3")
    world.do("ln -s farmhand-1.2.3 /opt/farmhand")


# Page, or page#section → what makes it so. Where there is none, it is as `running_world` has it.
SCENES: Mapping[str, Scene] = {
    "docs/add-an-instance-type.md": with_a_new_type,
    "docs/from-mozilla.md#aws_watch_pendingpy": beside_originals,
    "docs/runslave.md": on_a_machine,
    "docs/commands.md#runslave": on_a_machine,
    "docs/commands.md#watch-pending-run": as_the_original,
    "docs/commands.md#watch-pending-amis-publish": beside_a_bucket,
    "docs/commands.md#scanner-scan": with_processors,
    "docs/commands.md#scanner-build-add": after_sixteen_builds,
    "docs/commands.md#scanner-build-log": with_a_build_done,
    "docs/commands.md#runner-run": beside_tasks,
    "docs/runner.md#how-is-it-configured": beside_tasks,
    "docs/upgrade.md": with_a_release_in_use,
    "docs/restore-a-backup.md#how-do-i-restore-slaveallocs-dump": with_an_empty_database,
    "docs/operations.md#how-do-i-try-the-originals-files": fill_in_originals,
}
