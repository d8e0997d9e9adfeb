"""Rows ↔ a dump: JSON lines that begin with what they are and end with their number and checksum.

Touches nothing outside; who reads and writes the lines is `dbadmin`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from farmhand import __version__
from farmhand.errors import BadInput
from farmhand.tables import farm
from farmhand.tables.base import UtcDateTime
from farmhand.upgrades import newest_revision
from farmhand.validation import Place
from farmhand.wording import unknown

FORMAT = 1
# No table refers to one that stands after it.
TABLES = (
    farm.pools,
    farm.distros,
    farm.bitlengths,
    farm.speeds,
    farm.purposes,
    farm.datacenters,
    farm.trustlevels,
    farm.environments,
    farm.tac_templates,
    farm.masters,
    farm.worker_passwords,
    farm.workers,
    farm.allocations,
    farm.jacuzzis,
    farm.tokens,
    farm.audit,
)
BY_NAME = {table.name: table for table in TABLES}
REFERRED_TO = {key.column.table.name for table in TABLES for key in table.foreign_keys}
MOST_LINE_BYTES = 16 * 2**20
LARGEST_ID = 2**63 - 2  # SQLite must find one above it
LARGEST_INTEGER = 2**31 - 1
FIRST_YEAR = 1000  # MariaDB's
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")

Row = tuple[sa.Table, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Whose rows these are, and from when; the release and its revision are our own."""

    farm: str | None
    taken_at: datetime


class _Refused(Exception):
    """What is wrong with a line."""


def format_dump(header: Header, rows: Iterable[Row]) -> Iterator[bytes]:
    """Write rows, which come in the order of TABLES and of their keys, line by line."""
    digest, number = hashlib.sha256(), 0
    first = {
        "farmhand_dump": FORMAT,
        "version": __version__,
        "revision": newest_revision(),
        "farm": header.farm,
        "taken_at": _format_time(header.taken_at),
    }
    line = _format_line(first)
    digest.update(line)
    yield line
    for table, row in rows:
        line = _format_line({"table": table.name, "row": dict(row)})
        digest.update(line)
        number += 1
        yield line
    yield _format_line({"rows": number, "sha256": digest.hexdigest()})


def _format_line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, default=_format_time).encode("ascii") + b"\n"


def _format_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_dump(
    lines: Iterable[bytes], file: str, *, most_text_bytes: int | None = None
) -> Iterator[Row]:
    """Read a dump's rows; each suits its table, and refers only to rows before it.

    `most_text_bytes` is what a text of the database they go to may have. The rows are a dump's
    only once the last one was read: its checksum stands after it. Raises BadInput.
    """
    reader = _Reader(most_text_bytes)
    for line in lines:
        try:
            row = reader.read(line)
        except _Refused as err:
            raise BadInput(f"{Place(file, reader.lines)}: {err}") from None
        if row is not None:
            yield row
    if not reader.lines:
        raise BadInput(f"{file}: is empty, and so no dump")
    if not reader.ended:
        place = Place(file, reader.lines)
        raise BadInput(f"{place}: the dump ends here without its last line: it is cut")


class _Reader:
    """Tells what each line is: the header, a row, or the end."""

    def __init__(self, most_text_bytes: int | None) -> None:
        self.lines = 0
        self.ended = False
        self._digest = hashlib.sha256()
        self._rows = _Rows(most_text_bytes)

    def read(self, line: bytes) -> Row | None:
        """Return the row that a line is, if it is one."""
        self.lines += 1
        document, row = _parse_line(line, first=self.lines == 1), None
        if self.ended:
            raise _Refused("something stands after the dump's last line")
        if self.lines == 1:
            _check_header(document)
        elif "sha256" in document:
            _check_end(document, self._rows.number, self._digest.hexdigest())
            self.ended = True
        else:
            row = self._rows.check(document)
        self._digest.update(line)
        return row


def _parse_line(line: bytes, *, first: bool) -> dict[str, Any]:
    wrong = "is no dump of `slavealloc dbdump`" if first else "is no line of a dump"
    if len(line) > MOST_LINE_BYTES:
        raise _Refused(f"{wrong}: it is too long")
    if not line.endswith(b"\n"):
        raise _Refused(f"{wrong}: it is cut" if first else "the dump is cut in the middle of this")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise _Refused(wrong) from None
    if not isinstance(document, dict) or (first and "farmhand_dump" not in document):
        raise _Refused(wrong)
    return document


def _check_header(header: Mapping[str, Any]) -> None:
    version, revision = header["farmhand_dump"], header.get("revision")
    if type(version) is not int or not re.fullmatch(r"\d{4}", str(revision)):
        raise _Refused("is no dump of `slavealloc dbdump`")
    if version > FORMAT or str(revision) > newest_revision():
        raise _Refused(
            f"the dump is of farmhand {header.get('version')} (format {version}, revision "
            f"{revision}), this is {__version__} (format {FORMAT}, revision {newest_revision()}): "
            "upgrade farmhand"
        )


