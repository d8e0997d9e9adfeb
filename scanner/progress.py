"""How far a scan is, on a terminal."""

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

        yield show
