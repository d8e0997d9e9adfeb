"""Status, once or again and again: gather → sum up → draw."""

import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.live import Live

from farmhand.command import Result, Run
from farmhand.errors import BadInput, Unavailable
from farmhand.logs import mute_stderr
from farmhand.output import make_console, print_drawn, print_json
from watch_pending.settings import WatchPendingSettings
from watch_pending.status.gather import look
from watch_pending.status.models import Status
from watch_pending.status.report import status_to_json
from watch_pending.status.screen import draw_error, draw_status
from watch_pending.status.summary import summarize

# A look takes no longer, whatever answers late.
LOOK_S = 8.0
NOTICE_S = 0.1  # until a Ctrl-C between two looks is noticed


def show_status(run: Run, settings: WatchPendingSettings) -> Result:
    """Print what the farm is doing now."""
    status = _look(run, settings)
    if run.json:
        print_json(status_to_json(status))
        return Result()
    console = make_console()
    print_drawn(console, draw_status(status, console.width))
    return Result()


def watch_status(run: Run, settings: WatchPendingSettings, every_s: float) -> Result:
    """Show it on the terminal, and again every so many seconds, until Ctrl-C.

    A database that does not answer is shown in place, above what was seen last.
    """
    if run.json or not sys.stdout.isatty():
        raise BadInput("--watch draws on a terminal: without one, or with --json, leave it out")
    mute_stderr()
    signal.setitimer(signal.ITIMER_REAL, 0)  # each look has its own deadline
    console = Console(highlight=False)
    status: Status | None = None
    pressed = _count_ctrl_c()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not pressed:
                now = replace(run, now=datetime.now(UTC), started=time.monotonic())
                status, error = _look_again(now, settings, status)
                live.update(_draw(status, now.now, console.width, error), refresh=True)
                until = time.monotonic() + every_s
                while not pressed and time.monotonic() < until:
                    time.sleep(min(NOTICE_S, every_s))
    except KeyboardInterrupt:
        return Result()
    return Result()


def _count_ctrl_c() -> list[int]:
    """Let the first Ctrl-C end what is under way in order, and the next one cut it short.

    What is raised amid a library's own cleaning up, Python may only print.
    """
    pressed: list[int] = []

    def press(number: int, _frame: object) -> None:
        pressed.append(number)
        if len(pressed) > 1:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)
    return pressed


def _look_again(
    run: Run, settings: WatchPendingSettings, last: Status | None
) -> tuple[Status | None, str]:
    """Look; where that fails, return what was seen last, and why it failed."""
    try:
        return _look(run, settings), ""
    except Unavailable as err:
        return last, str(err)


def _draw(status: Status | None, now: datetime, width: int, error: str) -> RenderableType:
    if status is None:
        return draw_error(now, error)
    return draw_status(status, width, error=error)


def _look(run: Run, settings: WatchPendingSettings) -> Status:
    hasty = replace(run, deadline_s=min(run.deadline_s, LOOK_S))
    limits = replace(settings, database_timeout_s=min(settings.database_timeout_s, LOOK_S))
    return summarize(look(hasty, limits), settings.watch)
