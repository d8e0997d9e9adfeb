"""EC2's side of a snapshot: every region at once, and what is lost of it."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import TimeoutError as NotReady
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any

from farmhand.command import Run
from farmhand.errors import Unavailable
from watch_pending import ec2
from watch_pending.ami_parameters import is_parameter
from watch_pending.aws import Aws, Ec2Error
from watch_pending.config import WatchPending
from watch_pending.models import Cloud
from watch_pending.ssm import Resolved, resolve_parameters, with_resolved

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from watch_pending.originals import Originals

log = logging.getLogger(__name__)
READS_AT_ONCE = 16
# A region that hangs must leave some of the time to launch elsewhere.
READS_SHARE = 0.5
READS_AT_MOST_S = 45.0
PARAMETERS = "parameters"
SPARED = {PARAMETERS}  # only some instance types need them


def open_aws(originals: "Originals | None") -> Aws:
    """Open AWS with the credentials of the original's secrets file, else as boto3 finds them.

    Raises Unavailable where there is no session to be had with them.
    """
    secret_key = originals.aws_secret_access_key if originals else None
    try:
        return Aws(
            originals.aws_access_key_id if originals else None,
            secret_key.get_secret_value() if secret_key else None,
        )
    except Ec2Error as err:
        raise Unavailable(str(err)) from err


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What the regions said: by kind of read; `complete` are the (region, kind) that are whole.

    `missed` are the others: (region, kind) → why. `lost` are regions of which something is missed
    that is not SPARED: region → why.
    """

    found: Mapping[str, list[Any]]
    complete: frozenset[tuple[str, str]]
    lost: Mapping[str, str]
    missed: Mapping[tuple[str, str], str]


Reads = Iterable[tuple[str, Callable[[], Sequence[Any]]]]


def read_cloud(
    run: Run,
    aws: Aws,
    config: WatchPending,
    launch_regions: Collection[str] | None = None,
    known_regions: Iterable[str] = (),
) -> Cloud:
    """Read all regions at once; one that does not answer is lost, and the others go on.

    `known_regions` are read as well: machines may live where nothing is configured any more.
    Raises Unavailable when none of `launch_regions` answers; without them, none at all.
    """
    regions = tuple(dict.fromkeys([*config.region_priorities, *known_regions]))
    answers = read_regions(
        run,
        aws,
        regions,
        lambda client, region: (
            *_reads(client, region, config, run),
            *_parameter_reads(aws, client, region, config),
        ),
    )
    resolved = answers.found.get(PARAMETERS, [])
    wanted = tuple(launch_regions or config.region_priorities)
    if answers.lost.keys() >= set(wanted):
        everywhere = len(answers.lost) == len(regions)
        where = "no region" if everywhere else f"none of {', '.join(wanted)}"
        raise Unavailable(f"EC2 answered in {where}: {answers.lost[wanted[0]]}")
    return Cloud(
        instances=tuple(answers.found.get("instances", ())),
        listed=frozenset(region for region, what in answers.complete if what == "instances"),
        spot_prices=tuple(answers.found.get("spot_prices", ())),
        subnets=tuple(answers.found.get("subnets", ())),
        images=with_resolved(answers.found.get("images", ()), resolved),
        lost=answers.lost,
        unresolved=_find_unresolved(config, resolved, answers.missed),
    )


def read_regions(
    run: Run,
    aws: Aws,
    regions: Iterable[str],
    reads_of: Callable[["EC2Client", str], Reads],
    patience_s: float = READS_AT_MOST_S,
) -> Answers:
    """Make all reads of all regions at once, and take what is there in time."""
    clients, lost = _make_clients(aws, regions)
    # Its threads are daemons: what still hangs after the deadline must not keep the process.
    pool = ThreadPool(READS_AT_ONCE)
    reads = [
        (region, what, pool.apply_async(read))
        for region, client in clients.items()
        for what, read in reads_of(client, region)
    ]
    pool.close()
    patience_s = min(run.remaining_s() * READS_SHARE, patience_s)
    until = time.monotonic() + patience_s
    found: dict[str, list[Any]] = {}
    complete: set[tuple[str, str]] = set()
    missed: dict[tuple[str, str], str] = {}
    for region, what, read in reads:
        try:
            found.setdefault(what, []).extend(read.get(max(0.0, until - time.monotonic())))
        except Ec2Error as err:
            missed[region, what] = str(err).removeprefix(f"{region}: ")
        except NotReady:
            missed[region, what] = f"no answer within {patience_s:.0f} s"
        else:
            complete.add((region, what))
    for (region, what), reason in missed.items():
        if what not in SPARED:
            lost.setdefault(region, reason)
    for region, reason in lost.items():
        log.error("region %s is left out: %s", region, reason)
    return Answers(found=found, complete=frozenset(complete), lost=lost, missed=missed)


def _make_clients(
    aws: Aws, regions: Iterable[str]
) -> tuple[dict[str, "EC2Client"], dict[str, str]]:
    """Make each region's client; also return why there is none: region → why."""
    clients: dict[str, EC2Client] = {}
    lost: dict[str, str] = {}
    for region in regions:
        try:
            clients[region] = aws.reader(region)
        except Ec2Error as err:
            lost[region] = str(err).removeprefix(f"{region}: ")
    return clients, lost


def _reads(client: "EC2Client", region: str, config: WatchPending, run: Run) -> Reads:
    """List what to read in one region; what no instance type needs there is not asked."""
    yield "instances", partial(ec2.find_instances, client, region)
    types = {n: t for n, t in config.instance_types.items() if region in t.regions}
    if not types:
        return
    places = {name: settings.regions[region] for name, settings in types.items()}
    subnets = [subnet for place in places.values() for subnet in place.subnets]
    yield "subnets", partial(ec2.find_subnets, client, region, subnets)
    amis = [ami for ami in named_amis(config, region) if not is_parameter(ami)]
    tagged = [name for name, place in places.items() if not place.ami]
    yield "images", partial(ec2.find_images, client, region, amis, tagged)
    ec2_types = {rule.ec2_type for name in types for rule in config.spot.rules.get(name, ())}
    if ec2_types:
        products = {settings.product for settings in types.values()}
        yield (
            "spot_prices",
            partial(ec2.find_spot_prices, client, region, ec2_types, products, run.now),
        )


def named_amis(config: WatchPending, region: str) -> set[str]:
    """Collect the AMIs that the configuration names for a region, by id or by parameter."""
    places = [
        each.regions[region] for each in config.instance_types.values() if region in each.regions
    ]
    return {ami for place in places for ami in (place.ami, place.ami_if_untagged) if ami}


def _parameter_reads(aws: Aws, client: "EC2Client", region: str, config: WatchPending) -> Reads:
    """Ask SSM only where an instance type needs it."""
    if references := set(filter(is_parameter, named_amis(config, region))):
        yield PARAMETERS, partial(resolve_parameters, aws, client, region, references)


def _find_unresolved(
    config: WatchPending, resolved: Iterable[Resolved], missed: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], str]:
    """Collect why parameters give no AMI, and warn of it: (region, reference) → why."""
    unresolved = {(each.region, each.reference): each.why for each in resolved if each.why}
    for (region, what), why in missed.items():
        if what == PARAMETERS:
            references = filter(is_parameter, named_amis(config, region))
            unresolved |= {(region, each): f"SSM parameters: {why}" for each in references}
    for region, why in dict.fromkeys((region, why) for (region, _), why in unresolved.items()):
        log.warning("%s: %s", region, why)
    return unresolved
