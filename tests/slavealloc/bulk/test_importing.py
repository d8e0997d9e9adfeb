"""Files to import: what is taken from them, and what is refused, by file, line and column."""

from pathlib import Path

import pytest

from farmhand.errors import BadInput
from farmhand.validation import refuse
from slavealloc.bulk.import_files import Paths, read_files
from slavealloc.bulk.import_forms import JACUZZIS, MASTERS, PASSWORDS, WORKERS, Form
from slavealloc.bulk.importing import (
    Found,
    ImportRow,
    decode,
    find_repeats,
    parse_csv,
    parse_masters,
)
from tests.bulk_farm import DATA

LONG = "x" * 256


def told(found: Found) -> str:
    """What the user reads."""
    with pytest.raises(BadInput) as caught:
        refuse(found)
    return str(caught.value)


def parse(text: str, form: Form = WORKERS) -> list[ImportRow]:
    rows, found = parse_csv(text, "f.csv", form)
    assert found == []
    return rows


def wrong(text: str, form: Form = WORKERS) -> str:
    return told(parse_csv(text, "f.csv", form)[1])


# What is taken


@pytest.mark.parametrize(
    ("name", "form", "keys"),
    [
        (
            "workers.csv",
            WORKERS,
            [("bld-linux64-001",), ("bld-linux64-spot-001",), ("t-w864-ix-001",)],
        ),
        ("masters.csv", MASTERS, [("bm81-build1",), ("bm82-headless",)]),
        ("passwords.csv", PASSWORDS, [("build-scl3", None), ("build-scl3", "centos6")]),
        (
            "jacuzzis.csv",
            JACUZZIS,
            [
                ("Linux x86-64 build", "bld-linux64-001"),
                ("Linux x86-64 build", "bld-linux64-spot-001"),
            ],
        ),
    ],
)
def test_the_examples_are_read(name: str, form: Form, keys: list[object]) -> None:
    assert [row.key for row in parse((DATA / name).read_text(), form)] == keys


def test_a_row_has_the_files_columns_and_no_others() -> None:
    (row,) = parse("pool,name\np,w-1\n")
    assert row.values == {"pool": "p", "name": "w-1"}


def test_an_empty_cell_is_nothing() -> None:
    (row,) = parse("name,pool,distro,market,basedir\nw-1,p,,,\n")
    assert row.values == {
        "name": "w-1",
        "pool": "p",
        "distro": None,
        "market": None,
        "basedir": None,
    }


def test_notes_that_are_empty_are_not_given() -> None:
    first, second = parse("name,pool,notes\nw-1,p,\nw-2,p,bug 1\n")
    assert "notes" not in first.values
    assert second.values["notes"] == "bug 1"


def test_blanks_around_a_cell_do_not_count_except_in_a_password() -> None:
    (worker,) = parse(" name , pool\n w-1 , p \n")
    assert worker.values == {"name": "w-1", "pool": "p"}
    (password,) = parse("pool, distro, password\np, *, x y \n", PASSWORDS)
    assert password.values == {"pool": "p", "distro": None, "password": " x y "}


def test_a_master_without_a_web_page_has_http_port_0() -> None:
    rows = parse("nickname,fqdn,http_port,pb_port,pool\na,h,,1,p\nb,h,0,65535,p\n", MASTERS)
    assert [(row.values["http_port"], row.values["pb_port"]) for row in rows] == [
        (0, 1),
        (0, 65535),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["Unix", "Windows", "old Mac"])
def test_lines_are_counted_through_quoted_newlines_and_blank_lines(end: str) -> None:
    text = 'name,pool,notes\nw-1,p,"a\nb"\n\nw-2,p,""\nw-3,p,"c\nd\ne"\nw-4,p,\n'
    assert [row.place.line for row in parse(text.replace("\n", end))] == [2, 5, 6, 9]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decode(b"\xef\xbb\xbfname", "f.csv") == "name"


def test_a_line_of_a_file_without_a_last_newline_counts() -> None:
    assert len(parse("name,pool\nw-1,p")) == 1


# What is refused


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a\nb\xff\n", "f.csv:2: is not UTF-8 text"),
        ("name\n".encode("utf-16"), "f.csv:1: is not UTF-8 text"),
        (b"a\n\nb\0\n", "f.csv:3: has a NUL character"),
    ],
    ids=["Latin-1", "UTF-16", "NUL"],
)
def test_what_is_no_utf8_text_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        decode(raw, "f.csv")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("w-1", "has 1 fields, the header has 3; is there a comma amiss?", id="short"),
        pytest.param("w-1,p,spot,", "has 4 fields, the header has 3; is there", id="long"),
        pytest.param(",p,", "name: is required, but empty", id="no name"),
        pytest.param("w-1,,", "pool: is required, but empty", id="no pool"),
        pytest.param("W-1,p,", "lower case and without the domain", id="upper case"),
        pytest.param("w.x.org,p,", 'name: "w.x.org" is no worker\'s name', id="a domain"),
        pytest.param("w" * 51 + ",p,", "1 to 50 of", id="long name"),
        pytest.param("wé,p,", "is no worker's name", id="a letter that is not ASCII"),
        pytest.param("w-1,p,sopt", 'unknown market "sopt"; did you mean "spot"?', id="market"),
        pytest.param(f"w-1,{LONG},", "pool: is longer than 255 characters", id="long pool"),
        pytest.param('w-1,"p\tq",', r'pool: "p\tq" has a character that', id="a tab"),
        pytest.param('w-1,"p', "is not valid CSV: unexpected end of data", id="an open quote"),
        pytest.param('w-1,"p"q,', "is not valid CSV: ',' expected after '\"'", id="a quote inside"),
    ],
)
def test_a_bad_worker_is_refused_by_line(row: str, message: str) -> None:
    text = f'name,pool,market\nw-0,"p",\n{row}'
    assert wrong(text).startswith("f.csv:3: ")
    assert message in wrong(text)


