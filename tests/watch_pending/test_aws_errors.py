"""What an EC2 error means, and what a run learns from it."""

import pytest

from tests.builders import EAST, EC2_TYPE
from tests.plans import make_exhausted, make_launch, make_offer
from watch_pending.aws_errors import (
    ACCESS,
    CAPACITY,
    CLOCK,
    PASSING,
    QUOTA,
    SUBNET,
    THROTTLED,
    Meaning,
    explain_denial,
    learn,
    read_meaning,
)
from watch_pending.config_machines import Market
from watch_pending.models import Exhausted


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        ("InsufficientInstanceCapacity", 500, Meaning.NO_CAPACITY),
        ("InsufficientInstanceCapacity", 400, Meaning.NO_CAPACITY),
        ("SpotMaxPriceTooLow", 400, Meaning.NO_CAPACITY),
        ("Unsupported", 400, Meaning.NO_CAPACITY),
        ("InsufficientFreeAddressesInSubnet", 400, Meaning.SUBNET_FULL),
        ("VcpuLimitExceeded", 400, Meaning.QUOTA),
        ("MaxSpotInstanceCountExceeded", 400, Meaning.QUOTA),
        ("VolumeLimitExceeded", 400, Meaning.QUOTA),
        ("RequestLimitExceeded", 503, Meaning.AGAIN),
        ("Throttling", 400, Meaning.AGAIN),
        ("InternalError", 500, Meaning.AGAIN),
        ("UnauthorizedOperation", 403, Meaning.NO_ACCESS),
        ("AccessDenied", 403, Meaning.NO_ACCESS),
        ("AccessDeniedException", 400, Meaning.NO_ACCESS),
        ("AuthFailure", 401, Meaning.NO_ACCESS),
        ("RequestExpired", 400, Meaning.WRONG_CLOCK),
        ("InvalidAMIID.NotFound", 400, Meaning.BAD_SETTINGS),
        ("InvalidParameterValue", 400, Meaning.BAD_SETTINGS),
        ("InvalidSubnetID.NotFound", 400, Meaning.BAD_SETTINGS),
        pytest.param("SomethingNew", 400, Meaning.BAD_SETTINGS, id="unknown, our fault"),
        pytest.param("SomethingNew", 499, Meaning.BAD_SETTINGS, id="unknown, still ours"),
        pytest.param("SomethingNew", 500, Meaning.AGAIN, id="unknown, theirs"),
        pytest.param("", 503, Meaning.AGAIN, id="no code at all"),
    ],
)
def test_an_error_code_has_a_meaning(code: str, status: int, meaning: Meaning) -> None:
    assert read_meaning(code, status) is meaning


def test_a_code_has_one_meaning() -> None:
    groups = [CAPACITY, SUBNET, QUOTA, THROTTLED, PASSING, ACCESS, CLOCK]
    assert len(set().union(*groups)) == sum(len(group) for group in groups)


@pytest.mark.parametrize(
    ("meaning", "learned"),
    [
        pytest.param(
            Meaning.NO_CAPACITY,
            make_exhausted(
                market=Market.SPOT, region=EAST, availability_zone="us-east-1a", ec2_type=EC2_TYPE
            ),
            id="no capacity: this offer",
        ),
        pytest.param(
            Meaning.SUBNET_FULL,
            make_exhausted(subnet="subnet-us-east-1a"),
            id="subnet full: this subnet, for all",
        ),
        pytest.param(
            Meaning.QUOTA,
            make_exhausted(market=Market.SPOT, region=EAST),
            id="quota: this market in this region",
        ),
        pytest.param(Meaning.NO_ACCESS, make_exhausted(region=EAST), id="no access: this region"),
        pytest.param(
            Meaning.BAD_SETTINGS,
            make_exhausted(region=EAST, instance_type="bld"),
            id="bad settings: this instance type in this region",
        ),
        pytest.param(Meaning.WRONG_CLOCK, make_exhausted(), id="our own clock: all of this run"),
        pytest.param(Meaning.AGAIN, None, id="again: nothing"),
    ],
)
def test_an_error_teaches_what_not_to_ask_for(meaning: Meaning, learned: Exhausted | None) -> None:
    assert learn(meaning, make_launch(), "no capacity") == learned


@pytest.mark.parametrize("market", Market)
@pytest.mark.parametrize("meaning", [Meaning.NO_CAPACITY, Meaning.QUOTA])
def test_what_one_market_lacks_the_other_may_have(meaning: Meaning, market: Market) -> None:
    learned = learn(meaning, make_launch(offer=make_offer(market=market)), "no capacity")
    assert learned is not None
    assert learned.market is market


def test_a_denial_names_the_permission_that_is_missing_and_leaves_out_what_nobody_can_read() -> (
    None
):
    message = (
        "You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/m/i "
        "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/bld because "
        "no identity-based policy allows the iam:PassRole action. "
        "Encoded authorization failure message: abc-DEF_123"
    )
    said = explain_denial("UnauthorizedOperation", "RunInstances", message)
    assert "abc-DEF" not in said
    assert said.endswith(
        "allows the iam:PassRole action; this role lacks iam:PassRole, see docs/iam.md"
    )
