"""The shape of every command: options, logs, clock, deadline, metrics, errors, exit code."""

import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import click

from farmhand import __version__
from farmhand.errors import BadInput, ExitCode, FarmError, Unavailable

if TYPE_CHECKING:
    from farmhand.metrics import Sample

P = ParamSpec("P")
DEADLINE_GRACE_S = 30  # for what was under way to end before the process is stopped


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One call of a command: what was asked, when, where, and until when.

    `host` is the host's name, the process id and a random part. `now` is the host's UTC clock, read
    once; `remaining_s` counts on the monotonic clock.
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

    @property
    def speaks(self) -> bool:
        """Whether stdout gets the report: always, except from cron."""
        return self.dry_run or self.json or self.verbosity > 0 or sys.stdout.isatty()

    def remaining_s(self) -> float:
        """Seconds left until the deadline, never below zero."""
        return max(0.0, self.started + self.deadline_s - time.monotonic())


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a verb ended; `summary` becomes the end line of the log, `samples` the metrics."""

    exit_code: ExitCode = ExitCode.OK
    summary: Mapping[str, object] = field(default_factory=dict)
    samples: tuple["Sample", ...] = ()


class VerbGroup(click.Group):
    """A command with verbs; a first argument that is none of them belongs to the verb `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front where no verb, and no question about the command itself, stands."""
        if not args or args[0] not in {*self.commands, "-h", "--help", "--version"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


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


def farm_command(
    group: click.Group, verb: str, *, command: str, changes: bool, deadline_s: float = 240.0
) -> Callable[[Callable[..., Result]], click.Command]:
    """Make a function a verb: it takes a Run and its own options and returns a Result.

    `changes` adds --dry-run and --metrics-textfile, which verbs that only read have no use for.
    """

    def decorate(function: Callable[..., Result]) -> click.Command:
        @functools.wraps(function)
        def body(**options: Any) -> NoReturn:
            common = {key: options.pop(key) for key in COMMON if key in options}
            click.get_current_context().exit(_execute(function, command, verb, common, options))

        wrapped: Any = body
        for option in _common_options(changes, deadline_s):
            wrapped = option(wrapped)
        return group.command(verb, context_settings={"help_option_names": ["-h", "--help"]})(
            wrapped
        )

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


def _common_options(changes: bool, deadline_s: float) -> list[Callable[[Any], Any]]:
    """List the options all verbs share, last one first."""
    path = click.Path(path_type=Path)
    writing = [
        click.option("--metrics-textfile", type=path, help="Write Prometheus metrics there."),
        click.option(
            "-n", "--dry-run", "--dryrun", "dry_run", is_flag=True, help="Show it, do none of it."
        ),
    ]
    return [
        *(writing if changes else []),
        click.option(
            "--deadline",
            "deadline_s",
            type=click.FloatRange(min=1),
            default=deadline_s,
            show_default=True,
            metavar="SECONDS",
            help="End by then.",
        ),
        click.option("--syslog", metavar="ADDRESS", help="Log to /dev/log, HOST or HOST:PORT too."),
        click.option("-l", "--logfile", type=path, help="Log there too, rotating."),
        click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr."),
        click.option("-v", "--verbose", count=True, help="Say more; twice: everything."),
        click.option("--json", is_flag=True, help="Print one JSON document."),
        click.option("-c", "--config", "config_path", type=path, help="The configuration file."),
    ]


def _execute(
    function: Callable[..., Result],
    command: str,
    verb: str,
    common: dict[str, Any],
    options: dict[str, Any],
) -> int:
    """Run a verb inside the one boundary where errors become an exit code."""
    import logging

    from farmhand import logs

    log = logging.getLogger(command)
    run = Run(
        command=command,
        verb=verb,
        host=_name_host(os.environ),
        config_path=common["config_path"],
        environ=os.environ,
        now=datetime.now(UTC),
        started=time.monotonic(),
        deadline_s=common["deadline_s"],
        dry_run=common.get("dry_run", False),
        json=common["json"],
        verbosity=-1 if common["quiet"] else common["verbose"],
    )
    result = Result(exit_code=ExitCode.BUG)
    try:
        logs.set_up(verbosity=run.verbosity, logfile=common["logfile"], syslog=common["syslog"])
        log.info("start version=%s verb=%s dry_run=%s", __version__, verb, run.dry_run)
        _set_signals(run.deadline_s)
        result = function(run, **options)
    except FarmError as err:
        # Cron need not hear that the run before still works; a person does.
        expected = err.exit_code is ExitCode.LOCKED and not sys.stderr.isatty()
        for line in str(err).splitlines():
            log.log(logging.INFO if expected else logging.ERROR, "%s", line)
        key = "locked" if err.exit_code is ExitCode.LOCKED else "error"
        result = Result(exit_code=err.exit_code, summary={key: str(err)})
    except Exception:
        log.exception("this is a bug in farmhand %s: please report it", __version__)
    except KeyboardInterrupt:
        result = Result(exit_code=ExitCode.INTERRUPTED)
    except SystemExit:
        result = Result(exit_code=ExitCode.TERMINATED)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _report_end(run, result, common.get("metrics_textfile"), log)
    return int(result.exit_code)


def _name_host(environ: Mapping[str, str]) -> str:
    import socket
    import uuid

    name = environ.get("FARMHAND_HOST") or socket.gethostname()
    return f"{name}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def _report_end(run: Run, result: Result, metrics_textfile: Path | None, log: Any) -> None:
    """Write the end line and the metrics, also of a run that failed."""
    seconds = time.monotonic() - run.started
    numbers = {k: v for k, v in result.summary.items() if isinstance(v, int | float)}
    words = " ".join(f"{key}={value}" for key, value in numbers.items())
    log.info("done exit=%d %s secs=%.1f", result.exit_code, words, seconds)
    # A run that found the lock held leaves the file to the run that holds it.
    if metrics_textfile is None or run.dry_run or "locked" in result.summary:
        return
    from farmhand import metrics

    samples = metrics.run_samples(
        command=run.command,
        verb=run.verb,
        exit_code=result.exit_code,
        seconds=seconds,
        now=run.now,
    )
    try:
        metrics.write_textfile(metrics_textfile, [*samples, *result.samples])
    except BadInput as err:
        log.error("%s", err)


def _set_signals(deadline_s: float) -> None:
    """Let SIGTERM unwind like an exit, and the clock end what has ignored its deadline."""

    def terminate(_signal: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    def give_up(_signal: int, _frame: object) -> NoReturn:
        raise Unavailable(f"no answer within {deadline_s:.0f} s (--deadline)")

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, deadline_s + DEADLINE_GRACE_S)
