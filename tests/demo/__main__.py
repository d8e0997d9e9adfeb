"""`python -m tests.demo [--keep]`: the whole story once; what it started is gone at its end."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.demo.acts import Stuck, introduce, leave_up, watch
from tests.demo.cron import JobFailed
from tests.demo.farm import make_plan
from tests.demo.screen import say
from tests.demo.summary import keep_logs, sum_up
from tests.ec2_control import running_ec2_server
from tests.whole_farm import running_whole_farm

INTERRUPTED, TERMINATED = 130, 143


def main() -> int:
    """Tell it; return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it up until Ctrl-C")
    keep = parser.parse_args().keep
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    folder = Path(tempfile.mkdtemp(prefix="farmhand-demo-"))
    began = time.monotonic()
    try:
        perform(folder, keep=keep)
        say(f"\nIt took {time.monotonic() - began:.0f} s, and nothing of it runs any more.")
    except KeyboardInterrupt:
        say("\nInterrupted. Nothing of it runs any more.")
        return INTERRUPTED
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def perform(folder: Path, *, keep: bool) -> None:
    """Build the farm, and go through all acts; the farm is gone afterwards, whatever happens."""
    plan = make_plan(folder)
    try:
        say("Starting a Buildbot master, slavealloc, and a local stand-in for EC2 …")
        with running_ec2_server() as ec2, running_whole_farm(plan, ec2) as farm:
            try:
                introduce(farm)
                scene = watch(farm)
                sum_up(farm, scene)
                if keep:
                    leave_up(farm)
            except (JobFailed, Stuck) as err:
                raise SystemExit(f"{err.__doc__}\n{err}") from err
            finally:
                # All below is ended by us, in order; a second Ctrl-C must not leave half of it.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        keep_logs(folder)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
