"""The one boundary of every command: logs, signals, deadline, metrics, errors → exit code."""

import gc
import logging
import math
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from farmhand import __version__, logs
from farmhand.command import Result, Run
from farmhand.errors import BadInput, DeadlinePassed, ExitCode, FarmError, LockHeld

STDERR = 2  # the last of the three descriptors that a program has from its caller
GC_THRESHOLD = 200_000  # objects more than at the last collection
DEADLINE_GRACE_S = 45  # for what was under way to end before the process is stopped


def execute(
    function: Callable[..., Result],
    command: str,
    verb: str,
    common: dict[str, Any],
    options: dict[str, Any],
) -> int:
    """Run a verb inside the one boundary where errors become an exit code."""
    _open_standard_streams()
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
        metrics_textfile=common.get("metrics_textfile"),
    )
    result = Result(exit_code=ExitCode.BUG)
    metrics_textfile = run.metrics_textfile
    # Looking for garbage in what imports leave behind would be a tenth of a short run.
    gc.set_threshold(GC_THRESHOLD)
    try:
        logs.set_up(verbosity=run.verbosity, logfile=common["logfile"], syslog=common["syslog"])
        log.info("start version=%s verb=%s dry_run=%s", __version__, verb, run.dry_run)
        _set_signals(run.deadline_s)
        result = function(run, **options)
    except (FarmError, DeadlinePassed) as err:
        # Cron need not hear that the run before still works; a person does.
        expected = err.exit_code is ExitCode.LOCKED and not sys.stderr.isatty()
        for line in str(err).splitlines():
            log.log(logging.INFO if expected else logging.ERROR, "%s", line)
        result = Result(exit_code=err.exit_code, summary={"error": str(err)})
        if isinstance(err, LockHeld):
            metrics_textfile = None  # it belongs to the run that holds the lock
    except Exception:
        log.exception("this is a bug in farmhand %s: please report it", __version__)
    except KeyboardInterrupt:
        result = Result(exit_code=ExitCode.INTERRUPTED)
    except SystemExit:
        result = Result(exit_code=ExitCode.TERMINATED)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _report_end(run, result, metrics_textfile, log)
    return int(result.exit_code)


def _open_standard_streams() -> None:
    """Open what the caller has closed: else the next file would be stdout to whom we start."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r+", encoding="utf-8", closefd=False))


def _name_host(environ: Mapping[str, str]) -> str:
    name = environ.get("FARMHAND_HOST") or socket.gethostname()
    return f"{name}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def _report_end(
    run: Run, result: Result, metrics_textfile: Path | None, log: logging.Logger
) -> None:
    """Write the end line and the metrics, also of a run that failed."""
    seconds = time.monotonic() - run.started
    numbers = {k: v for k, v in result.summary.items() if isinstance(v, int | float)}
    words = " ".join(f"{key}={value}" for key, value in numbers.items())
    log.info("done exit=%d %s secs=%.1f", result.exit_code, words, seconds)
    if metrics_textfile is None or run.dry_run:
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
        raise DeadlinePassed(
            f"stopped: still at work {DEADLINE_GRACE_S} s after {deadline_s:.0f} s (--deadline)"
        )

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGALRM, give_up)
    if math.isfinite(deadline_s):
        # Again and again: Python only prints what is raised inside a destructor.
        signal.setitimer(signal.ITIMER_REAL, deadline_s + DEADLINE_GRACE_S, DEADLINE_GRACE_S)
