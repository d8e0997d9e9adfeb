"""EC2's side of launching: a call with the same token however often it is made, and names."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from watch_pending.aws import Ec2Error, calling
from watch_pending.aws_errors import Meaning

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import TagTypeDef

log = logging.getLogger(__name__)
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 8.0
NOT_YET = "InvalidInstanceID.NotFound"


def launch_instances(
    client: "EC2Client", request: Mapping[str, Any], *, patience_s: float, stop: threading.Event
) -> dict[int, str]:
    """Start what a call asks for, or fewer; return launch index → instance id.

    A throttled call, or one without an answer, is repeated with the same token for `patience_s`, or
    until `stop` is set.
    Raises Ec2Error; `unanswered` when instances may exist all the same.
    """
    region = client.meta.region_name
    unanswered = False
    for attempt in _repeating(_is_passing, patience_s, stop):
        with attempt:
            try:
                with calling("RunInstances", region):
                    reply = client.run_instances(**request)
                    return {
                        each["AmiLaunchIndex"]: each["InstanceId"] for each in reply["Instances"]
                    }
            except Ec2Error as err:
                # What brought no answer may have launched it, whatever a later attempt says.
                unanswered = err.unanswered = unanswered or err.unanswered
                raise
    raise AssertionError("tenacity returns or raises")


def write_tags(
    client: "EC2Client",
    instance_id: str,
    tags: Iterable[tuple[str, str]],
    *,
    patience_s: float,
    stop: threading.Event,
) -> None:
    """Tag an instance, again and again for `patience_s` where that may help; raises Ec2Error."""
    pairs: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in tags]
    for attempt in _repeating(_is_passing_or_young, patience_s, stop):
        with attempt, calling("CreateTags", client.meta.region_name):
            client.create_tags(Resources=[instance_id], Tags=pairs)


def _repeating(
    again: Callable[[BaseException], bool], patience_s: float, stop: threading.Event
) -> Retrying:
    return Retrying(
        retry=retry_if_exception(again),
        wait=wait_random_exponential(multiplier=RETRY_FIRST_S, max=RETRY_MOST_S),
        stop=stop_after_delay(patience_s) | stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=_log_retry,
        reraise=True,
    )


def _is_passing(err: BaseException) -> bool:
    return isinstance(err, Ec2Error) and err.meaning is Meaning.AGAIN


def _is_passing_or_young(err: BaseException) -> bool:
    """EC2 may not know for a moment what it has just launched."""
    return _is_passing(err) or (isinstance(err, Ec2Error) and err.code == NOT_YET)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    log.info("%s; again in %.1f s", error, wait)
