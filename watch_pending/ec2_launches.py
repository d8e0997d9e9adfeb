"""EC2's side of launching: one machine a call, with the same token however often it is made."""

import logging
import threading
from collections.abc import Mapping
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

from watch_pending.aws_errors import Meaning
from watch_pending.ec2 import Ec2Error, calling

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 8.0


def launch_instance(
    client: "EC2Client", request: Mapping[str, Any], *, patience_s: float, stop: threading.Event
) -> str:
    """Start one instance and return its id.

    A throttled call, or one without an answer, is repeated with the same token for `patience_s`, or
    until `stop` is set.
    Raises Ec2Error; `unanswered` when the instance may exist all the same.
    """
    region = client.meta.region_name
    retrying = Retrying(
        retry=retry_if_exception(lambda e: isinstance(e, Ec2Error) and e.meaning is Meaning.AGAIN),
        wait=wait_random_exponential(multiplier=RETRY_FIRST_S, max=RETRY_MOST_S),
        stop=stop_after_delay(patience_s) | stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=_log_retry,
        reraise=True,
    )
    unanswered = False
    for attempt in retrying:
        with attempt:
            try:
                with calling("RunInstances", region):
                    reply = client.run_instances(**request)
            except Ec2Error as err:
                # What brought no answer may have launched it, whatever a later attempt says.
                unanswered = err.unanswered = unanswered or err.unanswered
                raise
            return reply["Instances"][0]["InstanceId"]
    raise AssertionError("tenacity returns or raises")


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    log.info("%s; again in %.1f s", error, wait)
