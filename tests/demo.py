"""`make demo`: a real Buildbot with waiting jobs, a local EC2, and watch-pending at work."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.buildbot_master import BuildbotMaster, running_master
from tests.ec2_control import Ec2Server, running_ec2_server

CONFIGS = Path(__file__).parent.parent / "configs"
ZONES = {
    "us-east-1": ("us-east-1a", "us-east-1b", "us-east-1d"),
    "us-west-2": ("us-west-2a", "us-west-2b"),
}
LIST_PRICES = {
    "c7i.xlarge": 0.1785,
    "c6i.xlarge": 0.17,
    "c7i.2xlarge": 0.357,
    "m7i.xlarge": 0.2016,
    "m7i.large": 0.1008,
    "c6i.large": 0.085,
}
# Builder → requests that wait.
WAITING = {
    "Linux x86-64 mozilla-central build": 6,
    "Linux x86-64 mozilla-central leak test build": 3,
    "Linux mozilla-inbound pgo-build": 2,
    "Android armv7 API 15+ mozilla-inbound debug build": 4,
    "Linux x86-64 mozilla-central nightly": 3,
    "Linux x86-64 try build": 5,
    "Android armv7 API 15+ try debug build": 2,
    "Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-1": 9,
    "Ubuntu ASAN VM 12.04 x64 mozilla-central opt test xpcshell": 4,
    "WINNT 6.1 x86-64 mozilla-central build": 2,
}
ASKED = ("Linux x86-64 mozilla-central build", "WINNT 6.1 x86-64 mozilla-central build")
NEXT = """
What you saw: {pending} real requests waited in a real Buildbot; watch-pending started {launched}
machines for them on a local stand-in for EC2, and nothing twice.

With an account of your own:
  1. cp -r configs /etc/farmhand; put your subnets, security groups and limits into farmhand.yml.
  2. Tag an AMI of yours moz-type=bld-linux64, or name it with `ami:`.
  3. watch-pending check, then watch-pending --dry-run, then watch-pending -v.
  4. The crontab line is in cron/crontab; docs/operations.md says who needs which permission.
As long as nothing stops idle machines, each one stops itself: the user data in configs/ carries a
maximum age (shutdown -h +720). Keep it.
"""


def main() -> None:
    """Run the whole story once, and clean up."""
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="farmhand-demo-") as folder,
        running_ec2_server() as ec2,
    ):
        directory = Path(folder)
        say("Starting a Buildbot master, with nobody to build for it …")
        with running_master(directory, builders=list(WAITING)) as master:
            queue_jobs(master)
            prepare_farm(directory, ec2, master)
            run(directory, ec2, "check", title="Is the configuration sound?")
            run(directory, ec2, "--dry-run", title="What would a run do?")
            run(directory, ec2, "-v", title="Do it.")
            run(directory, ec2, "-v", title="Again, as cron does: nothing is started twice.")
            run(directory, ec2, "explain", *ASKED, title="Why, or why not?")
            launched = len(ec2.instances())
    say(NEXT.format(pending=sum(WAITING.values()), launched=launched).rstrip())
    say(f"(All of it took {time.monotonic() - started:.0f} s, and nothing of it is left.)")


def queue_jobs(master: BuildbotMaster) -> None:
    """Let jobs wait, and show them as Buildbot itself does."""
    for builder, count in WAITING.items():
        master.force(builder, count)
    say(f"Waiting in Buildbot, by its own REST interface ({master.www_url}):")
    for builder, count in sorted(master.pending().items()):
        say(f"  {count:3}  {builder}")


def prepare_farm(directory: Path, ec2: Ec2Server, master: BuildbotMaster) -> None:
    """Write the example configuration with the networks of the stand-in, and fill its market."""
    settings = yaml.safe_load((CONFIGS / "farmhand.yml").read_text())
    watch = settings["watch_pending"]
    settings["farm"] = "demo"
    watch["scheduler_db"] = master.db_url
    watch["min_pending_age_s"] = 0
    watch["instance_types"]["tst-linux64"]["names"] = "tst-linux64-spot-%03d"
    for name, instance_type in watch["instance_types"].items():
        for region in instance_type["regions"]:
            instance_type["regions"][region] |= make_place(ec2, region, name)
    for template in CONFIGS.glob("*.j2"):
        (directory / template.name).write_text(template.read_text())
    (directory / "farmhand.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    ec2.seed_prices(make_prices())
    # The best offer has no capacity, so that the next best is seen to be taken, in the same run.
    ec2.add_fault(
        action="RunInstances",
        match={"InstanceType": "c7i.xlarge", "@az": "us-west-2b"},
        code="InsufficientInstanceCapacity",
        message="We currently do not have sufficient c7i.xlarge capacity in us-west-2b.",
    )


def make_place(ec2: Ec2Server, region: str, name: str) -> dict[str, Any]:
    """Make one instance type's networks and AMI in a region."""
    ec2.add_image(region, f"spot-{name}-2026-11-20", tags={"moz-type": name})
    return {
        "subnets": [ec2.add_subnet(region, zone, free=60) for zone in ZONES[region]],
        "security_groups": [ec2.add_security_group(region, name)],
        "instance_profile": None,
    }


def make_prices() -> list[dict[str, Any]]:
    """Make a market: a third of the list price, more or less by zone; the same every time."""
    chance = random.Random(20)
    return [
        {
            "region": region,
            "az": zone,
            "ec2_type": ec2_type,
            "price_usd_per_hour": round(price * chance.uniform(0.28, 0.45), 4),
        }
        for region, zones in ZONES.items()
        for zone in zones
        for ec2_type, price in LIST_PRICES.items()
    ]


def run(directory: Path, ec2: Ec2Server, *args: str, title: str) -> None:
    """Show a command, run it, and end the demo where it fails."""
    say(f"\n── {title}\n$ watch-pending {' '.join(map(repr_word, args))} 2>>watch-pending.log")
    verb, options = (args[0], args[1:]) if not args[0].startswith("-") else ("run", args)
    words = [sys.executable, "-m", "watch_pending.cli", verb, *options]
    log = directory / "watch-pending.log"
    with log.open("a") as stderr:
        done = subprocess.run(
            words, env=make_environ(directory, ec2), cwd=directory, stderr=stderr, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"{log.read_text()}\nwatch-pending exited {done.returncode}")


def make_environ(directory: Path, ec2: Ec2Server) -> Mapping[str, str]:
    """Say where the commands find EC2, and their state."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        **ec2.env(),
        "FARMHAND_CONFIG": str(directory / "farmhand.yml"),
        "FARMHAND_STATE": str(directory / "state"),
        "PYTHONPATH": str(CONFIGS.parent),
    }


def repr_word(word: str) -> str:
    """Quote a word as a shell would need it."""
    return f'"{word}"' if " " in word else word


def say(text: str) -> None:
    """Print at once, so that it stands before what a command prints."""
    print(text, flush=True)  # noqa: T201 - the demo's purpose


if __name__ == "__main__":
    main()
