"""A farm whose machines need a token: /gettac, `slavealloc gettac`, runslave and its worker."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from slavealloc.doors.models import Scope
from slavealloc.runslave.cli import main
from tests.allocators import (
    ROOT,
    Allocator,
    add_masters,
    add_token,
    add_workers,
    environ,
    make_places_database,
    run_slavealloc,
    running_allocator,
)
from tests.processes import Finished
from tests.run_here import run_here

pytestmark = pytest.mark.integration

HOW = "`slavealloc token add NAME --machine` makes one"
# What a worker, its master and its jobs would see.
TELLING = """#!/bin/sh
env > "$(dirname "$0")/environment"
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machines")


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[Allocator]:
    engine = make_places_database(f"sqlite:///{state}/farm.db")
    add_masters(engine, 1)
    add_workers(engine, ["w1", "w2"])
    config = state / "server.yml"
    config.write_text("farm: default\nslavealloc: {machines_need_token: true}\n")
    with running_allocator(engine, "--config", str(config), state=state) as server:
        yield server
    engine.dispose()


@pytest.fixture(scope="module")
def token(server: Allocator, state: Path) -> str:
    token = add_token(server.engine, "machines", Scope.MACHINE)
    (state / "token").write_text(f"{token}\n")
    (state / "token").chmod(0o600)
    (state / "machine.yml").write_text(
        f"farm: default\nrunslave: {{token_file: {state}/token, basedir: {state}/slave}}\n"
    )
    return token


def runslave(server: Allocator, state: Path, *args: str, **more: str) -> Finished:
    words = ["-a", f"{server.url}/gettac/SLAVE", "-n", "w1", *args, "--timeout", "20"]
    with contextlib.chdir(state):
        return run_here(main, words, environ(state, **more))


def test_a_machine_without_a_token_is_told_in_plain_text_what_to_do(server: Allocator) -> None:
    for path in ("/gettac/w1", "/gettac/nobody"):
        reply = server.get(path)
        assert reply.status_code == 401
        assert reply.headers["content-type"].startswith("text/plain")
        assert HOW in reply.text
    assert server.get("/api/gettac/w1").status_code == 401
    asked = requests.post(f"{server.url}/api/v1/allocations", json={"name": "w1"}, timeout=30)
    assert asked.status_code == 401
    assert server.get("/v1/allocated/all").status_code == 200
    assert server.get("/api/slaves").status_code == 200


def test_any_good_token_gets_a_tac_and_a_revoked_one_none(server: Allocator, token: str) -> None:
    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{server.url}/gettac/w2", headers=headers, timeout=30).status_code

    gone = add_token(server.engine, "gone", Scope.MACHINE)
    assert [status(each) for each in (token, gone, "nonsense", "")] == [200, 200, 401, 401]
    assert status(add_token(server.engine, "operator")) == 200
    url = server.engine.url.render_as_string()
    assert run_slavealloc(server_state(server), "token", "revoke", "gone", "-D", url).code == 0
    assert status(gone) == 401


def server_state(server: Allocator) -> Path:
    return Path(str(server.engine.url.database)).parent


def test_the_command_line_shows_its_token(server: Allocator, state: Path, token: str) -> None:
    asked = ("-A", server.url, "gettac", "w1", "-q")
    without = run_slavealloc(state, *asked)
    assert (without.code, without.out) == (2, "")
    assert HOW in without.err
    assert run_slavealloc(state, *asked, "--noop").code == 2
    for args in (asked, (*asked, "--noop")):
        assert "w1 → bm1" in run_slavealloc(state, *args, FARMHAND_TOKEN=token).out
    (state / "operator.yml").write_text(f"farm: f\nslavealloc: {{api_url: '{server.url}'}}\n")
    (state / "secrets.yml").write_text(f"slavealloc: {{api_token: {token}}}\n")
    (state / "secrets.yml").chmod(0o600)
    mine = ("--config", "operator.yml", "-k", "secrets.yml")
    assert "w1 → bm1" in run_slavealloc(state, "gettac", "w1", "-q", *mine).out
    # The token of farmhand.yml is for the server of farmhand.yml.
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    assert run_slavealloc(state, "gettac", "w1", "-q", *mine, "-A", elsewhere).code == 2


def test_runslave_shows_a_token_from_a_file_or_the_environment(
    server: Allocator, state: Path, token: str
) -> None:
    tac = state / "slave/buildbot.tac"
    refused = runslave(server, state, "--no-start", "-d", str(tac.parent))
    assert refused.code == 4
    assert "HTTP 401: machines of this farm need a token" in refused.err
    config = {"FARMHAND_CONFIG": str(state / "machine.yml")}
    for args, more in (
        (["--token-file", str(state / "token")], {}),
        ([], {"FARMHAND_TOKEN": token}),
        ([], config),
    ):
        tac.unlink(missing_ok=True)
        done = runslave(server, state, "--no-start", "-d", str(tac.parent), *args, **more)
        assert done.code == 0, done.err
        assert "AUTOMATICALLY GENERATED" in tac.read_text()
        assert token not in done.out + done.err
    (state / "open").write_text(token)
    (state / "open").chmod(0o644)
    done = runslave(server, state, "--no-start", "--token-file", str(state / "open"))
    assert done.code == 2
    assert "others can read it; chmod 600" in done.err
    assert token not in done.err


def test_a_worker_is_not_told_the_token(server: Allocator, state: Path, token: str) -> None:
    program = state / "twistd"
    program.write_text(TELLING)
    program.chmod(0o755)
    started = ("-d", str(state / "started"), "-c", str(program))
    done = runslave(server, state, *started, FARMHAND_TOKEN=token, FARMHAND_OTHER="kept")
    assert done.code == 0, done.err
    told = (state / "environment").read_text()
    assert "FARMHAND_OTHER=kept" in told
    assert token not in told


def test_a_runner_s_worker_fetches_its_tac_with_the_token_of_the_machine(
    server: Allocator, state: Path, token: str
) -> None:
    """As runner calls it: the machine's farmhand.yml, and runslave's options for the rest."""
    (state / "worker.yml").write_text(
        f"farm: default\n"
        f"runslave: {{token_file: {state}/token}}\n"
        "runner:\n"
        f"  worker: {{slavename: w1, basedir: {state}/lived, twistd_cmd: {state}/nothing,\n"
        f"    allocator_url: '{server.url}/gettac/SLAVE'}}\n"
    )
    environment = {name: value for name, value in os.environ.items() if "FARMHAND" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "runner.cli", "worker", "--config", str(state / "worker.yml")],
        cwd=state,
        env={**environment, "FARMHAND_STATE": str(state), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "AUTOMATICALLY GENERATED" in (state / "lived/buildbot.tac").read_text(), done.stderr
    assert token not in done.stdout + done.stderr
