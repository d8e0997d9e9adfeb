"""What AWS refused and what never connected, each in one line."""

from dataclasses import fields

from tests.builders import MINUTE, NOW
from tests.plans import make_launch
from watch_pending.aws_errors import Meaning
from watch_pending.backoff_models import Backoff, Failures, Refused
from watch_pending.backoffs import remember
from watch_pending.models import Launch

SAID = "InsufficientInstanceCapacity: none left"


def make_refused(
    meaning: Meaning = Meaning.NO_CAPACITY, launch: Launch | None = None, said: str = SAID
) -> Refused:
    """Make what is remembered of a launch that failed: no spot capacity in the first zone."""
    refused = remember(meaning, launch or make_launch(), said)
    assert refused is not None
    return refused


def make_backoff(
    meaning: Meaning = Meaning.NO_CAPACITY,
    launch: Launch | None = None,
    *,
    is_over: bool = False,
    failures: int = 1,
) -> Backoff:
    """Make a back-off that began five minutes ago and ends in one, or ended one ago.

    One of settings has no end.
    """
    refused = make_refused(meaning, launch)
    ends = meaning not in {Meaning.BAD_SETTINGS, Meaning.NO_ACCESS}
    until = NOW - MINUTE if is_over else NOW + MINUTE
    return Backoff(
        **{each.name: getattr(refused, each.name) for each in fields(refused)},
        failures=failures,
        began_at=NOW - 5 * MINUTE,
        until=until if ends else None,
        is_over=is_over and ends,
        settings_sha256=None if ends else "0" * 64,
    )


def make_failures(count: int = 5, ami: str | None = None, instance_type: str = "bld") -> Failures:
    """Make machines of a type, or of one of its AMIs, that never connected."""
    return Failures(instance_type=instance_type, ami=ami, count=count)
