"""`slavealloc token …`: verbs and options. What a verb needs is imported inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farmhand.command import Result, Run, farm_command
from slavealloc.groups import database_option, token

if TYPE_CHECKING:
    from slavealloc.settings import Settings


@farm_command(token, "add", command="slavealloc", changes=True)
@database_option
@click.option("--machine", is_flag=True, help="Good for /gettac alone, as a machine asks it.")
@click.argument("name")
def add(run: Run, settings: Settings, machine: bool, name: str) -> Result:
    """Make a token for NAME and print it, this once: only its digest is kept.

    \b
    Examples:
      slavealloc token add jane
      slavealloc token add --machine bld-linux64 > token; chmod 600 token
    """
    from slavealloc.doors.verbs import add_token

    return add_token(run, settings, name, machine=machine)


@farm_command(token, "list", command="slavealloc", changes=False)
@database_option
def list_(run: Run, settings: Settings) -> Result:
    """List tokens by their names: what they are good for, when they were last used.

    \b
    Example:
      slavealloc token list
    """
    from slavealloc.doors.verbs import list_tokens

    return list_tokens(run, settings)


@farm_command(token, "revoke", command="slavealloc", changes=True)
@database_option
@click.argument("name")
def revoke(run: Run, settings: Settings, name: str) -> Result:
    """Let the token of NAME be good for nothing, from now on and for ever.

    \b
    Example:
      slavealloc token revoke jane
    """
    from slavealloc.doors.verbs import revoke_token

    return revoke_token(run, settings, name)
