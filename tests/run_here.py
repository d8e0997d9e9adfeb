"""Runs a command in the process of the tests: what cron sees of it is the same."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from click.testing import CliRunner

from tests.processes import Finished


def run_here(main: click.Command, args: Sequence[str], environ: Mapping[str, str]) -> Finished:
    """Run it to its end, in that environment."""
    strange = {name: None for name in os.environ if name.startswith("FARMHAND_")}
    with _handlers_kept():
        done = CliRunner().invoke(main, [*args], env={**strange, **environ})
    return Finished(code=done.exit_code, out=done.stdout, err=done.stderr)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back what a command sets for its whole process."""
    numbers = (signal.SIGTERM, signal.SIGALRM)
    signals = [signal.getsignal(number) for number in numbers]
    timer = signal.getitimer(signal.ITIMER_REAL)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        for number, handler in zip(numbers, signals, strict=True):
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
        root.handlers = handlers
        root.setLevel(level)
