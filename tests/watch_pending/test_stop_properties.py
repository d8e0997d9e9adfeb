"""What holds of every plan and of every way out, whatever was seen and wherever a run died."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    MASTER,
    make_activity,
    make_config,
    make_instance,
    make_judgement,
    make_sight,
    make_stop,
    make_workload,
)
from watch_pending.config_stops import StopIdle
from watch_pending.models import Instance
from watch_pending.stop_idle.judge import judge_all
from watch_pending.stop_idle.models import (
    Activity,
    Judgement,
    Kept,
    Reason,
    Sight,
    Step,
    Stop,
    StopState,
)
from watch_pending.stop_idle.plan import IDLE, NOT_WORKING, decide, next_step, plan_stops

TYPES = ("bld", "try")
counts = st.dictionaries(st.sampled_from(TYPES), st.integers(0, 6))
configs = st.builds(StopIdle, min_running=counts, min_idle=counts)
draining: st.SearchStrategy[Counter[str]] = counts.map(Counter)


@st.composite
def judged(draw: st.DrawFn) -> list[Judgement]:
    """Draw a farm's machines, each judged by itself."""
    return [
        make_judgement(
            name := f"w{number}",
            instance=make_instance(name, instance_type=draw(st.sampled_from(TYPES))),
            verdict=draw(st.sampled_from([Reason.IDLE, *Reason, *Kept])),
            idle_s=draw(st.none() | st.integers(0, 9).map(float)),
        )
        for number in range(draw(st.integers(0, 30)))
    ]


def stops_of(planned: Sequence[Judgement]) -> list[Judgement]:
    return [each for each in planned if isinstance(each.verdict, Reason)]


def of_type(judgements: Sequence[Judgement], name: str) -> list[Judgement]:
    return [each for each in judgements if each.instance.instance_type == name]


@given(judged(), configs, draining)
def test_no_machine_stops_for_being_idle_below_a_minimum(
    machines: list[Judgement], config: StopIdle, draining: Counter[str]
) -> None:
    planned = plan_stops(machines, config, draining)
    for name in TYPES:
        stay = [e for e in of_type(planned, name) if isinstance(e.verdict, Kept)]
        if any(each.verdict is Reason.IDLE for each in of_type(planned, name)):
            works = sum(each.verdict not in NOT_WORKING for each in stay)
            assert works >= config.min_running.get(name, 0)
            idle = sum(e.verdict in IDLE or "min_" in e.why for e in stay)
            assert idle >= config.min_idle.get(name, 0)


@given(judged(), configs, draining)
def test_a_plan_stops_only_what_was_judged_so_and_all_that_is_broken(
    machines: list[Judgement], config: StopIdle, draining: Counter[str]
) -> None:
    stops = {e.instance.name for e in stops_of(plan_stops(machines, config, draining))}
    judged_so = {each.instance.name for each in stops_of(machines)}
    may_stay = {e.instance.name for e in machines if e.verdict in {Reason.IDLE, Reason.TOO_OLD}}
    assert judged_so - may_stay <= stops <= judged_so


@given(judged(), configs, draining)
def test_none_stays_idle_longer_than_one_that_stops(
    machines: list[Judgement], config: StopIdle, draining: Counter[str]
) -> None:
    planned = plan_stops(machines, config, draining)
    for name in TYPES:
        group = of_type(planned, name)
        stop = [each.idle_s or 0 for each in group if each.verdict is Reason.IDLE]
        stay = [each.idle_s or 0 for each in group if "min_" in each.why]
        assert not stop or not stay or min(stop) >= max(stay)


