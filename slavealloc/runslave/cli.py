"""The `runslave` command, the machine's side: its options. What it does is in `runslave_steps`.

Imports as little as it can: a machine that boots waits for it.
"""

import math
from pathlib import Path
from typing import Any

import click

from farmhand.command import Result, Run, farm_command


@farm_command(None, "run", command="runslave", changes=True, deadline_s=math.inf, taken="cn")
@click.option(
    "-a",
    "--allocator-url",
    metavar="URL",
    help="Ask there; SLAVE in it is the name.  [default: http://slavealloc/gettac/SLAVE]",
)
@click.option("-c", "--twistd-cmd", metavar="CMD", help="Start with this instead of twistd.")
@click.option(
    "-d", "--basedir", metavar="DIR", help="The worker's directory, whatever the page says."
)
@click.option("-n", "--slavename", metavar="NAME", help="The worker.  [default: this host's name]")
@click.option("--no-start", is_flag=True, help="Fetch and write the tac only.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Ask no longer than that in all.  [default: 60]",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show the allocator the token in it.  [default: $FARMHAND_TOKEN, if set]",
)
def main(run: Run, **options: Any) -> Result:
    """Fetch this machine's buildbot.tac from slavealloc, and start its worker.

    When the allocator is down, the last tac is used. A file DO_NOT_START beside it ends all.

    Exit codes: 0 started, or DO_NOT_START; 2 wrong options or no twistd; 4 neither allocator nor
    tac; 75 the worker runs already; else twistd's own.

    \b
    Examples:
      runslave
      runslave -a http://slavealloc.example.com/gettac/SLAVE -d /builds/slave
      runslave -n bld-linux64-007 --no-start -v
    """
    from slavealloc.runslave.settings import Options, load_settings
    from slavealloc.runslave.steps import run_steps

    return run_steps(run, load_settings(run, Options(**options)))
