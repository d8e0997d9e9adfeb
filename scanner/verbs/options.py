"""Options that the scanner's verbs share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farmhand.command import Run

if TYPE_CHECKING:
    from scanner.settings import Settings

secrets_option = click.option(
    "-k", "--secrets", type=click.Path(path_type=Path), help="Secrets; nobody else may read it."
)


def with_settings(run: Run, options: Mapping[str, Any]) -> "Settings":
    """Load what a verb's options name."""
    from scanner.settings import load_settings

    return load_settings(run, options["secrets"])
