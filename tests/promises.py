"""What every plan promises of back-offs and of machines that never connect."""

from tests.builders import NOW
from tests.worlds import World
from watch_pending.backoffs import is_probe
from watch_pending.bootstraps import Breakers, find_broken, is_of
from watch_pending.models import Plan
from watch_pending.spot import rules_out


def nothing_is_asked_for_where_aws_refused(world: World, plan: Plan) -> None:
    active = [backoff for backoff in world.snapshot.backoffs if not backoff.is_over]
    assert not [x for x in plan.launches for backoff in active if rules_out(backoff, x)]


def what_never_connects_starts_one_at_a_time(world: World, plan: Plan) -> None:
    booting = Breakers.open(world.snapshot, world.config, NOW).booting
    started = [(launch.instance_type, launch.offer.ami) for launch in plan.launches]
    for failures in find_broken(world.snapshot, world.config):
        new = sum(is_of(failures, *machine) for machine in started)
        before = sum(is_of(failures, *machine) for machine in booting)
        assert new <= max(0, 1 - before)


def one_machine_tries_where_a_back_off_is_over(world: World, plan: Plan) -> None:
    for backoff in world.snapshot.backoffs:
        trying = sum(is_probe(launch, backoff) for launch in world.snapshot.open_launches)
        new = sum(rules_out(backoff, launch) for launch in plan.launches)
        assert not backoff.is_over or new <= max(0, 1 - trying)
