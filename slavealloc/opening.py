"""Open a farm database for the verbs that work on it directly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from farmhand.command import Run
from farmhand.db import FarmDb, check_farm, format_url, make_engine, reaching
from farmhand.errors import BadInput
from farmhand.upgrades import check_version
from slavealloc.settings import Settings


@contextmanager
def opened(run: Run, settings: Settings, *, reading: bool) -> Iterator[FarmDb]:
    """Open a database whatever is in it."""
    url = settings.database_url
    engine = make_engine(url, timeout_s=max(1.0, run.remaining_s()), read_only=reading)
    try:
        yield FarmDb(engine=engine, url=url)
    finally:
        engine.dispose()


@contextmanager
def opened_farm(
    run: Run, settings: Settings, *, reading: bool, any_farm: bool = False
) -> Iterator[FarmDb]:
    """Open a database of this release, and of this farm where it has a name; it gets none here.

    The embedded default is created where it is to be written, and empty where it is missing.
    """
    if settings.database_embedded:
        timeout_s = max(1.0, run.remaining_s())
        database = settings.open_database(reading=reading, timeout_s=timeout_s)
        try:
            yield database
        finally:
            database.engine.dispose()
        return
    if is_missing(settings.database_url):
        where = format_url(settings.database_url)
        raise BadInput(f"{where}: no such database; create it with `slavealloc dbinit -D {where}`")
    with opened(run, settings, reading=reading) as database:
        with reaching("farm database", database.url):
            check_version(database.engine)
        if not any_farm:
            check_farm(database, settings.farm, reading=True)
        yield database


def is_missing(url: URL) -> bool:
    """Whether it is an SQLite database whose file is not there."""
    name = url.database or ":memory:"
    if url.get_backend_name() != "sqlite" or name == ":memory:" or name.startswith("file:"):
        return False
    try:
        Path(name).stat()
    except OSError:
        return True
    return False
