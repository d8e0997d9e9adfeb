"""Where the server's address comes from, and servers that are away, slow or none of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from slavealloc.cli import main
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    run_slavealloc,
    running_allocator,
)
from tests.bad_allocator import BadAllocator, Reply, make_reply, running_bad_allocator
from tests.farm import Finished

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("process_as_before")]
AWAY = "http://127.0.0.1:1"
WORKER = b"""{"name": "w1", "enabled": true, "notes": null, "poolid": 1, "locked_masterid": null,
    "current_masterid": null}"""


def ask(server: BadAllocator | str, *args: str) -> Finished:
    """Run a verb against a server, in this process."""
    url = server if isinstance(server, str) else f"http://127.0.0.1:{server.port}"
    done = CliRunner().invoke(main, [*args, "-A", url])
    return Finished(code=done.exit_code, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Allocator]:
    state = tmp_path_factory.mktemp("errors")
    engine = make_places_database(f"sqlite:///{state}/places.sqlite")
    add_masters(engine, 1)
    add_workers(engine, ["w1"], notes="found")
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


@pytest.mark.parametrize("suffix", ["", "/api/"])
def test_the_address_may_stand_after_the_verb_and_end_in_api(
    allocator: Allocator, tmp_path: Path, suffix: str
) -> None:
    done = run_slavealloc(tmp_path, "notes", "w1", "-A", allocator.url + suffix)
    assert (done.code, done.out) == (0, "found\n")


def test_the_address_may_stand_before_the_verb(allocator: Allocator, tmp_path: Path) -> None:
    assert run_slavealloc(tmp_path, "-A", allocator.url, "notes", "w1").out == "found\n"


def test_the_address_after_the_verb_wins(allocator: Allocator, tmp_path: Path) -> None:
    args = ("-A", AWAY, "notes", "w1", "-A", allocator.url)
    assert run_slavealloc(tmp_path, *args).out == "found\n"


def test_without_one_it_is_the_configurations_and_no_database_is_needed(
    allocator: Allocator, tmp_path: Path
) -> None:
    (tmp_path / "farmhand.yml").write_text(
        "farm: test\ndatabase: mysql://nobody@127.0.0.1:1/farm\n"
        f"slavealloc:\n  api_url: {allocator.url}/api\n"
    )
    done = run_slavealloc(tmp_path, "notes", "w1", FARMHAND_DATABASE="no URL")
    assert (done.code, done.out) == (0, "found\n")
    assert [path.name for path in tmp_path.iterdir()] == ["farmhand.yml"]


@pytest.mark.fault(
    "farmhand.yml is broken, and -A gives the address", "the verb works; without -A exit 2"
)
def test_the_option_beats_a_configuration_that_is_broken(
    allocator: Allocator, tmp_path: Path
) -> None:
    (tmp_path / "farmhand.yml").write_text("farm: [")
    assert run_slavealloc(tmp_path, "notes", "w1", "-A", allocator.url).out == "found\n"
    assert run_slavealloc(tmp_path, "notes", "w1").code == 2


def test_without_any_it_is_the_local_server(tmp_path: Path) -> None:
    done = run_slavealloc(tmp_path, "notes", "w1", "--deadline", "2", http_proxy=AWAY, NO_PROXY="")
    assert done.code == 4
    assert "http://127.0.0.1:1080/api/slaves/w1: " in done.err


@pytest.mark.fault(
    "the server that a verb of slavealloc asks is away",
    "exit 4, one line with the address: Connection refused",
)
@pytest.mark.parametrize(
    "args",
    [
        ("gettac", "w1"),
        ("gettac", "-n", "w1", "w2"),
        ("lock", "w1", "bm1"),
        ("lock", "-u", "w1"),
        ("disable", "w1", "--dry-run"),
        ("enable", "w1"),
        ("notes", "w1"),
        ("notes", "w1", "-m", "x"),
        ("workers",),
        ("masters", "--json"),
        ("history", "w1"),
    ],
    ids=" ".join,
)
def test_a_server_that_is_away_is_one_line_and_exit_4(args: tuple[str, ...]) -> None:
    done = ask(f"{AWAY}/api", *args)
    assert (done.code, done.out) == (4, "")
    assert len(done.err.splitlines()) == 1
    assert f"{AWAY}/" in done.err
    assert done.err.endswith("Connection refused\n")


@pytest.mark.fault(
    "slavealloc's address gives another answer: {id}",
    "exit {code}, one line with what was answered; no secret is shown",
)
@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        pytest.param(make_reply(b"<html>"), 4, "HTTP 200, but not what slavealloc", id="html"),
        pytest.param(
            make_reply(b"<html>", "404 Not Found"), 4, "HTTP 404, but not what", id="html-404"
        ),
        pytest.param(make_reply(b"<html>", "502 Bad Gateway"), 4, "HTTP 502\n", id="proxy"),
        pytest.param(
            make_reply(b'{"error": "no database"}', "503 Service Unavailable"),
            4,
            "HTTP 503: no database\n",
            id="503",
        ),
        pytest.param(
            make_reply(b'{"error": "give a token"}', "401 Unauthorized"),
            2,
            "/api/slaves/w1: give a token\n",
            id="401",
        ),
        pytest.param(make_reply(b"[]"), 4, "not what slavealloc answers", id="a-list"),
        pytest.param(
            make_reply(b"", "302 Found", Location="https://me:secret@build/api/slaves/w1"),
            4,
            "redirects to https://build/api/slaves/w1",
            id="redirect",
        ),
        pytest.param(make_reply(b"{}", length=9), 4, "/api/slaves/w1: ", id="cut"),
        pytest.param(Reply(data=b"SSH-2.0-OpenSSH\r\n"), 4, "/api/slaves/w1: ", id="not-http"),
        pytest.param(Reply(data=b""), 4, "/api/slaves/w1: ", id="hangs-up"),
    ],
)
def test_an_answer_that_is_not_slaveallocs_is_one_line(reply: Reply, code: int, said: str) -> None:
    with running_bad_allocator(reply) as bad:
        done = ask(bad, "notes", "w1")
    assert (done.code, done.out) == (code, "")
    assert len(done.err.splitlines()) == 1
    assert said in done.err
    assert "secret" not in done.err


@pytest.mark.fault(
    "slavealloc takes the request and says nothing", "it is waited for until the deadline; exit 4"
)
def test_a_silent_server_has_until_the_deadline() -> None:
    with running_bad_allocator(Reply(data=b"HTTP/1.1 200 OK\r\n", drip_s=60)) as bad:
        done = ask(bad, "notes", "w1", "--deadline", "1")
    assert done.code == 4
    assert "Read timed out" in done.err
    assert len(bad.asked) == 1


@pytest.mark.fault("the server does not confirm a change", "exit 4 and no word that it was done")
def test_a_change_that_was_not_confirmed_is_an_error() -> None:
    with running_bad_allocator(make_reply(WORKER), make_reply(b"{}")) as bad:
        done = ask(bad, "disable", "w1", "-v")
    assert (done.code, done.out) == (4, "")
    assert bad.asked[1].startswith("PUT /api/slaves/w1?byname=1 ")


@pytest.mark.fault(
    "a worker was changed by somebody else meanwhile",
    "exit 75: nothing is written, and what it has now is shown",
)
def test_a_change_meanwhile_is_shown_and_not_overwritten(allocator: Allocator) -> None:
    """Our own writer comes between the verb's reading and its writing."""
    read = allocator.get("/api/slaves/w1?byname=1")
    allocator.put("/api/slaves/w1?byname=1", {"notes": "theirs"})
    stale = make_reply(read.content, etag=read.headers["etag"])
    refused = requests.put(
        f"{allocator.url}/api/slaves/w1?byname=1",
        json={"notes": "ours"},
        headers=allocator.authorization() | {"If-Match": read.headers["etag"]},
        timeout=30,
    )
    conflict = make_reply(refused.content, status="412 Precondition Failed")
    with running_bad_allocator(stale, conflict) as bad:
        done = ask(bad, "notes", "w1", "-m", "ours", "-v")
    assert (done.code, done.out) == (75, "")
    assert 'w1 was changed meanwhile, so nothing is written; now it has notes: "theirs"' in done.err
    assert f"\nif-match: {read.headers['etag']}" in bad.asked[1].lower()
    allocator.put("/api/slaves/w1?byname=1", {"notes": "found"})


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"row": []}', b'{"row": {"name": "w1"}}'])
def test_a_conflict_that_shows_no_worker_is_none_of_ours(body: bytes) -> None:
    with running_bad_allocator(make_reply(WORKER), make_reply(body, status="412 No")) as bad:
        assert ask(bad, "notes", "w1", "-m", "ours").code == 4


def test_user_and_password_of_the_address_are_sent_and_not_shown(tmp_path: Path) -> None:
    with running_bad_allocator(make_reply(b"<html>")) as bad:
        url = f"http://me:secret@127.0.0.1:{bad.port}"
        done = run_slavealloc(tmp_path, "masters", "-vv", "-A", url)
    assert "\nauthorization: basic " in bad.asked[0].lower()
    assert "secret" not in done.err
    assert f"http://127.0.0.1:{bad.port}/api/masters" in done.err


@pytest.mark.fault("-A is no address: {address}", "exit 2, a line that names -A")
@pytest.mark.parametrize("address", ["build", "http://a..b", "http://[::1", "http://a:99999"])
def test_an_address_that_is_none_exits_2(address: str) -> None:
    done = ask(address, "masters")
    assert (done.code, done.out) == (2, "")
    assert "-A" in done.err


@pytest.mark.fault("a verb of slavealloc with wrong arguments", "exit 2")
@pytest.mark.parametrize("args", [("lock", "w1"), ("lock", "-u", "w1", "bm1"), ("gettac",)])
def test_wrong_usage_exits_2(args: tuple[str, ...]) -> None:
    assert ask(AWAY, *args).code == 2
