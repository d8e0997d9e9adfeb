"""The journal: what it says of each launch, and what a run that was killed leaves behind."""

import random
import time

import pytest

from tests.farm import BUILD, REGIONS, Farm
from tests.journal import (
    add_instance,
    age_launches,
    create,
    finish,
    instances,
    kill,
    known,
    launches,
    live,
    minutes_ago,
    numbered,
    read,
    runs,
    shared_database,
    start_until_recorded,
    states,
    wait_until,
)

pytestmark = pytest.mark.integration
UNANSWERED = {"action": "RunInstances", "drop": "after"}


def wait_until_some_are_called(farm: Farm) -> None:
    """Wait for the moment between journal and call: EC2 allows no eight calls at once."""
    wait_until(lambda: {*states(farm.database)} - {"planned"})


def test_a_launch_is_planned_called_launched_and_seen(farm: Farm) -> None:
    farm.add_pending(BUILD, 8)
    farm.ec2.add_fault(action="RunInstances", hold_s=0.5)
    process = farm.start()
    wait_until_some_are_called(farm)
    assert {*states(farm.database)} == {"planned", "called"}
    assert finish(process) == 0
    assert states(farm.database) == ["launched"] * 8
    farm.run()
    rows = read(farm.database, launches)
    assert [row["state"] for row in rows] == ["seen"] * 8
    for row in rows:
        assert minutes_ago(1) < row["created_at"] <= row["called_at"] <= row["closed_at"]


def test_the_journal_has_a_digest_and_no_user_data(farm: Farm) -> None:
    (farm.directory / "worker.user-data.j2").write_text("password=hunter2 {{ launch_id }}\n")
    farm.add_pending()
    farm.run()
    [call] = farm.ec2.calls("RunInstances")
    [row] = read(farm.database, launches)
    state = b"".join(p.read_bytes() for p in (farm.directory / "state").iterdir())
    assert call.user_data == f"password=hunter2 {row['token']}\n"
    assert len(bytes.fromhex(row["request_sha256"])) == 32
    assert row["token"].encode() in state
    assert b"hunter2" not in state


@pytest.mark.fault("EC2's answers lag behind for minutes", "nothing is launched again")
def test_nothing_is_launched_again_while_ec2s_answers_lag(farm: Farm) -> None:
    farm.ec2.settings(lag_s=3600)
    farm.add_pending(BUILD, 2)
    farm.run()
    assert farm.run().code == 0
    assert farm.names() == numbered(2)


def test_an_instance_that_was_seen_counts_on_while_ec2s_answers_lag(farm: Farm) -> None:
    add_instance(create(farm.database), "bld-linux64-001", seen=minutes_ago(4.5))
    farm.add_pending()
    assert farm.run().code == 0
    assert farm.names() == []


def test_an_instance_unseen_for_five_minutes_is_gone(farm: Farm) -> None:
    add_instance(create(farm.database), "bld-linux64-001", seen=minutes_ago(6))
    farm.add_pending()
    farm.run()
    assert [row["state"] for row in read(farm.database, instances)] == ["gone"]
    assert farm.names() == ["bld-linux64-001"]


def test_an_instance_whose_region_does_not_answer_is_not_gone(farm: Farm) -> None:
    add_instance(create(farm.database), "bld-linux64-001", seen=minutes_ago(6))
    farm.ec2.add_fault(action="DescribeInstances", region=REGIONS[0], code="AuthFailure")
    farm.add_pending()
    assert farm.run().code == 3
    assert [row["state"] for row in read(farm.database, instances)] == ["running"]
    assert farm.names() == []


