"""The inventory from a server over HTTP, and the file that keeps it for when the server is away."""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from farmhand.errors import Unavailable
from farmhand.files import replacing
from farmhand.output import format_time
from watch_pending.config_sources import InventoryServer
from watch_pending.http_reads import Patience, fetch_json, open_session, within
from watch_pending.inventory_rows import read_rows
from watch_pending.source_models import INVENTORY, InventoryWorker, Trouble

log = logging.getLogger(__name__)
MOST_BYTES = 64 * 2**20
FILE = "inventory.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """An answer, and when it was given."""

    url: str
    at: datetime
    rows: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """The workers, or None where nobody tells them; `fetched` is what is to be kept."""

    workers: tuple[InventoryWorker, ...] | None
    fetched: Kept | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Whom to ask, and how what it says is to be read; `regions` are the farm's."""

    server: InventoryServer
    regions: Collection[str]
    now: datetime
    patience_s: float


def read_inventory(ask: Ask, directory: Path) -> Inventory:
    """Read the inventory: from the file while it is fresh, from the server, else from the file.

    Never raises, never writes.
    """
    kept, workers = _read_kept(ask, directory / FILE)
    age = ask.now - kept.at if kept else timedelta()
    if workers is not None and timedelta() <= age < timedelta(seconds=ask.server.cache_s):
        return Inventory(workers=workers)
    try:
        fetched = _fetch(ask)
        return Inventory(workers=_read(ask, fetched), fetched=fetched)
    except Unavailable as err:
        why = str(err)
    if workers is not None:
        why = f"{why}; the one of {age.total_seconds() / 60:.0f} minutes ago is used"
    else:
        why = f"{why}; there is none from before"
    log.warning("%s: %s", INVENTORY, why)
    trouble = Trouble(source=INVENTORY, why=why, held=workers is None)
    return Inventory(workers=workers, trouble=trouble)


def _fetch(ask: Ask) -> Kept:
    """Ask the server; raises Unavailable."""
    url = ask.server.url
    timeout_s = min(ask.server.timeout_s, ask.patience_s)
    patience = Patience(timeout_s=timeout_s, most_bytes=MOST_BYTES)

    def get() -> Any:
        with open_session() as session:
            return fetch_json(session, url, patience)

    rows = within(timeout_s, url, get)
    if rows is None:
        raise Unavailable(f"{url}: HTTP 404")
    return Kept(url=url, at=ask.now, rows=rows)


def _read(ask: Ask, kept: Kept) -> tuple[InventoryWorker, ...]:
    try:
        return read_rows(kept.rows, ask.server.types, ask.regions)
    except ValueError as err:
        raise Unavailable(f"{kept.url}: {err}") from err


def _read_kept(ask: Ask, path: Path) -> tuple[Kept | None, tuple[InventoryWorker, ...] | None]:
    """Read the file: nothing, where there is none of this server, or it is broken."""
    try:
        document = json.loads(path.read_bytes())
        at = datetime.fromisoformat(document["at"])
        kept = Kept(url=document["url"], at=at, rows=document["workers"])
        if kept.url != ask.server.url:
            return None, None
        return kept, read_rows(kept.rows, ask.server.types, ask.regions)
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as err:
        log.warning("%s: %s can't be used: %r", INVENTORY, path, err)
        return None, None


def keep(directory: Path, fetched: Kept) -> None:
    """Write what was fetched to the file, whole or not at all; else the log says so."""
    document = {"url": fetched.url, "at": format_time(fetched.at), "workers": fetched.rows}
    try:
        with replacing(directory / FILE) as file:
            file.write(json.dumps(document).encode())
    except OSError as err:
        log.warning("%s: %s can't be written: %s", INVENTORY, directory / FILE, err)
