"""`runslave` as a machine runs it: its files, what it starts and how it ends."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from farmhand import __version__
from slavealloc.runslave.cli import main
from tests.bad_allocator import (
    BadAllocator,
    make_old_page,
    make_page,
    make_reply,
    running_bad_allocator,
)
from tests.runslave_machine import PAGE, ROOT, Machine

pytestmark = pytest.mark.integration
OLD_BODY = "umask = 002\n"
HEAVY = {"sqlalchemy", "pydantic", "yaml", "jinja2", "boto3", "botocore", "rich", "requests"}
HEAVY |= {"tenacity", "asyncio", "alembic", "starlette", "prometheus_client"}


@pytest.fixture
def bad() -> Iterator[BadAllocator]:
    with running_bad_allocator(make_reply(PAGE)) as bad:
        yield bad


@pytest.fixture
def machine(tmp_path: Path, bad: BadAllocator) -> Machine:
    return Machine(home=tmp_path, url=bad.url)


def test_the_tac_is_written_and_the_worker_started_as_the_original_did(machine: Machine) -> None:
    done = machine.run()
    where = machine.basedir
    assert done.code == 0
    assert f"--no_save --logfile {where}/twistd.log --python {where}/buildbot.tac\n" in done.err
    assert (machine.tac.read_bytes(), stat.S_IMODE(machine.tac.stat().st_mode)) == (PAGE, 0o600)


def test_it_asks_for_its_short_name(machine: Machine, bad: BadAllocator) -> None:
    machine.run()
    assert bad.paths == ["/gettac/w1"]


def test_twistd_runs_in_the_base_directory(machine: Machine) -> None:
    machine.run(twistd="/bin/sh -c 'pwd > where'")
    assert (machine.basedir / "where").read_text() == f"{machine.basedir}\n"


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("exit 0", 0), ("kill -9 $$", 137)])
def test_the_exit_code_is_twistds(machine: Machine, command: str, code: int) -> None:
    done = machine.run(twistd=f"/bin/sh -c '{command}'")
    assert done.code == code
    assert (f"/bin/sh exited with {code}" in done.err) == (code != 0)


def test_no_start_only_writes(machine: Machine) -> None:
    done = machine.run("--no-start")
    assert (done.code, machine.tac.read_bytes()) == (0, PAGE)
    assert done.out == f"fetched {machine.tac}\nstarted nothing\n"


def test_json_is_one_document_whatever_twistd_prints(machine: Machine) -> None:
    said = json.loads(machine.run("--json").out)
    assert (said["slavename"], said["tac"], said["exit_code"]) == ("w1", "fetched", 0)
    assert said["command"][0] == "/bin/echo"


def test_it_is_silent_when_well(machine: Machine) -> None:
    command = [sys.executable, "-m", "slavealloc.runslave", "-n", "w1", "-a", machine.url]
    command += ["-d", str(machine.basedir), "-c", "/bin/true"]
    environ = {**os.environ, "FARMHAND_STATE": str(machine.home / "state")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_an_old_servers_page_is_taken(machine: Machine, bad: BadAllocator) -> None:
    bad.replies = [make_reply(make_old_page(OLD_BODY))]
    assert machine.run().code == 0
    assert machine.tac.read_bytes() == make_old_page(OLD_BODY)


def test_a_disabled_workers_tac_is_started_too_and_said(
    machine: Machine, bad: BadAllocator
) -> None:
    bad.replies = [make_reply(make_page("# nothing assigned: 'w1 is disabled'\nimport sys\n"))]
    done = machine.run()
    assert (done.code, "nothing is assigned to w1" in done.err) == (0, True)
    assert "--python" in done.err


def test_a_dry_run_asks_nobody_and_writes_nothing(machine: Machine, bad: BadAllocator) -> None:
    done = machine.run("--dry-run")
    where = machine.basedir
    assert done.out.splitlines() == [
        f"would ask {machine.url.replace('SLAVE', 'w1')}",
        f"would write {where}/buildbot.tac",
        f"would start /bin/echo --no_save --logfile {where}/twistd.log"
        f" --python {where}/buildbot.tac",
    ]
    assert (bad.asked, list(machine.home.iterdir())) == ([], [])


# Start-up


def find_loaded(*args: str) -> set[str]:
    """Every top-level module that a run imports."""
    command = [sys.executable, "-X", "importtime", "-m", "slavealloc.runslave", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.finditer(r"\| +([\w.]+)$", done.stderr, re.MULTILINE)
    return {each[1].partition(".")[0] for each in found}


def test_it_is_one_command_with_its_own_version() -> None:
    ran = CliRunner().invoke(main, ["--version"])
    assert ran.output == f"runslave {__version__}\n"


@pytest.mark.parametrize("args", [["run"], ["--deadline", "9"], ["--timeout", "0"], ["-v", "x"]])
def test_wrong_usage_exits_2(args: list[str]) -> None:
    assert CliRunner().invoke(main, args).exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    loaded = find_loaded("--help")
    assert "click" in loaded
    assert loaded & {*HEAVY, "urllib3"} == set()


def test_a_fetch_imports_nothing_heavy(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, bad: BadAllocator
) -> None:
    monkeypatch.setenv("FARMHAND_STATE", str(machine.home / "state"))
    args = ("-a", machine.url, "-n", "w1", "-d", str(machine.basedir), "-c", "/bin/true")
    loaded = find_loaded(*args)
    assert (len(bad.asked), "urllib3" in loaded) == (1, True)
    assert loaded & HEAVY == set()


def test_the_section_of_the_configuration_is_read(machine: Machine) -> None:
    path = machine.home / "farmhand.yml"
    path.write_text(
        f"farm: test\nrunslave: {{twistd_cmd: /bin/echo hello, basedir: {machine.home}/b}}\n"
    )
    done = machine.run(basedir=False, twistd=None)
    assert (done.code, (machine.home / "b/buildbot.tac").read_bytes()) == (0, PAGE)
    assert "hello --no_save" in done.err
