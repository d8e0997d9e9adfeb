"""One run of `amis prune`: gather → plan → apply → report."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from farmhand.command import Result, Run
from farmhand.db import FarmDb
from farmhand.errors import ExitCode, Unavailable
from farmhand.output import print_json
from farmhand.recorded import recorded
from farmhand.state import exclusive, make_writable
from watch_pending import gather
from watch_pending.ami_parameters import is_parameter, name_parameter
from watch_pending.amis.models import Fate, PruneOutcome, PrunePlan, Shelf, Use
from watch_pending.amis.prune_apply import prune_all
from watch_pending.amis.prune_plan import find_named, find_uses, plan_prune
from watch_pending.amis.prune_report import make_prune_samples, print_prune, prune_to_json
from watch_pending.aws import Aws
from watch_pending.cloud import Reads, named_amis, open_aws, read_regions
from watch_pending.config import WatchPending
from watch_pending.ec2 import find_instances
from watch_pending.ec2_images import find_marked_snapshots, find_own_images, find_template_uses
from watch_pending.settings import WatchPendingSettings
from watch_pending.ssm import read_parameters

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def prune_once(run: Run, settings: WatchPendingSettings, keep_last: int) -> Result:
    """Deregister old AMIs and delete their snapshots, or only show it."""
    aws = open_aws(settings.originals)
    if run.dry_run:
        shelf = _look(run, settings, settings.open_database(reading=True), aws)
        plan = plan_prune(shelf, keep_last)
        _report(run, shelf, keep_last, plan, ())
        return _summarize(aws, shelf, plan, ())
    make_writable(settings.state_directory)
    with exclusive(settings.state_directory, "watch-pending-amis-prune"):
        database = settings.open_database(reading=False)
        with recorded(database, run) as record:
            shelf = _look(run, settings, database, aws)
            plan = plan_prune(shelf, keep_last)
            outcomes = prune_all(run, aws, settings.farm, plan)
            _report(run, shelf, keep_last, plan, outcomes)
            record.result = _summarize(aws, shelf, plan, outcomes)
    return record.result


def _look(run: Run, settings: WatchPendingSettings, database: FarmDb, aws: Aws) -> Shelf:
    """Read all regions; one of which anything is missing is left alone.

    Raises Unavailable when that is all of them.
    """
    watch = settings.watch
    journal = gather.read_journal(database, settings.farm, watch)
    answers = read_regions(
        run, aws, settings.regions, lambda client, region: _reads(aws, client, region, watch)
    )
    found, lost = answers.found, answers.lost
    if lost.keys() >= set(settings.regions):
        raise Unavailable(f"EC2 answered in no region: {lost[settings.regions[0]]}")
    known = (instance for instance, _ in journal.known.values())
    uses = find_uses(
        chain(found["instances"], known),
        (launch for launch, _ in journal.open_launches),
        [*found["templates"], *found["named"]],
    )
    return Shelf(
        farm=settings.farm,
        images=tuple(image for image in found["images"] if image.region not in lost),
        uses=tuple(uses),
        marked=tuple(each for each in found["snapshots"] if each.region not in lost),
        lost=lost,
    )


def _reads(aws: Aws, client: "EC2Client", region: str, watch: WatchPending) -> Reads:
    yield "images", partial(find_own_images, client, region)
    yield "instances", partial(find_instances, client, region)
    yield "snapshots", partial(find_marked_snapshots, client, region)
    yield "templates", partial(find_template_uses, client, region)
    yield "named", lambda: tuple(_find_named(aws, region, watch))


def _find_named(aws: Aws, region: str, watch: WatchPending) -> Iterator[Use]:
    """Find the AMIs that the configuration names, also by parameter; SSM must answer."""
    references = sorted(filter(is_parameter, named_amis(watch, region)))
    names = {reference: name_parameter(reference) for reference in references}
    values = read_parameters(aws, region, names.values()) if names else {}
    known = {each: values[name] for each, name in names.items() if name in values}
    yield from find_named(watch, region, known)


def _report(
    run: Run, shelf: Shelf, keep_last: int, plan: PrunePlan, outcomes: tuple[PruneOutcome, ...]
) -> None:
    if run.json:
        print_json(prune_to_json(shelf.farm, run.now, keep_last, plan, outcomes))
    elif run.speaks:
        print_prune(plan, outcomes, dry_run=run.dry_run)


def _summarize(
    aws: Aws, shelf: Shelf, plan: PrunePlan, outcomes: tuple[PruneOutcome, ...]
) -> Result:
    fates = Counter(each.fate for each in outcomes)
    errors = [each.why for each in outcomes if each.fate is Fate.FAILED]
    errors += [f"{region}: {why}" for region, why in shelf.lost.items()]
    return Result(
        exit_code=ExitCode.PARTIAL if errors else ExitCode.OK,
        summary={
            "planned": len(plan.prune) + len(plan.orphans),
            "kept": len(plan.kept),
            **{fate.value: fates[fate] for fate in Fate},
            "api_calls": dict(sorted(aws.calls.items())),
            "errors": list(dict.fromkeys(errors)),
        },
        samples=tuple(make_prune_samples(plan, outcomes, aws.calls)),
    )
