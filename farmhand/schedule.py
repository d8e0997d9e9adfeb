"""How often each cron job is meant to run, and when its last success is too old; pure."""

from collections.abc import Mapping

EVERY_S: Mapping[str, int] = {
    "watch-pending run": 60,
    "watch-pending stop-idle": 300,
    "watch-pending sanity": 86400,
    "watch-pending amis prune": 86400,
    "scanner scan": 60,
    "slavealloc dbdump": 86400,
}
"""As cron/ has them; `every_s` in farmhand.yml says otherwise."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "watch_pending": ("watch-pending run", "watch-pending stop-idle"),
    "scanner": ("scanner scan",),
}
"""Section of farmhand.yml → what is missed, where it never ran."""

KNOWN = (*EVERY_S, "watch-pending amis publish")
LEAST_LATE_S = 900  # a few runs may fail, or find nothing that answers


def overdue_after_s(every_s: float) -> float:
    """Say how old the last success may be: a quarter of an hour late, or a twelfth of the time.

    >>> overdue_after_s(60), overdue_after_s(86400) / 3600
    (960, 26.0)
    """
    return every_s + max(LEAST_LATE_S, every_s / 12)
