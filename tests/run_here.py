"""Runs a command in the process of the tests: what cron sees of it is the same."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

import click
from click.testing import CliRunner

from tests.processes import Finished


def run_here(
    main: click.Command,
    args: Sequence[str],
    environ: Mapping[str, str],
    directory: Path | None = None,
) -> Finished:
    """Run it to its end, in that environment and directory."""
    strange = {name: None for name in os.environ if name.startswith("FARMHAND_")}
    with process_kept(), chdir(directory or Path()):
        done = CliRunner().invoke(main, [*args], env={**strange, **environ})
    return Finished(code=done.exit_code, out=done.stdout, err=done.stderr)


@contextmanager
def process_kept() -> Iterator[None]:
    """Put back what a command sets for its whole process."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    signals = [signal.getsignal(number) for number in numbers]
    timer = signal.getitimer(signal.ITIMER_REAL)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        for number, action in zip(numbers, signals, strict=True):
            signal.signal(number, action)
        signal.setitimer(signal.ITIMER_REAL, *timer)
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers = handlers
        root.setLevel(level)
