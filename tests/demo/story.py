"""What happened between two looks at the farm, a line each; pure."""

from collections.abc import Iterator

from tests.demo.scene import Doing, Job, Scene, Seen


def tell(before: Scene, now: Scene) -> Iterator[str]:
    """Tell what is new, jobs last."""
    machines = {machine.instance_id: machine for machine in before.machines}
    for machine in now.machines:
        yield from _tell_machine(machines.get(machine.instance_id), machine)
    jobs = {job.number: job for job in before.jobs}
    if jobs and len(now.jobs) > len(jobs):
        yield f"{len(now.jobs) - len(jobs)} more jobs wait in Buildbot"
    for job in now.jobs:
        yield from _tell_job(jobs.get(job.number), job)


def _tell_machine(before: Seen | None, now: Seen) -> Iterator[str]:
    was = before.doing if before else None
    if now.doing is was or (before is None and now.doing is Doing.STOPPED):
        return
    if now.doing in CONNECTED and was in {None, Doing.STARTING, Doing.BOOTING}:
        yield f"{now.name} has its tac from slavealloc and is connected, after {now.seconds:.0f} s"
        return
    if now.doing in CONNECTED and was is Doing.BETWEEN:
        yield f"{now.name} is connected again, in round {now.round}"
        return  # Buildbot has not forgotten yet that the worker left, which looks like leaving
    if now.doing in STORY:
        yield f"{now.name} {STORY[now.doing].format(now=now)}"


CONNECTED = frozenset({Doing.IDLE, Doing.BUILDING, Doing.LEAVING})
STORY = {
    Doing.BOOTING: "boots: its user data starts runner ({now.instance_id})",
    Doing.LEAVING: "has had its builds for this round: its worker leaves, and runner cleans up",
    Doing.IDLE: "is idle",
    Doing.DRAINING: "is paused on its master",
    Doing.STOPPED: "is gone after {now.seconds:.0f} s and {now.round} rounds: {now.why}",
}


def _tell_job(before: Job | None, now: Job) -> Iterator[str]:
    if before is None or now == before:
        return
    began = now.started_at is not None and now.started_at != before.started_at
    waited = (now.started_at or 0) - now.submitted_at
    if now.ended_at and not before.ended_at:
        how = "is built" if now.built else "has failed"
        more = f", having waited {waited} s" if began else ""
        yield f"job {now.number} {how} by {now.worker}{more}"
    elif began:
        yield f"job {now.number} runs on {now.worker}, having waited {waited} s: {now.builder}"
