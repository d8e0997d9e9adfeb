"""The users and grants of the manual, as its page says them, and made on a server."""

import re
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa

from tests.manual import DOCS, read_sections
from tests.services import DatabaseServer

PAGE = DOCS / "database-grants.md"
BLOCK = re.compile(r"```sql\n(.*?)```", re.DOTALL)
GRANT = re.compile(r"GRANT (?P<verbs>[A-Z, ]+?) ON (?P<tables>[\w., ]+?) TO (?P<user>\w+);")
FARM, BUILDBOT = "farm", "buildbot"
WRITES = {"INSERT", "UPDATE", "DELETE"}
ROOT = Path(__file__).parent.parent


def read_statements(scheme: str) -> dict[str, list[str]]:
    """Read all statements for one kind of server: user → statements, in the page's order."""
    place = 0 if scheme == "mysql" else 1
    found: dict[str, list[str]] = {}
    for text in read_sections(PAGE).values():
        blocks = BLOCK.findall(text)
        if blocks:
            lines = blocks[place].splitlines()
            (user,) = {
                each for line in lines for each in re.findall(r"\bfarm_\w+(?=;| ID| PA| EN)", line)
            }
            found[user] = lines
    return found


def read_grants(scheme: str, user: str) -> dict[str, set[str]]:
    """Read what a user may do to each table: table → verbs; a sequence is a table too."""
    found: dict[str, set[str]] = {}
    for line in read_statements(scheme)[user]:
        if known := GRANT.fullmatch(line):
            for table in known["tables"].removeprefix("SEQUENCE ").split(", "):
                name = table.removeprefix("SEQUENCE ").removeprefix(f"{FARM}.")
                found.setdefault(name, set()).update(known["verbs"].split(", "))
    return found


def run_statements(server: DatabaseServer, database: str, statements: list[str]) -> None:
    """Run statements as the server's administrator, in a database."""
    engine = server.engine(database)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.removesuffix(";"))


def make_owner(server: DatabaseServer) -> None:
    """Make the farm's database and its owner."""
    first = "mysql" if server.scheme == "mysql" else "postgres"
    run_statements(server, first, read_statements(server.scheme)["farm_owner"])


def make_users(server: DatabaseServer) -> None:
    """Make the other users of the farm's database, when the tables are there."""
    for user, statements in read_statements(server.scheme).items():
        if user not in {"farm_owner", "farm_demand"}:
            run_statements(server, FARM, statements)


def make_reader(server: DatabaseServer) -> None:
    """Make the user who reads Buildbot's database, when the tables are there."""
    run_statements(server, BUILDBOT, read_statements(server.scheme)["farm_demand"])


def drop_all(server: DatabaseServer) -> None:
    """Forget the databases and the users."""
    for name in (FARM, BUILDBOT):
        server.drop_database(name)
    for user in read_statements(server.scheme):
        server.execute(f"DROP USER IF EXISTS {user}")


def url_of(server: DatabaseServer, user: str) -> str:
    """Say how a user reaches its database."""
    url = sa.make_url(server.url(BUILDBOT if user == "farm_demand" else FARM))
    return url.set(username=user, password="SECRET").render_as_string(hide_password=False)


def find_writes(*packages: str) -> Mapping[str, set[str]]:
    """Find what the queries of packages change: table, or a variable for one → verbs."""
    found: dict[str, set[str]] = {}
    for package in packages:
        for path in (ROOT / package).rglob("*queries.py"):
            text = path.read_text()
            for table, verb in re.findall(r"\b(\w+)\.(insert|update|delete)\(\)", text):
                found.setdefault(table, set()).add(verb.upper())
            for table in re.findall(r"insert_missing\((\w+)", text):
                found.setdefault(table, set()).add("INSERT")
            for verb, table in re.findall(r"sa\.(insert|update)\((\w+)\)", text):
                found.setdefault(table, set()).add(verb.upper())
    return found
