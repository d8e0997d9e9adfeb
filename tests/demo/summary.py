"""The end of the demo: numbers, and where to look."""

import shutil
from pathlib import Path
from statistics import median

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
     /etc/farmhand with farmhand.yml and tasks.d, and cron/systemd/runner.service.
  3. watch-pending check, then watch-pending --dry-run, then watch-pending -v.
  4. The crontab is in cron/crontab; docs/operations.md says who needs which permission.\
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
    say(f"  cost      {cost:.4f} USD at the prices of this market")
    say(f"\n── Where to look: {KEPT}")
    for name, what in LOGS.items():
        say(f"  {name:36}{what}")
    say(NEXT)


def keep_logs(folder: Path) -> None:
    """Keep the logs where they outlive the demo, until the next one."""
    shutil.rmtree(KEPT, ignore_errors=True)
    for name in [*LOGS, "farmhand.yml", "machines/*/var/lib/cloud/user-data.txt"]:
        for path in folder.glob(name):
            kept = KEPT / path.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept)