def _check_end(end: Mapping[str, Any], rows: int, sha256: str) -> None:
    if end.get("rows") != rows:
        raise _Refused(f"the dump had {end.get('rows')} rows, this file has {rows}: it is damaged")
    if end["sha256"] != sha256:
        raise _Refused("the dump's checksum is another one: it is damaged, or somebody edited it")


class _Rows:
    """The rows read so far: enough to tell those that are repeated, misplaced or dangling."""

    def __init__(self, most_text_bytes: int | None) -> None:
        self.number = 0
        self._most_text_bytes = most_text_bytes
        self._ids: dict[str, set[int]] = {name: set() for name in REFERRED_TO}
        self._unique: set[tuple[object, ...]] = set()
        self._last: tuple[Any, ...] = (0, ())

    def check(self, document: Mapping[str, Any]) -> Row:
        """Return a line's row, if it is one and suits those before it."""
        if document.keys() != {"table", "row"} or not isinstance(document["row"], dict):
            raise _Refused("is no line of a dump: expected a table and a row")
        table = BY_NAME.get(str(document["table"]))
        if table is None:
            raise _Refused(unknown("table", str(document["table"]), BY_NAME))
        row = self._parse_row(table, document["row"])
        self._check_order(table, row)
        self._check_references(table, row)
        self._check_unique(table, row)
        self.number += 1
        return table, row

    def _parse_row(self, table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
        """Read a row's values; a column that an older release had not is left to its default."""
        for name in row.keys() - table.c.keys():
            raise _Refused(f"{table.name}: {unknown('column', name, table.c.keys())}")
        values = {}
        for column in table.c:
            if column.name in row:
                try:
                    values[column.name] = _parse_value(column, row[column.name])
                    self._check_size(values[column.name])
                except ValueError as err:
                    raise _Refused(f"{table.name}.{column.name}: {err}") from None
            elif not column.nullable and column.server_default is None:
                raise _Refused(f"{table.name}.{column.name}: is required, but missing")
        return values

    def _check_size(self, value: object) -> None:
        most = self._most_text_bytes
        if most is not None and isinstance(value, str) and len(value.encode()) > most:
            raise ValueError(f"is longer than this database's {most:,} bytes")

    def _check_order(self, table: sa.Table, row: Mapping[str, Any]) -> None:
        place = (TABLES.index(table), tuple(row[key.name] for key in table.primary_key))
        if place <= self._last:
            keys = ", ".join(key.name for key in table.primary_key)
            raise _Refused(f"{table.name}: is out of order; rows are sorted by {keys}, each once")
        self._last = place

    def _check_references(self, table: sa.Table, row: Mapping[str, Any]) -> None:
        for key in table.foreign_keys:
            value = row.get(key.parent.name)
            other = key.column.table.name
            if value is not None and value not in self._ids[other]:
                raise _Refused(f"{table.name}.{key.parent.name}: {other} has no id {value}")
        if table.name in REFERRED_TO:
            self._ids[table.name].add(row["id"])

    def _check_unique(self, table: sa.Table, row: Mapping[str, Any]) -> None:
        for constraint in table.constraints:
            if isinstance(constraint, sa.UniqueConstraint):
                value = tuple((column.name, row[column.name]) for column in constraint.columns)
                if (table.name, *value) in self._unique:
                    raise _Refused(f'{table.name}: "{value[0][1]}" is there twice')
                self._unique.add((table.name, *value))


def _parse_value(column: sa.Column[Any], value: Any) -> Any:
    """Read one value as its column's type; raises ValueError."""
    kind = column.type
    if value is None:
        if not column.nullable:
            raise ValueError("must not be null")
        return None
    if isinstance(kind, UtcDateTime):
        return _parse_time(value)
    if isinstance(kind, sa.Boolean):
        return _expect(value, bool, "true or false")
    if isinstance(kind, sa.Integer):
        number = _expect(value, int, "a whole number")
        if column.primary_key or column.foreign_keys:
            if not 1 <= number <= LARGEST_ID:
                raise ValueError(f"expected an id, 1 to {LARGEST_ID}")
        elif not -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
            raise ValueError(f"expected a number of at most {LARGEST_INTEGER:,}")
        return number
    return _check_text(_expect(value, str, "text"), getattr(kind, "length", None))


def _expect(value: Any, kind: type, what: str) -> Any:
    if type(value) is not kind:  # true is no number
        raise ValueError(f"expected {what}")
    return value


def _check_text(text: str, length: int | None) -> str:
    if length is not None and len(text) > length:
        raise ValueError(f"is longer than {length} characters")
    if "\0" in text or (not text.isascii() and re.search("[\ud800-\udfff]", text)):
        raise ValueError("has a character that no database keeps")
    return text


def _parse_time(value: Any) -> datetime:
    text = _expect(value, str, "a time")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min.replace(tzinfo=UTC)
    if not TIME.fullmatch(text) or moment.year < FIRST_YEAR:
        raise ValueError("expected a time such as 2026-01-02T03:04:05.000006Z")
    return moment
