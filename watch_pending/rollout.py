"""Rolling out an AMI bit by bit: which of a type's newest two each launch gets; pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from watch_pending.config import WatchPending
from watch_pending.demand import own_instances
from watch_pending.models import Image, Machine, Offer, Snapshot
from watch_pending.spot import newest_images

WHOLE = 100


def split_launches(percentage: int, latest: int, previous: int, count: int) -> tuple[int, int]:
    """Share launches out between the previous and the latest AMI: (previous, latest).

    `latest` and `previous` run already; afterwards the percentage is kept, as near as these
    launches can bring it. Half a machine counts as one.

    >>> split_launches(10, 0, 10, 1), split_launches(60, 60, 40, 10)
    ((0, 1), (4, 6))
    """
    wanted = (2 * percentage * (latest + previous + count) + WHOLE) // (2 * WHOLE)
    given = min(max(wanted - latest, 0), count)
    return count - given, given


@dataclass(kw_only=True, slots=True)
class Rollout:
    """Counts the machines of each AMI as a plan takes them; lives as long as one planning.

    What is chosen one at a time adds up to what `split_launches` says of all of them at once.
    """

    config: WatchPending
    images: tuple[Image, ...]
    running: Counter[tuple[str, str, str]]

    @classmethod
    def open(cls, snapshot: Snapshot, config: WatchPending) -> Self:
        """Count what runs, and what was launched and is not seen yet."""
        machines: Iterable[Machine] = [*own_instances(snapshot), *snapshot.open_launches]
        return cls(
            config=config,
            images=snapshot.images,
            running=Counter((m.instance_type, m.region, m.ami) for m in machines),
        )

    def with_ami(self, offer: Offer, instance_type: str) -> Offer:
        """Return the offer with the AMI that the next machine by it gets.

        An AMI that is named stays. Machines of older AMIs than the newest two count for neither.
        """
        place = self.config.instance_types[instance_type].regions[offer.region]
        if self.config.latest_ami_percentage == WHOLE or place.ami is not None:
            return offer
        newest = newest_images(self.images, instance_type, offer.region)[:2]
        if len(newest) < 2:
            return offer
        latest, previous = (self.running[instance_type, offer.region, each.ami] for each in newest)
        _, given = split_launches(self.config.latest_ami_percentage, latest, previous, 1)
        return replace(offer, ami=newest[0 if given else 1].ami)

    def take(self, offer: Offer, instance_type: str) -> None:
        """Count one machine more."""
        self.running[instance_type, offer.region, offer.ami] += 1
