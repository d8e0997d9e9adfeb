"""Which worker names may be given to new machines; pure."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from watch_pending.config_machines import FROM_INVENTORY, InstanceType, Market
from watch_pending.demand import serves
from watch_pending.models import Demand, InventoryWorker

MAX_NUMBER = 9999  # of a name pattern


def find_names(
    candidates: Iterable[str],
    demand: Demand,
    *,
    in_use: Collection[str],
    allocated: frozenset[str],
    most: int,
) -> list[str]:
    """List at most `most` of the candidates that are free and that the demand's jobs may use.

    `allocated` are the workers of all jacuzzis.
    """
    free = (name for name in candidates if name not in in_use and serves(name, demand, allocated))
    return list(islice(free, most))


def candidate_names(
    instance_type: InstanceType, market: Market, inventory: Iterable[InventoryWorker]
) -> Iterator[str]:
    """Yield every name an instance type may give its machines of a market, lowest first."""
    if instance_type.names == FROM_INVENTORY:
        yield from sorted(
            worker.name for worker in inventory if worker.enabled and worker.market is market
        )
        return
    pattern = instance_type.name_pattern(market)
    if pattern is not None:
        for number in range(1, MAX_NUMBER + 1):
            yield pattern % number
