"""Which AMIs go and which stay; pure.

What a plan promises, whatever was read:

- only AMIs that bear the farm's own name go, and only snapshots of these;
- the newest of each (region, instance type, root device type) stay, and everything in use;
- a snapshot goes with the last AMI that has it, and stays while any other AMI does.
"""

from collections.abc import Iterable, Iterator, Mapping

from watch_pending.ami_parameters import is_parameter
from watch_pending.amis.models import (
    Kept,
    MarkedSnapshot,
    OwnImage,
    Pruned,
    PrunePlan,
    Shelf,
    Use,
    Verdict,
)
from watch_pending.config import WatchPending
from watch_pending.models import Instance, OpenLaunch


def plan_prune(shelf: Shelf, keep_last: int) -> PrunePlan:
    """Decide about every AMI of the regions that answered."""
    uses: dict[tuple[str, str], str] = {}
    for use in shelf.uses:
        uses.setdefault((use.region, use.ami), use.why)
    newest = find_newest(shelf, keep_last)
    kept, going = [], []
    for image in sorted(shelf.images, key=_age_order):
        if stays := why_stays(image, shelf.farm, newest, uses, keep_last):
            kept.append(Kept(image=image, verdict=stays[0], why=stays[1]))
        else:
            going.append(image)
    return PrunePlan(
        prune=tuple(share_snapshots(going, shelf, [each.image for each in kept])),
        orphans=tuple(find_orphans(shelf)),
        kept=tuple(kept),
    )


def find_newest(shelf: Shelf, keep_last: int) -> frozenset[OwnImage]:
    """Find the farm's newest of each region, instance type and root device type."""
    groups: dict[tuple[str, str | None, str], list[OwnImage]] = {}
    for image in shelf.images:
        if image.farm == shelf.farm and image.state == "available":
            key = (image.region, image.instance_type, image.root_device_type)
            groups.setdefault(key, []).append(image)
    return frozenset(
        image
        for group in groups.values()
        for image in sorted(group, key=lambda each: (each.created, each.ami))[-keep_last:]
    )


def why_stays(
    image: OwnImage,
    farm: str,
    newest: frozenset[OwnImage],
    uses: Mapping[tuple[str, str], str],
    keep_last: int,
) -> tuple[Verdict, str] | None:
    """Say why an AMI stays, or None."""
    if image.farm is None:
        return Verdict.FOREIGN, "it bears no tag farmhand:farm"
    if image.farm != farm:
        return Verdict.FOREIGN, f"it is of farm {image.farm}"
    if not image.instance_type:
        return Verdict.UNTYPED, "it bears no tag moz-type"
    if image.state != "available":
        return Verdict.NOT_AVAILABLE, f"its state is {image.state}"
    if why := uses.get((image.region, image.ami)):
        return Verdict.IN_USE, why
    if image in newest:
        return Verdict.NEWEST, f"it is one of the newest {keep_last}"
    return None


def share_snapshots(
    going: Iterable[OwnImage], shelf: Shelf, staying: Iterable[OwnImage]
) -> list[Pruned]:
    """Give each snapshot to the last AMI that has it; one that another needs, or owns, to none."""
    taken = {(image.region, snapshot) for image in staying for snapshot in image.snapshots}
    taken |= {(each.region, each.snapshot) for each in shelf.marked if each.farm != shelf.farm}
    plans = []
    for image in reversed(list(going)):
        mine = tuple(each for each in image.snapshots if (image.region, each) not in taken)
        taken |= {(image.region, each) for each in mine}
        plans.append(Pruned(image=image, snapshots=tuple(dict.fromkeys(mine))))
    return plans[::-1]


def find_orphans(shelf: Shelf) -> Iterator[MarkedSnapshot]:
    """Find the snapshots whose AMI a run has deregistered before it was killed."""
    amis = {(image.region, image.ami) for image in shelf.images}
    needed = {(image.region, snapshot) for image in shelf.images for snapshot in image.snapshots}
    for each in sorted(shelf.marked, key=lambda each: (each.region, each.snapshot)):
        gone = each.pruned_ami and (each.region, each.pruned_ami) not in amis
        if each.farm == shelf.farm and gone and (each.region, each.snapshot) not in needed:
            yield each


def find_uses(
    instances: Iterable[Instance], launches: Iterable[OpenLaunch], named: Iterable[Use]
) -> Iterator[Use]:
    """List what AMIs are needed for: by any machine of the account, and by what names them."""
    for instance in instances:
        if instance.state != "terminated":
            why = f"{instance.instance_id} runs from it"
            yield Use(ami=instance.ami, region=instance.region, why=why)
    for launch in launches:
        why = f"{launch.name} is being launched from it"
        yield Use(ami=launch.ami, region=launch.region, why=why)
    yield from named


def find_named(watch: WatchPending, region: str, values: Mapping[str, str]) -> Iterator[Use]:
    """List the AMIs that the configuration names for a region; `values`: `resolve:ssm:…` → id."""
    for name, settings in watch.instance_types.items():
        place = settings.regions.get(region)
        amis = {"ami": place.ami, "ami_if_untagged": place.ami_if_untagged} if place else {}
        for key, ami in amis.items():
            found = values.get(ami or "") if is_parameter(ami) else ami
            if found:
                why = f"instance_types.{name}.regions.{region}.{key} names it"
                yield Use(ami=found, region=region, why=why)


def _age_order(image: OwnImage) -> tuple[object, ...]:
    return (image.region, image.instance_type or "", image.created, image.ami)
