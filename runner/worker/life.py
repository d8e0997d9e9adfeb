"""One worker's life, from its tac to the end of its process: `runner worker`."""

import logging
import math
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import FarmError
from farmhand.output import print_json, print_lines
from farmhand.state import exclusive, find_state_directory
from runner.chores.settings import Action
from runner.chores.wishes import Wish, read_boot_id, write_wish
from runner.metadata import Metadata
from runner.protocol import format_said
from runner.stops import Stops, listening
from runner.worker.config import WorkerSettings
from runner.worker.decide import Reason, judge_health, judge_run, judge_start, name_end
from runner.worker.fast_failures import Streak, settle
from runner.worker.fetch import ask_basedir, fetch_tac
from runner.worker.health import read_failures, read_free_gib, write_failures
from runner.worker.notices import Notice, watching
from runner.worker.outcome import HEALTHY, Ending, Outcome, describe_reason, task_code
from runner.worker.process import PID_FILE, find_worker
from runner.worker.start import LOG_FILE, prepare, probe_master, start_twistd
from runner.worker.stop import LOOK_S, stop_worker
from runner.worker.watch import Watch, read_past

log = logging.getLogger("runner.worker")

LOCK = "runner-worker"
WATCH_S = 1.0  # while it works; its log and its process are looked at that often


def run_worker(run: Run, settings: WorkerSettings, metadata: Metadata | None = None) -> Result:
    """Live one worker's life; the exit code is the task's, by what happened.

    A worker of this machine that runs already is watched and stopped like one of our own. Where
    there is `metadata`, it is asked whether EC2 takes this machine away.

    Raises LockHeld while another `runner worker` watches it, BadInput for what no retry mends.
    """
    with listening() as asked:
        if run.dry_run:
            return show_plan(run, ask_basedir(run, settings, asked))
        with watching(metadata, settings, asked) as watcher:
            ending = live(run, settings, asked)
        if watcher and watcher.notice:
            ending = name_taken(run, ending, watcher.notice)
    tell_runner(run, ending)
    code = task_code(ending.outcome, settings.when_idle)
    words = f"{ending.outcome}: {ending.detail}" if ending.detail else str(ending.outcome)
    level = logging.INFO if ending.outcome in HEALTHY else logging.ERROR
    log.log(level, "%s (%d builds; task code %d)", words, ending.builds, code)
    seconds = round(time.monotonic() - run.started, 1)
    summary = {"outcome": str(ending.outcome), "builds": ending.builds, "seconds": seconds}
    if run.json:
        print_json({**summary, "detail": ending.detail, "task_code": code})
    elif run.speaks:
        print_lines([words])
    return Result(exit_code=code, summary=summary)


def name_taken(run: Run, ending: Ending, notice: Notice) -> Ending:
    """Name the end of a worker whose machine goes, and wish for a halt that is no reboot."""
    action: Action = "shutdown" if notice.name in {"spot-stop", "spot-hibernate"} else "terminate"
    try:
        wish = Wish(action=action, why=notice.words)
        write_wish(find_state_directory(run.environ), wish, read_boot_id())
    except FarmError as err:
        log.warning("%s", err)
    reason = f"{notice.name}: {notice.words}"
    return replace(ending, outcome=Outcome.TAKEN, detail=notice.words, reason=reason)


def tell_runner(run: Run, ending: Ending) -> None:
    """Say to the runner that has started us what it records."""
    if "RUNNER_CONFIG_CMD" not in run.environ:
        return
    told = {"reason": describe_reason(ending) or None, "connected_s": ending.connected_s}
    print_lines([format_said(kind, text) for kind, text in told.items() if text is not None])


def show_plan(run: Run, basedir: Path | None) -> Result:
    """Say what a run would do first; change nothing."""
    process = find_worker(basedir) if basedir else None
    if run.json:
        where = str(basedir) if basedir else None
        print_json({"basedir": where, "adopt_pid": process.pid if process else None})
    elif process:
        print_lines([f"would adopt the worker of {basedir}, process {process.pid}"])
    else:
        print_lines([f"would fetch a tac for {basedir or 'the directory it says'}, and start it"])
    if process:
        process.close()
    return Result()


def live(run: Run, settings: WorkerSettings, asked: Stops) -> Ending:
    """Adopt the worker that runs, or fetch a tac and start one; then stay with it to its end."""
    with ExitStack() as held:
        locked = ask_basedir(run, settings, asked)
        if locked and not locked.is_dir():
            locked = None
        if locked:
            held.enter_context(exclusive(locked, LOCK))
            if watch := adopt(locked):
                return stay(run, watch, settings, asked)
        basedir = fetch_tac(run, settings, asked)
        if isinstance(basedir, Ending):
            return basedir
        if basedir != locked:
            held.enter_context(exclusive(basedir, LOCK))
        started = adopt(basedir) or start(run, settings, basedir)
        if isinstance(started, Ending):
            return started
        return stay(run, started, settings, asked)


def adopt(basedir: Path) -> Watch | None:
    """Take over the worker that runs in a base directory; None where none does.

    What its log said until now is known first; what is added while that is read is read twice.
    """
    process = find_worker(basedir)
    if process is None:
        return None
    watch = Watch(basedir)
    watch.process = process
    watch.log = read_past(basedir / LOG_FILE)
    log.warning("a worker runs already, process %d by %s: adopted", process.pid, PID_FILE)
    return watch


def start(run: Run, settings: WorkerSettings, basedir: Path) -> Watch | Ending:
    """Start a worker under watch; its log counts from where it was before."""
    prepare(basedir, settings.instance_id or run.environ.get("FARMHAND_INSTANCE_ID"))
    watch = Watch(basedir)
    problem = start_twistd(basedir, settings, run.environ)
    watch.process = find_worker(basedir)
    if problem is None or watch.process is not None:
        return watch
    with closing(watch):
        watch.update()
        watch.log_tail()
    return Ending(outcome=Outcome.NOT_STARTED, detail=problem)


