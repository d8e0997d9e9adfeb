"""Masters' REST as it may be: with a path, refusing, silent, dripping, something else."""

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from tests.proxies import silent_listener
from tests.services import free_port
from tests.stops import RESULT, Answer, rest_server
from watch_pending.config_stops import MasterAccess
from watch_pending.stop_idle.rest import Call, Refusal, call_masters

pytestmark = pytest.mark.integration
PATIENCE_S = 1.0


def ask(url: str, *names: str, user: str | None = None) -> Refusal | None:
    """Let a master pause one worker, or so many."""
    access = MasterAccess(url=url, user=user, password=SecretStr("hunter2") if user else None)
    calls = [
        Call(worker_id=number, method="pause", reason=name)
        for number, name in enumerate(names or ["a machine"])
    ]
    answers = call_masters({"bm1": (access, calls)}, PATIENCE_S)
    assert len(answers) == len(calls)
    return answers["bm1", len(calls) - 1]


@pytest.mark.parametrize("more", ["", "bb", "bb/", "#/", "bb/#/workers/7"])
def test_an_address_may_have_a_path_and_what_a_browser_shows(more: str) -> None:
    with rest_server(lambda *_: (200, RESULT)) as server:
        assert ask(server.url + more) is None
    path = "/bb" if "bb" in more else ""
    assert server.calls == [(f"{path}/api/v2/workers/0", "pause")]


def test_a_reason_may_have_any_letters() -> None:
    said: list[str] = []

    def answer(_: str, body: bytes) -> Answer:
        said.append(json.loads(body)["params"]["reason"])
        return 200, RESULT

    with rest_server(answer) as server:
        assert ask(server.url, "größer – 機械") is None
    assert said == ["größer – 機械"]


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[]", b"null", b"1", b'"result"', b'{"error": 1}', b"\xff\xfe"]
)
def test_what_is_no_answer_of_buildbots_is_a_refusal(body: bytes) -> None:
    with rest_server(lambda *_: (200, body)) as server:
        refusal = ask(server.url)
    assert refusal is not None
    assert not refusal.unanswered


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_what_answers_otherwise_refuses(status: int) -> None:
    with rest_server(lambda *_: (status, RESULT)) as server:
        refusal = ask(server.url)
    assert refusal is not None
    assert f"pause is refused: HTTP {status}" in refusal.why


def test_of_a_long_page_only_the_beginning_is_told() -> None:
    with rest_server(lambda *_: (500, b"<p>x " * 100_000)) as server:
        refusal = ask(server.url)
    assert refusal is not None
    assert len(refusal.why) < 300


def test_a_master_that_is_not_there_has_done_nothing() -> None:
    assert ask(f"http://127.0.0.1:{free_port()}/") == Refusal(why="bm1: no connection")


@pytest.mark.fault(
    "a master takes the call of stop-idle and says nothing",
    "it may have done it: it is not asked again, and not waited for beyond its time",
)
def test_a_master_that_says_nothing_may_have_done_it_and_is_not_asked_again() -> None:
    with silent_listener() as port:
        started = time.monotonic()
        refusal = ask(f"http://127.0.0.1:{port}/", *map(str, range(100)))
        assert time.monotonic() - started < 3 * PATIENCE_S
    assert refusal is not None
    assert refusal.unanswered


@pytest.mark.fault("a master answers stop-idle byte by byte", "it did not answer in time")
def test_one_that_drips_for_ever_is_waited_for_no_longer_than_the_others_may_take() -> None:
    with dripping() as port:
        started = time.monotonic()
        refusal = ask(f"http://127.0.0.1:{port}/")
        assert time.monotonic() - started < 3 * PATIENCE_S
    assert refusal == Refusal(why="bm1 did not answer in time", unanswered=True)


@pytest.mark.fault("one of the masters is silent", "the others are paused as ever")
def test_a_silent_master_costs_the_others_nothing() -> None:
    call = Call(worker_id=1, method="pause", reason="test")
    with silent_listener() as port, rest_server(lambda *_: (200, RESULT)) as server:
        urls = {"bm1": f"http://127.0.0.1:{port}/", "bm2": server.url}
        work = {name: (MasterAccess(url=url), [call]) for name, url in urls.items()}
        answers = call_masters(work, PATIENCE_S)
    assert answers["bm1", 1] is not None
    assert answers["bm2", 1] is None


@pytest.mark.fault(
    "a master's URL says https and the master speaks no TLS", "the reason says so: no TLS"
)
def test_http_where_tls_is_wanted_says_so() -> None:
    with rest_server(lambda *_: (200, RESULT)) as server:
        refusal = ask(server.url.replace("http:", "https:"))
    assert refusal is not None
    assert "no TLS" in refusal.why


@pytest.mark.parametrize("host", [f"{'x' * 64}.example.com", "bm1:99999", "[::1", "ü..example.com"])
def test_an_address_that_can_t_be_one_is_a_refusal(host: str) -> None:
    refusal = ask(f"http://{host}/")
    assert refusal is not None
    assert not refusal.unanswered


def test_a_name_and_a_password_may_have_any_letters() -> None:
    refusal = ask(f"http://127.0.0.1:{free_port()}/", user="größer 機械")
    assert refusal == Refusal(why="bm1: no connection")


def test_a_password_is_never_told() -> None:
    with rest_server(lambda *_: (200, RESULT)) as server:  # which knows no GET
        refusal = ask(server.url, user="farmhand")
    assert refusal is not None
    assert "the login of farmhand is refused: 501" in refusal.why
    assert "hunter2" not in refusal.why


@contextlib.contextmanager
def dripping() -> Iterator[int]:
    """Yield a port that answers one byte at a time, until the end of the block."""
    over = threading.Event()

    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not over.wait(0.05):
                    self.request.sendall(b" ")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drip) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            over.set()
            server.shutdown()
            thread.join()
