"""What is to be done about a finding, and what `--fix` never does, whatever was seen."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    EAST,
    HOUR,
    NOW,
    REGIONS,
    WEST,
    make_activity,
    make_config,
    make_instance,
    make_inventory,
    make_open_launch,
    make_workload,
)
from tests.fleets import DAY, DAY_S, make_fleet, make_paused, make_volume, nobody, plan, remembering
from watch_pending.models import Instance
from watch_pending.sanity.judge import judge_all
from watch_pending.sanity.models import Kind, Remedy, Sight, Step, Volume
from watch_pending.sanity.remedy import ADVICE, is_still_so
from watch_pending.stop_idle.models import Workload

STRANGE = f"{EAST}/i-strange"


def orphan(
    *, workload: Workload | None = None, snapshot: dict[str, Any] | None = None, **machine: Any
) -> Sight:
    instance = make_instance(**{"name": "strange", "instance_id": "i-strange", **machine})
    return make_fleet(
        instance,
        workload=workload or nobody(),
        snapshot=snapshot,
        memory=remembering(Kind.ORPHAN, STRANGE, 600),
    )


AWAY = make_workload(make_activity(connected=False, masters=()))


def stopped(
    *, workload: Workload | None = AWAY, snapshot: dict[str, Any] | None = None, **machine: Any
) -> Sight:
    instance = make_instance(state="stopped", stopped_at=NOW - 2 * DAY, **machine)
    return make_fleet(instance, workload=workload, snapshot=snapshot)


def volume(found_s: float, **changes: Any) -> Sight:
    memory = remembering(Kind.UNATTACHED_VOLUME, f"{EAST}/vol-1", found_s)
    return make_fleet(volumes=(make_volume(**changes),), memory=memory)


def name_paused_for(reason: str | None, *, stopped: bool = False) -> Sight:
    load = make_workload(make_paused(reason=reason))
    return make_fleet(workload=load, stopped_names=frozenset({"bld-001"} if stopped else ()))


def steps(sight: Sight) -> list[Step]:
    return [each.step for each in plan(sight) if each.step]


DONE: dict[str, tuple[Sight, Step]] = {
    "an orphan": (orphan(), Step.TERMINATE),
    "stopped for long": (stopped(), Step.TERMINATE),
    "a volume found for two days": (volume(2 * DAY_S), Step.DELETE_VOLUME),
    "an instance that is gone": (make_fleet(missing=(make_instance(),)), Step.CLOSE_ROW),
    "a launch never shown": (make_fleet(missing=(make_open_launch(),)), Step.CLOSE_ROW),
    "a name that we have paused": (name_paused_for("farmhand test: idle: idle"), Step.UNPAUSE),
    "a name we stopped, of old": (name_paused_for(None, stopped=True), Step.UNPAUSE),
}
CONNECTED = make_workload(make_activity())
SILENT = make_workload(make_activity(connected=False, away=("bm1",)))
LEFT: dict[str, Sight] = {
    "an orphan without a name": orphan(name=""),
    "an orphan that is loaned": orphan(loaned_to="joe"),
    "an orphan that is disabled": orphan(moz_state="disabled"),
    "an orphan on its way out": orphan(snapshot={"stopping": {"i-strange": "strange"}}),
    "stopped and disabled": stopped(moz_state="disabled: bug 1"),
    "stopped, in a state nobody knows": stopped(moz_state=""),
    "stopped, disabled in slavealloc": stopped(
        snapshot={"inventory": make_inventory("bld-001", enabled=False)}
    ),
    "stopped, its name connected": stopped(workload=CONNECTED),
    "stopped, its master silent": stopped(workload=SILENT),
    "stopped, nobody knows": stopped(workload=None),
    "a volume found for a day": volume(DAY_S),
    "a volume that is loaned": volume(2 * DAY_S, loaned_to="joe"),
    "a name that somebody has paused": name_paused_for("disk errors"),
    "a name another farm has paused": name_paused_for("farmhand staging: idle: idle"),
    "a name paused without a reason": name_paused_for("", stopped=True),
    "a name somebody paused, of old": name_paused_for(None),
    "a machine nobody has on record": make_fleet(make_instance(), journal=frozenset()),
    "up for long": make_fleet(make_instance(age=2 * DAY)),
    "impaired": make_fleet(make_instance(), impaired={"i-bld-001": "system check"}),
}


@pytest.mark.parametrize("name", DONE)
def test_what_is_safe_is_done(name: str) -> None:
    sight, step = DONE[name]
    assert steps(sight) == [step]


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_is_left_and_a_person_is_told_what_to_do(name: str) -> None:
    remedies = plan(LEFT[name])
    assert [each.step for each in remedies] == [None] * len(remedies)
    assert all(each.advice for each in remedies)
    assert remedies


def test_every_kind_has_its_advice() -> None:
    assert set(ADVICE) == set(Kind)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "running"},
        {"farm": "staging"},
        {"loaned_to": "joe"},
        {"moz_state": "disabled"},
        {"name": "bld-002"},
    ],
    ids=str,
)
def test_a_machine_that_has_changed_is_another(changes: dict[str, Any]) -> None:
    before = make_instance(state="stopped")
    assert is_still_so(before, replace(before, connected_recently=True))
    assert not is_still_so(before, replace(before, **changes))


def test_a_machine_that_is_gone_is_another() -> None:
    assert not is_still_so(make_instance(), None)


# Whatever was seen

NAMES = ("bld-001", "bld-002", "strange", "")
FARMS = ("test", "test", "staging", None, "")


@st.composite
def machines(draw: st.DrawFn) -> tuple[Instance, ...]:
    return tuple(
        make_instance(
            draw(st.sampled_from(NAMES)),
            instance_id=f"i-{number}",
            farm=draw(st.sampled_from(FARMS)),
            loaned_to=draw(st.sampled_from(("", "", "joe"))),
            moz_state=draw(st.sampled_from(("ready", "ready", "disabled", ""))),
            state=draw(st.sampled_from(("running", "stopped", "pending", "terminated"))),
            region=draw(st.sampled_from(REGIONS)),
            stopped_at=draw(st.sampled_from((None, NOW - 3 * DAY))),
            age=draw(st.sampled_from((HOUR, 9 * DAY))),
        )
        for number in range(draw(st.integers(0, 6)))
    )


@st.composite
def volumes(draw: st.DrawFn) -> tuple[Volume, ...]:
    return tuple(
        make_volume(
            f"vol-{number}",
            farm=draw(st.sampled_from(FARMS)),
            loaned_to=draw(st.sampled_from(("", "", "joe"))),
            state=draw(st.sampled_from(("available", "in-use"))),
            region=draw(st.sampled_from(REGIONS)),
        )
        for number in range(draw(st.integers(0, 3)))
    )


@st.composite
def workloads(draw: st.DrawFn) -> Workload | None:
    activities = [
        make_paused(
            name,
            draw(st.sampled_from((None, "", "mine", "farmhand test: idle", "farmhand staging: x"))),
            paused=draw(st.booleans()),
            connected=draw(st.booleans()),
            building=draw(st.booleans()),
        )
        for name in NAMES[:3]
        if draw(st.booleans())
    ]
    workload = make_workload(*activities)
    return draw(st.sampled_from((workload, workload, None, replace(workload, workers=None))))


@st.composite
def sights(draw: st.DrawFn) -> Sight:
    """Draw a farm of which all that is wrong was found long ago."""
    seen = draw(machines())
    stopping = {i.instance_id: i.name for i in seen if draw(st.integers(0, 4)) == 0}
    disabled = make_inventory(draw(st.sampled_from(NAMES)), enabled=False)
    sight = make_fleet(
        *seen,
        snapshot={"stopping": stopping, "inventory": draw(st.sampled_from(((), disabled)))},
        workload=draw(workloads()),
        volumes=draw(volumes()),
        listed=frozenset(draw(st.sampled_from((REGIONS, REGIONS, (EAST,))))),
        stopped_names=frozenset(draw(st.sets(st.sampled_from(NAMES)))),
    )
    found = judge_all(sight, make_config())
    lost = {} if WEST in sight.listed else {WEST: "no answer"}
    return replace(sight, memory={each.key: 9 * DAY_S for each in found}, lost=lost)


@given(sights())
def test_fix_never_touches_a_machine_that_is_not_ours_to_touch(sight: Sight) -> None:
    by_id = {each.instance_id: each for each in sight.snapshot.instances}
    workers = sight.workload.workers if sight.workload else None
    for remedy in planned(sight, Step.TERMINATE):
        instance = by_id[remedy.finding.id]
        assert (instance.farm, instance.loaned_to, instance.moz_state) == ("test", "", "ready")
        assert instance.instance_id not in sight.snapshot.stopping
        assert instance.name
        assert instance.name not in {w.name for w in sight.snapshot.inventory if not w.enabled}
        assert workers is not None
        activity = workers.get(instance.name)
        assert activity is None or not (activity.connected or activity.building)


@given(sights())
def test_fix_never_deletes_a_volume_that_is_not_ours_to_delete(sight: Sight) -> None:
    by_id = {each.volume_id: each for each in sight.volumes}
    for remedy in planned(sight, Step.DELETE_VOLUME):
        found = by_id[remedy.finding.id]
        assert (found.farm, found.loaned_to, found.state) == ("test", "", "available")


@given(sights())
def test_fix_unpauses_only_what_stop_idle_has_paused_and_nobody_bears(sight: Sight) -> None:
    borne = {i.name for i in sight.snapshot.instances if i.state != "terminated"}
    for remedy in planned(sight, Step.UNPAUSE):
        name = remedy.finding.name
        assert sight.workload
        activity = (sight.workload.workers or {})[name]
        assert name not in borne
        assert not activity.connected
        if activity.pause_reason is None:
            assert name in sight.stopped_names
        else:
            assert activity.pause_reason.startswith("farmhand test:")


@given(sights())
def test_nothing_is_done_about_what_was_found_for_the_first_time_but_rows(sight: Sight) -> None:
    first = replace(sight, memory={})
    steps = {each.step for each in plan(first) if each.finding.kind is not Kind.LONG_STOPPED}
    assert steps <= {None, Step.CLOSE_ROW, Step.UNPAUSE}


def planned(sight: Sight, step: Step) -> list[Remedy]:
    return [each for each in plan(sight) if each.step is step]


def test_the_worlds_drawn_have_something_to_do() -> None:
    seen = (
        make_instance("strange", instance_id="i-0", age=9 * DAY),
        make_instance("bld-001", instance_id="i-1", state="stopped", stopped_at=NOW - 3 * DAY),
    )
    sight = make_fleet(*seen, workload=nobody(), volumes=(make_volume(),))
    found = judge_all(sight, make_config())
    sight = replace(sight, memory={each.key: 9 * DAY_S for each in found})
    assert steps(sight) == [Step.TERMINATE, Step.TERMINATE, Step.DELETE_VOLUME]
