"""A past for a farm of tests/sites.py: jacuzzis, allocations, and edits made through its API."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import sqlalchemy as sa

from farmhand.tables import farm
from tests.sites import PagesOfFarm

BUILDER = "b2g_mozilla-central_hamachi_dep"
LOCKED, FIXED = "bld-lion-r5-0002", "try-linux64-0002"
HOUR = timedelta(hours=1)


def edit(
    site: PagesOfFarm, path: str, edit: Mapping[str, Any], *, token: str | None = None
) -> None:
    """PUT to the API by name, as one of the farm's tools would."""
    answer = requests.put(
        site.url(f"/api/v1/{path}?byname=1"),
        json=dict(edit),
        headers={"authorization": f"Bearer {token or site.token}"},
        timeout=30,
    )
    assert answer.ok, answer.text


def live_a_while(site: PagesOfFarm) -> None:
    """Give a worker a lock, a master a failure, two builders jacuzzis, some workers a history."""
    engine = site.allocator.engine
    with engine.begin() as connection:
        found = connection.execute(sa.select(farm.workers.c.name, farm.workers.c.id))
        ids = {row.name: row.id for row in found}
        names = {"bm1": 1, "bm4": 4}
        machines = [name for name in sorted(ids) if name.startswith("bld-linux64")]
        now = datetime.now(UTC)
        connection.execute(
            farm.jacuzzis.insert(),
            [{"builder": BUILDER, "worker_id": ids[name]} for name in machines[2:8]]
            + [{"builder": "mozilla-esr_linux64_nightly", "worker_id": ids[machines[2]]}],
        )
        connection.execute(
            farm.allocations.insert(),
            [
                {
                    "worker_id": ids[FIXED],
                    "master_id": master,
                    "at": now - hours * HOUR,
                    "reason": reason,
                    "host": "manager1",
                }
                for master, reason, hours in (
                    (names["bm4"], "chosen", 60),
                    (None, "disabled", 30),
                    (names["bm4"], "chosen", 5),
                )
            ],
        )
    edit(site, f"slaves/{FIXED}", {"enabled": False, "notes": "bug 1234: no disk"})
    edit(site, f"slaves/{FIXED}", {"enabled": True})
    edit(site, f"slaves/{LOCKED}", {"locked_masterid": 2})
    edit(site, "masters/bm2", {"enabled": False, "notes": "bug 99: being reinstalled"})
