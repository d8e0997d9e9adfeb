"""Transactions that the database gave up because of another one: run again, a few times."""

import logging

from sqlalchemy.exc import DBAPIError
from tenacity import before_sleep_log, retry, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

log = logging.getLogger(__name__)
TRIES = 5
MYSQL_CODES = {1205, 1213}  # lock wait timeout, deadlock
POSTGRESQL_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available


def is_conflict(err: BaseException) -> bool:
    """Say whether a transaction failed only because of another one, so that trying again helps."""
    wrapped = err if isinstance(err, DBAPIError) else err.__cause__
    if not isinstance(wrapped, DBAPIError) or wrapped.orig is None:
        return False
    orig = wrapped.orig
    if getattr(orig, "sqlstate", None) in POSTGRESQL_STATES:
        return True
    if getattr(orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return True
    return bool(orig.args) and orig.args[0] in MYSQL_CODES


retried = retry(
    retry=retry_if_exception(is_conflict),
    stop=stop_after_attempt(TRIES),
    wait=wait_random_exponential(multiplier=0.02, max=1),
    before_sleep=before_sleep_log(log, logging.INFO),
    reraise=True,
)
"""Decorates a function that is one whole transaction, and does nothing else."""
