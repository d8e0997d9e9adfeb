"""What is held back because a source did not tell what a launch rests on; pure."""

from watch_pending.config import WatchPending
from watch_pending.config_machines import FROM_INVENTORY
from watch_pending.models import Cut, Demand, Snapshot


def hold_back(demand: Demand, need: int, config: WatchPending, snapshot: Snapshot) -> Cut | None:
    """Cut a demand to nothing where nobody can tell its workers, or any name; else None."""
    if demand.held:
        return Cut(by="jacuzzis", before=need, after=0, reason=demand.held)
    named = config.instance_types[demand.instance_type].names
    if snapshot.sources.inventory_unknown and named == FROM_INVENTORY:
        return Cut(by="inventory", before=need, after=0, reason=snapshot.sources.inventory_unknown)
    return None
