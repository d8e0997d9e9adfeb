"""What status sums up of what it read, and how it draws it."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from rich.console import Console

from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    make_activity,
    make_config,
    make_instance,
    make_instance_type,
    make_instances,
    make_inventory,
    make_open_launch,
    make_pending,
    make_snapshot,
    make_spot,
    make_worker,
    make_workers,
    make_workload,
)
from tests.refusals import make_backoff
from watch_pending.aws_errors import Meaning
from watch_pending.config import WatchPending
from watch_pending.models import Cloud, Instance, PendingRequests
from watch_pending.status.gather import join_lives, read_runs
from watch_pending.status.models import Life, RunRow, Sight, Status, TypeRow
from watch_pending.status.report import status_to_json
from watch_pending.status.screen import draw_error, draw_status
from watch_pending.status.summary import summarize

MIDNIGHT = NOW.replace(hour=0)
SECOND = timedelta(seconds=1)


def make_status(
    *pending: PendingRequests, config: WatchPending | None = None, **more: Any
) -> Status:
    """Sum up what was read: nothing, unless told otherwise."""
    names = ("lives", "paid", "back_offs", "runs", "lost", "workload")
    sight = {key: more.pop(key) for key in names if key in more}
    default = Sight(
        snapshot=make_snapshot(*pending, **more),
        now=NOW,
        workload=make_workload(),
        lives=(),
        paid={},
        back_offs=(),
        runs=(),
        lost={},
    )
    return summarize(replace(default, **sight), config or make_config())


def only(status: Status) -> TypeRow:
    [row] = status.types
    return row


def doing(**more: Any) -> tuple[int | None, int | None, int, int | None]:
    """Idle, busy, booting, other."""
    row = only(make_status(**more))
    return row.idle, row.busy, row.booting, row.other


def one(instance: Instance, **worker: Any) -> dict[str, Any]:
    workers = make_workers(make_worker(**worker)) if worker else {}
    return {"instances": (instance,), "workers": workers}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (one(make_instance(), building=False), (1, 0, 0, 0)),
        (one(make_instance(), building=True), (0, 1, 0, 0)),
        (one(make_instance(), paused=True), (0, 0, 0, 1)),
        (one(make_instance(), connected=False), (0, 0, 0, 1)),
        (one(make_instance(age=MINUTE)), (0, 0, 1, 0)),
        (one(make_instance(seen=MINUTE)), (0, 0, 1, 0)),
        (one(make_instance(state="stopped")), (0, 0, 0, 1)),
        (one(make_instance(farm="staging"), building=True), (0, 0, 0, 0)),
        (
            {**one(make_instance(), building=False), "stopping": {"i-bld-001": "bld-001"}},
            (0, 0, 0, 1),
        ),
        ({"open_launches": (make_open_launch(),)}, (0, 0, 1, 0)),
        (
            {
                "inventory": make_inventory("bld-001", market=None),
                "workers": make_workers("bld-001"),
            },
            (1, 0, 0, 0),
        ),
        ({"instances": (make_instance(age=MINUTE),), "workers": None}, (None, None, 1, None)),
    ],
)
def test_what_machines_do_is_counted(seen: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert doing(**seen) == expected


def test_what_waits_is_counted_by_type_with_the_oldest() -> None:
    pending = (
        make_pending("Linux a", 3, oldest=NOW - HOUR),
        make_pending("Linux b", 2),
        make_pending("Mac", 4),
    )
    status = make_status(*pending)
    row = only(status)
    assert (row.pending, row.oldest_wait_s, status.unmatched) == (5, 3600.0, 4)


def test_without_the_scheduler_database_nobody_knows_what_waits() -> None:
    status = make_status(workload=None, workers=None, instances=make_instances(2))
    row = only(status)
    assert (row.pending, row.idle, row.busy, status.unmatched) == (None, None, None, None)
    assert row.live == {"spot": 2, "on-demand": 0}


def test_live_machines_stand_beside_their_limits_and_unknown_types_too() -> None:
    instances = (*make_instances(2), make_instance("x-1", instance_type="x"))
    types = make_status(instances=instances, config=make_config(spot=make_spot(7))).types
    assert [(row.instance_type, row.live["spot"], row.limits["spot"]) for row in types] == [
        ("bld", 2, 7),
        ("x", 1, 0),
    ]


# Money


@pytest.mark.parametrize(
    ("launched", "ended", "usd"),
    [
        (NOW - 2 * HOUR, None, 0.2),
        (NOW - 2 * HOUR, NOW - HOUR, 0.1),
        (MIDNIGHT - 3 * HOUR, None, 1.2),
        (MIDNIGHT - 3 * HOUR, MIDNIGHT + HOUR, 0.1),
        (MIDNIGHT - 3 * HOUR, MIDNIGHT - HOUR, 0.0),
    ],
    ids=["lives", "gone", "since yesterday", "gone since midnight", "gone yesterday"],
)
def test_today_is_what_machines_have_cost_since_midnight(
    launched: datetime, ended: datetime | None, usd: float
) -> None:
    life = Life(instance=make_instance(launched_at=launched), ended_at=ended)
    row = only(make_status(lives=(life,), paid={"token-bld-001": 0.1}))
    assert row.usd_today == pytest.approx(usd)


def test_now_is_what_machines_that_are_up_cost_by_their_price_at_launch_or_the_list() -> None:
    instances = (
        make_instance("bld-001"),
        make_instance("bld-002"),
        make_instance("bld-003", state="stopped"),
        make_instance("bld-004", ec2_type="x9"),
    )
    config = make_config(usd_per_hour={"c7i.xlarge": 0.3})
    row = only(make_status(instances=instances, paid={"token-bld-001": 0.1}, config=config))
    assert (round(row.usd_per_hour, 6), row.unpriced) == (0.4, 1)


def test_ec2_has_the_last_word_on_who_lives() -> None:
    known = [
        Life(instance=make_instance(name), ended_at=ended)
        for name, ended in (("bld-001", None), ("bld-002", None), ("bld-003", NOW - HOUR))
    ]
    cloud = Cloud(
        instances=(
            make_instance("bld-001", state="shutting-down", stopped_at=NOW - MINUTE),
            make_instance("bld-002"),
            make_instance("bld-004"),
            make_instance("bld-005", farm="staging"),
            make_instance("bld-006", state="terminated"),
        )
    )
    lives = {life.instance.name: life.ended_at for life in join_lives(known, cloud, "test")}
    assert lives == {
        "bld-001": NOW - MINUTE,
        "bld-002": None,
        "bld-003": NOW - HOUR,
        "bld-004": None,
    }


# Runs


def make_run(
    verb: str = "run", *, ago_s: float, code: int | None = 0, **more: Any
) -> dict[str, Any]:
    """Make a row of `runs`; without a code it has not ended."""
    started = NOW - ago_s * SECOND
    return {
        "verb": verb,
        "started_at": started,
        "finished_at": None if code is None else started + SECOND,
        "exit_code": code,
        "summary": None,
        **more,
    }


def runs_of(*rows: dict[str, Any]) -> dict[str, RunRow]:
    return {each.verb: each for each in read_runs(rows, NOW)}


def test_verbs_that_have_never_run_are_named() -> None:
    assert [each.verb for each in read_runs([], NOW)] == ["run", "stop-idle", "sanity"]


def test_a_run_without_an_end_is_at_work_until_its_deadline_and_then_was_killed() -> None:
    before = make_run(ago_s=400)
    at_work = runs_of(before, make_run(ago_s=284, code=None))["run"]
    assert (at_work.exit_code, at_work.at_work_since) == (0, NOW - 284 * SECOND)
    killed = runs_of(before, make_run(ago_s=286, code=None))["run"]
    assert (killed.started_at, killed.exit_code) == (NOW - 286 * SECOND, None)
    assert killed.at_work_since is None


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        ({"why_not": ["a limit"], "errors": ["a refusal"]}, ("a refusal", "a limit")),
        ({"error": "no database", "why_not": ["a limit"]}, ("no database",)),
        (None, ()),
    ],
    ids=str,
)
def test_what_a_run_could_not_do_is_in_its_summary(
    summary: dict[str, Any] | None, why: tuple[str, ...]
) -> None:
    assert runs_of(make_run(ago_s=9, summary=summary))["run"].why == why


# The screen

LONG = "us-east-1: RunInstances: InsufficientInstanceCapacity: " + "no capacity " * 20


@cache
def big_status() -> Status:
    """Ten types, and too much of everything."""
    names = [f"tst-emulator64-{number}" for number in range(10)]
    config = make_config(
        instance_types={name: make_instance_type(f"{name}-%03d") for name in names},
        buildermap={f"B{number} ": name for number, name in enumerate(names)},
        spot=make_spot(),
    )
    instances = [
        make_instance(f"{name}-{n:03d}", instance_type=name) for name in names for n in range(100)
    ]
    status = make_status(
        *(make_pending(f"B{number} x", 12000, oldest=NOW - 9 * HOUR) for number in range(10)),
        config=config,
        instances=tuple(instances),
        paid={f"token-{each.name}": 0.25 for each in instances},
        lives=tuple(Life(instance=each, ended_at=None) for each in instances),
        back_offs=(
            make_backoff(Meaning.BAD_SETTINGS),
            *(replace(make_backoff(), ec2_type=f"{LONG}{n}", reason=LONG) for n in range(29)),
        ),
        lost={f"region-{number}": LONG for number in range(9)},
        runs=read_runs(
            [
                make_run(verb, ago_s=9, code=3, summary={"errors": [LONG, LONG]})
                for verb in ("run", "stop-idle", "sanity", "amis")
            ],
            NOW,
        ),
        workload=make_workload(
            make_activity(), masters_away=frozenset(f"bm{n}.example.com:/b" for n in range(20))
        ),
    )
    return replace(status, unmatched=12)


def draw(status: Status, width: int, **more: Any) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as drawn:
        console.print(draw_status(status, width, **more))
    return drawn.get().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_ten_types_fit_the_screen_whatever_is_wrong(width: int) -> None:
    lines = draw(big_status(), width, error=LONG)
    assert max(len(line.rstrip()) for line in lines) <= width
    assert len(lines) <= 40


def test_a_table_is_no_wider_than_what_stands_in_it() -> None:
    table = draw(big_status(), 2000)
    head = next(line for line in table if line.startswith("type "))
    assert len(head) < 200


def test_what_is_drawn_at_100_columns_leaves_out_no_number() -> None:
    text = " ".join(draw(big_status(), 100))
    assert "tst-emulator64-9" in text
    assert "100/0" in text
    assert "120000" in text  # all that waits
    assert "250.00" in text  # USD/h
    assert "new settings" in text
    assert "3 partial" in text
    assert "20 SILENT" in text


def test_what_is_piped_is_whole() -> None:
    assert any(LONG.strip() in line for line in draw(big_status(), 10_000))


def test_where_nothing_is_known_that_is_drawn() -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as drawn:
        console.print(draw_error(NOW, "farm database: away"))
    assert drawn.get().strip().endswith("NOTHING TO SHOW: farm database: away")


def test_the_json_has_what_the_screen_cuts() -> None:
    said = status_to_json(big_status())
    assert (len(said["types"]), len(said["back_offs"]), len(said["lost"])) == (10, 30, 9)
    assert said["usd_per_hour"] == 250.0
    assert said["masters"]["silent"][0] == "bm0.example.com:/b"