@pytest.mark.parametrize(
    "port", ["98x", "0", "65536", "-1", "9001.0", "٣", "", "999999999999999999999"]
)
def test_what_is_no_port_is_refused(port: str) -> None:
    text = f"nickname,fqdn,pb_port,pool\nm,h,{port},p\n"
    assert wrong(text, MASTERS) == f'f.csv:2: pb_port: "{port}" is no port (1 to 65535)'


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param("name,pol", 'unknown column "pol"; did you mean "pool"?', id="misspelled"),
        pytest.param("name", "pool: the column is required, but missing", id="missing"),
        pytest.param("name,pool,name", "name: this column is there twice", id="twice"),
        pytest.param("name;pool", 'unknown column "name;pool"', id="semicolons"),
        pytest.param("", "is empty; expected a header: name, basedir, distro", id="empty"),
        pytest.param("name,pool,enabled", 'unknown column "enabled"', id="not to be imported"),
    ],
)
def test_a_bad_header_is_refused(header: str, message: str) -> None:
    assert f"f.csv:1: {message}" in wrong(header)


def test_everything_wrong_is_told_at_once_in_the_files_order() -> None:
    text = "nickname,fqdn,http_port,pb_port,pool\nm,h,x,y,p\n,h 1,,1,\n"
    assert wrong(text, MASTERS).splitlines() == [
        'f.csv:2: http_port: "x" is no port (1 to 65535)',
        'f.csv:2: pb_port: "y" is no port (1 to 65535)',
        "f.csv:3: nickname: is required, but empty",
        'f.csv:3: fqdn: "h 1" is no host: it has a blank',
        "f.csv:3: pool: is required, but empty",
    ]


def test_a_text_larger_than_a_database_takes_is_refused() -> None:
    most = "é" * 32767
    assert len(parse(f"name,pool,notes\nw,p,{most}x\n")) == 1
    assert "f.csv:2: notes: is longer than 65,535 bytes" in wrong(
        f"name,pool,notes\nw,p,{most}xy\n"
    )


@pytest.mark.fault("a CSV has no end", "dbimport refuses it: is larger than 64 MiB")
def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(BadInput, match="/dev/zero: is larger than 67,108,864 bytes"):
        read_files(Paths(slave_data=Path("/dev/zero")))


def test_a_distro_is_named_or_a_star() -> None:
    assert "distro: is empty; name a distro, or *" in wrong(
        "pool,distro,password\np,,x\n", PASSWORDS
    )


def test_a_password_is_never_told() -> None:
    text = f"pool,distro,password\np,*,hunter2{LONG * 300}\np,hunter3\n"
    assert "hunter" not in wrong(text, PASSWORDS)


def test_a_name_that_stands_twice_is_refused_with_both_places() -> None:
    rows = parse("name,pool\nw-1,p\nw-2,p\nw-1,q\n")
    assert told(find_repeats(rows, ("name",))) == 'f.csv:4: name: "w-1" already stands in line 2'
    other, _ = parse_csv("name,pool\nw-2,p\n", "g.csv", WORKERS)
    assert '"w-2" already stands in f.csv:3' in told(find_repeats([*rows[:2], *other], ("name",)))


# production-masters.json


def test_masters_that_are_enabled_are_read_from_json() -> None:
    path = DATA / "production-masters.json"
    ((row,), found) = parse_masters(path.read_text(), "m.json")
    assert found == []
    assert row.values == {
        "nickname": "bm01-tests1-windows",
        "fqdn": "buildbot-master01.bb.releng.scl3.example.org",
        "http_port": 8201,
        "pb_port": 9201,
        "datacenter": "scl3",
        "pool": "tests-scl3",
    }
    assert row.place.line == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[\n{]", "m.json:2: is not valid JSON: ", id="no JSON"),
        pytest.param("{}", "m.json:1: expected a list", id="no list"),
        pytest.param("[\n\n1]", "m.json:3: expected an object", id="no object"),
        pytest.param("[" * 100_000, "m.json:1: is not valid JSON: too deep", id="too deep"),
        pytest.param('[\n{"name": 1}]', "m.json:2: name: expected text", id="no text"),
        pytest.param('[\n{"roles": []}]', "m.json:2: roles: expected a list", id="no role"),
        pytest.param('[{"enabled": "no"}]', "m.json:1: enabled: expected true", id="no boolean"),
        pytest.param(
            '[{},\n{"name": "m", "hostname": "h", "datacentre": "d", "roles": ["r"]}]',
            'm.json:2: pb_port: "" is no port',
            id="no port",
        ),
        pytest.param(
            '[{"name": "\\ud800", "hostname": "h", "datacentre": "d", "roles": ["r"], '
            '"pb_port": true}]',
            'm.json:1: pb_port: "True" is no port',
            id="a boolean and half a character",
        ),
    ],
)
def test_bad_json_is_refused_by_line(text: str, message: str) -> None:
    assert message in told(parse_masters(text, "m.json")[1])
