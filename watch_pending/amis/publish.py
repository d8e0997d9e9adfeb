"""One run of `amis publish`: read every region's AMIs, write them as one JSON object."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import BadInput, FarmError, Unavailable
from farmhand.files import replacing
from farmhand.metrics import Sample
from farmhand.output import print_json, print_table
from farmhand.recorded import recorded
from farmhand.state import exclusive, make_writable
from watch_pending.amis.publish_form import Bucket, count_images, format_list, parse_bucket
from watch_pending.aws import Aws
from watch_pending.cloud import open_aws, read_regions
from watch_pending.ec2_images import find_published, put_list
from watch_pending.settings import WatchPendingSettings

log = logging.getLogger("watch-pending")
READABLE = 0o644


def publish_once(
    run: Run, settings: WatchPendingSettings, destination: str, *, public: bool
) -> Result:
    """Write the list, or only count what would be in it."""
    bucket = parse_bucket(destination)
    if public and bucket is None:
        raise BadInput("--public is for s3://BUCKET/KEY; who reads a file, its directory says")
    aws = open_aws(settings.originals)
    if run.dry_run:
        images = _look(run, settings, aws)
        return _report(run, destination, images, aws)
    make_writable(settings.state_directory)
    with exclusive(settings.state_directory, "watch-pending-amis-publish"):
        database = settings.open_database(reading=False)
        with recorded(database, run) as record:
            images = _look(run, settings, aws)
            if bucket is None:
                write_file(Path(destination), format_list(images))
            else:
                write_object(settings, aws, bucket, format_list(images), public=public)
            record.result = _report(run, destination, images, aws)
    return record.result


def _look(run: Run, settings: WatchPendingSettings, aws: Aws) -> list[dict[str, Any]]:
    """Read all regions; raises Unavailable where one is missing: the list would mislead."""
    answers = read_regions(
        run,
        aws,
        settings.regions,
        lambda client, region: [("images", partial(find_published, client, region))],
    )
    if answers.lost:
        regions = ", ".join(answers.lost)
        raise Unavailable(f"nothing is published: of {regions} the AMIs are not known")
    return answers.found["images"]


def write_file(path: Path, text: bytes) -> None:
    """Put the list in a file's place in one step; everybody may read it. Raises FarmError."""
    try:
        with replacing(path) as file:
            os.fchmod(file.fileno(), READABLE)
            file.write(text)
    except OSError as err:
        raise FarmError(f"{path}: {err.strerror}") from err


def write_object(
    settings: WatchPendingSettings, aws: Aws, bucket: Bucket, text: bytes, *, public: bool
) -> None:
    """Put the list into S3, and let everybody read it if asked. Raises FarmError."""
    put_list(aws.storage(settings.regions[0]), bucket, text, public=public)


def _report(run: Run, destination: str, images: Sequence[dict[str, Any]], aws: Aws) -> Result:
    counts = count_images(images)
    log.info("%d AMIs for %s", len(images), destination)
    if run.json:
        print_json(
            {
                "destination": destination,
                "amis": len(images),
                "counts": counts,
                "written": not run.dry_run,
            }
        )
    elif run.speaks:
        print_table(
            ["region", "instance type", "would publish" if run.dry_run else "published"],
            [[each["region"], each["instance_type"] or "", each["amis"]] for each in counts],
            none="The account has no available AMI in these regions.",
        )
    return Result(
        summary={"amis": len(images), "api_calls": dict(sorted(aws.calls.items()))},
        samples=tuple(make_publish_samples(counts)),
    )


def make_publish_samples(counts: Sequence[dict[str, Any]]) -> list[Sample]:
    """Format the counts as metrics; pure."""
    return [
        Sample(
            name="watch_pending_amis_published",
            help="AMIs in the published list.",
            value=each["amis"],
            labels={"region": each["region"], "instance_type": each["instance_type"] or ""},
        )
        for each in counts
    ]