@given(judged(), configs, draining)
def test_no_more_of_the_too_old_go_at_a_time_than_a_tenth_and_one(
    machines: list[Judgement], config: StopIdle, draining: Counter[str]
) -> None:
    planned = plan_stops(machines, config, draining)
    for name in TYPES:
        group = of_type(planned, name)
        going = sum(each.verdict is Reason.TOO_OLD for each in group)
        assert going <= max(0, max(1, len(group) // 10) - draining[name])


@given(judged(), configs, draining, st.randoms(use_true_random=False))
def test_the_order_of_machines_is_irrelevant(
    machines: list[Judgement], config: StopIdle, draining: Counter[str], random: Random
) -> None:
    shuffled = random.sample(machines, len(machines))
    assert plan_stops(machines, config, draining) == plan_stops(shuffled, config, draining)


@given(judged(), configs, draining)
def test_planning_again_while_all_are_on_their_way_stops_nothing_more(
    machines: list[Judgement], config: StopIdle, draining: Counter[str]
) -> None:
    stops = stops_of(plan_stops(machines, config, draining))
    going = {each.instance.name for each in stops}
    then = [
        replace(each, verdict=Kept.STOPPING) if each.instance.name in going else each
        for each in machines
    ]
    too_old = (e.instance.instance_type for e in stops if e.verdict is Reason.TOO_OLD)
    assert not stops_of(plan_stops(then, config, draining + Counter(too_old)))


activities = st.builds(
    make_activity,
    connected=st.booleans(),
    masters=st.sampled_from([(), (MASTER,)]),
    building=st.booleans(),
    hung=st.booleans(),
    paused=st.booleans(),
    pause_reason=st.sampled_from([None, "", "a disk is full", "farmhand test: idle: x"]),
    graceful=st.booleans(),
)
instances = st.builds(
    make_instance,
    farm=st.sampled_from(["test", "staging", None]),
    state=st.sampled_from(["pending", "running", "stopping", "stopped", "terminated"]),
    moz_state=st.sampled_from(["ready", "", "broken"]),
    loaned_to=st.sampled_from(["", "somebody"]),
    connected_recently=st.booleans(),
)


@given(instances, st.none() | activities, st.booleans(), st.booleans())
def test_no_machine_that_builds_or_is_anothers_is_ever_judged_useless(
    instance: Instance, activity: Activity | None, impaired: bool, disabled: bool
) -> None:
    sight = make_sight(
        instance,
        workload=make_workload(*([activity] if activity else [])),
        impaired={"i-bld-001": "system check"} if impaired else {},
        disabled=frozenset({"bld-001"}) if disabled else frozenset(),
    )
    for judgement in judge_all(sight, make_config()):
        if isinstance(judgement.verdict, Reason):
            machine = judgement.instance
            assert (machine.farm, machine.loaned_to, machine.moz_state) == ("test", "", "ready")
            assert not disabled
            building = activity is not None and activity.building
            assert not building or judgement.verdict is Reason.HUNG


# The way out, with runs that die between any two steps


@dataclass(kw_only=True)
class World:
    """A machine, its master, and the row of its stop, as plain truth."""

    stop: Stop | None
    up: bool = True
    connected: bool = True
    building: bool = False
    paused: bool = False
    jobs_killed: int = 0

    def activity(self) -> Activity:
        masters = (MASTER,) if self.connected else ()
        reason = "farmhand test: idle: x" if self.paused else ""
        return make_activity(
            connected=self.connected,
            masters=masters,
            building=self.building and self.connected,
            paused=self.paused,
            pause_reason=reason,
        )

    def sight(self) -> Sight:
        machines = [make_instance()] if self.up else []
        return make_sight(*machines, workload=make_workload(self.activity()))

    def take_a_job(self) -> None:
        if self.up and self.connected and not self.paused:
            self.building = True

    def notice(self) -> None:
        """Let the master see that the machine is gone."""
        if not self.up:
            self.connected = self.building = False

    def run(self, steps: int, job_before_pause: bool) -> int:
        """Do what a run does with the row, and die after so many steps; return what is left."""
        assert self.stop is not None
        step, _ = next_step(self.stop, self.sight(), "test")
        if step is Step.STOP and steps > 0:
            if job_before_pause:
                self.take_a_job()
            if self.connected:
                self.paused = True
            steps -= 1
            if steps <= 0:
                return 0
            step, _ = decide(self.stop, self.activity(), "test", starting=False)
            if step is Step.STOP:
                return self._terminate(steps)
        return self._let_go(step, steps)

    def _terminate(self, steps: int) -> int:
        assert self.stop is not None
        for act in ("write", "call", "write"):
            if steps <= 0:
                return 0
            steps -= 1
            if act == "call":
                self.jobs_killed += self.building
                self.up = False
            else:
                state = StopState.TERMINATING if self.up else StopState.STOPPED
                self.stop = replace(self.stop, state=state)
        return steps

    def _let_go(self, step: Step, steps: int) -> int:
        assert self.stop is not None
        if step is Step.RELEASE and steps > 0:
            self.stop, steps = replace(self.stop, state=StopState.RELEASING), steps - 1
        if step in {Step.RELEASE, Step.UNPAUSE} and steps > 0:
            self.paused, steps = False, steps - 1
        if step in {Step.RELEASE, Step.UNPAUSE, Step.CLOSE} and steps > 0:
            self.stop, steps = None, steps - 1
        return steps


events = st.tuples(st.integers(0, 6), st.booleans(), st.booleans(), st.booleans(), st.booleans())


@given(st.lists(events, max_size=8), st.sampled_from([Reason.IDLE, Reason.TOO_OLD]), st.booleans())
def test_whatever_happens_and_wherever_runs_die_the_row_closes_and_nothing_stays_paused(
    happenings: list[tuple[int, bool, bool, bool, bool]], reason: Reason, building: bool
) -> None:
    world = World(stop=make_stop(reason=reason), building=building)
    for steps, job, done, vanishes, notices in happenings:
        if world.stop is None:
            break
        world.run(steps, job)
        world.building = world.building and not done
        world.up = world.up and not vanishes
        if notices:
            world.notice()
    for _ in range(3):
        world.building = False
        world.notice()
        if world.stop is not None:
            world.run(99, job_before_pause=False)
    assert world.stop is None
    assert not world.paused
    assert world.jobs_killed == 0