def stay(run: Run, watch: Watch, settings: WorkerSettings, asked: Stops) -> Ending:
    """Stay with a worker to its end; the next one goes on counting builds that fail fast."""
    counted = read_failures(run.environ)
    watch.streak = Streak(fast_s=settings.fast_s, count=counted)
    ending = attend(watch, settings, asked)
    count = 0 if ending.outcome is Outcome.TOO_FAST else settle(watch.streak).count
    if count != counted:
        write_failures(run.environ, count)
    return ending


def attend(watch: Watch, settings: WorkerSettings, asked: Stops) -> Ending:
    """Stay with a worker until its process is gone."""
    already, adopted = watch.log.builds, watch.log.started
    with closing(watch):
        ending = wait_ready(watch, settings, asked) or work(watch, settings, asked)
    builds = watch.log.builds - already
    connected_s = None if adopted else watch.connected_s
    return replace(ending, builds=builds, connected_s=connected_s)


def wait_ready(watch: Watch, settings: WorkerSettings, asked: Stops) -> Ending | None:
    """Wait until it is connected; else stop it and say why it never was."""
    begun = time.monotonic()
    while True:
        alive = watch.update()
        waited_s = time.monotonic() - begun
        outcome = judge_start(watch.log, alive=alive, late=waited_s >= settings.ready_within_s)
        if watch.log.connected and alive:
            pid = watch.process.pid if watch.process else 0
            took_s = time.monotonic() - watch.begun
            log.info("the worker, process %d, is connected after %.1f s", pid, took_s)
            watch.connected_s = round(took_s, 3)
            return None
        if asked.asked:
            stop_worker(watch, settings, asked)
            return Ending(outcome=Outcome.ASKED_TO_END, detail="before it was connected")
        if outcome is not None:
            return give_up(watch, settings, asked, outcome)
        watch.wait(asked, LOOK_S)


def give_up(watch: Watch, settings: WorkerSettings, asked: Stops, outcome: Outcome) -> Ending:
    """End a worker that never got its master, and say why as well as can be known."""
    watch.log_tail()
    detail = watch.log.problem
    if outcome is Outcome.NOT_READY:
        outcome, where = probe_master(watch.basedir)
        detail = f"{where}, after {settings.ready_within_s:g} s"
    stop_worker(watch, settings, asked)
    return Ending(outcome=outcome, detail=detail)


def work(watch: Watch, settings: WorkerSettings, asked: Stops) -> Ending:
    """Let a connected worker work for its time, stop it, and name its end."""
    reason = wait_reason(watch, settings, asked)
    log.info("the worker stops: %s", reason)
    gone = reason is Reason.GONE
    forced = stop_worker(watch, settings, asked)
    if not asked.asked and (unwell := find_unwell(reason, watch, settings)):
        return unwell
    if reason is Reason.LOST:
        watch.log_tail()
        return Ending(outcome=Outcome.LOST, detail=f"for {settings.lost_for_s:g} s")
    if asked.asked:
        return Ending(outcome=Outcome.ASKED_TO_END, detail="by force" if forced else "")
    outcome = name_end(watch.log, asked=not gone, killed=forced)
    if outcome not in HEALTHY:
        watch.log_tail()
    return Ending(outcome=outcome, detail="" if not gone else watch.log.problem)


def wait_reason(watch: Watch, settings: WorkerSettings, asked: Stops) -> Reason:
    """Watch it until there is a reason to stop it."""
    begun = time.monotonic()
    log.info("it works until %s", describe_limits(settings))
    while watch.update():
        if asked.asked:
            return Reason.ASKED
        ran_s = time.monotonic() - begun
        reason = find_health(watch, settings) or judge_run(
            watch.log, settings, ran_s=ran_s, lost_s=watch.lost_s()
        )
        if reason is not None:
            return reason
        watch.wait(asked, WATCH_S)
    return Reason.ASKED if asked.asked else Reason.GONE


def find_health(watch: Watch, settings: WorkerSettings) -> Reason | None:
    """Look whether the machine is well enough for another build."""
    fast = settle(watch.streak).count
    free_gib = read_free_gib(watch.basedir) if settings.min_free_gib else math.inf
    return judge_health(watch.log, settings, fast_failures=fast, free_gib=free_gib)


def find_unwell(reason: Reason, watch: Watch, settings: WorkerSettings) -> Ending | None:
    """Name the end of a worker whose machine is not well; None where it is after all.

    Its last build may have gone on, and have failed late, or not at all.
    """
    fast = settle(watch.streak).count
    if settings.fast_failures and fast >= settings.fast_failures:
        detail = f"{fast} in a row, each within {settings.fast_s:g} s"
        return Ending(outcome=Outcome.TOO_FAST, detail=detail)
    if reason is Reason.DISK_FULL and settings.when_disk_full == "halt":
        free_gib = read_free_gib(watch.basedir)
        detail = f"{free_gib:.1f} GiB free of {settings.min_free_gib:g} wanted"
        return Ending(outcome=Outcome.DISK_FULL, detail=detail)
    return None


def describe_limits(settings: WorkerSettings) -> str:
    """Say when a worker is to stop.

    >>> describe_limits(WorkerSettings(builds=3))
    '1800 s are over or 3 builds have begun'
    """
    limits = [f"{settings.run_for_s:g} s are over"] if settings.run_for_s else []
    limits += [f"{settings.builds} builds have begun"] if settings.builds else []
    return " or ".join(limits) or "we are asked to end"
