"""EC2's side of sanity: volumes, a second look at what is to go, and the end of volumes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farmhand.chunks import chunked
from watch_pending.aws import Ec2Error, calling
from watch_pending.ec2 import LOAN_TAG, read_instance
from watch_pending.models import Instance
from watch_pending.request import FARM_TAG
from watch_pending.sanity.models import Volume

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, VolumeTypeDef

VOLUMES_PAGE = 500
IDS_AT_ONCE = 200
GONE_VOLUME = "InvalidVolume.NotFound"


def find_volumes(
    client: "EC2Client", region: str, farm: str, ids: Sequence[str] = ()
) -> tuple[Volume, ...]:
    """Find the farm's volumes in a region, by the tag that our launches give them."""
    filters: list[FilterTypeDef] = [{"Name": f"tag:{FARM_TAG}", "Values": [farm]}]
    if ids:
        filters.append({"Name": "volume-id", "Values": list(ids)})
    with calling("DescribeVolumes", region):
        pages = client.get_paginator("describe_volumes").paginate(
            Filters=filters, PaginationConfig={"PageSize": VOLUMES_PAGE}
        )
        return tuple(_read_volume(item, region) for page in pages for item in page["Volumes"])


def find_these_volumes(
    client: "EC2Client", region: str, farm: str, ids: Sequence[str]
) -> tuple[Volume, ...]:
    """Look at some of the farm's volumes again; one that is gone is left out."""
    return tuple(
        volume
        for chunk in chunked(ids, IDS_AT_ONCE)
        for volume in find_volumes(client, region, farm, chunk)
    )


def _read_volume(item: "VolumeTypeDef", region: str) -> Volume:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    return Volume(
        volume_id=item["VolumeId"],
        region=region,
        farm=tags.get(FARM_TAG),
        state=item["State"],
        size_gib=item["Size"],
        name=tags.get("Name", ""),
        loaned_to=tags.get(LOAN_TAG, ""),
        instance_ids=tuple(
            each["InstanceId"] for each in item.get("Attachments", []) if "InstanceId" in each
        ),
    )


def find_these(client: "EC2Client", region: str, ids: Sequence[str]) -> tuple[Instance, ...]:
    """Look at some instances again; one that is not known any more is left out."""
    found: list[Instance] = []
    for chunk in chunked(ids, IDS_AT_ONCE):
        wanted: FilterTypeDef = {"Name": "instance-id", "Values": list(chunk)}
        with calling("DescribeInstances", region):
            pages = client.get_paginator("describe_instances").paginate(Filters=[wanted])
            found += [
                read_instance(item, region)
                for page in pages
                for reservation in page["Reservations"]
                for item in reservation["Instances"]
            ]
    return tuple(found)


def delete_volume(client: "EC2Client", volume_id: str) -> Ec2Error | None:
    """Delete a volume; returns what is against it. One that is gone already is no error."""
    try:
        with calling("DeleteVolume", client.meta.region_name):
            client.delete_volume(VolumeId=volume_id)
    except Ec2Error as err:
        return None if err.code == GONE_VOLUME else err
    return None
