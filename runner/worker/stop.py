"""Let a worker leave: ask it as its tac allows, wait for its build, and force it only when told."""

import logging
import os
import signal
import time
from pathlib import Path

from runner.stops import Stops
from runner.worker.config import WorkerSettings
from runner.worker.decide import Step, Stopping, choose_step
from runner.worker.process import WorkerProcess
from runner.worker.start import STAMP
from runner.worker.watch import Watch

log = logging.getLogger("runner.worker")

LOOK_S = 0.2
REMIND_S = 300.0
STAMP_STEP_S = 2.0  # the coarsest file systems count time in 2 s


def stop_worker(watch: Watch, settings: WorkerSettings, asked: Stops) -> bool:
    """Stop it, and return when its process is gone; return whether it was forced.

    Who asks us twice to end does not want to wait for a build; who takes this machine away does not
    wait for one either.
    """
    times: dict[str, float] = {"since": time.monotonic()}
    forced = False
    while watch.update() and watch.process is not None:
        if watch.log.leaving:
            times.setdefault("leaving", time.monotonic())
        stopping = describe_stop(times, at_once=asked.now)
        step = choose_step(watch.log, settings, stopping)
        forced = forced or (step is Step.TERM and watch.log.connected is not False)
        take_step(watch, watch.process, step, times)
        remind(watch, times)
        watch.wait(asked, LOOK_S)
    watch.update()
    log.info("the worker's process is gone after %.1f s", time.monotonic() - times["since"])
    return forced


def describe_stop(times: dict[str, float], *, at_once: bool) -> Stopping:
    """Put down how long each thing is ago."""
    ago = {name: time.monotonic() - at for name, at in times.items()}
    return Stopping(
        since_s=ago["since"],
        asked_s=ago.get("asked"),
        leaving_s=ago.get("leaving"),
        term_s=ago.get("term"),
        at_once=at_once,
    )


def take_step(watch: Watch, process: WorkerProcess, step: Step, times: dict[str, float]) -> None:
    """Do it, and note when."""
    match step:
        case Step.ASK:
            times["asked"] = time.monotonic()
            ask_to_leave(watch, process)
        case Step.TERM:
            times["term"] = time.monotonic()
            known = "it is connected" if watch.log.connected else "it has no master"
            log.info("TERM to the worker: %s", known)
            process.send(signal.SIGTERM)
        case Step.KILL:
            if "kill" not in times:
                log.warning("KILL to the worker: it has ignored TERM")
            times.setdefault("kill", time.monotonic())
            process.send(signal.SIGKILL)
        case Step.WAIT:
            pass


def ask_to_leave(watch: Watch, process: WorkerProcess) -> None:
    """Ask it to leave after its build, in the way that its log says it listens to."""
    if watch.log.stops_by == "signal":
        log.info("asking the worker to leave, by SIGHUP")
        process.send(signal.SIGHUP)
        return
    log.info("asking the worker to leave, by %s", STAMP)
    try:
        touch_newer(watch.basedir / STAMP, time.time())
    except OSError as err:
        log.error("%s: %s; trying again", err.filename, err.strerror)


def touch_newer(path: Path, now: float) -> None:
    """Touch a file so that its time is newer than before, also where times are whole seconds."""
    try:
        now = max(now, path.stat().st_mtime + STAMP_STEP_S)
    except FileNotFoundError:
        path.touch()
    os.utime(path, (now, now))


def remind(watch: Watch, times: dict[str, float]) -> None:
    """Say from time to time what we wait for."""
    last = times.setdefault("reminded", times["since"])
    if time.monotonic() - last < REMIND_S:
        return
    times["reminded"] = time.monotonic()
    unasked = "" if watch.log.stops_by else "; its tac lets nobody ask it to leave"
    seconds = time.monotonic() - times["since"]
    log.warning(
        "the worker is still there after %.0f s (%d commands run)%s",
        seconds,
        watch.log.commands,
        unasked,
    )
