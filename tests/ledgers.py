"""Ledgers, each opened in one line, and what tests ask of them: one offer, one type."""

from typing import Any

from tests.builders import NOW, make_config, make_place, make_snapshot
from tests.plans import make_offer
from watch_pending.config_machines import Market
from watch_pending.ledger import Ledger, Refusal
from watch_pending.models import Offer, Snapshot

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND
SUBNETS = make_place().subnets
OFFER, ON_DEMAND_OFFER = make_offer(), make_offer(market=ON_DEMAND, price_usd_per_hour=None)


def open_ledger(snapshot: Snapshot | None = None, **config: Any) -> Ledger:
    return Ledger.open(snapshot or make_snapshot(), make_config(**config), NOW)


def why_not(ledger: Ledger, offer: Offer = OFFER) -> Refusal | None:
    return ledger.why_not(offer, "bld", SUBNETS)


def refused_by(ledger: Ledger, offer: Offer = OFFER) -> str | None:
    refusal = why_not(ledger, offer)
    return None if refusal is None else refusal.by


def take(ledger: Ledger, count: int, offer: Offer = OFFER) -> list[str]:
    """Take machines; return their subnets."""
    return [ledger.take(offer, "bld", f"new-{number}", SUBNETS) for number in range(count)]
