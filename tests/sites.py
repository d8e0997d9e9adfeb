"""A farm worth looking at, and a real server of its pages."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Page

from farmhand.tables import farm, metadata
from slavealloc.doors.gate import COOKIE
from tests.allocators import (
    Allocator,
    add_masters,
    add_token,
    look_up,
    make_places_database,
    running_allocator,
)

FARM = "staging"
WHO = "stranger"
BUG_URL = "https://bugzilla.example.org/show_bug.cgi?id="
CONFIG = {"farm": FARM, "slavealloc": {"bug_links": {r"[Bb]ug (\d+)": rf"{BUG_URL}\1"}}}
# Of the nth worker of all, counted from 0.
IS_DISABLED, IS_SILENT, IS_NEW = 23, 41, 97
BROKEN = "bld-linux64-0004"
CHUNK = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Workers of one silo."""

    prefix: str
    pool: str
    silo: Mapping[str, str]


def _kind(prefix: str, pool: str, *silo: str) -> Kind:
    names = ("distro", "bitlength", "speed", "purpose", "datacenter", "trustlevel", "environment")
    return Kind(prefix=prefix, pool=pool, silo=dict(zip(names, silo, strict=True)))


KINDS = (
    _kind("bld-linux64", "build-scl3", "centos6", "64", "fast", "build", "scl3", "core", "prod"),
    _kind("bld-lion-r5", "build-scl3", "lion", "64", "slow", "build", "scl3", "core", "prod"),
    _kind("try-linux64", "try-use1", "centos6", "64", "fast", "build", "use1", "try", "prod"),
    _kind("tst-linux64", "tests-use1", "ubuntu64", "64", "slow", "tests", "use1", "try", "prod"),
    _kind("tst-linux32", "tests-use1", "ubuntu32", "32", "slow", "tests", "use1", "try", "prod"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PagesOfFarm:
    """A running server; `token` is good for changes."""

    allocator: Allocator
    token: str

    def url(self, path: str) -> str:
        """Say where a page is."""
        return f"{self.allocator.url}{path}"


def fill_farm(engine: sa.Engine, count: int) -> None:
    """Add so many workers of five kinds, and masters for them.

    Every 23rd is disabled and says why, every 41st is silent, every 97th never came.
    """
    masters = {
        pool: add_masters(engine, 3, pool=pool, http_port=8001)
        for pool in dict.fromkeys(kind.pool for kind in KINDS)
    }
    rows = []
    with engine.begin() as connection:
        now = datetime.now(UTC)
        common = [_find_ids(connection, kind) for kind in KINDS]
        for n in range(count):
            kind = KINDS[n % len(KINDS)]
            row = _make_row(n, masters[kind.pool][n // len(KINDS) % 3], now)
            name = f"{kind.prefix}-{n // len(KINDS) + 1:04}"
            rows.append(row | common[n % len(KINDS)] | {"name": name})
        broken = {"notes": "reports disk errors, see bug 1234567"}
        rows = [row | broken if row["name"] == BROKEN else row for row in rows]
        for start in range(0, count, CHUNK):
            connection.execute(farm.workers.insert(), rows[start : start + CHUNK])


def _find_ids(connection: sa.Connection, kind: Kind) -> dict[str, int]:
    found = {
        f"{name}_id": look_up(connection, metadata.tables[f"{name}s"], value)
        for name, value in kind.silo.items()
    }
    return found | {"pool_id": look_up(connection, farm.pools, kind.pool)}


def _make_row(n: int, master: int, now: datetime) -> dict[str, Any]:
    seen = timedelta(days=n % 9 + 2) if n % IS_SILENT == 7 else timedelta(seconds=n * 37 % 7000)
    disabled, new = n % IS_DISABLED == 10, n % IS_NEW == 50
    return {
        "enabled": not disabled,
        "notes": f"bug {900000 + n}: does not boot since the power cut" if disabled else None,
        "current_master_id": None if disabled or new else master,
        "last_seen_at": None if new else now - seen,
        "basedir": "/builds/slave",
    }


@contextlib.contextmanager
def running_pages(state: Path, count: int) -> Iterator[PagesOfFarm]:
    """Run a server of a farm of so many workers, called staging."""
    config = state / "farmhand.yml"
    config.write_text(json.dumps(CONFIG))
    engine = make_places_database(f"sqlite:///{state}/farm.db")
    fill_farm(engine, count)
    token = add_token(engine, WHO)
    with running_allocator(engine, "-c", str(config), state=state) as allocator:
        yield PagesOfFarm(allocator=allocator, token=token)
    engine.dispose()


def log_in(page: Page, site: PagesOfFarm) -> None:
    """Give a page the cookie that the login page would."""
    page.context.add_cookies([{"name": COOKIE, "value": site.token, "url": site.allocator.url}])
