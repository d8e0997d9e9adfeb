"""The grants that the manual names are all that a scan needs."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.manual import DOCS, read_sections, read_table
from tests.scan_farm import Job, ScanFarm, running_scan_farm
from tests.services import DatabaseServer

pytestmark = pytest.mark.integration


def documented_grants() -> dict[str, str]:
    """Read what the manual grants to `scanner scan`: table → grants."""
    rows = read_table(read_sections(DOCS / "operations.md")["Which database grants?"])
    (text,) = (row[2] for row in rows if row[1].startswith("`scanner scan`"))
    found = {}
    for part in text.split(";"):
        grants, _, tables = part.partition(" on ")
        for table in re.findall(r"`(\w+)`", tables):
            found[table] = grants.replace(" and ", ", ").strip()
    return found


@pytest.fixture
def granted(tmp_path: Path, mariadb: DatabaseServer) -> Iterator[ScanFarm]:
    """A farm on MariaDB, whose scans have a user of their own."""
    name = f"grants_{uuid.uuid4().hex[:12]}"
    with running_scan_farm(tmp_path, mariadb.create_database(name)) as farm:
        user = f"{name[-12:]}@'127.0.0.1'"
        mariadb.execute(f"CREATE USER {user}")
        for table, grants in documented_grants().items():
            mariadb.execute(f"GRANT {grants} ON {name}.{table} TO {user}")
        mine = sa.make_url(farm.url).set(username=name[-12:])
        farm.url = mine.render_as_string(hide_password=False)
        yield farm
        mariadb.execute(f"DROP USER {user}")
    mariadb.drop_database(name)


def test_a_scan_needs_no_more_grants_than_the_manual_says(granted: ScanFarm) -> None:
    daemon = granted.add_daemon()
    daemon.default_job = Job(files={"hello.deb": b"a package"})
    first = granted.add_build()
    granted.scan()
    daemon.restart()
    granted.scan_until_ended(first)
    assert granted.build(first)["state"] == "fullybuilt"
    second = granted.add_build("other")
    assert granted.run("queue", "cancel", str(second)).code == 0
    assert granted.run("daemon", "disable", "bob", "moves").code == 0
    assert granted.run("daemon", "remove", "bob").code == 0
    assert granted.run("status").code == 0
