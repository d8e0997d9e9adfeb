"""Makes, lists and pokes moto's EC2 objects in this process."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.instances import Instance, StateReason
from moto.ec2.models.subnets import Subnet
from moto.ec2.utils import random_ami_id

from tests.ec2_state import BadControlError, parse_time

ACCOUNT = "123456789012"  # moto's default, which the keys of Ec2Server.env() belong to

STATE_CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSpec:
    """An AMI of our own account to make; `more_disks` are EBS disks beside the root."""

    region: str
    name: str
    id: str = field(default_factory=random_ami_id)
    tags: dict[str, str] = field(default_factory=dict)
    root_device_name: str = "/dev/sda1"
    architecture: str = "x86_64"
    creation_date: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    state: str = "available"
    size_gib: int = 8
    platform: str | None = None
    root_device_type: str = "ebs"
    more_disks: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SubnetSpec:
    """A subnet to make in the farm's VPC; `free` overrides its count of free addresses."""

    region: str
    az: str
    cidr: str | None = None
    free: int | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityGroupSpec:
    """A security group to make in the farm's VPC."""

    region: str
    name: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeSpec:
    """A volume to make that is attached to nothing."""

    region: str
    az: str
    size_gib: int = 100
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class InstancePoke:
    """Changes to one instance, as something outside our control would make them."""

    id: str
    state: str | None = None
    launch_time: str | None = None
    state_reason: dict[str, str] | None = None
    stopped_at: str | None = None
    impaired: bool | None = None
    tags: dict[str, str] = field(default_factory=dict)


class FarmAmi(Ami):  # type: ignore[misc]  # mypy is told to skip moto
    """An AMI with the disks that were chosen; moto's have all one of 15 GiB."""

    size_gib = 8
    more_snapshots: tuple[str, ...] = ()

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The disks, as AWS describes those made from snapshots; an instance store has none."""
        if self.root_device_type != "ebs":
            return []
        names = [self.root_device_name, *(f"/dev/sd{letter}" for letter in "fghij")]
        snapshots = [self.ebs_snapshot.id, *self.more_snapshots]
        return [
            {"DeviceName": name, "Ebs": self._disk(snapshot)}
            for name, snapshot in zip(names, snapshots, strict=False)
        ]

    def _disk(self, snapshot: str) -> dict[str, Any]:
        return {
            "SnapshotId": snapshot,
            "VolumeSize": self.size_gib,
            "DeleteOnTermination": True,
            "VolumeType": "gp3",
            "Encrypted": False,
        }


def backend(region: str) -> EC2Backend:
    """Return moto's EC2 of one region."""
    try:
        return ec2_backends[ACCOUNT][region]
    except KeyError as err:
        raise BadControlError(f"region: {region!r} is unknown to moto") from err


def reset_all() -> None:
    """Empty all of moto, every service and account."""
    BackendDict.reset()
    reset_model_data()


def make_image(spec: ImageSpec) -> str:
    """Register an AMI."""
    ec2 = backend(spec.region)
    image = FarmAmi(
        ec2,
        spec.id,
        name=spec.name,
        architecture=spec.architecture,
        state=spec.state,
        creation_date=_naive_utc(spec.creation_date),
        platform=spec.platform,
        root_device_name=spec.root_device_name,
        root_device_type=spec.root_device_type,
        virtualization_type="hvm",
        hypervisor="xen",
        region_name=ec2.describe_availability_zones()[0].name,
        tags=spec.tags,
    )
    image.size_gib = spec.size_gib
    if spec.root_device_type != "ebs":
        ec2.delete_snapshot(image.ebs_snapshot.id)
    image.more_snapshots = tuple(_make_snapshot(ec2, spec.id) for _ in range(spec.more_disks))
    ec2.amis[spec.id] = image
    return spec.id


def _make_snapshot(ec2: EC2Backend, ami: str) -> str:
    volume = ec2.create_volume(size=8, zone_name=ec2.describe_availability_zones()[0].name)
    snapshot = ec2.create_snapshot(volume.id, "made by a test", from_ami=ami)
    ec2.delete_volume(volume.id)
    return str(snapshot.id)


def make_subnet(spec: SubnetSpec) -> str:
    """Make a subnet of 1019 addresses, or of the CIDR given."""
    ec2 = backend(spec.region)
    vpc = _farm_vpc(ec2)
    taken = {subnet.cidr_block for zone in ec2.subnets.values() for subnet in zone.values()}
    blocks = ipaddress.IPv4Network(vpc.cidr_block).subnets(new_prefix=22)
    cidr = spec.cidr or next(str(block) for block in blocks if str(block) not in taken)
    subnet = ec2.create_subnet(vpc.id, cidr, availability_zone=spec.az)
    subnet.add_tags(spec.tags)
    if spec.free is not None:
        set_free_addresses(subnet.id, spec.free)
    return str(subnet.id)


