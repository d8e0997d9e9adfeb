"""A dump is read whole and right, or refused with the line that is wrong."""

import hashlib
import json
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.errors import BadInput
from farmhand.tables import farm
from slavealloc.bulk.dump import TABLES, parse_dump
from tests.bulk_farm import (
    LATE,
    NOON,
    Rows,
    body,
    make_allocation,
    make_dump,
    make_master,
    make_password,
    make_worker,
    small_farm,
)

POOL = ("pools", {"id": 2, "name": "p"})


def seal(*documents: object) -> bytes:
    """Make a dump of any lines, with a checksum that is right."""
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in documents)
    end = {"rows": len(documents) - 1, "sha256": hashlib.sha256(lines).hexdigest()}
    return lines + json.dumps(end).encode() + b"\n"


def header(**more: Any) -> dict[str, Any]:
    return {"farmhand_dump": 1, "version": "9.9", "revision": "0001", "farm": None, **more}


def refusal(dump: bytes, most_text_bytes: int | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        list(parse_dump(dump.splitlines(keepends=True), "d", most_text_bytes=most_text_bytes))
    return str(caught.value)


def parse(dump: bytes) -> Rows:
    rows = parse_dump(dump.splitlines(keepends=True), "d")
    return [(table.name, dict(row)) for table, row in rows]


def test_a_dump_has_all_tables_of_the_farm_each_after_those_it_refers_to() -> None:
    tables = {each for each in vars(farm).values() if isinstance(each, sa.Table)}
    assert set(TABLES) == tables - {farm.places}  # a lock, and a number that only ever rises
    for index, table in enumerate(TABLES):
        assert {key.column.table for key in table.foreign_keys} <= set(TABLES[:index])


def test_what_is_written_is_read() -> None:
    assert parse(make_dump()) == small_farm()


def test_a_dump_is_ascii_lines_that_say_what_they_are() -> None:
    lines = make_dump().decode("ascii").splitlines()
    first = json.loads(lines[0])
    assert (first["farmhand_dump"], first["farm"]) == (1, "prod")
    assert first["taken_at"] == "2026-11-21T12:00:00.000000Z"
    allocation = next(line for line in lines if "allocations" in line)
    assert json.loads(allocation)["row"]["at"] == "2026-11-21T23:59:59.123456Z"
    assert json.loads(lines[-1])["rows"] == len(lines) - 2


def test_an_older_dump_leaves_what_it_had_not_to_defaults() -> None:
    row = {"id": 1, "name": "w-1"}
    assert parse(seal(header(), {"table": "workers", "row": row})) == [("workers", row)]


# Cut, damaged, foreign


@pytest.mark.parametrize("kept", range(1, 20))
def test_a_dump_without_its_last_lines_is_refused(kept: int) -> None:
    lines = make_dump().splitlines(keepends=True)
    message = f"d:{kept}: the dump ends here without its last line: it is cut"
    assert refusal(b"".join(lines[:kept])) == message


@pytest.mark.parametrize("cut", [1, 2, 50, 150, 3000])
def test_a_dump_that_is_cut_anywhere_is_refused(cut: int) -> None:
    assert "cut" in refusal(make_dump()[:-cut])


def test_a_dump_that_somebody_edited_is_refused() -> None:
    assert "checksum" in refusal(make_dump().replace(b"build-scl3", b"build-scl4"))


def test_a_dump_that_lacks_a_line_is_refused() -> None:
    lines, rows = make_dump().splitlines(keepends=True), len(small_farm())
    lacking = b"".join(lines[:-2] + lines[-1:])
    assert f"had {rows} rows, this file has {rows - 1}: it is damaged" in refusal(lacking)


def test_two_dumps_in_one_file_are_refused() -> None:
    number = len(make_dump().splitlines())
    assert f"d:{number + 1}: something stands after the dump's last line" in refusal(
        make_dump() * 2
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b"", "d: is empty, and so no dump", id="empty"),
        pytest.param(b"CREATE TABLE x;\n", "d:1: is no dump", id="SQL"),
        pytest.param(b"\x80\x02}q\x00X\n", "d:1: is no dump", id="the original's pickle"),
        pytest.param(b"[1]\n", "d:1: is no dump", id="other JSON"),
        pytest.param(b"[" * 100_000 + b"\n", "d:1: is no dump", id="deep JSON"),
        pytest.param(b"x" * 17 * 2**20, "d:1: is no dump", id="one endless line"),
        pytest.param(seal(header(farmhand_dump="1")), "d:1: is no dump", id="no format"),
        pytest.param(seal(header(revision=None)), "d:1: is no dump", id="no revision"),
        pytest.param(seal(header(farmhand_dump=2)), "upgrade farmhand", id="newer format"),
        pytest.param(seal(header(revision="9999")), "upgrade farmhand", id="newer revision"),
        pytest.param(
            seal(header(), {"table": "workres", "row": {}}),
            'd:2: unknown table "workres"; did you mean "workers"?',
            id="unknown table",
        ),
        pytest.param(seal(header(), {"rows": 1}), "d:2: is no line of a dump", id="odd line"),
        pytest.param(
            seal(header(), {"table": "x", "row": []}), "d:2: is no line of a dump", id="odd row"
        ),
    ],
)
def test_what_is_no_dump_of_this_release_is_refused(raw: bytes, message: str) -> None:
    assert message in refusal(raw)


# Rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [("pools", {"id": 1, "nmae": "p"})],
            'd:2: pools: unknown column "nmae"; did you mean "name"?',
            id="column",
        ),
        pytest.param([("pools", {"id": 1})], "d:2: pools.name: is required, but missing", id="gap"),
        pytest.param([("pools", {"name": "p"})], "pools.id: is required", id="no id"),
        pytest.param([("pools", {"id": 1, "name": None})], "must not be null", id="null"),
        pytest.param([("pools", {"id": 1, "name": 5})], "expected text", id="no text"),
        pytest.param([("pools", {"id": 1, "name": "x" * 256})], "255 characters", id="long"),
        pytest.param([("pools", {"id": 1, "name": "\0"})], "no database keeps", id="NUL"),
        pytest.param([("pools", {"id": 1, "name": "\ud800"})], "no database keeps", id="half"),
        pytest.param([("pools", {"id": 0, "name": "p"})], "expected an id", id="id 0"),
        pytest.param([("pools", {"id": 2**63, "name": "p"})], "expected an id", id="large id"),
        pytest.param([("pools", {"id": True, "name": "p"})], "a whole number", id="boolean id"),
        pytest.param([("pools", {"id": 1.0, "name": "p"})], "a whole number", id="fraction"),
        pytest.param([POOL, ("masters", make_master(1, pb_port=2**40))], "2,147,483", id="port"),
        pytest.param(
            [POOL, ("masters", make_master(1, enabled=1))], "expected true or false", id="bool"
        ),
        pytest.param(
            [POOL, ("masters", make_master(1, pool_id=3))],
            "d:3: masters.pool_id: pools has no id 3",
            id="dangling",
        ),
        pytest.param(
            [("workers", make_worker(1, pool_id=None, last_seen_at="yesterday"))],
            "workers.last_seen_at: expected a time such as",
            id="no time",
        ),
        pytest.param(
            [("workers", make_worker(1, pool_id=None, last_seen_at="2026-11-21T12:00:00+01:00"))],
            "expected a time such as",
            id="another zone",
        ),
        pytest.param(
            [("workers", make_worker(1, pool_id=None, last_seen_at="2026-13-21T12:00:00Z"))],
            "expected a time such as",
            id="no day",
        ),
        pytest.param([POOL, POOL], "d:3: pools: is out of order", id="twice"),
        pytest.param([POOL, ("pools", {"id": 1, "name": "q"})], "out of order", id="descending"),
        pytest.param(
            [("workers", make_worker(1, pool_id=None)), POOL], "pools: is out of order", id="late"
        ),
        pytest.param(
            [POOL, ("pools", {"id": 3, "name": "p"})], 'd:3: pools: "p" is there twice', id="name"
        ),
        pytest.param(
            [
                ("workers", make_worker(1, pool_id=None)),
                ("allocations", make_allocation(1, 1, 2, NOON)),
            ],
            "allocations.master_id: masters has no id 2",
            id="dangling allocation",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_line(rows: Rows, message: str) -> None:
    assert message in refusal(make_dump(rows))


def test_a_text_that_is_too_long_for_one_database_is_refused_for_that_one() -> None:
    dump = make_dump([POOL, ("worker_passwords", make_password(1, None, "é" * 40_000))])
    assert "worker_passwords.password: is longer than" in refusal(dump, most_text_bytes=65_535)
    assert len(parse(dump)) == 2


def test_microseconds_are_kept_and_may_be_left_out() -> None:
    for text, moment in (("2026-11-21T23:59:59.123456Z", LATE), ("2026-11-21T12:00:00Z", NOON)):
        row = {"id": 1, "name": "w", "last_seen_at": text}
        ((_, read),) = parse(seal(header(), {"table": "workers", "row": row}))
        assert read["last_seen_at"] == moment


def test_rows_are_not_gathered_before_they_are_given() -> None:
    lines = iter(make_dump().splitlines(keepends=True))
    rows = parse_dump(lines, "d")
    assert next(rows)[0].name == "pools"
    assert len(list(lines)) == len(body(make_dump()))
