"""SSM's side of AMIs: the parameters that name them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farmhand.chunks import chunked
from watch_pending.ami_parameters import AMI, name_parameter, why_unresolved
from watch_pending.aws import Aws, calling
from watch_pending.ec2 import find_images
from watch_pending.models import Image

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

PARAMETERS_A_CALL = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What a `resolve:ssm:…` gives in a region: an image, or why there is none."""

    region: str
    reference: str
    image: Image | None = None
    why: str = ""


def read_parameters(aws: Aws, region: str, names: Iterable[str]) -> dict[str, str]:
    """Read SSM parameters: name, with version or label → value; those that exist."""
    found: dict[str, str] = {}
    client = aws.parameters(region)
    with calling("GetParameters", region):
        for asked in chunked(sorted(set(names)), PARAMETERS_A_CALL):
            for item in client.get_parameters(Names=asked)["Parameters"]:
                found[item.get("Name", "") + item.get("Selector", "")] = item.get("Value", "")
    return found


def resolve_parameters(
    aws: Aws, client: "EC2Client", region: str, references: Iterable[str]
) -> tuple[Resolved, ...]:
    """Find the AMIs that parameters name, and whether they can be launched."""
    references = sorted(set(references))
    values = read_parameters(aws, region, map(name_parameter, references))
    amis = filter(AMI.fullmatch, values.values())
    images = {image.ami: image for image in find_images(client, region, amis, ())}
    resolved = []
    for reference in references:
        why = why_unresolved(reference, values, images)
        image = None if why else images[values[name_parameter(reference)]]
        resolved.append(Resolved(region=region, reference=reference, image=image, why=why or ""))
    return tuple(resolved)


def with_resolved(images: Iterable[Image], resolved: Iterable[Resolved]) -> tuple[Image, ...]:
    """Add the images that parameters name, each once, with all of its parameters; pure."""
    found = {(image.region, image.ami): image for image in images}
    for item in resolved:
        if item.image is not None:
            key = (item.region, item.image.ami)
            image = found.setdefault(key, item.image)
            found[key] = replace(image, parameters=(*image.parameters, item.reference))
    return tuple(found.values())
