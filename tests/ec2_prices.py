"""DescribeSpotPriceHistory over the seeded prices (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import groupby
from xml.sax.saxutils import escape

from tests.ec2_query import NAMESPACE, Ec2Error, Reply, filters, list_param
from tests.ec2_state import Price

# Filter name → the attribute of Price it looks at.
FILTERS = {
    "availability-zone": "az",
    "instance-type": "ec2_type",
    "product-description": "product",
}


def current_price(
    prices: Sequence[Price], az: str, ec2_type: str, product: str, now: datetime
) -> float | None:
    """Return the price in USD per hour that holds now, None if none is known."""
    past = [
        price
        for price in prices
        if (price.az, price.ec2_type, price.product) == (az, ec2_type, product)
        and price.since() <= now
    ]
    return max(past, key=Price.since).price_usd_per_hour if past else None


def price_history_reply(params: Mapping[str, str], prices: Sequence[Price]) -> Reply:
    """Answer DescribeSpotPriceHistory, newest first, one page of it."""
    chosen = _in_period(
        [price for price in prices if _is_asked_for(params, price)],
        params.get("StartTime"),
        params.get("EndTime"),
    )
    chosen.sort(key=Price.since, reverse=True)
    start = int(params.get("NextToken") or "0")
    end = start + int(params.get("MaxResults", "1000"))
    items = "".join(_item(price) for price in chosen[start:end])
    # AWS ends the last page with an empty token, not without one.
    token = str(end) if end < len(chosen) else ""
    body = (
        f'<DescribeSpotPriceHistoryResponse xmlns="{NAMESPACE}">'
        "<requestId>00000000-0000-4000-8000-000000000000</requestId>"
        f"<spotPriceHistorySet>{items}</spotPriceHistorySet>"
        f"<nextToken>{token}</nextToken></DescribeSpotPriceHistoryResponse>"
    )
    return Reply(status=200, body=body.encode())


def _is_asked_for(params: Mapping[str, str], price: Price) -> bool:
    types = list_param(params, "InstanceType")
    products = list_param(params, "ProductDescription")
    asked = filters(params)
    if unknown := sorted(asked.keys() - FILTERS.keys()):
        raise Ec2Error("InvalidParameterValue", f"The filter '{unknown[0]}' is invalid")
    return (
        (not types or price.ec2_type in types)
        and (not products or price.product in products)
        and params.get("AvailabilityZone", price.az) == price.az
        and all(
            any(fnmatchcase(getattr(price, FILTERS[name]), glob) for glob in globs)
            for name, globs in asked.items()
        )
    )


def _in_period(prices: Sequence[Price], start: str | None, end: str | None) -> list[Price]:
    """Keep per (zone, type, product) the price holding at `start` and all later until `end`."""

    def group(price: Price) -> tuple[str, str, str]:
        return price.az, price.ec2_type, price.product

    if end:
        prices = [price for price in prices if price.since() <= _aware(end)]
    if not start:
        return list(prices)
    kept: list[Price] = []
    for _, members in groupby(sorted(prices, key=group), key=group):
        history = sorted(members, key=Price.since)
        before = [price for price in history if price.since() <= _aware(start)]
        kept += before[-1:] + history[len(before) :]
    return kept


def _aware(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _item(price: Price) -> str:
    at = price.since().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<item><instanceType>{escape(price.ec2_type)}</instanceType>"
        f"<productDescription>{escape(price.product)}</productDescription>"
        f"<spotPrice>{price.price_usd_per_hour:.6f}</spotPrice>"
        f"<timestamp>{at}</timestamp>"
        f"<availabilityZone>{escape(price.az)}</availabilityZone></item>"
    )