@pytest.mark.fault(
    "a launch is not seen in EC2 for five minutes", "it expires and its name is free"
)
def test_a_launch_unseen_for_five_minutes_expires_and_its_name_is_free(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", latency_s=0.5, drop="before")
    process = farm.start()
    wait_until(lambda: farm.ec2.calls("RunInstances"))
    kill(process)
    farm.ec2.clear_faults()
    age_launches(farm.database, 6)
    farm.run()
    assert [(row["name"], row["state"]) for row in read(farm.database, launches)] == [
        ("bld-linux64-001", "expired"),
        ("bld-linux64-001", "launched"),
    ]


def test_a_launch_younger_than_five_minutes_keeps_its_name(farm: Farm) -> None:
    farm.ec2.settings(lag_s=3600)
    farm.add_pending()
    farm.run()
    age_launches(farm.database, 4.5)
    farm.add_pending()
    farm.run()
    assert [(row["name"], row["state"]) for row in read(farm.database, launches)] == [
        ("bld-linux64-001", "launched"),
        ("bld-linux64-002", "launched"),
    ]


def test_a_launch_about_to_expire_is_not_called_but_planned_anew(farm: Farm) -> None:
    farm.add_pending(BUILD, 8)
    process = farm.start()
    wait_until_some_are_called(farm)
    age_launches(farm.database, 4.5)
    assert finish(process) == 3
    late = read(farm.database, launches, launches.c.state == "failed")
    assert {(row["called_at"], row["error"]) for row in late} == {(None, "its turn came too late")}
    assert farm.names() == numbered(8)


@pytest.mark.fault(
    "a launch call never gets an answer",
    "its launch stays open for five minutes and is not made again",
)
def test_a_call_without_answer_stays_open_and_is_not_made_again(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(**UNANSWERED)
    farm.ec2.settings(lag_s=3600)
    assert farm.run("--deadline", "5").code == 3
    assert states(farm.database) == ["called"]
    farm.ec2.clear_faults()
    farm.ec2.clear_calls()
    assert farm.run().code == 0
    assert farm.ec2.calls("RunInstances") == []
    assert states(farm.database) == ["called"]


def test_within_a_run_a_call_without_answer_is_repeated_with_its_token(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(**UNANSWERED, left=1)
    assert farm.run().code == 0
    assert len({call.client_token for call in farm.ec2.calls("RunInstances")}) == 1
    assert len(farm.ec2.calls("RunInstances")) == 2
    assert farm.names() == numbered(1)


# kill -9


@pytest.mark.fault(
    "a run is killed (kill -9) between journal and call",
    "the rest is launched later, nothing twice",
)
def test_killed_between_journal_and_call_the_rest_is_launched_later(farm: Farm) -> None:
    farm.add_pending(BUILD, 8)
    process = farm.start()
    wait_until_some_are_called(farm)
    kill(process)
    assert "planned" in states(farm.database)
    farm.run()
    assert len(states(farm.database)) == 8
    age_launches(farm.database, 6)
    farm.run()
    assert farm.names() == numbered(8)


@pytest.mark.fault(
    "a run is killed (kill -9) between call and answer",
    "the next run finds the instance by its tags; nothing is launched twice",
)
def test_killed_between_call_and_answer_the_instance_is_found(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", hold_s=5)
    process = farm.start()
    wait_until(farm.ec2.instances)
    kill(process)
    assert states(farm.database) == ["called"]
    farm.run()
    assert farm.names() == numbered(1)
    assert known(farm.database) == live(farm.ec2)


def test_a_run_that_was_killed_leaves_its_row_without_an_end(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="DescribeInstances", latency_s=1)
    process = farm.start()
    wait_until(lambda: farm.ec2.calls("DescribeInstances"))
    kill(process)
    [row] = read(farm.database, runs)
    assert (row["finished_at"], row["exit_code"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("sqlite", 10),
        *(
            pytest.param(kind, 100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])
            for kind in ("sqlite", "mariadb", "postgresql")
        ),
    ],
)
def test_killed_at_random_moments_the_farm_converges_to_the_demand(
    farm: Farm, kind: str, kills: int, request: pytest.FixtureRequest
) -> None:
    """Each kill comes on top of what those before left; each tenth meets rows that have expired."""
    farm.watch["spot"]["limits"] = {scope: {"bld-linux64": 1000} for scope in ("global", *REGIONS)}
    dice = random.Random(kills)
    demand = 0
    with shared_database(kind, farm, request) as engine:
        for count in range(kills):
            more = dice.randint(1, 3)
            farm.add_pending(BUILD, more)
            demand += more
            process = start_until_recorded(farm, engine)
            time.sleep(dice.uniform(0, 0.5))
            kill(process)
            names = farm.names()
            assert len(names) == len(set(names)) <= demand
            if count % 10 == 9:
                age_launches(engine, 6)
        farm.run()
        farm.run()
        assert farm.names() == numbered(demand)
        assert known(engine) == live(farm.ec2)
        assert set(states(engine)) <= {"seen", "expired"}
