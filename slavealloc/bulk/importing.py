"""CSV and JSON text → rows to import, and what is wrong by file, line and column; pure."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farmhand.errors import BadInput
from farmhand.validation import MISSING, KeyPath, Place, Problem
from farmhand.wording import unknown
from slavealloc.bulk.import_forms import MASTERS, Form, Value

SPACE = re.compile(r"[\s,]*")

Key = tuple[str | None, ...]
Found = list[tuple[Place, Problem]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportRow:
    """What a file says of one thing: its natural key, and a value for each column it has.

    Pools, distros, templates and the like stand there by name.
    """

    place: Place
    key: Key
    values: Mapping[str, Value]


# production-masters.json → the columns of MASTERS; the pool is made of two of them.
JSON_NAMES = {
    "nickname": "name",
    "fqdn": "hostname",
    "http_port": "http_port",
    "pb_port": "pb_port",
    "datacenter": "datacentre",
}


def decode(raw: bytes, file: str) -> str:
    """Decode a file that must be UTF-8 without NUL; a byte order mark is passed over.

    Raises BadInput.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw.count(b"\n", 0, err.start) + 1
        raise BadInput(f"{Place(file, line)}: is not UTF-8 text") from err
    if (end := text.find("\0")) >= 0:
        raise BadInput(f"{Place(file, text.count(chr(10), 0, end) + 1)}: has a NUL character")
    return text


def parse_csv(text: str, file: str, form: Form) -> tuple[list[ImportRow], Found]:
    """Read a CSV file that begins with a header; a line is where its record begins."""
    rows: list[ImportRow] = []
    found: Found = []
    header: list[str] | None = None
    for place, fields in _read_records(text, file, found):
        if header is None:
            header = [name.strip() for name in fields]
            problems = list(_check_header(header, form))
            found += [(place, problem) for problem in problems]
            if problems:
                break
        elif len(fields) != len(header):
            many = (
                f"has {len(fields)} fields, the header has {len(header)}; is there a comma amiss?"
            )
            found.append((place, Problem((), many)))
        else:
            rows += _read_row(place, dict(zip(header, fields, strict=True)), form, found)
    if header is None and not found:
        found.append(
            (Place(file, 1), Problem((), f"is empty; expected a header: {', '.join(form.columns)}"))
        )
    return rows, found


def _read_records(text: str, file: str, found: Found) -> Iterator[tuple[Place, list[str]]]:
    """Yield each record that is not blank, with the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        place = Place(file, reader.line_num + 1)
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as err:
            found.append((place, Problem((), f"is not valid CSV: {err}")))
            return
        if fields:
            yield place, fields


def _check_header(header: Sequence[str], form: Form) -> Iterator[Problem]:
    for name in header:
        if name not in form.columns:
            yield Problem((), unknown("column", name, form.columns))
        elif header.count(name) > 1:
            yield Problem((name,), "this column is there twice")
    for name in form.columns:
        if name in form.required and name not in header:
            yield Problem((name,), f"the column {MISSING}")


def _read_row(
    place: Place, cells: Mapping[str, str], form: Form, found: Found
) -> Iterator[ImportRow]:
    """Yield the row, if nothing is wrong with it."""
    values: dict[str, Value] = {}
    before = len(found)
    for name, text in cells.items():
        try:
            values[name] = form.columns[name](text if name in form.exact else text.strip())
        except ValueError as err:
            found.append((place, Problem((name,), str(err))))
    if len(found) == before:
        key = tuple(None if (v := values[name]) is None else str(v) for name in form.key)
        kept = {n: v for n, v in values.items() if not (v is None and n in form.kept)}
        yield ImportRow(place=place, key=key, values=kept)


def parse_masters(text: str, file: str) -> tuple[list[ImportRow], Found]:
    """Read production-masters.json: a list of objects; what is not enabled is passed over."""
    rows: list[ImportRow] = []
    found: Found = []
    for place, item in _read_items(text, file, found):
        if not isinstance(item, dict):
            found.append((place, Problem((), "expected an object, {…}")))
        elif item.get("enabled", True) is not False:
            problems = list(_check_item(item))
            found += [(place, problem) for problem in problems]
            if not problems:
                rows += _read_row(place, _read_cells(item), MASTERS, found)
    return rows, found


def _read_items(text: str, file: str, found: Found) -> Iterator[tuple[Place, Any]]:
    """Yield a list's items, each with the line where it begins."""
    try:
        if not isinstance(json.loads(text), list):
            found.append((Place(file, 1), Problem((), "expected a list, […]")))
            return
    except json.JSONDecodeError as err:
        found.append((Place(file, err.lineno), Problem((), f"is not valid JSON: {err.msg}")))
        return
    except (ValueError, RecursionError):
        found.append((Place(file, 1), Problem((), "is not valid JSON: too deep, or too large")))
        return
    decoder, index = json.JSONDecoder(), text.index("[") + 1
    while text[index := _skip(text, index)] != "]":
        place = Place(file, text.count("\n", 0, index) + 1)
        item, index = decoder.raw_decode(text, index)
        yield place, item


def _skip(text: str, index: int) -> int:
    passed = SPACE.match(text, index)
    return passed.end() if passed else index


def _check_item(item: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("name", "hostname", "datacentre"):
        if not isinstance(item.get(name), str):
            yield Problem((name,), "expected text")
    roles = item.get("roles")
    if not (isinstance(roles, list) and roles and isinstance(roles[0], str) and roles[0]):
        yield Problem(("roles",), "expected a list with a role, which names the pool")
    if not isinstance(item.get("enabled", True), bool):
        yield Problem(("enabled",), "expected true or false")


def _read_cells(item: Mapping[str, Any]) -> dict[str, str]:
    """Make an item the cells that a CSV file would have for it."""
    cells = {
        column: "" if item.get(name) is None else str(item[name])
        for column, name in JSON_NAMES.items()
    }
    return {**cells, "pool": f"{item['roles'][0]}-{item['datacentre']}"}


def find_repeats(rows: Iterable[ImportRow], path: KeyPath) -> Found:
    """Find rows whose key stood before, in this file or another one."""
    first: dict[Key, Place] = {}
    found: Found = []
    for row in rows:
        before = first.setdefault(row.key, row.place)
        if before is not row.place:
            where = f"line {before.line}" if before.file == row.place.file else str(before)
            name = ", ".join("*" if part is None else part for part in row.key)
            found.append((row.place, Problem(path, f'"{name}" already stands in {where}')))
    return found
