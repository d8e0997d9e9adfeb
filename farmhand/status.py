"""`farmhand status`: the cron jobs, who is at work, locks, hosts, the database; writes nothing."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from farmhand import __version__
from farmhand.admin import TIMEOUT_S, load_settings
from farmhand.command import Result, Run
from farmhand.config import Settings
from farmhand.db import find_farm_db, format_url, make_engine, open_farm_db, reaching
from farmhand.errors import BadInput
from farmhand.locks import Lock, find_locks
from farmhand.output import Alarm, format_time, print_json, print_lines, print_table
from farmhand.queries import read_last_runs, read_newest_runs
from farmhand.schedule import EVERY_S, NEEDED, overdue_after_s
from farmhand.state import find_state_directory
from farmhand.upgrades import check_version, newest_revision, read_revision
from farmhand.wording import format_span

# The longest deadline there is, a scan's, and the grace after it.
LONGEST_RUN_S = 945


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """What the database tells; `refused` says why this release can't use it."""

    revision: str | None = None
    refused: BadInput | None = None
    last: Sequence[Mapping[str, Any]] = ()
    newest: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A cron job; `every_s` None is one that nobody expects, `needed` one that is also missed."""

    name: str
    every_s: int | None
    needed: bool


def show_status(run: Run, secrets: Path | None) -> Result:
    """Print how the cron jobs do; raises BadInput, after that, where the database does not fit."""
    settings = load_settings(run, secrets, "")
    database = settings.database.get_secret_value() if settings.database else None
    url, embedded = find_farm_db(database, run.environ)
    records = _read(settings, url, embedded)
    host = run.host.partition("/")[0]
    state = find_state_directory(run.environ)
    document = {
        "farm": settings.farm,
        "now": format_time(run.now),
        "release": __version__,
        "database": format_url(url),
        "revision": records.revision,
        "newest": newest_revision(),
        "fits": records.refused is None,
        "commands": summarize_runs(records.last, find_jobs(settings), run.now),
        "at_work": find_at_work(records.newest, host, run.now),
        "locks": [_lock_to_json(each, host, run.now) for each in find_locks(state)],
        "hosts": summarize_hosts(records.newest, run.now),
    }
    if run.json:
        print_json(document)
    else:
        _print(document)
    if records.refused is not None:
        raise records.refused
    return Result()


def _read(settings: Settings, url: URL, embedded: bool) -> Records:
    """Read the records; a database of another version is not looked into."""
    missing = embedded and not Path(str(url.database)).exists()
    revision = None
    if not missing:
        engine = make_engine(url, timeout_s=TIMEOUT_S, read_only=True)
        with reaching("farm database", url):
            revision = read_revision(engine)
            try:
                check_version(engine)
            except BadInput as err:
                return Records(revision=revision, refused=err)
            finally:
                engine.dispose()
    farm_db = open_farm_db(
        url, farm=settings.farm, embedded=embedded, timeout_s=TIMEOUT_S, reading=True
    )
    with farm_db.begin() as connection:
        return Records(
            revision=revision,
            last=read_last_runs(connection),
            newest=read_newest_runs(connection),
        )


def find_jobs(settings: Settings) -> list[Job]:
    """Find the jobs, and how often each runs: as configured, else as cron/ has them; pure."""
    needed = {name for section in settings.sections for name in NEEDED.get(section, ())}
    needed |= settings.every_s.keys()
    every_s = {**EVERY_S, **settings.every_s}
    return [
        Job(name=name, every_s=every or None, needed=bool(every) and name in needed)
        for name, every in every_s.items()
    ]


def summarize_runs(
    rows: Iterable[Mapping[str, Any]], jobs: Iterable[Job], now: datetime
) -> list[dict[str, Any]]:
    """Sum rows of `runs`, oldest first, up by command, and add what never ran but must; pure."""
    known = {job.name: job for job in jobs}
    commands = {name: _never(name) for name, job in known.items() if job.needed}
    for row in rows:
        name = f"{row['command']} {row['verb']}"
        item = commands.setdefault(name, _never(name))
        started: datetime = row["started_at"]
        item["last_run"] = format_time(started)
        item["exit_code"] = row["exit_code"]
        if row["exit_code"] == 0:
            item["last_success"] = format_time(started)
            item["success_age_s"] = round((now - started).total_seconds())
    for name, item in commands.items():
        every_s, age_s = known[name].every_s if name in known else None, item["success_age_s"]
        item["every_s"] = every_s
        if every_s is not None:
            item["overdue"] = age_s is None or age_s > overdue_after_s(every_s)
    return [commands[name] for name in sorted(commands)]


def _never(name: str) -> dict[str, Any]:
    nothing = ("last_run", "exit_code", "last_success", "success_age_s", "every_s")
    return {"command": name, **dict.fromkeys(nothing), "overdue": False}


def find_at_work(
    rows: Iterable[Mapping[str, Any]], here: str, now: datetime
) -> list[dict[str, Any]]:
    """Find the runs that have not ended, and may be at work; on this host, those that live."""
    found = []
    for row in rows:
        host, _, rest = row["host"].partition("/")
        pid = rest.partition("/")[0]
        for_s = (now - row["started_at"]).total_seconds()
        if row["finished_at"] is not None or for_s > LONGEST_RUN_S:
            continue
        if host != here or is_alive(int(pid)):
            found.append(
                {
                    "command": f"{row['command']} {row['verb']}",
                    "host": host,
                    "pid": int(pid),
                    "since": format_time(row["started_at"]),
                    "for_s": max(0, round(for_s)),
                }
            )
    return found


def is_alive(pid: int) -> bool:
    """Say whether a process of this host lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def summarize_hosts(rows: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Sum runs, oldest first, up by host: its last run, and with which release; pure."""
    hosts = {
        row["host"].partition("/")[0]: {
            "release": row["version"],
            "last_run": format_time(row["started_at"]),
            "age_s": round((now - row["started_at"]).total_seconds()),
        }
        for row in rows
    }
    return [{"host": name, **hosts[name]} for name in sorted(hosts)]


def _lock_to_json(lock: Lock, host: str, now: datetime) -> dict[str, Any]:
    return {
        "lock": lock.name,
        "host": host,
        "pid": lock.pid,
        "since": format_time(lock.since),
        "for_s": max(0, round((now - lock.since).total_seconds())),
    }


def _print(document: Mapping[str, Any]) -> None:
    """Print it for people."""
    revision, newest = document["revision"] or "none", document["newest"]
    fits = "fits this release" if document["fits"] else f"does NOT fit this release ({newest})"
    print_lines(
        [
            f"farm {document['farm']}, farmhand {document['release']}",
            f"database {document['database']}, revision {revision}: {fits}",
            "",
        ]
    )
    head = ["command", "every", "last success", "ago", "", "last run", "exit"]
    print_table(head, map(_row_of_command, document["commands"]), none="Nothing has run yet.")
    busy = [
        f"at work: {each['command']} on {each['host']}, process {each['pid']}, "
        f"for {format_span(each['for_s'])}"
        for each in document["at_work"]
    ]
    held = [
        f"lock {each['lock']}: held on {each['host']} by process {each['pid'] or 'unknown'} "
        f"for {format_span(each['for_s'])}"
        for each in document["locks"]
    ]
    print_lines(["", *busy, *(held or ["no lock is held on this host"]), ""])
    rows = [
        (each["host"], each["release"], _short(each["last_run"]), format_span(each["age_s"]))
        for each in document["hosts"]
    ]
    if rows:
        print_table(["host", "release", "last run", "ago"], rows)


def _row_of_command(item: Mapping[str, Any]) -> list[object]:
    late = item["overdue"]
    success = _short(item["last_success"])
    age = format_span(item["success_age_s"])
    code = item["exit_code"]
    return [
        item["command"],
        format_span(item["every_s"]),
        Alarm(success) if late else success,
        Alarm(age) if late else age,
        Alarm("OVERDUE") if late else "",
        _short(item["last_run"]),
        "-" if code is None else str(code),
    ]


def _short(time: str | None) -> str:
    """Leave out what no person reads.

    >>> _short("2026-01-02T03:04:05.678901Z")
    '2026-01-02 03:04:05Z'
    """
    return "never" if time is None else f"{time[:10]} {time[11:19]}Z"
