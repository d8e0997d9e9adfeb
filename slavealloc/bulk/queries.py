"""All SQL of the verbs that read or write whole tables: dump, load, empty, import."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import FarmDb, insert_missing, reaching
from farmhand.tables import farm, records
from slavealloc.bulk.dump import TABLES, Row
from slavealloc.bulk.import_forms import Value
from slavealloc.bulk.import_plan import (
    Changes,
    Files,
    ImportPlan,
    JacuzziChanges,
    Pair,
    State,
    Stored,
)
from slavealloc.bulk.importing import Key
from slavealloc.models import SHIPPED_NAMES

BATCH = 1_000
# A file's column → the table that it names a row of; ours is that column with `_id`.
LOOK_UPS = {
    "pool": farm.pools,
    "distro": farm.distros,
    "bitlength": farm.bitlengths,
    "speed": farm.speeds,
    "purpose": farm.purposes,
    "datacenter": farm.datacenters,
    "trustlevel": farm.trustlevels,
    "environment": farm.environments,
}
NAMED = {**LOOK_UPS, "tac_template": farm.tac_templates}

Ids = Mapping[str, Mapping[str, int]]


# Reading


@contextmanager
def snapshot(database: FarmDb) -> Iterator[Connection]:
    """Open a transaction in which all that is read is of one moment."""
    engine = database.engine
    if engine.dialect.name != "sqlite":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reaching("farm database", database.url), engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # the driver begins at the first write only
        yield connection


def read_farm(connection: Connection) -> str | None:
    """Read the farm's name."""
    name: str | None = connection.execute(sa.select(records.schema_info.c.farm)).scalar()
    return name


def read_all(connection: Connection) -> Iterator[Row]:
    """Read all tables, each by its key; a batch at a time is in memory."""
    for table in TABLES:
        keys = [_in_code_points(connection, column) for column in table.primary_key]
        statement = sa.select(table).order_by(*keys).execution_options(yield_per=BATCH)
        for row in connection.execute(statement):
            yield table, row._asdict()


