"""Who runs a verb that opens the database itself."""

import getpass

from farmhand.command import Run
from slavealloc.doors.models import Caller

MOST_CHARACTERS = 255


def find_operator(run: Run) -> Caller:
    """Say who runs this verb, as the audit names them: USER@HOST."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user here, and nothing in the environment
        user = "unknown"
    return Caller(name=f"{user}@{run.host.partition('/')[0]}"[:MOST_CHARACTERS])
