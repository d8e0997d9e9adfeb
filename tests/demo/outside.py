"""`python -m tests.demo.outside [DIRECTORY]`: what a farm needs that is not farmhand.

A Buildbot master with one builder, and a stand-in for EC2 whose instances boot as processes of
this machine. For a first farm by hand: docs/first-farm.md. All of it is gone when it ends.
"""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.buildbot_master import PASSWORD, BuildbotMaster, running_master
from tests.demo.screen import say
from tests.ec2_control import Ec2Server, running_ec2_server
from tests.machine_host import running_host
from tests.machine_image import MachineImage
from tests.whole_farm_plan import seed_prices

BUILDER = "linux64 build"
WORKERS = ("bld-001", "bld-002")
REGION, ZONE = "us-east-1", "us-east-1a"
BUILD_SECONDS = 5.0
BOOT_S = 3.0
# Fixed, so that a page can name them; another one where it is taken.
MASTER_WEB, MASTER_PB, ALLOCATOR = 8010, 9989, 1080


def main() -> int:
    """Run it until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="tests.demo.outside", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("outside"))
    parser.add_argument("--web-port", type=int, default=MASTER_WEB, help="of the master's page")
    parser.add_argument("--pb-port", type=int, default=MASTER_PB, help="of its workers")
    parser.add_argument("--allocator", type=int, default=ALLOCATOR, help="slavealloc's port")
    options = parser.parse_args()
    done = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        done.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    directory: Path = options.directory
    with outside(directory.absolute(), options) as values:
        path = directory / "env"
        path.write_text("".join(f"export {k}={shlex.quote(v)}\n" for k, v in values.items()))
        say(f"It is up, until it is ended; its addresses are in {path}.")
        done.wait()
    say("Nothing of it runs any more.")
    return 0


@contextlib.contextmanager
def outside(directory: Path, options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Run master, EC2 and machines; yields what a shell is to know of them."""
    machines = directory / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    say("Starting a Buildbot master, and a stand-in for EC2 …")
    with (
        running_ec2_server() as ec2,
        running_master(
            directory,
            builders=[BUILDER],
            workers=WORKERS,
            build_seconds=BUILD_SECONDS,
            pb_port=options.pb_port,
            www_port=options.web_port,
        ) as master,
        running_host(ec2, make_image(options.allocator), machines, boot_s=BOOT_S),
    ):
        say(f"  Buildbot  {master.www_url}, workers connect to port {master.pb_port}")
        say(f"  EC2       {ec2.url}, machines have their files in {options.directory}/machines/")
        yield describe(ec2, master)


def make_image(allocator_port: int) -> MachineImage:
    """Make the AMI: runner, that asks the allocator of this machine."""
    allocator = f"http://127.0.0.1:{allocator_port}/gettac/SLAVE"
    return MachineImage(
        settings={
            "farm": "first",
            "runslave": {"allocator_url": allocator, "timeout_s": 60},
            "runner": {
                "sleep_time": 1,
                "retry_jitter": 1,
                "worker": {"slavename": "${FARMHAND_HOST}", "basedir": "/builds/slave"},
            },
        }
    )


def describe(ec2: Ec2Server, master: BuildbotMaster) -> dict[str, str]:
    """Make one network and one AMI in EC2, and say what is what."""
    seed_prices(ec2)
    ec2.add_image(REGION, "bld-2026-11-20", tags={"moz-type": "bld", "farmhand:farm": "first"})
    return {
        **ec2.env(REGION),
        "SUBNET": ec2.add_subnet(REGION, ZONE, free=60),
        "SECURITY_GROUP": ec2.add_security_group(REGION),
        "SCHEDULER_DB": master.db_url,
        "MASTER_WEB": str(master.www_url),
        "MASTER_PB_PORT": str(master.pb_port),
        "MASTER_PASSWORD": PASSWORD,
        "MASTER_NAME": f"{os.uname().nodename}:{master.basedir}",
        "WORKERS_DIRECTORY": str(master.basedir.parent / "machines"),
    }


if __name__ == "__main__":
    sys.exit(main())
