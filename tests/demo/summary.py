"""The end of the demo: numbers, and where to look."""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median

from runner.settings import REBOOT_S
from runner.totals import Totals, compare, format_saving, read_totals
from tests.demo.look import read_record
from tests.demo.scene import Scene
from tests.demo.screen import say
from tests.whole_farm import WholeFarm

KEPT = Path(__file__).parent.parent.parent / "build/demo"
LOGS = {
    "watch-pending.log": "what run and stop-idle decided, and why",
    "cron.log": "what cron would have mailed: empty when all is well",
    "allocator.log": "slavealloc: who was sent where",
    "master/twistd.log": "Buildbot",
    "machines/*/var/log/runner.log": "a machine's life, round after round",
    "machines/*/builds/slave/twistd.log": "its worker",
}
NEXT = """
With an account of your own:
  1. cp -r configs /etc/farmhand; put your subnets, security groups and limits into farmhand.yml.
  2. Tag an AMI of yours moz-type=bld-linux64, or name it with `ami:`. It has Buildbot's worker,
     /etc/farmhand with farmhand.yml and tasks.d, and cron/systemd/runner.service: docs/machines.md.
  3. watch-pending check, then watch-pending --dry-run, then watch-pending -v.
  4. The crontab is in cron/crontab; docs/deploy.md has each step, docs/iam.md the permissions.\
"""


def sum_up(farm: WholeFarm, scene: Scene) -> None:
    """Say what it came to."""
    waits = [job.started_at - job.submitted_at for job in scene.jobs if job.started_at]
    rounds = sum(int(read_record(each).get("round") or 0) for each in farm.host.all())
    cost = sum(machine.usd_per_hour * machine.seconds / 3600 for machine in scene.machines)
    calls = farm.ec2.call_counts()
    most = [f"{name} {count}" for name, count in sorted(calls.items(), key=lambda e: -e[1])]
    twice = len(scene.machines) - len({machine.name for machine in scene.machines})
    say("\n── What it came to")
    say(f"  jobs      {scene.built()} of {len(scene.jobs)} built")
    say(f"  waits     median {median(waits):.0f} s, longest {max(waits)} s, from when cron began")
    say(f"  machines  {len(scene.machines)} started, {rounds} rounds, {twice} names used again")
    say(f"  EC2       {sum(calls.values())} calls: {', '.join(most[:4])},")
    say(f"            {', '.join(most[4:])}")
    for line in tell_machines(farm):
        say(line)
    say(f"  cost      {cost:.4f} USD at the prices of this market")
    say(f"\n── Where to look: {KEPT}")
    for name, what in LOGS.items():
        say(f"  {name:36}{what}")
    say(NEXT)


def tell_machines(farm: WholeFarm) -> Iterator[str]:
    """Tell what the machines' tasks did, by their logs, and what their rounds came to."""
    logs = {machine.name: machine.log for machine in farm.host.all()}
    text = "".join(logs.values())
    removed = len(re.findall(r"removed \S+/build-\d", text))
    if removed:
        yield f"  disks     full at boot: purge_builds removed the {removed} oldest builds"
    left = sum(map(int, re.findall(r"left (\d+) processes behind", text)))
    wild = len(re.findall(r"strays: sleep", text))
    yield f"  strays    {left} that builds had left were ended by runner, {wild} by cleanslate"
    for name, log in logs.items():
        if found := re.search(NOTICED, log, re.DOTALL):
            yield f"  spot      {name} left {leave_s(*found.groups()):.0f} s after EC2's notice"
    totals = [read_totals(read_record(each).get("totals"), "") for each in farm.host.all()]
    whole = Totals(
        rounds=sum(each.rounds for each in totals),
        maintenance_s=sum(each.maintenance_s for each in totals),
    )
    if saving := compare(whole, REBOOT_S):
        yield f"  reboots   {format_saving(saving)}"


# When the notice was read, and when the machine halted.
NOTICED = r"(\S+)Z WARNING runner.worker: EC2 is to terminate.*?\n(\S+)Z WARNING runner: halt"


def leave_s(noticed: str, halted: str) -> float:
    """Say how long it took.

    >>> leave_s("2026-01-01T12:00:00.5", "2026-01-01T12:00:03")
    2.5
    """
    return (datetime.fromisoformat(halted) - datetime.fromisoformat(noticed)).total_seconds()


def keep_logs(folder: Path) -> None:
    """Keep the logs where they outlive the demo, until the next one."""
    shutil.rmtree(KEPT, ignore_errors=True)
    for name in [*LOGS, "farmhand.yml", "machines/*/var/lib/cloud/user-data.txt"]:
        for path in folder.glob(name):
            kept = KEPT / path.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept)
