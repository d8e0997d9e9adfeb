"""The next release, made here, meets a farm database of this one."""

import os
import shutil
import subprocess
import sys

import pytest
import sqlalchemy as sa

from farmhand import __version__
from farmhand.db import make_engine, parse_url
from farmhand.upgrades import MIGRATIONS, newest_revision
from tests.farm import COMMAND_TIMEOUT_S, Farm
from tests.processes import Finished

pytestmark = pytest.mark.integration
NEXT = "99.1.0"
NEXT_REVISION = f"{int(newest_revision()) + 1:04}"
REVISION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT_REVISION}"
down_revision = "{newest_revision()}"


def upgrade() -> None:
    op.add_column("runs", sa.Column("weather", sa.String(16), server_default="dry", nullable=False))
    info = sa.table("schema_info", sa.column("compatible_from"))
    op.execute(info.update().values(compatible_from="COMPATIBLE_FROM"))
"""


@pytest.fixture(
    params=[
        "mariadb",
        pytest.param("sqlite", marks=pytest.mark.soak),
        pytest.param("postgresql", marks=pytest.mark.soak),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    """What production uses; the embedded one is upgraded in the second test too."""
    return str(request.param)


def run_next(farm: Farm, compatible_from: str, *words: str, program: str = "farmhand") -> Finished:
    """Run a command of the next release, which has one revision more."""
    package = farm.directory / "next/farmhand"
    if not package.exists():
        shutil.copytree(MIGRATIONS.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / "__init__.py").write_text(f'__version__ = "{NEXT}"\n')
        added = package / f"migrations/versions/{NEXT_REVISION}_weather.py"
        added.write_text(REVISION.replace("COMPATIBLE_FROM", compatible_from))
    path = os.pathsep.join([str(package.parent), farm.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", f"{program}.cli", *farm.with_config(*words)],
        env={**farm.environ, "PYTHONPATH": path},
        cwd=farm.directory,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


def read_runs(url: str) -> set[tuple[str, str, str]]:
    """Read who ran what; all runs bear what the revision adds."""
    engine = make_engine(parse_url(url, "test"), timeout_s=30)
    statement = "SELECT version, command, verb FROM runs WHERE weather = 'dry'"
    with engine.connect() as connection:
        found = {(row[0], row[1], row[2]) for row in connection.execute(sa.text(statement))}
    engine.dispose()
    return found


def test_a_database_with_rows_is_upgraded_while_older_hosts_run_on(
    farm: Farm, database_url: str
) -> None:
    farm.settings["database"] = database_url
    assert farm.run("db", "upgrade", program="farmhand").code == 0
    assert farm.run("run").code == 0
    ours = (__version__, "watch-pending", "run")

    early = run_next(farm, __version__, "run", program="watch_pending")
    assert early.code == 2
    needs = f"at revision {newest_revision()}, farmhand {NEXT} needs {NEXT_REVISION}"
    assert f"{needs}: run `farmhand db upgrade`" in early.err

    upgraded = run_next(farm, __version__, "db", "upgrade", "--json")
    assert upgraded.code == 0
    assert (upgraded.json["before"], upgraded.json["after"]) == (newest_revision(), NEXT_REVISION)
    assert ours in read_runs(database_url)
    assert farm.run("run").code == 0
    current = farm.run("db", "current", "--json", program="farmhand")
    assert (current.code, current.json["revision"]) == (0, NEXT_REVISION)
    assert run_next(farm, __version__, "run", program="watch_pending").code == 0
    assert read_runs(database_url) >= {ours, (NEXT, "watch-pending", "run")}


def test_a_release_older_than_the_database_allows_is_refused(farm: Farm) -> None:
    assert farm.run("run").code == 0
    # The embedded database is upgraded by whoever runs first.
    assert run_next(farm, NEXT, "run", program="watch_pending").code == 0
    for words, program in ((["run"], "watch_pending"), (["db", "current"], "farmhand")):
        refused = farm.run(*words, program=program)
        assert refused.code == 2
        says = f"needs farmhand {NEXT} or newer, this is {__version__}: upgrade this host"
        assert says in refused.err
    assert run_next(farm, NEXT, "db", "current").code == 0
