"""Builder names as nobody would choose them, and as databases like to confuse them."""

import random
import zlib
from contextlib import closing

import pytest

from farmhand.db import parse_url, reaching
from farmhand.errors import Unavailable
from tests import services
from tests.scheduler_database import NOON, SchedulerDatabase
from watch_pending.pending import Window, detect_shape, pending_statement, read_builder_names

pytestmark = pytest.mark.integration
WINDOW = Window(now=NOON, min_age_s=10, max_age_s=86400)
ODD_NAMES = {
    "Linux\nx86-64\r\n\tbuild\n": 1,
    "Linux 🦊 build 👩‍💻": 2,
    "\u202eLinux\u0301 \x1b[31mbuild": 3,
    "100% %s %(name)s :name ' \" \\ ; --": 4,
    "": 5,
}
ALIKE = {"Linux build": 1, "linux build": 2, "Linux build ": 3, "Linux  build": 4, "Línux build": 5}


@pytest.mark.fault(
    "builder names with newlines, emoji, quotes or terminal codes",
    "they are counted and shown whole",
)
def test_odd_names_are_counted_and_come_back_whole(scheduler: SchedulerDatabase) -> None:
    for name, requests in ODD_NAMES.items():
        scheduler.add(name, requests)
    assert scheduler.pending() == ODD_NAMES


@pytest.mark.fault("a builder name of 10,000 characters", "it is counted and shown whole")
def test_a_name_of_10_kb_comes_back_whole(scheduler: SchedulerDatabase) -> None:
    # Before 0.9 the column holds 256 characters, which all but SQLite insist on.
    room = 10_000 if scheduler.shape == "C" or "sqlite" in scheduler.url else 250
    longest = "é" * room
    scheduler.add(longest, 2)
    scheduler.add(longest[:-1], 1)
    assert scheduler.pending() == {longest: 2, longest[:-1]: 1}


@pytest.mark.fault(
    "builder names that differ in case, spaces or accents only", "they are counted apart"
)
def test_names_that_look_alike_are_kept_apart(scheduler: SchedulerDatabase) -> None:
    for name, requests in ALIKE.items():
        scheduler.add(name, requests)
    assert scheduler.pending() == ALIKE
    with scheduler.reader.connect() as connection:
        names = read_builder_names(connection, detect_shape(connection))
    assert names == tuple(sorted(ALIKE))


def _two_names_of_one_checksum() -> tuple[str, str]:
    """Find two names of equal length and CRC-32, as MariaDB's quick grouping sees them."""
    chance = random.Random(1)
    seen: dict[int, str] = {}
    while True:
        name = f"Linux build {chance.getrandbits(40):010x}"
        other = seen.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            return other, name


@pytest.mark.parametrize("shape", ["A", "B"])
@pytest.mark.parametrize("kind", ["mariadb"])
def test_two_names_in_one_quick_group_are_counted_apart(scheduler: SchedulerDatabase) -> None:
    first, second = _two_names_of_one_checksum()
    scheduler.add(first, 2)
    scheduler.add(second, 3)
    scheduler.add("Linux build", 4)
    with scheduler.reader.connect() as connection:
        quick = pending_statement(connection, detect_shape(connection), WINDOW)
        assert sorted(row.n for row in connection.execute(quick)) == [4, 5]
    assert scheduler.pending() == {first: 2, second: 3, "Linux build": 4}


@pytest.mark.fault(
    "a builder name that is not UTF-8, in SQLite",
    "what is no text is replaced and the request counted",
)
@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("stored", ["CAST(X'4C696E7578FF' AS TEXT)", "X'4C696E7578FF'"])
def test_sqlite_gives_invalid_utf_8_replaced(scheduler: SchedulerDatabase, stored: str) -> None:
    scheduler.add("a", 2)
    column = "builders SET name" if scheduler.shape == "C" else "buildrequests SET buildername"
    scheduler.execute(f"UPDATE {column} = {stored}")
    assert scheduler.pending() == {"Linux\N{REPLACEMENT CHARACTER}": 2}


@pytest.mark.fault(
    "builder names in another character set, in MariaDB: {id}", "they are read as text"
)
@pytest.mark.parametrize(
    ("column", "name"),
    [
        pytest.param("VARBINARY(256)", "caf\N{REPLACEMENT CHARACTER}", id="bytes"),
        pytest.param("VARCHAR(256) CHARACTER SET latin1", "café", id="latin1"),
    ],
)
def test_mariadb_gives_another_character_set_as_text(
    mariadb: services.DatabaseServer, column: str, name: str
) -> None:
    url = mariadb.create_database("odd_names")
    with closing(SchedulerDatabase.create(url, "B")) as scheduler:
        scheduler.add("a", 2)
        scheduler.execute("ALTER TABLE buildrequests MODIFY buildername VARBINARY(256)")
        scheduler.execute("UPDATE buildrequests SET buildername = X'636166E9'")
        scheduler.execute(f"ALTER TABLE buildrequests MODIFY buildername {column}")
        assert scheduler.pending() == {name: 2}
    mariadb.drop_database("odd_names")


@pytest.mark.fault(
    "a builder name that is not UTF-8, in PostgreSQL without an encoding",
    "exit 4, with PostgreSQL's words: invalid byte sequence",
)
def test_postgresql_without_an_encoding_serves_utf_8_and_names_what_is_not(
    postgresql: services.DatabaseServer,
) -> None:
    postgresql.execute("CREATE DATABASE odd_names ENCODING 'SQL_ASCII' TEMPLATE template0")
    url = postgresql.url("odd_names")
    with closing(SchedulerDatabase.create(url, "B")) as scheduler:
        scheduler.add("Linux 🦊", 2)
        assert scheduler.pending() == {"Linux 🦊": 2}
        scheduler.execute(r"UPDATE buildrequests SET buildername = E'caf\351'")
        with (
            pytest.raises(Unavailable, match="invalid byte sequence"),
            reaching("scheduler database", parse_url(url, "test")),
        ):
            scheduler.read()
    postgresql.drop_database("odd_names")
