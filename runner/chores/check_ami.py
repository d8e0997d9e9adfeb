"""Recycle this machine once there is a newer AMI of its type: not all machines at once."""

import http.client
import json
import random
import re
import socket
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from farmhand.errors import BadInput, Unavailable
from runner.chores.frame import Call, Outcome, Plan, log
from runner.chores.settings import CheckAmi
from runner.chores.wishes import Wish, write_wish
from runner.metadata import Metadata, NoMetadata, find_url, is_on_ec2
from runner.protocol import TaskCode

TYPE_TAG = "moz-type"
CREATED_TAG = "moz-created"
URLS = ("http://", "https://")
MOST_BYTES = 1 << 26
CHUNK_BYTES = 1 << 16
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """What this machine is."""

    ami: str
    region: str
    instance_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What follows: `probability` is that of being recycled now."""

    line: str
    probability: float = 0.0


def plan(call: Call, settings: CheckAmi) -> Plan:
    """Compare this machine's AMI with the newest; what can't be read holds no machine up."""
    host = call.run.environ.get("FARMHAND_HOST") or socket.gethostname()
    if settings.amis is None:
        return Plan(lines=("no list of AMIs is configured",))
    if skipping := next((each for each in settings.skip if re.match(each, host)), None):
        return Plan(lines=(f"{host} is left alone: {skipping}",))
    if not is_on_ec2(call.run.environ):
        return Plan(lines=("this machine is none of EC2's",))
    try:
        own = read_own(call, settings)
        published = read_published(settings.amis, settings.timeout_s)
    except (NoMetadata, Unavailable, BadInput) as err:
        log.warning("%s; this machine goes on as it is", err)
        return Plan(lines=())
    finding = compare(own, published, call.run.now, settings.ttl_s)
    chance = random.random()  # noqa: S311 - no secret
    if chance >= finding.probability:
        return Plan(lines=(finding.line,))

    def recycle() -> Outcome:
        write_wish(call.state, Wish(action=settings.action, why=finding.line), call.boot_id)
        return Outcome(code=TaskCode.HALT, why=f"recycled: {finding.line}")

    return Plan(lines=(f"{settings.action}: {finding.line}",), act=recycle)


def read_own(call: Call, settings: CheckAmi) -> Own:
    """Ask the metadata service; raises NoMetadata, and BadInput where the type is unknown."""
    metadata = Metadata(url=find_url(call.runner.metadata_url, call.run.environ))
    instance_type = settings.instance_type or call.run.environ.get("FARMHAND_INSTANCE_TYPE")
    instance_type = instance_type or metadata.read(f"tags/instance/{TYPE_TAG}")
    if not instance_type:
        raise BadInput("which instance type this machine is, nobody says")
    ami, region = metadata.read("ami-id"), metadata.read("placement/region")
    if not ami or not region:
        raise NoMetadata(f"{metadata.url} does not say this machine's AMI and region")
    return Own(ami=ami, region=region, instance_type=instance_type)


def read_published(place: str, timeout_s: float) -> Mapping[str, Any]:
    """Read the list, from a file or over HTTP; raises Unavailable."""
    try:
        data = fetch(place, timeout_s) if place.startswith(URLS) else Path(place).read_bytes()
        document = json.loads(data)
    except (OSError, http.client.HTTPException) as err:
        raise Unavailable(f"the list of AMIs {place}: {err}") from err
    except (ValueError, RecursionError) as err:
        raise Unavailable(f"the list of AMIs {place} is no JSON: {err}") from err
    if not isinstance(document, dict):
        raise Unavailable(f"the list of AMIs {place} is no JSON object")
    return document


def fetch(url: str, timeout_s: float) -> bytes:
    """Fetch it within the time in all; raises OSError."""
    deadline = time.monotonic() + timeout_s
    data = bytearray()
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - see URLS
        while chunk := answer.read1(CHUNK_BYTES):
            data += chunk
            if len(data) > MOST_BYTES:
                raise OSError(f"longer than {MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no end within {timeout_s:g} s")
    return bytes(data)


def compare(own: Own, published: Mapping[str, Any], now: datetime, ttl_s: float) -> Finding:
    """Say how probably this machine is recycled: from 0, when the newest AMI is made, to 1.

    Its own AMI is missing in a list that was published before it was made: that is no old one.
    """
    newest = find_newest(own, published.values())
    if newest is None:
        kind = f"{own.instance_type} in {own.region}"
        return Finding(line=f"no AMI of {kind} is published: nothing to compare with")
    ami, created = newest
    if own.ami == ami:
        return Finding(line=f"{own.ami} is the newest")
    if own.ami not in published:
        return Finding(line=f"{own.ami} is not published; it may be newer than the list")
    age_s = max(0.0, (now - created) / timedelta(seconds=1))
    probability = min(1.0, age_s / ttl_s) if ttl_s else 1.0
    line = f"{own.ami} is old, {ami} is there for {age_s:.0f} s: probability {probability:.2f}"
    return Finding(line=line, probability=probability)


def find_newest(own: Own, images: Iterable[object]) -> tuple[str, datetime] | None:
    """Find the newest available AMI of this machine's type and region."""
    found = [
        (read_created(image), str(image.get("id")))
        for image in images
        if isinstance(image, dict) and is_like(own, image)
    ]
    if not found:
        return None
    created, ami = max(found)
    return ami, created


def is_like(own: Own, image: Mapping[str, Any]) -> bool:
    """Whether an AMI could start such a machine."""
    tags = image.get("tags")
    return (
        isinstance(tags, dict)
        and tags.get(TYPE_TAG) == own.instance_type
        and image.get("region") == own.region
        and image.get("state") == "available"
    )


def read_created(image: Mapping[str, Any]) -> datetime:
    """Read when it was made, as `watch-pending` does: the tag, which copies keep, before the date.

    >>> read_created({"tags": {}, "creation_date": "2026-11-20T01:10:00.000Z"}).isoformat()
    '2026-11-20T01:10:00+00:00'
    """
    epoch = str(image.get("tags", {}).get(CREATED_TAG, ""))
    try:
        if epoch.isdecimal():
            return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        created = datetime.fromisoformat(str(image.get("creation_date")))
    except ValueError:
        return EPOCH
    return created if created.tzinfo else created.replace(tzinfo=UTC)