def _in_code_points(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Sort text as the other databases do, whatever language PostgreSQL was set up for."""
    if connection.dialect.name == "postgresql" and isinstance(column.type, sa.String):
        return sa.collate(column, "C")
    return column


def find_tables(connection: Connection) -> list[sa.Table]:
    """Find out which of the tables are there."""
    names = set(sa.inspect(connection).get_table_names())
    return [table for table in TABLES if table.name in names]


def count_rows(connection: Connection, tables: Iterable[sa.Table]) -> dict[str, int]:
    """Count rows by table; tables without any are left out.

    Templates as shipped are not counted, nor the audit: an empty farm may have both.
    """
    counts = {}
    for table in tables:
        if table is farm.audit:
            continue
        statement = sa.select(sa.func.count()).select_from(table)
        if table is farm.tac_templates:
            shipped = table.c.name.in_(SHIPPED_NAMES) & table.c.template.is_(None)
            statement = statement.where(~shipped)
        if count := connection.execute(statement).scalar_one():
            counts[table.name] = int(count)
    return counts


# Emptying and loading


def delete_all(connection: Connection) -> None:
    """Delete all rows of all tables."""
    for table in reversed(TABLES):
        connection.execute(table.delete())


def restore_templates(connection: Connection) -> None:
    """Add the shipped templates that are missing."""
    there = set(connection.execute(sa.select(farm.tac_templates.c.name)).scalars())
    rows = [{"name": name} for name in SHIPPED_NAMES if name not in there]
    if rows:
        connection.execute(farm.tac_templates.insert(), rows)


def insert_rows(connection: Connection, rows: Iterable[Row]) -> Counter[str]:
    """Insert rows in batches of those with the same columns; count them by table."""
    counts: Counter[str] = Counter()
    for table, batch in _batches(rows):
        connection.execute(table.insert(), batch)
        counts[table.name] += len(batch)
    return counts


def _batches(rows: Iterable[Row]) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    batch: list[dict[str, Any]] = []
    last: tuple[sa.Table, Any] | None = None
    for table, row in rows:
        kind = (table, row.keys())
        if batch and last is not None and (kind != last or len(batch) == BATCH):
            yield last[0], batch
            batch = []
        last = kind
        batch.append(dict(row))
    if batch and last is not None:
        yield last[0], batch


def raise_sequences(connection: Connection) -> None:
    """Let PostgreSQL's ids go on above those that were inserted; other databases do so alone."""
    if connection.dialect.name != "postgresql":
        return
    for table in TABLES:
        if "id" in table.c:
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            highest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            # Never back: an id that was given out once never returns.
            value = sa.func.greatest(highest, sa.func.nextval(sequence))
            connection.execute(sa.select(sa.func.setval(sequence, value)))


# Importing


def read_state(connection: Connection, files: Files) -> State:
    """Read what the database has of the kinds of things that the files have."""
    ids = _read_ids(connection)
    workers = files.workers or files.jacuzzis
    return State(
        workers=_read_stored(connection, farm.workers, ("name",), ids) if workers else {},
        masters=_read_stored(connection, farm.masters, ("nickname",), ids),
        passwords=_read_stored(connection, farm.worker_passwords, ("pool", "distro"), ids),
        templates=_read_stored(connection, farm.tac_templates, ("name",), ids),
        jacuzzis=_read_jacuzzis(connection) if files.jacuzzis else (),
        look_ups={column: ids[column] for column in LOOK_UPS},
    )


def _read_ids(connection: Connection) -> Ids:
    """Read a file's column → name → id, of all that is named."""
    return {
        column: {
            row.name: row.id for row in connection.execute(sa.select(table.c.id, table.c.name))
        }
        for column, table in NAMED.items()
    }


def _read_stored(
    connection: Connection, table: sa.Table, key: Sequence[str], ids: Ids
) -> dict[Key, Stored]:
    names = {column: {id_: name for name, id_ in each.items()} for column, each in ids.items()}
    stored: dict[Key, Stored] = {}
    for row in connection.execute(sa.select(table).order_by(table.c.id)):
        values: dict[str, Value] = {}
        for column, value in row._mapping.items():
            word = column.removesuffix("_id")
            values[word] = names[word].get(value) if word in names else value
        found = tuple(None if values[name] is None else str(values[name]) for name in key)
        if (twin := stored.get(found)) is not None:
            values = {name: v if twin.values[name] == v else None for name, v in values.items()}
        stored[found] = Stored(ids=[*(twin.ids if twin else ()), row.id], values=values)
    return stored


def _read_jacuzzis(connection: Connection) -> set[Pair]:
    statement = sa.select(farm.jacuzzis.c.builder, farm.workers.c.name).join_from(
        farm.jacuzzis, farm.workers
    )
    return {(row.builder, row.name) for row in connection.execute(statement)}


def write_import(connection: Connection, plan: ImportPlan, *, enabled: bool) -> None:
    """Do all of a plan; new workers and masters are `enabled` or not."""
    for column, new in plan.look_ups.items():
        table = LOOK_UPS[column]
        rows = [{"name": name} for name in new]
        connection.execute(insert_missing(table, connection.dialect), rows)
    _write_changes(connection, farm.tac_templates, plan.templates, {})
    ids = _read_ids(connection)
    state = {"enabled": enabled}
    for table, changes, more in (
        (farm.masters, plan.masters, state),
        (farm.worker_passwords, plan.passwords, {}),
        (farm.workers, plan.workers, state),
    ):
        _write_changes(connection, table, _with_ids(changes, ids), more)
    _write_jacuzzis(connection, plan.jacuzzis)


def _with_ids(changes: Changes, ids: Ids) -> Changes:
    """Put ids where the files have names."""

    def translate(values: Mapping[str, Value]) -> dict[str, Value]:
        return {
            (f"{name}_id" if name in ids else name): (
                ids[name][str(value)] if name in ids and value is not None else value
            )
            for name, value in values.items()
        }

    return Changes(
        added=[translate(row) for row in changes.added],
        changed=[(each, translate(row)) for each, row in changes.changed],
        unchanged=changes.unchanged,
    )


def _write_changes(
    connection: Connection, table: sa.Table, changes: Changes, more: Mapping[str, Any]
) -> None:
    insert_rows(connection, ((table, {**row, **more}) for row in changes.added))
    updates = ((table, {**row, "row_id": i}) for ids, row in changes.changed for i in ids)
    for _, batch in _batches(updates):
        values: dict[str, Any] = {name: sa.bindparam(name) for name in batch[0] if name != "row_id"}
        statement = table.update().where(table.c.id == sa.bindparam("row_id")).values(values)
        connection.execute(statement, batch)


def _write_jacuzzis(connection: Connection, changes: JacuzziChanges) -> None:
    jacuzzis = farm.jacuzzis
    names = {name for _, name in (*changes.added, *changes.removed)}
    if not names:
        return
    statement = sa.select(farm.workers.c.id, farm.workers.c.name)
    ids = {row.name: row.id for row in connection.execute(statement) if row.name in names}
    removed = [{"pair_builder": b, "pair_worker": ids[name]} for b, name in changes.removed]
    if removed:
        same_builder = jacuzzis.c.builder == sa.bindparam("pair_builder")
        same_worker = jacuzzis.c.worker_id == sa.bindparam("pair_worker")
        connection.execute(jacuzzis.delete().where(same_builder, same_worker), removed)
    added = ((jacuzzis, {"builder": b, "worker_id": ids[name]}) for b, name in changes.added)
    insert_rows(connection, added)
