"""What `check` reads: both databases, the configured servers, and EC2; it writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from farmhand.command import Run
from farmhand.errors import FarmError, Unavailable
from farmhand.findings import Finding
from watch_pending import gather, queries
from watch_pending.buildermap import compile_buildermap, match_builder
from watch_pending.config_sources import JacuzziServer
from watch_pending.models import Cloud, InventoryWorker
from watch_pending.pending import (
    Window,
    detect_shape,
    read_builder_names,
    read_pending,
    read_recent_builders,
)
from watch_pending.settings import WatchPendingSettings
from watch_pending.source_models import Jacuzzis, Trouble
from watch_pending.sources import patience_s, read_inventory

DAY_S = 86400.0
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The builders that the scheduler database knows, that had a request lately, that wait."""

    builders: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What could be read; None where it could not. `findings` and `unreached` say why not."""

    inventory: tuple[InventoryWorker, ...] | None = None
    jacuzzis: Mapping[str, frozenset[str]] = field(default_factory=dict)
    history: History = field(default_factory=History)
    cloud: Cloud | None = None
    findings: list[Finding] = field(default_factory=list)
    unreached: list[Finding] = field(default_factory=list)


def look_around(run: Run, settings: WatchPendingSettings, days: int) -> Seen:
    """Read everything that can be reached; whatever can't becomes a finding."""
    seen = Seen()
    farm = _attempt(seen, lambda: read_farm(settings), code="farm_db", where="database")
    inventory, jacuzzis = farm or (None, Jacuzzis())
    listed = read_inventory(run, settings)
    if listed is not None:
        inventory = listed.workers
        _note(seen, listed.trouble, code="inventory", where="inventory")
    history = _attempt(
        seen,
        lambda: read_history(run, settings, days),
        code="scheduler_db",
        where="scheduler_db",
    )
    history = history or History()
    server = settings.watch.jacuzzis_from
    if isinstance(server, JacuzziServer):
        from watch_pending.jacuzzi_server import read_jacuzzis

        rules = compile_buildermap(settings.watch.buildermap)
        mapped = [builder for builder in history.waiting if match_builder(rules, builder)]
        jacuzzis, trouble = read_jacuzzis(server, mapped, patience_s(run))
        _note(seen, trouble, code="jacuzzis", where="jacuzzis_from")
    cloud = _attempt(seen, lambda: read_ec2(run, settings), code="aws", where="aws")
    seen.unreached.extend(
        Finding(code="region", where=region, message=reason)
        for region, reason in (cloud.lost if cloud else {}).items()
    )
    return replace(
        seen, inventory=inventory, jacuzzis=jacuzzis.by_builder, history=history, cloud=cloud
    )


def _attempt(seen: Seen, read: Callable[[], Found], *, code: str, where: str) -> Found | None:
    try:
        return read()
    except FarmError as err:
        # What the farm database has against us is for people to mend; the others may come back.
        broken = code == "farm_db" and not isinstance(err, Unavailable)
        found = seen.findings if broken else seen.unreached
        found.append(Finding(code=code, where=where, message=str(err)))
        return None


def _note(seen: Seen, trouble: Trouble | None, *, code: str, where: str) -> None:
    """Add a source's trouble: what is held for it is an error, until the server is back."""
    if trouble is not None:
        found = seen.unreached if trouble.held else seen.findings
        message, held = trouble.why, trouble.held
        found.append(Finding(code=code, where=where, message=message, severe=held))


def read_farm(
    settings: WatchPendingSettings,
) -> tuple[tuple[InventoryWorker, ...], Jacuzzis]:
    """Read the farm database's workers, and the jacuzzis of the database or the configuration."""
    database = settings.open_database(reading=True)
    try:
        with database.begin() as connection:
            workers = queries.read_inventory(connection)
            jacuzzis: Mapping[str, tuple[str, ...] | list[str]] = settings.watch.jacuzzis
            if settings.watch.jacuzzis_from == "database":
                jacuzzis = queries.read_jacuzzis(connection)
    finally:
        database.engine.dispose()
    return workers, Jacuzzis.of(jacuzzis)


def read_history(run: Run, settings: WatchPendingSettings, days: int) -> History:
    """Read the builders that there are, and those that had a request in so many days."""
    database = gather.open_scheduler(run, settings.watch)
    window = Window(now=run.now, min_age_s=0, max_age_s=days * DAY_S)
    with database.connect() as connection:
        shape = detect_shape(connection)
        pending = read_pending(connection, shape, gather.window_of(run, settings.watch))
        history = History(
            builders=read_builder_names(connection, shape),
            recent=read_recent_builders(connection, shape, window),
            waiting=tuple(sorted({each.builder for each in pending})),
        )
    database.engine.dispose()
    return history


def read_ec2(run: Run, settings: WatchPendingSettings) -> Cloud:
    """Read all regions; raises Unavailable where none answers."""
    from watch_pending.cloud import open_aws, read_cloud

    return read_cloud(run, open_aws(settings.originals), settings.watch)
