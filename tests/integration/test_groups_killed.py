"""kill -9 between every two steps of a group's launch: nothing twice, nothing lost, all named."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from tests.farm import BUILD, REGIONS, Farm
from tests.journal import (
    age_launches,
    kill,
    known,
    launches,
    live,
    numbered,
    read,
    shared_database,
    start_until_recorded,
    states,
    wait_until,
)

pytestmark = pytest.mark.integration
SLOW = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A moment to kill a run at, how to make it wait there, and what it leaves.

    `launched`: whether there are machines by then; `named`: how many bear their Name.
    """

    comes: Callable[[Farm, sa.Engine], object]
    fault: dict[str, Any] = field(default_factory=dict)
    state: str
    launched: bool = True
    named: int = 0


def is_called(farm: Farm, _: sa.Engine) -> object:
    return farm.ec2.calls("RunInstances")


def is_launched(farm: Farm, _: sa.Engine) -> object:
    return len(farm.ec2.instances()) == 10


def is_journalled(_: Farm, engine: sa.Engine) -> object:
    return set(states(engine)) == {"launched"}


def named(farm: Farm) -> list[str]:
    return sorted(str(i["tags"]["Name"]) for i in farm.ec2.instances() if "Name" in i["tags"])


STEPS = {
    "claimed": Step(
        comes=is_called,
        fault={"action": "RunInstances", "latency_s": SLOW, "drop": "before"},
        state="called",
        launched=False,
    ),
    "called": Step(
        comes=is_launched, fault={"action": "RunInstances", "hold_s": SLOW}, state="called"
    ),
    "answered": Step(
        comes=is_journalled,
        fault={"action": "CreateTags", "latency_s": SLOW, "drop": "before"},
        state="launched",
    ),
    "half named": Step(
        comes=lambda farm, _: len(named(farm)) == 7,
        fault={"action": "CreateTags", "latency_s": SLOW, "drop": "before", "left": 3},
        state="launched",
        named=7,
    ),
}


@pytest.fixture(
    params=["sqlite", *(pytest.param(k, marks=pytest.mark.soak) for k in ("mariadb", "postgresql"))]
)
def engine(farm: Farm, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    farm.allow_groups()
    farm.watch["spot"]["limits"] = {scope: {"bld-linux64": 1000} for scope in ("global", *REGIONS)}
    with shared_database(request.param, farm, request) as engine:
        yield engine


def check_all_is_well(farm: Farm, engine: sa.Engine, count: int) -> None:
    assert farm.names() == named(farm) == numbered(count)
    assert known(engine) == live(farm.ec2)


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in STEPS.items()])
def test_killed_after_a_step_of_a_group_s_launch(farm: Farm, engine: sa.Engine, step: Step) -> None:
    farm.add_pending(BUILD, 10)
    farm.ec2.add_fault(**step.fault)
    process = farm.start()
    wait_until(lambda: step.comes(farm, engine))
    kill(process)
    assert states(engine) == [step.state] * 10
    assert (len(farm.names()), len(named(farm))) == (10 * step.launched, step.named)
    farm.ec2.clear_faults()
    assert farm.run().code == 0
    if not step.launched:
        assert farm.names() == []
        age_launches(engine, 6)
        farm.run()
        farm.run()
    check_all_is_well(farm, engine, 10)
    assert len(farm.ec2.calls("RunInstances")) == 1 + (not step.launched)


@pytest.mark.fault(
    "a run is killed (kill -9) between journal and call of a group",
    "no machine is lost, none is launched twice",
)
def test_killed_between_journal_and_claim_of_a_group(farm: Farm, engine: sa.Engine) -> None:
    """User data has room for two names: of eight calls, four may go out at once."""
    template = farm.directory / "worker.user-data.j2"
    template.write_text("{{ names }} ".ljust(16 * 1024 - 32, "#"))
    farm.add_pending(BUILD, 16)
    process = farm.start()
    wait_until(lambda: {"planned", "launched"} <= {*states(engine)})
    kill(process)
    wait_until(lambda: None not in {call.status for call in farm.ec2.calls("RunInstances")})
    begun = len(farm.names())
    assert 0 < begun < 16
    farm.run()
    assert len(farm.names()) == begun
    age_launches(engine, 6)
    farm.run()
    farm.run()
    check_all_is_well(farm, engine, 16)


def test_the_rest_of_a_group_killed_before_its_answer_expires(
    farm: Farm, engine: sa.Engine
) -> None:
    """Nobody heard that EC2 had room for six: four rows wait in vain."""
    farm.ec2.add_fault(action="RunInstances", hold_s=SLOW, left=1)
    farm.ec2.add_fault(action="RunInstances", room=6)
    farm.add_pending(BUILD, 10)
    process = farm.start()
    wait_until(lambda: len(farm.ec2.instances()) == 6)
    kill(process)
    farm.ec2.clear_faults()
    farm.run()
    assert states(engine) == ["seen"] * 6 + ["called"] * 4
    age_launches(engine, 6)
    farm.run()
    farm.run()
    check_all_is_well(farm, engine, 10)
    assert states(engine) == ["seen"] * 6 + ["expired"] * 4 + ["seen"] * 4


@pytest.mark.fault(
    "runs are killed (kill -9) at random moments",
    "no name is given twice, never more machines than jobs; in the end the demand is met",
)
@pytest.mark.parametrize(
    "kills", [4, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_killed_at_random_moments_groups_converge_to_the_demand(
    farm: Farm, engine: sa.Engine, kills: int
) -> None:
    for subnet in itertools.chain(*farm.subnets.values()):
        farm.ec2.set_free_addresses(subnet, 12 * kills)
    dice = random.Random(kills)
    demand = 0
    for count in range(kills):
        more = dice.randint(1, 12)
        farm.add_pending(BUILD, more)
        demand += more
        process = start_until_recorded(farm, engine)
        time.sleep(dice.uniform(0, 0.7))
        kill(process)
        names = farm.names()
        assert len(names) == len(set(names)) <= demand
        if count % 10 == 3:
            age_launches(engine, 6)
    for _ in range(3):
        age_launches(engine, 6)
        farm.run()
    check_all_is_well(farm, engine, demand)
    assert {row["state"] for row in read(engine, launches)} <= {"seen", "expired"}
