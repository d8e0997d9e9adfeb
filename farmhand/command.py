"""The shape of every command: verbs, the options they share, what they are told and what they say.

Imports as little as it can: half of what `--help` takes is imports. `boundary` has the rest.
"""

from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from farmhand import __version__
from farmhand.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from click.shell_completion import CompletionItem

    from farmhand.metrics import Sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One call of a command: what was asked, when, where, and until when.

    `host` is the host's name, the process id and a random part. `now` is the host's UTC clock, read
    once; `remaining_s` counts on the monotonic clock. `metrics_textfile` is written at the end in
    any case; a service may also write it before.
    """

    command: str
    verb: str
    host: str
    config_path: Path | None
    environ: Mapping[str, str]
    now: datetime
    started: float
    deadline_s: float
    dry_run: bool = False
    json: bool = False
    verbosity: int = 0
    metrics_textfile: Path | None = None

    @property
    def speaks(self) -> bool:
        """Whether stdout gets the report: always, except from cron."""
        return self.dry_run or self.json or self.verbosity > 0 or sys.stdout.isatty()

    def remaining_s(self) -> float:
        """Seconds left until the deadline, never below zero."""
        return max(0.0, self.started + self.deadline_s - time.monotonic())


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a verb ended; `summary` becomes the end line of the log, `samples` the metrics.

    An `exit_code` that is no ExitCode is another program's, passed on.
    """

    exit_code: int = ExitCode.OK
    summary: Mapping[str, object] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()


class VerbGroup(click.Group):
    """A command with verbs; a first argument that is none of them belongs to the verb `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front where no verb, and no question about the command itself, stands."""
        completing_verb = ctx.resilient_parsing and not args
        if not completing_verb and args[:1] not in self._first_words():
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def _first_words(self) -> list[list[str]]:
        return [[word] for word in (*self.commands, "-h", "--help", "--version")]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the first word: a verb, or what stands first after `run`."""
        run = self.commands["run"]
        with run.make_context("run", [], parent=ctx, resilient_parsing=True) as own:
            found = run.shell_complete(own, incomplete)
            first = next((each for each in run.params if isinstance(each, click.Argument)), None)
            if first is not None and not incomplete.startswith("-"):
                found += first.shell_complete(own, incomplete)
        found += super().shell_complete(ctx, incomplete)
        return list({each.value or each.type: each for each in found}.values())


def verb_group(name: str, help: str) -> VerbGroup:  # noqa: A002 - click's own word
    """Make the group that a command's verbs are added to."""
    group = VerbGroup(
        name=name, help=help, context_settings={"help_option_names": ["-h", "--help"]}
    )
    return click.version_option(__version__, prog_name=name, message="%(prog)s %(version)s")(group)


def plain_group(
    name: str,
    help: str,  # noqa: A002 - click's own word
    parent: click.Group | None = None,
) -> click.Group:
    """Make a group without a verb of its own, alone or below another one."""
    settings = {"help_option_names": ["-h", "--help"]}
    group = click.Group(name=name, help=help, context_settings=settings)
    if parent is not None:
        parent.add_command(group)
        return group
    return click.version_option(__version__, prog_name=name, message="%(prog)s %(version)s")(group)


def farm_command(  # noqa: PLR0913 - each says one thing of the verb, by name
    group: click.Group | None,
    verb: str,
    *,
    command: str,
    changes: bool,
    deadline_s: float = 240.0,
    taken: str = "",
) -> Callable[[Callable[..., Result]], click.Command]:
    """Make a function a verb: it takes a Run and its own options and returns a Result.

    Without a group it is the whole command, and `verb` is only what it is called in records.
    `changes` adds --dry-run. Only then does --metrics-textfile write: reading is no run to watch.
    An infinite `deadline_s` is a service's, which has no option for it. The letters in `taken` mean
    what they meant to the command's predecessor; the shared options then have their long form only.
    """

    def decorate(function: Callable[..., Result]) -> click.Command:
        @functools.wraps(function)
        def body(**options: Any) -> NoReturn:
            common = {key: options.pop(key) for key in COMMON if key in options}
            common.setdefault("deadline_s", deadline_s)
            if not changes:
                common["metrics_textfile"] = None
            from farmhand.boundary import execute

            click.get_current_context().exit(execute(function, command, verb, common, options))

        wrapped: Any = body
        for option in _common_options(changes, deadline_s, taken):
            wrapped = option(wrapped)
        settings = {"help_option_names": ["-h", "--help"]}
        if group is not None:
            return group.command(verb, context_settings=settings)(wrapped)
        version = click.version_option(
            __version__, prog_name=command, message="%(prog)s %(version)s"
        )
        return click.command(command, context_settings=settings)(version(wrapped))

    return decorate


COMMON = (
    "config_path",
    "dry_run",
    "json",
    "verbose",
    "quiet",
    "logfile",
    "syslog",
    "metrics_textfile",
    "deadline_s",
)


def _common_options(
    changes: bool,
    deadline_s: float,
    taken: str,
) -> list[Callable[[Any], Any]]:
    """List the options all verbs share, last one first."""

    def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
        return click.option(*(each for each in names if each not in letters), **settings)

    letters = {f"-{letter}" for letter in taken}
    path = click.Path(path_type=Path)
    metrics = "Write Prometheus metrics there." if changes else "Ignored: this verb only reads."
    dry_run = option(
        "-n", "--dry-run", "--dryrun", "dry_run", is_flag=True, help="Show it, do none of it."
    )
    deadline = option(
        "--deadline",
        "deadline_s",
        type=click.FloatRange(min=1),
        default=deadline_s,
        show_default=True,
        metavar="SECONDS",
        help="End by then.",
    )
    return [
        option("--metrics-textfile", type=path, help=metrics),
        *([dry_run] if changes else []),
        *([deadline] if math.isfinite(deadline_s) else []),
        option(
            "--syslog",
            metavar="[ADDRESS]",
            is_flag=False,
            flag_value="/dev/log",
            help="Log to /dev/log, HOST or HOST:PORT too.",
        ),
        option("-l", "--logfile", type=path, help="Log there too, rotating."),
        option("-q", "--quiet", is_flag=True, help="Only errors on stderr."),
        option("-v", "--verbose", count=True, help="Say more; twice: everything."),
        option("--json", is_flag=True, help="Print one JSON document."),
        option("-c", "--config", "config_path", type=path, help="The configuration file."),
    ]
