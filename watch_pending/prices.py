"""What machines cost by what was paid for them; pure."""

from collections.abc import Mapping

from watch_pending.config import WatchPending
from watch_pending.models import Instance, Machine


def paid_usd_per_hour(
    machine: Machine, paid: Mapping[str, float], config: WatchPending
) -> float | None:
    """Find what a machine costs an hour: its price when it was launched, else the list price.

    `paid`: the journal's prices, by token and by instance id. None: unknown.
    """
    price = paid.get(machine.token or "")
    if price is None and isinstance(machine, Instance):
        price = paid.get(machine.instance_id)
    return config.usd_per_hour.get(machine.ec2_type) if price is None else price