def make_security_group(spec: SecurityGroupSpec) -> str:
    """Make a security group."""
    ec2 = backend(spec.region)
    group = ec2.create_security_group(spec.name, "made by a test", vpc_id=_farm_vpc(ec2).id)
    group.add_tags(spec.tags)
    return str(group.id)


def make_volume(spec: VolumeSpec) -> str:
    """Make a volume."""
    volume = backend(spec.region).create_volume(size=spec.size_gib, zone_name=spec.az)
    volume.add_tags(spec.tags)
    return str(volume.id)


def list_loose_volumes() -> list[str]:
    """Return the ids of all volumes that are attached to nothing."""
    return [
        each.id for ec2 in _backends() for each in ec2.volumes.values() if each.attachment is None
    ]


def find_subnet(ec2: EC2Backend, subnet_id: str) -> Subnet | None:
    """Return a subnet of the region by its id."""
    found = (zone[subnet_id] for zone in list(ec2.subnets.values()) if subnet_id in zone)
    return next(found, None)


def set_free_addresses(subnet_id: str, free: int) -> None:
    """Make a subnet have this many free addresses."""
    for ec2 in _backends():
        if subnet := find_subnet(ec2, subnet_id):
            subnet._available_ip_addresses += free - subnet.available_ip_address_count
            return
    raise BadControlError(f"id: there is no subnet {subnet_id}")


def poke_instance(poke: InstancePoke) -> None:
    """Change an instance behind everybody's back."""
    ec2, instance = next(
        ((ec2, each) for ec2 in _backends() for each in ec2.all_instances() if each.id == poke.id),
        (None, None),
    )
    if ec2 is None or instance is None:
        raise BadControlError(f"id: there is no instance {poke.id}")
    if poke.state is not None:
        if poke.state not in STATE_CODES:
            raise BadControlError(f"state: {poke.state!r} is not one of {', '.join(STATE_CODES)}")
        if poke.state == "terminated" and instance.state != "terminated":
            instance.terminate()  # gives back its addresses and disks
        instance._state.name = poke.state
        instance._state.code = STATE_CODES[poke.state]
    if poke.launch_time is not None:
        instance.launch_time = _naive_utc(poke.launch_time)
    if poke.state_reason is not None:
        instance.state_reason = StateReason(**poke.state_reason)
    if poke.stopped_at is not None:
        stopped = _naive_utc(poke.stopped_at)
        instance._reason = f"User initiated ({stopped:%Y-%m-%d %H:%M:%S} GMT)"
    if poke.impaired is not None:
        instance.farm_impaired = poke.impaired
    instance.add_tags(poke.tags)


def list_instances(region: str | None) -> list[dict[str, Any]]:
    """Return every instance, however young, as plain dicts."""
    return [
        _as_dict(ec2, instance)
        for ec2 in _backends()
        if region in (None, ec2.region_name)
        for instance in ec2.all_instances()
    ]


def _backends() -> Iterator[EC2Backend]:
    yield from list(ec2_backends[ACCOUNT].values())


def _farm_vpc(ec2: EC2Backend) -> Any:
    """Return the one VPC of the region that is not moto's default one, made when first asked."""
    own = (vpc for vpc in list(ec2.vpcs.values()) if not vpc.is_default)
    return next(itertools.chain(own, _new_vpc(ec2)))


def _new_vpc(ec2: EC2Backend) -> Iterator[Any]:
    yield ec2.create_vpc("10.0.0.0/16")


def _naive_utc(text: str) -> datetime:
    return parse_time(text).astimezone(UTC).replace(tzinfo=None)


def _as_dict(ec2: EC2Backend, instance: Instance) -> dict[str, Any]:
    tags = dict(ec2.tags.get(instance.id, {}))
    return {
        "id": instance.id,
        "region": ec2.region_name,
        "az": instance.availability_zone,
        "state": instance.state,
        "name": tags.get("Name"),
        "tags": tags,
        "lifecycle": instance.lifecycle or "on-demand",
        "launch_time": instance.launch_time.replace(tzinfo=UTC).isoformat(),
        "client_token": instance.client_token,
        "subnet": instance.subnet_id,
        "ec2_type": instance.instance_type,
        "ami": instance.image_id,
        "launch_index": instance.ami_launch_index,
    }
