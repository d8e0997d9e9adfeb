"""Which worker names may be given to new machines; pure."""

from collections.abc import Iterable, Iterator
from itertools import islice

from watch_pending.config import FROM_INVENTORY, InstanceType, Market
from watch_pending.models import InventoryWorker

MAX_NUMBER = 9999  # of a name pattern


def find_names(
    instance_type: InstanceType,
    market: Market,
    *,
    inventory: Iterable[InventoryWorker],
    in_use: frozenset[str],
    workers: frozenset[str] | None,
    allocated: frozenset[str],
    most: int,
) -> list[str]:
    """List at most `most` free names, lowest first.

    `inventory` holds the workers of this instance type. With a set of `workers` (a jacuzzi) only its
    names are given; without one, never a name of `allocated`.
    """
    candidates = candidate_names(instance_type, market, inventory)
    free = (
        name
        for name in candidates
        if name not in in_use
        and (name in workers if workers is not None else name not in allocated)
    )
    return list(islice(free, most))


def candidate_names(
    instance_type: InstanceType, market: Market, inventory: Iterable[InventoryWorker]
) -> Iterator[str]:
    """Yield every name an instance type may give its machines of a market, lowest first."""
    if instance_type.names == FROM_INVENTORY:
        yield from sorted(worker.name for worker in inventory if worker.market is market)
        return
    pattern = instance_type.name_pattern(market)
    if pattern is not None:
        for number in range(1, MAX_NUMBER + 1):
            yield pattern % number
