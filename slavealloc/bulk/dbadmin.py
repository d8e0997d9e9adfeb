"""The verbs that work on the farm database directly: create, dump, load and import."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, Connection

from farmhand.command import Result, Run
from farmhand.db import FarmDb, check_farm, format_url, reaching
from farmhand.errors import BadInput, Unavailable
from farmhand.output import print_json, print_lines
from farmhand.recorded import Record, recorded
from farmhand.state import make_writable
from farmhand.upgrades import check_version, newest_revision, read_revision, upgrade
from farmhand.validation import refuse
from slavealloc import queries
from slavealloc.bulk import queries as bulk_queries
from slavealloc.bulk.changes import find_changes, sum_up_tables
from slavealloc.bulk.dump import TABLES, Header, format_dump
from slavealloc.bulk.dump_files import STANDARD, DumpFile, open_dump, read_dump, write_dump
from slavealloc.bulk.import_files import Paths, read_files
from slavealloc.bulk.import_plan import find_dangling, format_plan, plan_import, sum_up
from slavealloc.bulk.watch_queries import watch
from slavealloc.doors.operators import find_operator
from slavealloc.doors.queries import write_audit
from slavealloc.opening import is_missing, opened, opened_farm
from slavealloc.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What dbinit finds: the revision, None without tables of ours, and the rows by table."""

    revision: str | None = None
    rows: Mapping[str, int]


def init_database(run: Run, settings: Settings, dump: Path | None, *, force: bool) -> Result:
    """Create the tables, and fill them from a dump; what is there goes only by `force`.

    Raises BadInput where the database is not empty, or of another farm, or the dump is no good.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_dump(dump)) if dump else None
        loaded = _check_dump(source, settings.database_url)
        found = _look(run, settings)
        if found.rows and not force:
            raise _not_empty(settings.database_url, found.rows)
        if not run.dry_run:
            _create(run, settings, source, force=force)
    document = {
        "database": format_url(settings.database_url),
        "before": found.revision,
        "after": newest_revision(),
        "removed": dict(found.rows),
        "loaded": dict(loaded),
        "dry_run": run.dry_run,
    }
    revisions = f"revision {found.revision or 'none'} → {newest_revision()}"
    line = f"{document['database']}: {revisions}; removed {_told(found.rows)}"
    return _report(run, document, f"{line}; loaded {_told(loaded)}")


def _look(run: Run, settings: Settings) -> _Found:
    """Look at what is there; raises BadInput where it isn't for this farm or this release."""
    if is_missing(settings.database_url):
        return _Found(rows={})
    with opened(run, settings, reading=True) as database:
        with reaching("farm database", database.url):
            revision = read_revision(database.engine)
            if revision is not None and revision >= newest_revision():
                check_version(database.engine)
        if revision is not None:
            check_farm(database, settings.farm, reading=True)
        with database.begin() as connection:
            tables = bulk_queries.find_tables(connection)
            if tables and revision is None:
                names = ", ".join(table.name for table in tables)
                raise BadInput(
                    f"{format_url(database.url)} has tables of the same names that are not "
                    f"farmhand's ({names}): use another database"
                )
            return _Found(revision=revision, rows=bulk_queries.count_rows(connection, tables))


def _create(run: Run, settings: Settings, source: DumpFile | None, *, force: bool) -> None:
    if settings.database_embedded:
        make_writable(settings.state_directory)
    with opened(run, settings, reading=False) as database:
        with reaching("farm database", database.url):
            if (read_revision(database.engine) or "") < newest_revision():
                upgrade(database.engine)
        with database.begin() as connection:
            queries.lock_for_edit(connection)
            rows = bulk_queries.count_rows(connection, TABLES)
            if rows and not force:  # since it was looked at
                raise _not_empty(database.url, rows)
            if source is not None:
                loaded = _load(connection, source, scrub=False)
                _record(run, connection, "dbinit", rows, loaded)
            elif rows:
                bulk_queries.delete_all(connection)
                bulk_queries.restore_templates(connection)
                _record(run, connection, "dbinit --force", rows, {})


def dump_database(run: Run, settings: Settings, file: Path | None) -> Result:
    """Write a dump of one moment to stdout, or to a file that is there whole or not at all."""
    # With -D there may be no configuration, and so no farm's name; the dump says whose it is.
    with (
        opened_farm(run, settings, reading=True, any_farm=settings.database_given) as database,
        _noted(run, settings) as record,
    ):
        _warn_of_newer(database)
        with bulk_queries.snapshot(database) as connection:
            header = Header(farm=bulk_queries.read_farm(connection), taken_at=run.now)
            lines = format_dump(header, bulk_queries.read_all(connection))
            rows = (sum(1 for _ in lines) if run.dry_run else write_dump(file, lines)) - 2
        record.result = Result(summary={"rows": rows})
    if run.dry_run or (file is not None and file != STANDARD):
        name = str(file or STANDARD)
        document = {"file": name, "rows": rows, "dry_run": run.dry_run}
        _report(run, document, f"{name}: {rows} rows")
    return record.result


