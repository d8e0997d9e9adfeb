"""Offers: where a machine could be launched now, best first, and why not elsewhere; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from watch_pending.config import WatchPending
from watch_pending.config_machines import InstanceType, Market, Place, SpotRule
from watch_pending.models import Exhausted, Image, Launch, Machine, Offer, Snapshot, SpotPrice

# The price must be this far below what we would pay, or the machine is soon lost again.
BID_SHARE = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """Offers, best first, and what was rejected, in words."""

    ranked: tuple[Offer, ...]
    rejected: tuple[str, ...]


def choose_image(
    images: Iterable[Image], instance_type: str, region: str, place: Place
) -> Image | None:
    """Find the AMI that is named, else the newest one tagged with the instance type."""
    images = [image for image in images if image.region == region]
    here = {name: image for image in images for name in (image.ami, *image.parameters)}
    if place.ami is not None:
        return here.get(place.ami)
    newest = newest_images(images, instance_type, region)
    return newest[0] if newest else here.get(place.ami_if_untagged or "")


def newest_images(images: Iterable[Image], instance_type: str, region: str) -> list[Image]:
    """List the AMIs tagged with an instance type in a region, newest first."""
    tagged = (i for i in images if i.region == region and i.instance_type == instance_type)
    return sorted(tagged, key=lambda image: (image.created, image.ami), reverse=True)


def why_no_image(
    instance_type: str, region: str, place: Place, unresolved: Mapping[tuple[str, str], str]
) -> str:
    """Say why an instance type has no AMI in a region."""
    wanted = place.ami or f"an AMI of ours tagged moz-type={instance_type}"
    why = unresolved.get((region, place.ami or place.ami_if_untagged or ""))
    return why or f"{wanted} does not exist or is not available"


def places_in(
    instance_type: str, settings: InstanceType, snapshot: Snapshot, regions: Iterable[str]
) -> tuple[dict[str, Image], list[str]]:
    """Find the regions an instance type can start in: region → AMI; and why not the others."""
    usable: dict[str, Image] = {}
    rejected = []
    for region in regions:
        place = settings.regions.get(region)
        if place is None:
            rejected.append(f"{region}: {instance_type} has no settings for it")
        elif region in snapshot.lost_regions:
            rejected.append(f"{region}: {snapshot.lost_regions[region]}")
        elif (image := choose_image(snapshot.images, instance_type, region, place)) is None:
            why = why_no_image(instance_type, region, place, snapshot.unresolved)
            rejected.append(f"{region}: {why}")
        else:
            usable[region] = image
    return usable, rejected


def zones_of(snapshot: Snapshot, subnets: Iterable[str], region: str) -> tuple[str, ...]:
    """List the availability zones in which an instance type has a subnet."""
    wanted = set(subnets)
    return tuple(
        sorted(
            {
                subnet.availability_zone
                for subnet in snapshot.subnets
                if subnet.region == region and subnet.subnet_id in wanted
            }
        )
    )


def rank_spot_offers(
    instance_type: str, config: WatchPending, snapshot: Snapshot, regions: Iterable[str]
) -> Offers:
    """Rank (region, zone, EC2 type) by price ÷ performance constant, over all regions together.

    An offer whose price is above 80 % of what we would pay is rejected. Ties: by region priority,
    then zone, then the rules' order.
    """
    settings = config.instance_types[instance_type]
    rules = config.spot.rules.get(instance_type, ())
    if not rules:
        return Offers(ranked=(), rejected=(f"{instance_type} has no spot rule",))
    usable, rejected = places_in(instance_type, settings, snapshot, regions)
    prices = map_prices(snapshot.spot_prices, settings.product)
    ranked: list[tuple[tuple[float, int, str, str, int], Offer]] = []
    for region, image in usable.items():
        zones = zones_of(snapshot, settings.regions[region].subnets, region)
        if not zones:
            rejected.append(f"{region}: none of its subnets exists")
        for zone in zones:
            for index, rule in enumerate(rules):
                price = prices.get((region, zone, rule.ec2_type))
                offer = Offer(
                    market=Market.SPOT,
                    region=region,
                    availability_zone=zone,
                    ec2_type=rule.ec2_type,
                    ami=image.ami,
                    price_usd_per_hour=price,
                    max_price_usd_per_hour=rule.max_price_usd_per_hour,
                )
                reason = why_not_spot(offer, rule) or why_exhausted(offer, instance_type, snapshot)
                if reason:
                    rejected.append(f"{rule.ec2_type} in {zone}: {reason}")
                elif price is not None:
                    score = price / rule.performance_constant
                    priority = -config.region_priorities.get(region, 0)
                    ranked.append(((score, priority, region, zone, index), offer))
    ranked.sort(key=lambda item: item[0])
    return Offers(ranked=tuple(offer for _, offer in ranked), rejected=tuple(rejected))


def why_not_spot(offer: Offer, rule: SpotRule) -> str | None:
    """Say why a spot offer is not to be taken, or None."""
    if offer.availability_zone in rule.ignored_azs:
        return "the zone is ignored"
    if offer.price_usd_per_hour is None:
        return "no spot price"
    most = round_usd(BID_SHARE * rule.max_price_usd_per_hour)
    if offer.price_usd_per_hour > most:
        return (
            f"{offer.price_usd_per_hour:.4f} USD/h is above 80 % of the "
            f"{rule.max_price_usd_per_hour:.4f} we would pay"
        )
    return None


def list_on_demand_offers(
    instance_type: str, config: WatchPending, snapshot: Snapshot, region: str
) -> Offers:
    """List the zones of one region in which an instance type can be had at the list price."""
    settings = config.instance_types[instance_type]
    usable, rejected = places_in(instance_type, settings, snapshot, [region])
    offers = []
    for image in usable.values():
        place = settings.regions[region]
        if place.ec2_type is None:
            rejected.append(f"{region}: {instance_type} names no ec2_type for on-demand")
            continue
        zones = zones_of(snapshot, place.subnets, region)
        if not zones:
            rejected.append(f"{region}: none of its subnets exists")
        for zone in zones:
            offer = Offer(
                market=Market.ON_DEMAND,
                region=region,
                availability_zone=zone,
                ec2_type=place.ec2_type,
                ami=image.ami,
                price_usd_per_hour=config.usd_per_hour.get(place.ec2_type),
            )
            if reason := why_exhausted(offer, instance_type, snapshot):
                rejected.append(f"{offer.ec2_type} in {zone}: {reason}")
            else:
                offers.append(offer)
    return Offers(ranked=tuple(offers), rejected=tuple(rejected))


def same_product(price: SpotPrice, product: str) -> bool:
    """Whether a price is for this product; AWS adds "(Amazon VPC)" in old accounts."""
    return price.product.removesuffix(" (Amazon VPC)") == product


def map_prices(prices: Iterable[SpotPrice], product: str) -> dict[tuple[str, str, str], float]:
    """Map (region, zone, EC2 type) → a product's price; of its two names, the higher's."""
    found: dict[tuple[str, str, str], float] = {}
    for price in prices:
        if same_product(price, product):
            key = (price.region, price.availability_zone, price.ec2_type)
            found[key] = max(price.usd_per_hour, found.get(key, 0.0))
    return found


def round_usd(amount: float) -> float:
    """Take the floats' noise off an amount, which would else pass a limit that it only reaches.

    >>> 0.1 + 0.2 <= 0.3, round_usd(0.1 + 0.2) <= 0.3
    (False, True)
    """
    return round(amount, 9)


def why_exhausted(offer: Offer, instance_type: str, snapshot: Snapshot) -> str | None:
    """Say what this run has learned against an offer, or None."""
    return next(
        (
            exhausted.reason
            for exhausted in snapshot.exhausted
            if exhausted.subnet is None and covers(exhausted, offer, instance_type)
        ),
        None,
    )


def covers(exhausted: Exhausted, offer: Offer | Machine, instance_type: str) -> bool:
    """Whether what was learned speaks of this offer, or of where a machine is; subnets apart."""
    pairs = (
        (exhausted.market, offer.market),
        (exhausted.region, offer.region),
        (exhausted.availability_zone, offer.availability_zone),
        (exhausted.ec2_type, offer.ec2_type),
        (exhausted.instance_type, instance_type),
    )
    return all(wanted is None or wanted == value for wanted, value in pairs)


def rules_out(exhausted: Exhausted, launch: Launch) -> bool:
    """Whether what was learned speaks against a launch, its subnet included."""
    return exhausted.subnet in {None, launch.subnet} and covers(
        exhausted, launch.offer, launch.instance_type
    )
