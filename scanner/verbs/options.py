"""Options that the scanner's verbs share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farmhand.command import SECRETS, Run

if TYPE_CHECKING:
    from scanner.settings import Settings

MOST_INT = 2**31 - 1


class Text(click.ParamType[str]):
    """Text that stands on one line and fits its column."""

    name = "text"

    def __init__(self, most: int) -> None:
        self.most = most

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is empty, too long, or not printable."""
        if not value.strip() or len(value) > self.most or not value.isprintable():
            self.fail(f"expected 1 to {self.most} printable characters", param, ctx)
        return value


class AnyInt(click.IntRange):
    """A number that fits where it is kept; its bounds are nothing that anybody needs to read."""

    def _describe_range(self) -> str:
        return ""


SHORT, WORD, LINE, REASON = Text(32), Text(64), Text(255), Text(1000)
BUILD_ID = click.IntRange(1, 2**63 - 1)
BYTE = AnyInt(-(2**62), 2**62)
SCORE = AnyInt(-MOST_INT, MOST_INT)
build_argument = click.argument("build_id", metavar="BUILD", type=BUILD_ID)
secrets_option = click.option(
    "-k", "--secrets", type=click.Path(path_type=Path), metavar="FILE", help=SECRETS
)


def with_settings(run: Run, options: Mapping[str, Any]) -> "Settings":
    """Load what a verb's options name."""
    from scanner.settings import load_settings

    return load_settings(run, options["secrets"])
