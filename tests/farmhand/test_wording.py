"""Words that several packages share."""

from datetime import datetime

import pytest

from farmhand.wording import format_ago

NOW = datetime.fromisoformat("2026-03-04T12:00:00Z")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (None, "never"),
        ("2026-03-04T12:00:07Z", "just now"),
        ("2026-03-04T11:59:56.5Z", "just now"),
        ("2026-03-04T11:59:18Z", "42 s ago"),
        ("2026-03-04T11:57:00.000001Z", "2 min ago"),
        ("2026-03-04T11:00:01Z", "59 min ago"),
        ("2026-03-04T11:00:00Z", "1 h ago"),
        ("2026-03-03T12:00:00Z", "1 d ago"),
        ("2025-03-04T12:00:00Z", "365 d ago"),
    ],
)
def test_an_age_is_said_in_its_largest_whole_unit(at: str | None, said: str) -> None:
    then = datetime.fromisoformat(at) if at is not None else None
    assert format_ago(then, NOW) == said
