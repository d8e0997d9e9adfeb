"""How far a scan is, on a terminal."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


def show_nothing(_done: int, _of: int) -> None:
    """Let nobody see how far it is."""


@contextmanager
def progress_bar(stream: TextIO) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar while daemons are looked at; it is gone at the end. Elsewhere it is nothing."""
    if not stream.isatty():
        yield show_nothing  # and cron need not load what draws
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("daemons"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("daemons", total=None)

        def show(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        with _logging_above(stream):
            yield show


@contextmanager
def _logging_above(stream: TextIO) -> Iterator[None]:
    """Let log lines stand above the bar: rich has put what does that in stderr's place."""
    handlers = [
        each
        for each in logging.getLogger().handlers
        if type(each) is logging.StreamHandler and each.stream is stream
    ]
    for each in handlers:
        each.setStream(sys.stderr)
    try:
        yield
    finally:
        for each in handlers:
            each.setStream(stream)
