"""Many rows in one statement: as one JSON document that the database itself reads as a table.

An UPDATE with values for each row would be a statement a row otherwise.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Dialect, Integer, String, Text
from sqlalchemy.types import TypeEngine

from farmhand.tables.base import UtcDateTime

Types = Mapping[str, TypeEngine[Any]]


def rows_of(dialect: Dialect, types: Types, rows: Iterable[Mapping[str, Any]]) -> sa.Subquery:
    """Make a table of these rows, for FROM; what a row lacks, or has as None, is NULL."""
    document = json.dumps(
        [{name: _encode(row[name]) for name in types if row.get(name) is not None} for row in rows]
    )
    statement = sa.text(_SELECT.get(dialect.name, _select_mysql)(types))
    return statement.bindparams(rows=document).columns(**types).subquery("given")


def ids_of(dialect: Dialect, ids: Iterable[int]) -> sa.Select[tuple[int]]:
    """Make the SELECT of these ids, for IN (…), however many there are."""
    rows = rows_of(dialect, {"id": BigInteger()}, ({"id": each} for each in sorted(set(ids))))
    return sa.select(rows.c.id)


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return int(value) if isinstance(value, bool) else value


def _select_sqlite(types: Types) -> str:
    columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in types)
    return f"SELECT {columns} FROM json_each(:rows)"  # noqa: S608 - names of our own columns


def _select_postgresql(types: Types) -> str:
    columns = ", ".join(f"{name} {_postgresql_type(kind)}" for name, kind in types.items())
    shown = ", ".join(
        f"{name} = 1 AS {name}" if isinstance(kind, Boolean) else name
        for name, kind in types.items()
    )
    return f"SELECT {shown} FROM json_to_recordset(CAST(:rows AS json)) AS r({columns})"  # noqa: S608 - as above


def _select_mysql(types: Types) -> str:
    columns = ", ".join(
        f"{name} {_mysql_type(kind)} PATH '$.{name}'" for name, kind in types.items()
    )
    names = ", ".join(types)
    return f"SELECT {names} FROM JSON_TABLE(:rows, '$[*]' COLUMNS ({columns})) AS r"  # noqa: S608 - as above


_SELECT = {"sqlite": _select_sqlite, "postgresql": _select_postgresql}


def _postgresql_type(kind: TypeEngine[Any]) -> str:
    match kind:
        case UtcDateTime():
            return "timestamp"
        case BigInteger() | Integer() | Boolean():
            return "bigint"
        case _:
            return "text"


def _mysql_type(kind: TypeEngine[Any]) -> str:
    match kind:
        case UtcDateTime():
            return "DATETIME(6)"
        case BigInteger() | Integer() | Boolean():
            return "BIGINT"
        case Text():
            return "LONGTEXT"
        case String(length=int(length)):
            return f"VARCHAR({length})"
        case _:
            return "LONGTEXT"
