"""What an EC2 error means for a launch; pure.

Source: EC2's list of error codes, and what peers of this tool met in production.
"""

import re
from enum import Enum, auto

from watch_pending.models import Exhausted, Launch

CAPACITY = {
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientCapacityOnHost",
    "InsufficientVolumeCapacity",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
    "Unsupported",
    "UnsupportedOperation",
}
SUBNET = {"InsufficientFreeAddressesInSubnet"}
QUOTA = {
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "MaxFleetCountExceeded",
    "SpotInstanceCountLimitExceeded",
    "NetworkInterfaceLimitExceeded",
    "VolumeLimitExceeded",
    "MaxIOPSLimitExceeded",
}
THROTTLED = {
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "Throttling",
    "ThrottlingException",
    "EC2ThrottledException",
    "BandwidthLimitExceeded",
}
PASSING = {
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "Unavailable",
    "RequestTimeout",
}
DENIED = {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}
DENIED_ACTION = re.compile(r"not authorized to perform: (\w+:\w+)")
ENCODED = re.compile(r"[. ]*Encoded authorization failure message:.*", re.DOTALL)
OTHER_SERVICES = {"GetParameters": "ssm", "PutObject": "s3"}
ACCESS = {
    *DENIED,
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "OptInRequired",
    "PendingVerification",
    "Blocked",
}


# AWS takes a request for 5 minutes around the time that it was signed at.
CLOCK = {"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"}


class Meaning(Enum):
    """What to do about an error."""

    NO_CAPACITY = auto()  # the next choice at once
    SUBNET_FULL = auto()  # another subnet
    QUOTA = auto()  # nothing more of this market in this region
    AGAIN = auto()  # the same call, same token, after a while
    NO_ACCESS = auto()  # nothing more in this region
    WRONG_CLOCK = auto()  # nothing more in this run; the next may have the right time
    BAD_SETTINGS = auto()  # nothing more of this instance type in this region


def read_meaning(code: str, http_status: int = 400) -> Meaning:
    """Say what an error code means; capacity errors come as HTTP 500 too, so the code goes first.

    >>> read_meaning("InsufficientInstanceCapacity", 500)
    <Meaning.NO_CAPACITY: 1>
    >>> read_meaning("SomethingNew", 503)
    <Meaning.AGAIN: 4>
    """
    by_codes = (
        (CAPACITY, Meaning.NO_CAPACITY),
        (SUBNET, Meaning.SUBNET_FULL),
        (QUOTA, Meaning.QUOTA),
        (THROTTLED | PASSING, Meaning.AGAIN),
        (ACCESS, Meaning.NO_ACCESS),
        (CLOCK, Meaning.WRONG_CLOCK),
    )
    for codes, meaning in by_codes:
        if code in codes:
            return meaning
    return Meaning.AGAIN if http_status >= 500 else Meaning.BAD_SETTINGS


def explain_denial(code: str, action: str, message: str) -> str:
    """Add to AWS's message which permission is missing, which may be another than the call's.

    >>> explain_denial("AccessDenied", "PutObject", "Access Denied")
    'Access Denied; this role lacks s3:PutObject, see docs/iam.md'
    >>> explain_denial("InternalError", "PutObject", "Oh")
    'Oh'
    """
    if code not in DENIED:
        return message
    named = DENIED_ACTION.search(message)
    lacking = named[1] if named else f"{OTHER_SERVICES.get(action, 'ec2')}:{action}"
    return f"{ENCODED.sub('', message)}; this role lacks {lacking}, see docs/iam.md"


def learn(meaning: Meaning, launch: Launch, reason: str) -> Exhausted | None:
    """Say what not to ask for again in this run, after a launch has failed."""
    offer = launch.offer
    match meaning:
        case Meaning.NO_CAPACITY:
            return Exhausted(
                reason=reason,
                market=offer.market,
                region=offer.region,
                availability_zone=offer.availability_zone,
                ec2_type=offer.ec2_type,
            )
        case Meaning.SUBNET_FULL:
            return Exhausted(reason=reason, subnet=launch.subnet)
        case Meaning.QUOTA:
            return Exhausted(reason=reason, market=offer.market, region=offer.region)
        case Meaning.NO_ACCESS:
            return Exhausted(reason=reason, region=offer.region)
        case Meaning.WRONG_CLOCK:
            return Exhausted(reason=reason)
        case Meaning.BAD_SETTINGS:
            return Exhausted(reason=reason, region=offer.region, instance_type=launch.instance_type)
        case Meaning.AGAIN:
            return None
