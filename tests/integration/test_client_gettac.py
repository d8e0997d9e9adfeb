"""`slavealloc gettac`: what it prints, what it records, what fails alone."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import tac_templates, workers
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    environ,
    make_places_database,
    run_slavealloc,
    running_allocator,
)
from tests.bad_allocator import Reply, make_page, make_reply, running_bad_allocator
from tests.farm import Finished

pytestmark = pytest.mark.integration
Ask = Callable[..., Finished]


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Allocator]:
    """One enabled master; workers of their own for each test, `lost` where there is none.

    `off` is disabled, and `broken` has a template that is.
    """
    state = tmp_path_factory.mktemp("gettac")
    engine = make_places_database(f"sqlite:///{state}/places.sqlite")
    add_masters(engine, 1)
    add_workers(engine, [f"w{n}" for n in range(1, 10)])
    add_workers(engine, ["off"], enabled=False, notes="bug 1")
    with engine.begin() as connection:
        connection.execute(tac_templates.insert().values(id=99, name="own", template="{{ x }}"))
    add_workers(engine, ["broken"], tac_template_id=99)
    add_masters(engine, 1, pool="try", enabled=False)
    add_workers(engine, ["lost"], pool="try")
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


@pytest.fixture
def gettac(allocator: Allocator, tmp_path: Path) -> Ask:
    return partial(run_slavealloc, tmp_path, "gettac", "-A", allocator.url)


def recorded(allocator: Allocator) -> dict[str, int | None]:
    """Name → master, of the workers that have asked."""
    statement = sa.select(workers.c.name, workers.c.current_master_id)
    with allocator.engine.connect() as connection:
        rows = connection.execute(statement.where(workers.c.last_seen_at.is_not(None)))
        return {row.name: row.current_master_id for row in rows}


def test_the_tac_is_printed_as_the_machine_gets_it(gettac: Ask, allocator: Allocator) -> None:
    done = gettac("W1")
    assert done.code == 0
    ast.parse(done.out)
    ours, machines = (text.splitlines() for text in (done.out, allocator.gettac("w1").text))
    assert [line for line in ours if not line.startswith("#")] == [
        line for line in machines if not line.startswith("#")
    ]
    assert recorded(allocator)["w1"] == 1


def test_only_the_master_is_said_with_q(gettac: Ask, allocator: Allocator) -> None:
    done = gettac("-q", "w2", "off")
    assert (done.code, done.out, done.err) == (
        0,
        "w2 → bm1 (bm1.example.com:9001)\noff → none: it is disabled\n",
        "",
    )
    assert recorded(allocator)["w2"] == 1


@pytest.mark.parametrize("option", ["-n", "--noop", "--dry-run"])
def test_a_preview_records_nothing(gettac: Ask, allocator: Allocator, option: str) -> None:
    done = gettac(option, "w3", "-v")
    assert "'w3'" in done.out
    assert "w3 → bm1 (bm1.example.com:9001)" in done.err
    assert gettac(option, "-q", "w3", "off").out == (
        "w3 → bm1 (bm1.example.com:9001)\noff → none: it is disabled\n"
    )
    assert "w3" not in recorded(allocator)


def test_json_has_one_object_a_worker(gettac: Ask, allocator: Allocator) -> None:
    done = gettac("--json", "w4", "off", "lost")
    assert done.code == 3
    first, disabled, refused = done.json
    assert (first["slave"], first["master"], first["error"]) == ("w4", "bm1", None)
    assert "'w4'" in first["tac"]
    assert (disabled["master"], disabled["recorded"], disabled["error"]) == (None, True, None)
    assert "nothing assigned" in disabled["tac"]
    assert refused == {
        "slave": "lost",
        "master": None,
        "tac": None,
        "recorded": False,
        "error": "no allocation available for lost: its pool has no enabled master",
    }
    preview = gettac("--json", "-n", "w5").json
    assert preview[0]["recorded"] is False
    assert "w5" not in recorded(allocator)


@pytest.mark.fault(
    "one of several workers asked for gets no tac",
    "it is named with the reason, the others are printed; exit 3",
)
@pytest.mark.parametrize("options", [(), ("-n",)], ids=["recorded", "preview"])
def test_one_that_gets_none_stops_no_other(gettac: Ask, options: tuple[str, ...]) -> None:
    done = gettac("-q", *options, "lost", "nobody", "w6")
    assert (done.code, done.out) == (3, "w6 → bm1 (bm1.example.com:9001)\n")
    assert "lost: no allocation available for lost: its pool has no enabled master" in done.err
    assert "nobody: no allocation available: no worker is called 'nobody'" in done.err


def test_a_single_one_that_gets_none_exits_3(gettac: Ask) -> None:
    done = gettac("nobody")
    assert (done.code, done.out) == (3, "")


@pytest.mark.fault(
    "a worker's own template is broken", "that worker alone fails, with the reason; exit 3"
)
@pytest.mark.parametrize("options", [(), ("-n",)], ids=["recorded", "preview"])
def test_a_broken_template_fails_its_worker_alone(gettac: Ask, options: tuple[str, ...]) -> None:
    done = gettac("-q", *options, "broken", "w9")
    assert (done.code, done.out) == (3, "w9 → bm1 (bm1.example.com:9001)\n")
    assert "broken: error processing request: " in done.err


def test_tabs_of_a_tac_stay_tabs(tmp_path: Path) -> None:
    page = make_page("if True:\n\tport = 9001  # é\n")
    worker = b"""{"name": "w1", "enabled": true, "notes": null, "poolid": 1,
        "locked_masterid": null, "current_masterid": null}"""
    with running_bad_allocator(make_reply(page), make_reply(worker)) as bad:
        done = run_slavealloc(tmp_path, "gettac", "w1", "-A", f"http://127.0.0.1:{bad.port}")
    assert (done.code, done.out) == (0, page.decode())


@pytest.mark.fault(
    "slavealloc goes away between two workers of gettac",
    "what it gave is printed, the rest is named as not asked; exit 3",
)
def test_a_server_that_goes_away_leaves_what_it_gave(tmp_path: Path) -> None:
    page, away = make_page("port = 9001\n"), make_reply(b"ask again", "503 Service Unavailable")
    with running_bad_allocator(make_reply(page), away) as bad:
        done = run_slavealloc(
            tmp_path, "gettac", "--json", "w1", "w2", "w3", "-A", f"http://127.0.0.1:{bad.port}"
        )
    assert done.code == 3
    assert [(each["tac"] is not None, each["recorded"]) for each in done.json] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert "recorded, but which master it is can't be read" in done.json[0]["error"]
    assert done.json[1]["error"].endswith("/gettac/w2: HTTP 503: ask again")
    assert done.json[2]["error"].startswith("not asked: http://")
    assert [path.partition("?")[0] for path in bad.paths] == [
        "/gettac/w1",
        "/api/slaves/w1",
        "/gettac/w2",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(make_reply(b"<html>hello</html>"), id="html"),
        pytest.param(make_reply(b"Not Found", "404 Not Found"), id="no-allocator"),
        pytest.param(make_reply(b"ask again", "503 Service Unavailable"), id="away"),
        pytest.param(make_reply(b"{}"), id="json"),
    ],
)
@pytest.mark.parametrize("options", [(), ("-n",)], ids=["recorded", "preview"])
def test_no_allocator_there_exits_4(tmp_path: Path, reply: Reply, options: tuple[str, ...]) -> None:
    with running_bad_allocator(reply) as bad:
        url = f"http://127.0.0.1:{bad.port}"
        done = run_slavealloc(tmp_path, "gettac", *options, "w1", "w2", "-A", url)
    assert (done.code, done.out) == (4, "")
    assert len(bad.asked) == 1
    assert f"{url}/" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_reader_that_has_read_enough_is_no_error(allocator: Allocator, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "slavealloc.cli", "gettac", "-n", "w7", "-A", allocator.url],
        env=environ(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)
