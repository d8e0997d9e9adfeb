"""Starting, stopping and configuring the server, as its own process."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from tests.allocators import (
    ROOT,
    add_masters,
    add_workers,
    environ,
    make_places_database,
    run_slavealloc,
    running_allocator,
)

pytestmark = pytest.mark.integration

CHANGE_LIMIT_S = 60


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    engine = make_places_database(f"sqlite:///{tmp_path}/farm.db")
    add_masters(engine, 2)
    add_workers(engine, ["w1", "w2"])
    return engine


@pytest.mark.fault("the port of slavealloc serve is in use", "exit 2: can't listen on that address")
def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_slavealloc(tmp_path, "serve", "--port", str(port))
    assert done.code == 2
    assert f"can't listen on 127.0.0.1:{port}: " in done.err


@pytest.mark.fault(
    "the database of slavealloc serve has no tables", "exit 2: run farmhand db upgrade"
)
def test_a_database_without_tables_is_said(tmp_path: Path) -> None:
    done = run_slavealloc(tmp_path, "serve", "--port", "0", "-D", "sqlite:///empty.db")
    assert done.code == 2
    assert "run `farmhand db upgrade`" in done.err


@pytest.mark.fault(
    "the database of slavealloc serve is away", "exit 4 with its URL; the password is hidden"
)
def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    url = "mysql://farmhand:secret@127.0.0.1:1/farm"
    done = run_slavealloc(tmp_path, "serve", "--port", "0", "-D", url)
    assert done.code == 4
    assert "mysql+pymysql://farmhand:***@127.0.0.1:1/farm" in done.err
    assert "secret" not in done.err


def test_without_a_database_named_the_embedded_one_is_made(tmp_path: Path) -> None:
    with running_allocator(None, state=tmp_path) as allocator:
        assert allocator.get("/api/slaves").json() == []
    assert (tmp_path / "farmhand.db").exists()


@pytest.mark.fault(
    "slavealloc's default template does not exist",
    "exit 2: unknown template, with the nearest name",
)
def test_a_default_template_that_is_nowhere_is_said(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "farmhand.yml").write_text(
        "farm: default\nslavealloc: {default_template: buildbot-wroker}\n"
    )
    url = engine.url.render_as_string()
    done = run_slavealloc(tmp_path, "serve", "--port", "0", "-D", url)
    assert done.code == 2
    assert 'default_template: unknown template "buildbot-wroker"; did you mean' in done.err


def test_a_secrets_file_may_name_the_database(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "farmhand.yml").write_text("farm: default\n")
    secrets = tmp_path / "secrets.yml"
    secrets.write_text(f"database: {engine.url.render_as_string()}\n")
    secrets.chmod(0o600)
    done = run_slavealloc(tmp_path, "dbdump", "-k", str(secrets))
    assert '"bm2"' in done.out


@pytest.mark.fault("SIGTERM to slavealloc serve", "it answers what was asked and ends; exit 143")
def test_sigterm_ends_it_after_what_was_asked(engine: sa.Engine, tmp_path: Path) -> None:
    with running_allocator(engine, state=tmp_path) as allocator:
        assert allocator.gettac("w1").status_code == 200
        allocator.command.send_signal(signal.SIGTERM)
        allocator.command.process.join(30)
        assert allocator.command.process.exitcode == 143


def test_without_the_allocator_machines_get_404_and_people_what_they_ask(
    engine: sa.Engine, tmp_path: Path
) -> None:
    with running_allocator(engine, "--no-allocator", state=tmp_path) as allocator:
        assert allocator.gettac("w1").status_code == 404
        assert allocator.get("/api/pools").json() == [{"poolid": 1, "name": "prod"}]


def test_the_root_leads_people_to_the_pages_or_says_there_are_none(
    engine: sa.Engine, tmp_path: Path
) -> None:
    with running_allocator(engine, state=tmp_path) as allocator:
        assert allocator.get("/", allow_redirects=False).headers["location"] == "/ui/"
    with running_allocator(engine, "--no-ui", state=tmp_path) as allocator:
        reply = allocator.get("/")
        assert (reply.status_code, "/gettac/NAME" in reply.text) == (404, True)
        assert allocator.get("/ui/workers").status_code == 404


def test_health_says_whether_the_database_answers(engine: sa.Engine, tmp_path: Path) -> None:
    with running_allocator(engine, state=tmp_path) as allocator:
        reply = allocator.get("/api/v1/health")
        assert (reply.status_code, reply.json()["enabled_masters"]) == (200, 2)


def test_metrics_count_who_asked(engine: sa.Engine, tmp_path: Path) -> None:
    with running_allocator(engine, state=tmp_path) as allocator:
        for name in ("w1", "w2", "nobody"):
            allocator.gettac(name)
        text = allocator.get("/metrics").text
    assert 'farmhand_slavealloc_gettac_total{outcome="placed"} 2.0' in text
    assert 'farmhand_slavealloc_gettac_total{outcome="unknown"} 1.0' in text
    assert "farmhand_slavealloc_moves_total 2.0" in text
    loads = re.findall(r'master_workers{enabled="true",master="[^"]+",pool="[^"]+"} (.*)', text)
    assert sorted(loads) == ["1.0", "1.0"]


def test_head_allocates_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    with running_allocator(engine, state=tmp_path) as allocator:
        assert requests.head(f"{allocator.url}/gettac/w1", timeout=30).status_code == 405
        assert allocator.get("/api/slaves/w1?byname=1").json()["last_seen_at"] is None


@pytest.mark.fault("slavealloc serve on another farm's database", "exit 2: it belongs to farm …")
def test_a_farm_of_another_name_is_refused(engine: sa.Engine, tmp_path: Path) -> None:
    url = engine.url.render_as_string()
    with running_allocator(engine, state=tmp_path):
        pass
    done = run_slavealloc(tmp_path, "serve", "--port", "0", "-D", url, FARMHAND_FARM="other")
    assert done.code == 2
    assert 'belongs to farm "default"' in done.err


def test_dev_starts_again_when_the_code_changes(engine: sa.Engine, tmp_path: Path) -> None:
    code = tmp_path / "code"
    for name in ("farmhand", "slavealloc"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "slavealloc.cli", "serve", "--port", "0", "-v", "--dev"]
    with subprocess.Popen(
        [*command, "-D", engine.url.render_as_string()],
        cwd=tmp_path,
        env=environ(tmp_path, PYTHONPATH=str(code)),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2]
            assert "<h1>slavealloc</h1>" in _wait_for_page(url, "slavealloc")
            api = code / "slavealloc/rest/api.py"
            api.write_text(api.read_text().replace("<h1>slavealloc</h1>", "<h1>changed</h1>"))
            assert "<h1>changed</h1>" in _wait_for_page(url, "<h1>changed</h1>")
        finally:
            process.terminate()


def _wait_for_page(url: str, wanted: str) -> str:
    deadline = time.monotonic() + CHANGE_LIMIT_S
    text = ""
    while wanted not in text and time.monotonic() < deadline:
        try:
            text = requests.get(f"{url}/api/", timeout=30).text
        except requests.ConnectionError:
            time.sleep(0.1)
    return text
