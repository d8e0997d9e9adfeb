"""Completion in the shell: click's own scripts, and names that the configuration has.

Runs at each press of Tab: imports little, says nothing, and finds nothing where something fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from farmhand.config_file import find_config

if TYPE_CHECKING:
    import click

PROGRAMS = ("watch-pending", "slavealloc", "runslave", "runner", "scanner", "farmhand")
SHELLS = ("bash", "zsh", "fish")
Complete = Callable[["click.Context", "click.Parameter", str], list[str]]


def make_script(shell: str) -> str:
    """Make what a shell reads to complete all our commands."""
    from click import Command
    from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    scripts = []
    for program in PROGRAMS:
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        # Bash's own would start a bash, to see whether it is older than 4.4.
        scripts.append(ShellComplete.source(kind(Command(program), {}, program, variable)))
    return "\n".join(scripts)


def from_configuration(*path: str) -> Complete:
    """Complete with the keys of a mapping in farmhand.yml, without validating it."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        found = read_configured(ctx, *path)
        names = found if isinstance(found, dict) else {}
        return sorted(str(name) for name in names if str(name).startswith(incomplete))

    return complete


def read_configured(ctx: click.Context, *path: str) -> Any:
    """Read a value of farmhand.yml as it stands there, None where there is none."""
    import yaml

    file = find_config(ctx.params.get("config_path"), os.environ)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value: Any = yaml.load(file.read_bytes(), loader) if file else None  # noqa: S506 - a safe one
        for key in path:
            value = value[key]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return None
    return value
