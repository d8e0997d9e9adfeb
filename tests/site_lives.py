"""A past for a farm of tests/sites.py: jacuzzis, allocations, and edits made through its API."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import sqlalchemy as sa

from farmhand.tables import farm
from tests.sites import PagesOfFarm

BUILDER, LONELY = "b2g_mozilla-central_hamachi_dep", "mozilla-esr_linux64_nightly"
# Locked to bm2, which is disabled; disabled once, and repaired; disabled now.
LOCKED, FIXED, OFF = "bld-lion-r5-0002", "try-linux64-0002", "bld-linux64-0002"
HOUR = timedelta(hours=1)


def add_past(engine: sa.Engine) -> None:
    """Give two builders jacuzzis, each with a machine that is disabled, and a worker moves."""
    with engine.begin() as connection:
        names = connection.execute(sa.select(farm.workers.c.name, farm.workers.c.id))
        ids = {row.name: row.id for row in names}
        masters = connection.execute(sa.select(farm.masters.c.nickname, farm.masters.c.id))
        master_ids = {row.nickname: row.id for row in masters}
        machines = [name for name in sorted(ids) if name.startswith("bld-linux64")]
        rows = [{"builder": BUILDER, "worker_id": ids[name]} for name in machines[1:6]]
        connection.execute(
            farm.jacuzzis.insert(), [*rows, {"builder": LONELY, "worker_id": ids[OFF]}]
        )
        moves = (("bm4", "chosen", 60), (None, "disabled", 30), ("bm4", "chosen", 5))
        connection.execute(
            farm.allocations.insert(),
            [
                {
                    "worker_id": ids[FIXED],
                    "master_id": master_ids.get(nickname or ""),
                    "at": datetime.now(UTC) - hours * HOUR,
                    "reason": reason,
                    "host": "manager1",
                }
                for nickname, reason, hours in moves
            ],
        )


def edit(site: PagesOfFarm, path: str, edit: Mapping[str, Any]) -> None:
    """PUT to the API by name, as one of the farm's tools would."""
    answer = requests.put(
        site.url(f"/api/v1/{path}?byname=1"),
        json=dict(edit),
        headers={"authorization": f"Bearer {site.token}"},
        timeout=30,
    )
    assert answer.ok, answer.text


def live_a_while(site: PagesOfFarm) -> None:
    """Add a past, a lock, a master that fails, a worker that is repaired and one that is not."""
    add_past(site.allocator.engine)
    edit(site, f"slaves/{FIXED}", {"enabled": False, "notes": "bug 1234: no disk"})
    edit(site, f"slaves/{FIXED}", {"enabled": True})
    edit(site, f"slaves/{OFF}", {"enabled": False, "notes": "bug 77: smells burnt"})
    edit(site, f"slaves/{LOCKED}", {"locked_masterid": 2})
    edit(site, "masters/bm2", {"enabled": False, "notes": "bug 99: being reinstalled"})
