"""What boto3 says before any call, and what is read from its answers."""

from datetime import UTC, datetime

import pytest

from watch_pending.aws import Aws, Ec2Error
from watch_pending.aws_errors import Meaning
from watch_pending.ec2 import _read_created

DATE, CREATED = "2026-01-02T03:04:05.000Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NO_TIME = datetime.fromtimestamp(0, UTC)


def test_an_unknown_profile_makes_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Ec2Error, match=r"AWS session: The config profile \(nobody\)") as caught:
        Aws()
    assert caught.value.meaning is Meaning.NO_ACCESS


@pytest.mark.parametrize("keys", [("id", None), (None, "secret")])
def test_one_of_two_keys_makes_no_session(keys: tuple[str | None, str | None]) -> None:
    with pytest.raises(Ec2Error, match="only one is given"):
        Aws(*keys)


def test_one_of_two_keys_in_the_environment_makes_no_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(Ec2Error, match="us-east-1: Partial credentials found in env"):
        Aws().reader("us-east-1")


def test_a_malformed_region_makes_no_client() -> None:
    with pytest.raises(Ec2Error, match="us_east: Provided region_name 'us_east'"):
        Aws("id", "secret").reader("us_east")


@pytest.mark.parametrize("endpoint", ["nonsense", "http://["])
def test_a_malformed_endpoint_makes_no_client(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(Ec2Error, match="us-east-1: Invalid"):
        Aws("id", "secret").launcher("us-east-1")


@pytest.mark.parametrize(
    ("epoch", "date", "created"),
    [
        pytest.param("1767323045", "2027-01-01T00:00:00Z", CREATED, id="seconds"),
        pytest.param("1767323045000", DATE, CREATED, id="milliseconds"),
        pytest.param("9" * 30, DATE, CREATED, id="beyond all times"),
        pytest.param("²", DATE, CREATED, id="a digit that is no number"),
        pytest.param("yesterday", DATE, CREATED, id="a word"),
        pytest.param("", "2026-01-02T03:04:05", CREATED, id="a date without zone"),
        pytest.param("", "yesterday", NO_TIME, id="neither"),
        pytest.param("", "", NO_TIME, id="nothing"),
    ],
)
def test_when_an_image_was_created_is_read_from_whatever_makes_sense(
    epoch: str, date: str, created: datetime
) -> None:
    assert _read_created(epoch, date) == created
