"""AWS's side of the account's own AMIs: what there is, what needs it, its list and its end."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from watch_pending.amis.models import MarkedSnapshot, OwnImage, Use
from watch_pending.amis.publish_form import Bucket, format_image
from watch_pending.aws import Ec2Error, calling
from watch_pending.aws_errors import Meaning
from watch_pending.ec2 import PAGE, read_image
from watch_pending.request import FARM_TAG

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import ImageTypeDef
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)
PRUNED_TAG = "farmhand:pruned-ami"
GONE = {
    "InvalidAMIID.NotFound",
    "InvalidAMIID.Unavailable",
    "InvalidSnapshot.NotFound",
}


def describe_own_images(client: "EC2Client") -> Iterator["ImageTypeDef"]:
    """List every AMI of the account in a region, as EC2 shows it."""
    with calling("DescribeImages", client.meta.region_name):
        pages = client.get_paginator("describe_images").paginate(
            Owners=["self"], IncludeDisabled=True, PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            yield from page["Images"]


def find_own_images(client: "EC2Client", region: str) -> tuple[OwnImage, ...]:
    """List every AMI of the account in a region."""
    return tuple(_read_own_image(item, region) for item in describe_own_images(client))


def find_published(client: "EC2Client", region: str) -> tuple[dict[str, Any], ...]:
    """List the account's available AMIs in a region, as they are published."""
    images = describe_own_images(client)
    return tuple(format_image(i, region) for i in images if i.get("State") == "available")


def _read_own_image(item: "ImageTypeDef", region: str) -> OwnImage:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    image = read_image(item, region)
    disks = [disk.get("Ebs", {}) for disk in item.get("BlockDeviceMappings", [])]
    return OwnImage(
        ami=image.ami,
        region=region,
        name=item.get("Name", ""),
        instance_type=image.instance_type,
        farm=tags.get(FARM_TAG),
        state=item.get("State", ""),
        root_device_type=item.get("RootDeviceType", "ebs"),
        created=image.created,
        snapshots=tuple(disk["SnapshotId"] for disk in disks if disk.get("SnapshotId")),
    )


def find_marked_snapshots(client: "EC2Client", region: str) -> tuple[MarkedSnapshot, ...]:
    """List the account's snapshots in a region that bear a farm's tag."""
    with calling("DescribeSnapshots", region):
        pages = client.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"],
            Filters=[{"Name": "tag-key", "Values": [FARM_TAG]}],
            PaginationConfig={"PageSize": PAGE},
        )
        marked = []
        for page in pages:
            for item in page["Snapshots"]:
                tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
                marked.append(
                    MarkedSnapshot(
                        snapshot=item["SnapshotId"],
                        region=region,
                        farm=tags.get(FARM_TAG, ""),
                        pruned_ami=tags.get(PRUNED_TAG),
                    )
                )
        return tuple(marked)


def find_template_uses(client: "EC2Client", region: str) -> tuple[Use, ...]:
    """List the AMIs that any version of a launch template names; none where they can't be read.

    Raises Ec2Error when EC2 does not answer.
    """
    try:
        with calling("DescribeLaunchTemplateVersions", region):
            return tuple(_describe_template_uses(client, region))
    except Ec2Error as err:
        if err.meaning is Meaning.AGAIN:
            raise
        log.warning("launch templates can't be read, what they name counts as unused: %s", err)
        return ()


def _describe_template_uses(client: "EC2Client", region: str) -> Iterator[Use]:
    for page in client.get_paginator("describe_launch_templates").paginate():
        for template in page["LaunchTemplates"]:
            template_id = template.get("LaunchTemplateId", "")
            versions = client.get_paginator("describe_launch_template_versions").paginate(
                LaunchTemplateId=template_id, ResolveAlias=True
            )
            for found in versions:
                for version in found["LaunchTemplateVersions"]:
                    ami = version.get("LaunchTemplateData", {}).get("ImageId", "")
                    why = f"version {version.get('VersionNumber')} of {template_id} names it"
                    yield Use(ami=ami, region=region, why=why)


def mark_snapshots(client: "EC2Client", snapshots: Sequence[str], *, farm: str, ami: str) -> None:
    """Tag snapshots as those of an AMI that goes, so that whoever comes later finds them."""
    tags = {FARM_TAG: farm, PRUNED_TAG: ami}
    with calling("CreateTags", client.meta.region_name):
        client.create_tags(
            Resources=list(snapshots),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )


def deregister_image(client: "EC2Client", ami: str) -> None:
    """Deregister an AMI; one that is gone already is fine."""
    with passing_over_gone(), calling("DeregisterImage", client.meta.region_name):
        client.deregister_image(ImageId=ami)


def delete_snapshot(client: "EC2Client", snapshot: str) -> None:
    """Delete a snapshot; one that is gone already is fine."""
    with passing_over_gone(), calling("DeleteSnapshot", client.meta.region_name):
        client.delete_snapshot(SnapshotId=snapshot)


@contextmanager
def passing_over_gone() -> Iterator[None]:
    """Take "there is no such thing" for an end well reached: another run was there first."""
    try:
        yield
    except Ec2Error as err:
        if err.code not in GONE:
            raise


def put_list(client: "S3Client", bucket: Bucket, text: bytes, *, public: bool) -> None:
    """Put the list of AMIs into S3."""
    access: Any = {"ACL": "public-read"} if public else {}
    with calling("PutObject", f"s3://{bucket.name}"):
        client.put_object(
            Bucket=bucket.name,
            Key=bucket.key,
            Body=text,
            ContentType="application/json",
            **access,
        )