@contextmanager
def _noted(run: Run, settings: Settings) -> Iterator[Record]:
    """Write a row for this run, where there may be one: a backup's user perhaps only reads."""
    with ExitStack() as stack:
        record = Record(run_id=0, result=Result())
        if not run.dry_run and not is_missing(settings.database_url):
            database = stack.enter_context(opened(run, settings, reading=False))
            try:
                record = stack.enter_context(recorded(database, run))
            except Unavailable as err:
                log.warning("this dump is not in `farmhand status`: %s", err)
        yield record


def _warn_of_newer(database: FarmDb) -> None:
    with reaching("farm database", database.url):
        revision = read_revision(database.engine) or newest_revision()
    if revision > newest_revision():
        log.warning(
            "the farm database is at revision %s, this release knows %s: "
            "columns that came since are not in the dump; upgrade this host",
            revision,
            newest_revision(),
        )


def load_database(run: Run, settings: Settings, file: Path, *, scrub: bool) -> Result:
    """Load a dump into an empty database, all of it or nothing; `scrub` gives it new secrets.

    Raises BadInput where the file is no good, or the database is not empty.
    """
    with open_dump(file) as source:
        loaded = _check_dump(source, settings.database_url)
        with (
            opened_farm(run, settings, reading=run.dry_run) as database,
            database.begin() as connection,
        ):
            if not run.dry_run:
                queries.lock_for_edit(connection)
            if rows := bulk_queries.count_rows(connection, TABLES):
                raise _not_empty(database.url, rows)
            if not run.dry_run:
                loaded = _load(connection, source, scrub=scrub)
                _record(run, connection, "dbload --scrub" if scrub else "dbload", {}, loaded)
    document = {
        "database": format_url(settings.database_url),
        "loaded": dict(loaded),
        "scrubbed": scrub,
        "dry_run": run.dry_run,
    }
    line = f"{document['database']}: loaded {_told(loaded)}"
    return _report(run, document, f"{line}; with new passwords" if scrub else line)


def _check_dump(source: DumpFile | None, url: URL) -> Counter[str]:
    """Read a dump to its end, and count its rows by table."""
    if source is None:
        return Counter()
    rows = read_dump(source, backend=url.get_backend_name())
    return Counter(table.name for table, _ in rows)


def _load(connection: Connection, source: DumpFile, *, scrub: bool) -> Counter[str]:
    """Put a dump's rows in the place of all that is there; count them by table."""
    bulk_queries.delete_all(connection)
    rows = read_dump(source, backend=connection.dialect.name, scrub=scrub)
    loaded = bulk_queries.insert_rows(connection, rows)
    bulk_queries.restore_templates(connection)
    bulk_queries.raise_sequences(connection)
    return loaded


def _record(
    run: Run,
    connection: Connection,
    verb: str,
    before: Mapping[str, int],
    after: Mapping[str, int],
) -> None:
    """Write one row of the audit for whole tables."""
    write_audit(connection, find_operator(run), [sum_up_tables(verb, before, after)], None)


def import_files(run: Run, settings: Settings, *, enable: bool, **files: Any) -> Result:
    """Add and change what the files say; all of it or, where anything is wrong, nothing."""
    rows = read_files(Paths(**files))
    with (
        opened_farm(run, settings, reading=run.dry_run) as database,
        database.begin() as connection,
    ):
        if not run.dry_run:
            queries.lock_for_edit(connection)
        state = bulk_queries.read_state(connection, rows)
        refuse(find_dangling(rows, state))
        plan = plan_import(rows, state)
        if not run.dry_run:
            before = watch(connection)
            bulk_queries.write_import(connection, plan, enabled=enable)
            after = watch(connection)
            changes = [find_changes(name, before[name], after[name]) for name in after]
            write_audit(connection, find_operator(run), list(chain(*changes)), "dbimport")
    return _report(run, {**sum_up(plan), "dry_run": run.dry_run}, format_plan(plan))


# Telling


def _not_empty(url: URL, rows: Mapping[str, int]) -> BadInput:
    return BadInput(
        f"{format_url(url)} is not empty: it has {_told(rows)}; "
        "`slavealloc dbinit --force` would delete them for ever (take a `slavealloc dbdump` first)"
    )


def _told(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in rows.items()) or "nothing"


def _report(run: Run, document: Mapping[str, object], line: str) -> Result:
    if run.json:
        print_json(document)
    elif run.speaks:
        print_lines([line])
    return Result()
