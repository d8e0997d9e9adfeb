"""What `runslave` says it did, or would do, to people and programs."""

from dataclasses import asdict, dataclass
from pathlib import Path

from farmhand.command import Run
from farmhand.output import print_json, print_lines
from slavealloc.runslave.basedir import STOP, TAC


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How far a run came. A plan has no `tac`, which is `fetched` or `kept`, and no `exit_code`.

    `basedir` is None in a plan where only the page can say it; `stopped` is by a DO_NOT_START.
    """

    slavename: str
    url: str
    basedir: Path | None
    stopped: bool = False
    tac: str | None = None
    command: list[str] | None = None
    exit_code: int | None = None


def print_report(run: Run, report: Report) -> None:
    """Print it where this run speaks at all."""
    if run.json:
        basedir = str(report.basedir) if report.basedir else None
        print_json({**asdict(report), "basedir": basedir})
    elif run.speaks:
        print_lines(format_report(report))


def format_report(report: Report) -> list[str]:
    """Say it in lines."""
    tac = report.basedir / TAC if report.basedir else f"{TAC} where the page says"
    command = " ".join(report.command or ["nothing"])
    if report.stopped:
        return [f"nothing is started: there is a {STOP} in {report.basedir}"]
    if report.tac is None:
        return [f"would ask {report.url}", f"would write {tac}", f"would start {command}"]
    ended = "" if report.exit_code is None else f" (exit code {report.exit_code})"
    return [f"{report.tac} {tac}", f"started {command}{ended}"]
