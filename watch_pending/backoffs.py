"""Refusals that are remembered, and what a plan may ask for in spite of them; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from watch_pending.aws_errors import Meaning
from watch_pending.backoff_models import Backoff, Kind, Refused
from watch_pending.models import Launch, Offer, OpenLaunch, Snapshot
from watch_pending.spot import covers, rules_out

KINDS: Mapping[Meaning, Kind] = {
    Meaning.NO_CAPACITY: Kind.CAPACITY,
    Meaning.SUBNET_FULL: Kind.SUBNET,
    Meaning.QUOTA: Kind.QUOTA,
    Meaning.NO_ACCESS: Kind.SETTINGS,
    Meaning.BAD_SETTINGS: Kind.SETTINGS,
}


def remember(meaning: Meaning, launch: Launch, said: str) -> Refused | None:
    """Say what to remember of a launch that failed, beyond the run; None: nothing."""
    kind, offer = KINDS.get(meaning), launch.offer
    match kind:
        case None:
            return None
        case Kind.CAPACITY:
            return Refused(
                kind=kind,
                reason=said,
                market=offer.market,
                region=offer.region,
                availability_zone=offer.availability_zone,
                ec2_type=offer.ec2_type,
            )
        case Kind.SUBNET:
            return Refused(
                kind=kind,
                reason=said,
                region=offer.region,
                availability_zone=offer.availability_zone,
                subnet=launch.subnet,
            )
        case Kind.QUOTA:
            return Refused(kind=kind, reason=said, market=offer.market, region=offer.region)
        case Kind.SETTINGS:
            return Refused(
                kind=kind, reason=said, region=offer.region, instance_type=launch.instance_type
            )


def scopes_of(launch: Launch) -> tuple[str, ...]:
    """Name the scopes whose refusals a launch disproves by its success, settings apart."""
    meanings = (Meaning.NO_CAPACITY, Meaning.SUBNET_FULL, Meaning.QUOTA)
    refused = (remember(meaning, launch, "") for meaning in meanings)
    return tuple(item.scope for item in refused if item is not None)


def without_disproved(
    backoffs: Iterable[Backoff], launches: Iterable[Launch]
) -> tuple[Backoff, ...]:
    """Leave out what launches have disproved by their success."""
    disproved = {scope for launch in launches for scope in scopes_of(launch)}
    return tuple(backoff for backoff in backoffs if backoff.scope not in disproved)


def explain_backoff(backoff: Backoff) -> str:
    """Say what is not asked for, until when, and what AWS said."""
    if backoff.until is None:
        since = f"{backoff.began_at:%Y-%m-%d %H:%M} UTC"
        return (
            f"{backoff.where}: stopped since {since} until its configuration changes: "
            f"{backoff.reason}"
        )
    times = "refusal" if backoff.failures == 1 else "refusals"
    after = f"after {backoff.failures} {times}: {backoff.reason}"
    if backoff.is_over:
        return f"{backoff.where}: one machine at a time until one starts, {after}"
    return f"{backoff.where}: backed off until {backoff.until:%H:%M} UTC {after}"


@dataclass(kw_only=True, slots=True)
class Holds:
    """What back-offs still let through, counted down as a plan takes machines."""

    backoffs: tuple[Backoff, ...]
    room: Counter[str]

    @classmethod
    def open(cls, snapshot: Snapshot) -> Self:
        """Let one machine through each scope whose back-off is over, unless it is on its way."""
        backoffs = tuple(sorted(snapshot.backoffs, key=lambda backoff: backoff.scope))
        room = Counter(
            {
                backoff.scope: 1
                for backoff in backoffs
                if backoff.is_over
                and not any(is_probe(launch, backoff) for launch in snapshot.open_launches)
            }
        )
        return cls(backoffs=backoffs, room=room)

    def why_not(self, offer: Offer, instance_type: str) -> Backoff | None:
        """Find what holds one more machine by this offer back; subnets apart."""
        return next(
            (
                backoff
                for backoff in self.backoffs
                if backoff.subnet is None
                and covers(backoff, offer, instance_type)
                and self.room[backoff.scope] < 1
            ),
            None,
        )

    def why_not_subnet(self, subnet: str) -> Backoff | None:
        """Find what holds one more machine in this subnet back."""
        return next(
            (b for b in self.backoffs if b.subnet == subnet and self.room[b.scope] < 1), None
        )

    def take(self, launch: Launch) -> None:
        """Count one machine."""
        self.room.subtract(item.scope for item in self.backoffs if rules_out(item, launch))


def is_probe(launch: OpenLaunch, backoff: Backoff) -> bool:
    """Whether a launch that nobody has seen yet was made to try a scope whose back-off was over."""
    later = launch.begun_at is None or (
        backoff.until is not None and launch.begun_at >= backoff.until
    )
    here = backoff.subnet in {None, launch.subnet}
    return later and here and covers(backoff, launch, launch.instance_type)
