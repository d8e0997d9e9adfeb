"""Verbs and options of the queue."""

from typing import Any

import click

from farmhand.command import Result, Run, farm_command
from scanner.verbs.groups import queue
from scanner.verbs.options import SCORE, build_argument, secrets_option, with_settings


@farm_command(queue, "list", command="scanner", changes=False)
@secrets_option
def queue_list(run: Run, **options: Any) -> Result:
    """List the queue in the order in which it is served.

    \b
    Example:
      scanner queue list
    """
    from scanner.verbs.queue import list_queue

    return list_queue(run, with_settings(run, options))


@farm_command(queue, "score", command="scanner", changes=True)
@build_argument
@click.argument("score", type=SCORE)
@secrets_option
def queue_score(run: Run, build_id: int, score: int, **options: Any) -> Result:
    """Give a build another score: the highest goes first.

    \b
    Example:
      scanner queue score 17 1000
    """
    from scanner.verbs.queue import change_score

    return change_score(run, with_settings(run, options), build_id, score)


@farm_command(queue, "hold", command="scanner", changes=True)
@build_argument
@secrets_option
def queue_hold(run: Run, build_id: int, **options: Any) -> Result:
    """Start a waiting build no more, until it is released.

    \b
    Example:
      scanner queue hold 17
    """
    from scanner.verbs.queue import hold

    return hold(run, with_settings(run, options), build_id)


@farm_command(queue, "release", command="scanner", changes=True)
@build_argument
@secrets_option
def queue_release(run: Run, build_id: int, **options: Any) -> Result:
    """Let a build that was held wait for its turn again, also one that failed lately.

    \b
    Example:
      scanner queue release 17
    """
    from scanner.verbs.queue import release

    return release(run, with_settings(run, options), build_id)


@farm_command(queue, "cancel", command="scanner", changes=True)
@build_argument
@secrets_option
def queue_cancel(run: Run, build_id: int, **options: Any) -> Result:
    """End a build: at once if it waits, else the next scan aborts it.

    \b
    Example:
      scanner queue cancel 17
    """
    from scanner.verbs.queue import cancel

    return cancel(run, with_settings(run, options), build_id)
