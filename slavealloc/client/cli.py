"""`slavealloc master …`: verbs and options. What a verb needs is imported inside it."""

from __future__ import annotations

import click

from farmhand.command import Result, Run, farm_command
from slavealloc.client.completion import complete_masters
from slavealloc.client.whom import Whom
from slavealloc.groups import master, server_option


@farm_command(master, "disable", command="slavealloc", changes=True)
@server_option
@click.option("-m", "--message", "note", metavar="NOTE", help="Why; replaces its notes.")
@click.argument("nickname", metavar="MASTER", shell_complete=complete_masters)
def disable(run: Run, whom: Whom, note: str | None, nickname: str) -> Result:
    """Send no worker to MASTER from now on; those that are there stay.

    \b
    Example:
      slavealloc master disable bm1-build -m "bug 123456: new kernel"
    """
    from slavealloc.client.verbs import set_master_enabled

    return set_master_enabled(run, whom, nickname, enabled=False, note=note)


@farm_command(master, "enable", command="slavealloc", changes=True)
@server_option
@click.option("-m", "--message", "note", metavar="NOTE", help="Replaces its notes.")
@click.argument("nickname", metavar="MASTER", shell_complete=complete_masters)
def enable(run: Run, whom: Whom, note: str | None, nickname: str) -> Result:
    """Send workers to MASTER again."""
    from slavealloc.client.verbs import set_master_enabled

    return set_master_enabled(run, whom, nickname, enabled=True, note=note)
