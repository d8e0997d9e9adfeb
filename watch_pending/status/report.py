"""A status as JSON; pure."""

from datetime import datetime
from typing import Any

from farmhand.output import format_time
from watch_pending.backoff_models import Backoff
from watch_pending.status.models import RunRow, Status, TypeRow


def status_to_json(status: Status) -> dict[str, Any]:
    """Format what `status --json` prints: docs/status.md."""
    return {
        "farm": status.farm,
        "now": format_time(status.now),
        "types": [_type_to_json(row) for row in status.types],
        "unmatched": status.unmatched,
        "usd_per_hour": _round(sum(row.usd_per_hour for row in status.types)),
        "usd_today": _round(sum(row.usd_today for row in status.types)),
        "back_offs": [_back_off_to_json(each, status.now) for each in status.back_offs],
        "runs": [_run_to_json(each, status.now) for each in status.runs],
        "masters": None
        if status.masters_alive is None
        else {"alive": list(status.masters_alive), "silent": list(status.masters_away)},
        "lost": dict(status.lost),
    }


def _type_to_json(row: TypeRow) -> dict[str, Any]:
    return {
        "instance_type": row.instance_type,
        "pending": row.pending,
        "oldest_wait_s": None if row.oldest_wait_s is None else round(row.oldest_wait_s),
        "idle": row.idle,
        "busy": row.busy,
        "booting": row.booting,
        "other": row.other,
        "live": dict(row.live),
        "limits": dict(row.limits),
        "usd_per_hour": _round(row.usd_per_hour),
        "usd_today": _round(row.usd_today),
        "unpriced": row.unpriced,
    }


def _back_off_to_json(each: Backoff, now: datetime) -> dict[str, Any]:
    return {
        "scope": each.scope,
        "kind": each.kind.value,
        "instance_type": each.instance_type,
        "region": each.region,
        "failures": each.failures,
        "left_s": round(max(0.0, (each.until - now).total_seconds())) if each.until else None,
        "reason": each.reason,
    }


def _run_to_json(row: RunRow, now: datetime) -> dict[str, Any]:
    busy = row.at_work_since
    return {
        "verb": row.verb,
        "started_at": format_time(row.started_at) if row.started_at else None,
        "age_s": round((now - row.started_at).total_seconds()) if row.started_at else None,
        "exit_code": row.exit_code,
        "at_work_s": round((now - busy).total_seconds()) if busy else None,
        "why_not": list(row.why),
    }


def _round(usd: float) -> float:
    return round(usd, 4)
