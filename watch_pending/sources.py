"""Jacuzzis and worker names from where the configuration says: file, farm database, or servers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farmhand.command import Run
from farmhand.db import FarmDb
from watch_pending import queries
from watch_pending.buildermap import compile_buildermap, match_builder
from watch_pending.models import PendingRequests, Snapshot
from watch_pending.settings import WatchPendingSettings
from watch_pending.source_models import InventoryWorker, Jacuzzis, Sources, Trouble

if TYPE_CHECKING:
    from watch_pending.inventory_server import Inventory, Kept

# Servers that hang must leave most of the time to launch.
READS_SHARE = 0.25
LEAST_PATIENCE_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcesRead:
    """What they say; `inventory` is None where it is the farm database's, which the journal has.

    `fetched` is a server's answer that a real run keeps.
    """

    sources: Sources
    inventory: tuple[InventoryWorker, ...] | None = None
    fetched: "Kept | None" = None

    def add_to(self, snapshot: Snapshot) -> Snapshot:
        """Add it to what else was read."""
        inventory = snapshot.inventory if self.inventory is None else self.inventory
        return replace(snapshot, sources=self.sources, inventory=inventory)


def read_sources(
    run: Run,
    settings: WatchPendingSettings,
    database: FarmDb,
    pending: Iterable[PendingRequests],
    *,
    most_s: float = math.inf,
) -> SourcesRead:
    """Read all sources; a server that does not tell is a trouble, and never the end.

    A list of workers takes `most_s` at most.
    """
    rules = compile_buildermap(settings.watch.buildermap)
    mapped = {each.builder for each in pending if match_builder(rules, each.builder)}
    jacuzzis, trouble = read_jacuzzis(run, settings, database, mapped)
    listed = read_inventory(run, settings, most_s=most_s)
    if listed is None:
        troubles = (trouble,) if trouble else ()
        return SourcesRead(sources=Sources(jacuzzis=jacuzzis, troubles=troubles))
    sources = Sources(
        jacuzzis=jacuzzis,
        inventory_unknown=listed.trouble.why if listed.trouble and listed.trouble.held else "",
        troubles=tuple(each for each in (trouble, listed.trouble) if each),
    )
    return SourcesRead(sources=sources, inventory=listed.workers or (), fetched=listed.fetched)


def read_jacuzzis(
    run: Run, settings: WatchPendingSettings, database: FarmDb, builders: Iterable[str]
) -> tuple[Jacuzzis, Trouble | None]:
    """Read the jacuzzis of these builders at least, and whose workers nobody else may take."""
    server = settings.watch.jacuzzis_from
    if server is None:
        return Jacuzzis.of(settings.watch.jacuzzis), None
    if isinstance(server, str):
        with database.begin() as connection:
            return Jacuzzis.of(queries.read_jacuzzis(connection)), None
    builders = sorted(builders)
    if not builders:
        return Jacuzzis(), None
    from watch_pending import jacuzzi_server

    return jacuzzi_server.read_jacuzzis(server, builders, patience_s(run))


def patience_s(run: Run) -> float:
    """Say how long a server may take."""
    return max(LEAST_PATIENCE_S, run.remaining_s() * READS_SHARE)


def read_inventory(
    run: Run, settings: WatchPendingSettings, *, most_s: float = math.inf
) -> "Inventory | None":
    """Read the inventory of a server, or of its last answer; None where none is configured."""
    if settings.watch.inventory is None:
        return None
    from watch_pending import inventory_server

    ask = inventory_server.Ask(
        server=settings.watch.inventory,
        regions=settings.watch.region_priorities,
        now=run.now,
        patience_s=min(most_s, patience_s(run)),
    )
    return inventory_server.read_inventory(ask, settings.state_directory)


def keep_fetched(settings: WatchPendingSettings, read: SourcesRead | None) -> None:
    """Keep a server's answer for when it is away; only real runs do."""
    if read is not None and read.fetched is not None:
        from watch_pending.inventory_server import keep

        keep(settings.state_directory, read.fetched)
