"""RunInstances as AWS does it where moto does not: tokens, counts, addresses, prices, images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tests import ec2_moto
from tests.ec2_prices import current_price
from tests.ec2_query import AskMoto, Ec2Error, Reply, groups, with_groups
from tests.ec2_state import Call, Price, State

MARKET = "InstanceMarketOptions.MarketType"
MAX_PRICE = "InstanceMarketOptions.SpotOptions.MaxPrice"


def subnet_of(params: Mapping[str, str]) -> str:
    """Return the subnet of a launch, from the call or its first network interface."""
    return params.get("SubnetId") or params.get("NetworkInterface.1.SubnetId", "")


def zone_of(region: str, params: Mapping[str, str]) -> str:
    """Return the zone the caller chose, directly or by subnet; empty if EC2 may choose."""
    subnet = ec2_moto.find_subnet(ec2_moto.backend(region), subnet_of(params))
    return subnet.availability_zone if subnet else params.get("Placement.AvailabilityZone", "")


def derived_fields(call: Call) -> dict[str, str]:
    """Return the fields that fault rules may match besides the form's own."""
    if call.action != "RunInstances":
        return {}
    return {
        "@az": zone_of(call.region, call.params),
        "@subnet": subnet_of(call.params),
        "@market": call.params.get(MARKET, "on-demand"),
    }


def is_replay(call: Call, state: State) -> bool:
    """Tell whether the call's client token has already launched something."""
    if call.action != "RunInstances" or not call.client_token:
        return False
    zone = zone_of(call.region, call.params)
    return state.token_entry(call.region, zone, call.client_token).body is not None


def run_instances(call: Call, state: State, ask_moto: AskMoto) -> Reply:
    """Launch, at most once per client token and zone; the caller holds the region's lock.

    Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html; the
    error for a token whose instances are gone: boto/boto3#4406.
    """
    if not call.client_token or call.params.get("DryRun") == "true":
        return _launch(call, state, ask_moto)
    entry = state.token_entry(call.region, zone_of(call.region, call.params), call.client_token)
    if entry.body is not None:
        _check_replay(call, entry.params, entry.body)
        return Reply(status=200, body=entry.body)
    reply = _launch(call, state, ask_moto)
    if reply.status == 200:
        entry.params, entry.body = dict(call.params), reply.body
    return reply


def _check_replay(call: Call, params: Mapping[str, str], body: bytes) -> None:
    if call.params != params:
        raise Ec2Error(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in "
            "previous request(s).",
        )
    launched = set(re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", body.decode()))
    states = [i["state"] for i in ec2_moto.list_instances(call.region) if i["id"] in launched]
    if all(state == "terminated" for state in states):
        raise Ec2Error(
            "IdempotentInstanceTerminated",
            "The client token you have provided is associated with a terminated instance. "
            "Please use a different client token.",
        )


def _launch(call: Call, state: State, ask_moto: AskMoto) -> Reply:
    _check_image(call)
    _check_price(call, state.seeded_prices(call.region))
    params = {**_with_known_disks(call), "MinCount": str(_count(call, state))}
    return ask_moto(params)


def _count(call: Call, state: State) -> int:
    """Return how many to launch: as many as asked for and as subnet and zone have room for."""
    least = int(call.params.get("MinCount", "1"))
    most = int(call.params.get("MaxCount", "1"))
    if not 1 <= least <= most:
        raise Ec2Error("InvalidParameterValue", f"MinCount {least} is not in 1..MaxCount {most}")
    subnet = ec2_moto.find_subnet(ec2_moto.backend(call.region), subnet_of(call.params))
    free = subnet.available_ip_address_count if subnet else most
    if free < least:
        raise Ec2Error(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{subnet_of(call.params)}' "
            "to satisfy the requested number of instances.",
        )
    count = state.take_room(call, derived_fields(call), least=least, most=min(most, free))
    if count == 0:
        message = "We currently do not have sufficient capacity in the zone you requested."
        raise Ec2Error("InsufficientInstanceCapacity", message, 500)
    return count


def _check_image(call: Call) -> None:
    image_id = call.params.get("ImageId")
    if image_id is None:  # it is in a launch template
        return
    image = ec2_moto.backend(call.region).amis.get(image_id)
    if image is None:
        raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if image.state != "available":
        raise Ec2Error("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")


def _check_price(call: Call, prices: Sequence[Price]) -> None:
    if call.params.get(MARKET) != "spot" or MAX_PRICE not in call.params:
        return
    image = ec2_moto.backend(call.region).amis.get(call.params.get("ImageId", ""))
    product = "Windows" if image and image.platform == "windows" else "Linux/UNIX"
    zone = zone_of(call.region, call.params) or f"{call.region}a"  # moto's choice
    ec2_type = call.params.get("InstanceType", "")
    price = current_price(prices, zone, ec2_type, product, datetime.now(UTC))
    if price is not None and float(call.params[MAX_PRICE]) < price:
        raise Ec2Error(
            "SpotMaxPriceTooLow",
            f"Your Spot request price of {call.params[MAX_PRICE]} is lower than the minimum "
            f"required Spot request fulfillment price of {price:.4f}.",
        )


def _with_known_disks(call: Call) -> dict[str, str]:
    """Drop instance-store disks, which moto refuses; size the root disk from the image."""
    image = ec2_moto.backend(call.region).amis.get(call.params.get("ImageId", ""))
    disks = [
        disk
        for disk in groups(call.params, "BlockDeviceMapping")
        if not disk.get("VirtualName", "").startswith("ephemeral")
    ]
    for disk in disks:
        sized = {"Ebs.VolumeSize", "Ebs.SnapshotId"} & disk.keys()
        if image and disk.get("DeviceName") == image.root_device_name and not sized:
            disk["Ebs.VolumeSize"] = str(image.block_device_mappings[0]["Ebs"]["VolumeSize"])
    return with_groups(call.params, "BlockDeviceMapping", disks)
