"""Real workers reach real masters with the tac that was served, fetched by old clients and ours."""

import ast
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables import farm
from tests import buildbot_master
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    environ,
    make_places_database,
    running_allocator,
)
from tests.buildbot_master import BuildbotMaster, running_master
from tests.forks import BUILDBOT, forks_of

pytestmark = pytest.mark.integration

NAMES = [f"w{n}" for n in range(1, 7)]
TWISTD = str(Path(sys.executable).with_name("twistd"))
CONNECT_LIMIT_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoMasters:
    """Two masters that know all workers, and the allocator that spreads these over them."""

    masters: tuple[BuildbotMaster, BuildbotMaster]
    allocator: Allocator
    directory: Path

    def basedir(self, name: str) -> Path:
        return self.directory / name


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoMasters]:
    directory = tmp_path_factory.mktemp("two")
    with contextlib.ExitStack() as stack:
        masters = tuple(
            stack.enter_context(
                running_master(
                    directory / name, builders=["build"], workers=NAMES, build_seconds=0.1
                )
            )
            for name in ("one", "two")
        )
        engine = make_places_database(f"sqlite:///{directory}/farm.db")
        ids = add_masters(engine, 2, fqdn="127.0.0.1")
        add_workers(engine, NAMES)
        with engine.begin() as connection:
            connection.execute(
                farm.worker_passwords.update().values(password=buildbot_master.PASSWORD)
            )
            for master_id, master in zip(ids, masters, strict=True):
                table = farm.masters
                statement = table.update().where(table.c.id == master_id)
                connection.execute(statement.values(pb_port=master.pb_port))
            for name in NAMES:
                statement = farm.workers.update().where(farm.workers.c.name == name)
                connection.execute(statement.values(basedir=str(directory / name)))
        allocator = stack.enter_context(running_allocator(engine, state=directory))
        stack.callback(engine.dispose)
        yield TwoMasters(masters=(masters[0], masters[1]), allocator=allocator, directory=directory)


def find_twistd(name: str) -> str:
    """Return what starts a worker: for the first two as anybody does, then what starts at once."""
    return TWISTD if name in NAMES[:2] else str(forks_of(BUILDBOT).folder / "twistd")


def start_as_the_original(two: TwoMasters, name: str) -> int:
    """Do what runslave.py does, step by step, with the regular expressions it has."""
    url = f"{two.allocator.url}/gettac/SLAVE".replace("SLAVE", name)
    with urllib.request.urlopen(url, timeout=60) as page_file:
        page = page_file.read().decode()
    assert "AUTOMATICALLY GENERATED - DO NOT MODIFY" in page
    found = re.search("^basedir\\s*=\\s*([ur]?['\"].*['\"])", page, re.MULTILINE | re.IGNORECASE)
    assert found is not None
    basedir = Path(ast.literal_eval(found[1].strip()))
    basedir.mkdir(parents=True, exist_ok=True)
    (basedir / "buildbot.tac.tmp").write_text(page)
    (basedir / "buildbot.tac.tmp").rename(basedir / "buildbot.tac")
    options = ["--no_save", "--logfile", f"{basedir}/twistd.log"]
    options += ["--python", f"{basedir}/buildbot.tac"]
    return subprocess.run([find_twistd(name), *options], cwd=basedir, check=False).returncode


def start_by_runslave(two: TwoMasters, name: str) -> int:
    command = [sys.executable, "-m", "slavealloc.runslave", "-n", name]
    done = subprocess.run(
        [*command, "-c", find_twistd(name), "-a", f"{two.allocator.url}/gettac/SLAVE"],
        cwd=two.directory,
        env=environ(two.directory / f"state-{name}"),
        check=False,
    )
    return done.returncode


@contextlib.contextmanager
def ended(basedir: Path) -> Iterator[None]:
    """End the worker that was left running behind us, by the id it wrote."""
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((basedir / "twistd.pid").read_text()), signal.SIGTERM)


def wait_connected(basedir: Path) -> None:
    deadline = time.monotonic() + CONNECT_LIMIT_S
    log = basedir / "twistd.log"
    while not (log.exists() and "worker is ready" in log.read_text()):
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no twistd.log"
        time.sleep(0.05)


def connected(master: BuildbotMaster) -> set[str]:
    rows = master.rest("workers")["workers"]
    return {row["name"] for row in rows if row["connected_to"]}


def test_two_masters_fill_evenly_with_real_workers_that_build(two: TwoMasters) -> None:
    with contextlib.ExitStack() as stack:
        for number, name in enumerate(NAMES):
            (two.directory / f"state-{name}").mkdir()
            start = start_as_the_original if number % 2 else start_by_runslave
            stack.enter_context(ended(two.basedir(name)))
            assert start(two, name) == 0
        for name in NAMES:
            wait_connected(two.basedir(name))
        first, second = (connected(master) for master in two.masters)
        assert (len(first), len(second)) == (3, 3)
        assert first | second == set(NAMES)
        for master in two.masters:
            master.force("build")
        deadline = time.monotonic() + CONNECT_LIMIT_S
        while any(not finished(master) for master in two.masters):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def finished(master: BuildbotMaster) -> bool:
    """Whether it has a build, and each of its builds went well."""
    builds = master.rest("builds")["builds"]
    return bool(builds) and all(build["results"] == 0 for build in builds)


def test_a_disabled_worker_s_tac_ends_twistd_with_0_and_starts_nothing(two: TwoMasters) -> None:
    two.allocator.put("/api/slaves/w1?byname=1", {"enabled": False, "notes": 'it\'s "broken"'})
    page = two.allocator.gettac("w1").text
    two.allocator.put("/api/slaves/w1?byname=1", {"enabled": True})
    basedir = two.directory / "disabled"
    basedir.mkdir()
    (basedir / "buildbot.tac").write_text(page)
    done = subprocess.run(
        [TWISTD, "--no_save", "--nodaemon", "--python", "buildbot.tac"],
        cwd=basedir,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, 'w1 is disabled: it\'s "broken"\n')


def test_an_old_client_is_told_404_of_a_worker_nobody_knows(two: TwoMasters) -> None:
    with (
        pytest.raises(urllib.error.HTTPError) as err,
        contextlib.closing(
            urllib.request.urlopen(f"{two.allocator.url}/gettac/nobody", timeout=60)
        ),
    ):
        pass
    with err.value:
        assert err.value.code == 404


def test_the_password_is_the_pool_s_or_the_distro_s_own(two: TwoMasters) -> None:
    with two.allocator.engine.begin() as connection:
        pool_id = connection.scalar(sa.select(farm.pools.c.id))
        distro_id = connection.scalar(sa.select(farm.distros.c.id))
        connection.execute(
            farm.worker_passwords.insert().values(
                pool_id=pool_id, distro_id=distro_id, password="the distro's own"
            )
        )
    assert 'passwd = "the distro\'s own"\n' in two.allocator.gettac("w2").text
    with two.allocator.engine.begin() as connection:
        table = farm.worker_passwords
        connection.execute(table.delete().where(table.c.distro_id == distro_id))
