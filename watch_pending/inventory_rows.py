"""A list of workers as slavealloc, or the original, serves it → the inventory; pure."""

from collections.abc import Collection, Mapping
from typing import Any

from watch_pending.config_machines import Market
from watch_pending.source_models import InventoryWorker, is_name

SPOT = "-spot-"  # in a name, where no market is given
MARKETS = {market.value: market for market in Market}


def read_rows(
    document: object, types: Mapping[str, Mapping[str, str]], regions: Collection[str]
) -> tuple[InventoryWorker, ...]:
    """Read a list of workers, which is refused whole where one can't be; raises ValueError.

    `types`: instance type → fields, for rows that don't name theirs. `regions` are the farm's:
    a worker whose datacenter is none of them is hardware, unless its name or market says else.
    """
    if not isinstance(document, list):
        raise ValueError("not a list of workers")  # noqa: TRY004 - what a server says
    workers: dict[str, InventoryWorker] = {}
    for row in document:
        worker = _read_row(row, types, regions)
        if worker.name in workers:
            raise ValueError(f"worker {worker.name} stands there twice")
        workers[worker.name] = worker
    return tuple(workers[name] for name in sorted(workers))


def _read_row(
    row: object, types: Mapping[str, Mapping[str, str]], regions: Collection[str]
) -> InventoryWorker:
    if not isinstance(row, dict) or not is_name(row.get("name")):
        raise ValueError(f"{str(row)[:60]!a} is no worker")
    name, enabled = row["name"], row.get("enabled")
    if enabled not in (True, False):  # the original's MySQL says 1 and 0
        raise ValueError(f'worker {name}: "enabled" is neither true nor false')
    given = row.get("market")
    market = str(given) if given else _guess_market(row, regions)
    known = market is None or market in MARKETS
    return InventoryWorker(
        name=name,
        instance_type=_find_type(row, types),
        market=MARKETS.get(market or ""),
        enabled=known and bool(enabled),
    )


def _guess_market(row: Mapping[str, Any], regions: Collection[str]) -> str | None:
    if SPOT in row["name"]:
        return Market.SPOT.value
    return Market.ON_DEMAND.value if str(row.get("datacenter")) in regions else None


def _find_type(row: Mapping[str, Any], types: Mapping[str, Mapping[str, str]]) -> str | None:
    if isinstance(given := row.get("instance_type"), str) and given:
        return given
    for name, fields in types.items():
        if all(str(row.get(field)) == wanted for field, wanted in fields.items()):
            return name
    return None
