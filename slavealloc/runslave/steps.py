"""One run of `runslave`, step by step: ask, write, start. Killed anywhere, the next run goes on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, Unavailable
from farmhand.state import exclusive
from slavealloc.runslave.basedir import (
    TAC,
    describe_tac,
    find_basedir,
    is_stopped,
    make_basedir,
    remember,
    write_whole,
)
from slavealloc.runslave.page import Tac, parse_page
from slavealloc.runslave.report import Report, print_report
from slavealloc.runslave.settings import Settings, find_twistd, hide_user
from slavealloc.runslave.start import (
    LOG_FILE,
    clear_pid_file,
    refuse_second,
    start_worker,
    twistd_command,
)

log = logging.getLogger("runslave")

# Stands in a plan for what only the page can say.
UNKNOWN = Path("BASEDIR")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What asking led to: a tac, or why there is none."""

    tac: Tac | None
    problem: str = ""


def run_steps(run: Run, settings: Settings) -> Result:
    """Fetch the tac, put it in its place, start the worker from it.

    Raises Unavailable without allocator and tac, Locked while the worker runs, and BadInput.
    """
    known = settings.basedir or find_basedir(settings.state_directory, settings.slavename)
    report = Report(slavename=settings.slavename, url=hide_user(settings.url), basedir=known)
    if known and is_closed(known, settings):
        return finish(run, replace(report, stopped=True))
    twistd = find_twistd(settings.twistd_cmd) if settings.start else ()
    if run.dry_run:
        return finish(run, replace(report, command=make_command(twistd, known or UNKNOWN)))
    answer = ask(settings)
    basedir = choose_basedir(settings, answer, known)
    report = replace(report, basedir=basedir, command=make_command(twistd, basedir))
    if basedir != known and is_closed(basedir, settings):
        return finish(run, replace(report, stopped=True, command=None))
    make_ready(answer, basedir)
    with exclusive(basedir, "runslave"):
        report = replace(report, tac=put_tac(answer, basedir / TAC, run.now))
        remember(settings.state_directory, settings.slavename, basedir)
        code = start(report.command, basedir) if report.command else None
    return finish(run, replace(report, exit_code=code))


def is_closed(basedir: Path, settings: Settings) -> bool:
    """Whether a DO_NOT_START is there; raises Locked where a worker is, and one is to start."""
    if is_stopped(basedir):
        return True
    if settings.start:
        refuse_second(basedir)
    return False


def make_command(twistd: Sequence[str], basedir: Path) -> list[str] | None:
    """Make the command line; None where nothing is to start."""
    return twistd_command(twistd, basedir) if twistd else None


def ask(settings: Settings) -> Answer:
    """Ask the allocator; what it says is a tac, or a problem."""
    from slavealloc.runslave.fetch import fetch_page

    try:
        page = fetch_page(settings.url, settings.timeout_s, settings.token)
    except Unavailable as err:
        return Answer(tac=None, problem=str(err))
    try:
        tac = parse_page(page)
    except Unavailable as err:
        return Answer(tac=None, problem=f"{hide_user(settings.url)}: page refused: {err}")
    if tac.distrusted:
        log.warning("ignored, since it is no plain absolute path: %s", tac.distrusted)
    if tac.idle:
        log.info("nothing is assigned to %s: its tac will end at once", settings.slavename)
    return Answer(tac=tac)


def choose_basedir(settings: Settings, answer: Answer, known: Path | None) -> Path:
    """Choose what was said explicitly, else what the page says, else what was known before."""
    said = settings.basedir or (answer.tac.basedir if answer.tac else None)
    if basedir := said or known:
        return basedir
    unknown = f"nothing says where {settings.slavename} lives on this system: give -d DIR"
    if answer.tac is None:
        raise Unavailable(f"{answer.problem}; and {unknown}")
    raise BadInput(unknown)


def make_ready(answer: Answer, basedir: Path) -> None:
    """Create the base directory of a tac; raises Unavailable where there is none, new or old."""
    if answer.tac is not None:
        make_basedir(basedir)
    elif not (basedir / TAC).exists():
        raise Unavailable(f"{answer.problem}; and there is no {basedir / TAC} to start from")


def put_tac(answer: Answer, path: Path, now: datetime) -> str:
    """Write the fetched tac, or keep the last good one and say how old it is."""
    problem = answer.problem
    if answer.tac is not None:
        try:
            write_whole(path, answer.tac.page)
        except OSError as err:
            problem = f"{path} can't be written: {err.strerror}"
        else:
            return "fetched"
    kept = describe_tac(path, now)
    if kept is None:
        raise Unavailable(f"{problem}; and there is none to start from")
    log.warning("%s", problem)
    log.warning("starting from the %s", kept)
    return "kept"


def start(command: Sequence[str], basedir: Path) -> int:
    """Start the worker; a code of twistd's that is not 0 is somebody's to look at."""
    clear_pid_file(basedir)
    log.info("starting %s", " ".join(command))
    code = start_worker(command, basedir)
    if code != 0:
        log.error("%s exited with %d: see %s", command[0], code, basedir / LOG_FILE)
    return code


def finish(run: Run, report: Report) -> Result:
    """Report what was done, and pass twistd's exit code on."""
    print_report(run, report)
    return Result(exit_code=report.exit_code or 0)
