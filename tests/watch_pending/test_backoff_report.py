"""Back-offs for people and as metrics."""

from tests.builders import make_config, make_snapshot
from tests.refusals import make_backoff, make_failures
from watch_pending.aws_errors import Meaning
from watch_pending.backoff_report import make_backoff_samples, rows_of_backoffs
from watch_pending.models import Snapshot


def numbers(snapshot: Snapshot) -> dict[str, float]:
    samples = make_backoff_samples(snapshot, make_config())
    return {next(iter(sample.labels.values())): sample.value for sample in samples}


def test_only_what_holds_is_counted_by_kind() -> None:
    over = make_backoff(Meaning.QUOTA, is_over=True)
    stopped = make_backoff(Meaning.NO_ACCESS)
    snapshot = make_snapshot(backoffs=(make_backoff(), over, stopped))
    assert numbers(snapshot) == {"capacity": 1, "subnet": 0, "quota": 0, "settings": 1, "bld": 0}


def test_an_open_breaker_is_named_by_its_type() -> None:
    assert numbers(make_snapshot(bootstraps=(make_failures(ami="ami-1"),)))["bld"] == 1


def test_each_row_tells_its_end() -> None:
    backoffs = (make_backoff(), make_backoff(is_over=True), make_backoff(Meaning.BAD_SETTINGS))
    assert [row[3] for row in rows_of_backoffs(backoffs)] == [
        "2026-01-15T12:01:00Z",
        "one has started",
        "its configuration changes",
    ]
