"""Whatever a server does, the page or a reason is there in time."""

import gzip
import socket
import time
from collections.abc import Callable

import pytest

from farmhand.errors import Unavailable
from slavealloc.runslave.fetch import MOST_BYTES, fetch_page
from tests.bad_allocator import BadAllocator, Reply, make_page, make_reply, running_bad_allocator

pytestmark = pytest.mark.integration
PAGE = make_page("basedir = '/builds/slave'\n")
GOOD = make_reply(PAGE)
ERROR = make_reply(b"database is away", status="500 Internal Server Error")
BUSY = "503 Service Unavailable"


def fetch(bad: BadAllocator, timeout_s: float = 20.0) -> bytes:
    return fetch_page(bad.url, timeout_s)


def fail(*replies: Reply, timeout_s: float = 20.0) -> tuple[str, BadAllocator]:
    """Fetch in vain: the reason, and the server."""
    with running_bad_allocator(*replies) as bad:
        with pytest.raises(Unavailable) as caught:
            fetch(bad, timeout_s)
        return str(caught.value), bad


def seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def test_a_page_comes_as_it_was_sent() -> None:
    with running_bad_allocator(GOOD) as bad:
        assert fetch(bad) == PAGE
    assert len(bad.asked) == 1


# In time


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(data=GOOD.data, drip_s=0.1), id="drips its headers"),
        pytest.param(Reply(data=b"", drip_s=0.1, endless=True), id="says nothing"),
        pytest.param(Reply(data=b"H", drip_s=0.1, endless=True), id="drips one line for ever"),
        pytest.param(
            Reply(data=make_reply(b"x", length=10**6).data, drip_s=0.01, endless=True),
            id="drips its body",
        ),
        pytest.param(
            Reply(data=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, drip_s=0.01), id="always goes on"
        ),
    ],
)
def test_a_server_that_never_ends_is_left_in_time(reply: Reply) -> None:
    spent_s = seconds(lambda: fail(reply, timeout_s=1.0))
    assert 0.9 < spent_s < 2.0


def test_the_reason_says_how_long_it_waited() -> None:
    reason, _ = fail(Reply(data=b"H", drip_s=0.1, endless=True), timeout_s=0.5)
    assert reason.endswith("no whole answer within 0.5 s")


def test_the_reason_says_what_went_wrong_before() -> None:
    reason, _ = fail(ERROR, Reply(data=b"H", drip_s=0.1, endless=True), timeout_s=2.0)
    assert "within 2 s; before that, http://" in reason
    assert reason.endswith("HTTP 500: database is away")


# Again


@pytest.mark.fault(
    "the allocator fails in passing: {id}", "it is asked again, and the good page is taken"
)
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ERROR, id="500"),
        pytest.param(make_reply(b"slow down", status="429 Too Many Requests"), id="429"),
        pytest.param(make_reply(PAGE, length=len(PAGE) + 1), id="says it is longer"),
        pytest.param(Reply(data=b""), id="hangs up"),
        pytest.param(Reply(data=b"what?\r\n\r\n"), id="speaks no HTTP"),
        pytest.param(Reply(data=GOOD.data[:40]), id="hangs up in its headers"),
        pytest.param(
            Reply(data=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            id="broken chunks",
        ),
        pytest.param(make_reply(b"no gzip", Content_Encoding="gzip"), id="broken gzip"),
    ],
)
def test_what_may_be_over_in_a_moment_is_asked_again(reply: Reply) -> None:
    with running_bad_allocator(reply, GOOD) as bad:
        assert fetch(bad) == PAGE
    assert len(bad.asked) == 2


@pytest.mark.fault(
    "the allocator fails for as long as it is asked",
    "it is asked again until the timeout; the reason says what it answered and how often it "
    "was asked",
)
def test_a_server_that_is_down_is_asked_until_the_time_is_over() -> None:
    reason, bad = fail(ERROR, timeout_s=3.0)
    assert len(bad.asked) >= 2
    assert reason.endswith(f"HTTP 500: database is away (asked {len(bad.asked)} times)")


def test_a_port_where_nobody_listens_is_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match=r"Connection refused \(asked \d+ times\)"):
        fetch_page(f"http://127.0.0.1:{port}/gettac/w1", 1.0)


@pytest.mark.fault(
    "the allocator answers 503 with Retry-After", "it is asked again when that time is over"
)
def test_a_server_is_left_alone_as_long_as_it_asks() -> None:
    with running_bad_allocator(make_reply(status=BUSY, Retry_After="2"), GOOD) as bad:
        assert fetch(bad) == PAGE
    first, second = bad.times
    assert 2.0 <= second - first < 4.0


@pytest.mark.fault("Retry-After is longer than the time left", "it is not waited for")
def test_a_server_that_asks_for_more_than_the_time_left_is_not_waited_for() -> None:
    spent_s = seconds(lambda: fail(make_reply(status=BUSY, Retry_After="3600")))
    assert spent_s < 1.0


@pytest.mark.fault(
    "Retry-After makes no sense", "it counts as none and the allocator is asked again"
)
@pytest.mark.parametrize("header", ["soon", "-5", "", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing_counts_as_none(header: str) -> None:
    with running_bad_allocator(make_reply(status=BUSY, Retry_After=header), GOOD) as bad:
        assert fetch(bad) == PAGE


@pytest.mark.fault(
    "Retry-After is a number of 4,000 digits", "the reason is HTTP 503, after one try"
)
def test_an_absurd_retry_after_is_no_bug() -> None:
    reason, bad = fail(make_reply(status=BUSY, Retry_After="9" * 4000))
    assert ("HTTP 503" in reason, len(bad.asked)) == (True, 1)


# Not again


@pytest.mark.fault(
    "the allocator says no: {status}", "it is asked once; the reason is what it said"
)
@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "204 No Content"])
def test_a_plain_no_is_taken_for_an_answer(status: str) -> None:
    reason, bad = fail(make_reply(b"no allocation available", status=status))
    assert f"HTTP {status[:3]}: " in reason
    assert len(bad.asked) == 1


def test_what_the_server_says_is_the_reason() -> None:
    reason, _ = fail(make_reply(b"no allocation available\n", status="404 Not Found"))
    assert reason.endswith("/gettac/SLAVE: HTTP 404: no allocation available")


@pytest.mark.fault(
    "the allocator's error is a megabyte long", "the reason is cut to less than 300 characters"
)
def test_what_the_server_says_is_shortened() -> None:
    reason, _ = fail(make_reply(b"\xff" * 10**6, status="404 Not Found"))
    assert len(reason) < 300


def test_html_is_no_reason() -> None:
    reply = make_reply(b"<html>", status="404 Not Found", Content_Type="text/html")
    assert fail(reply)[0].endswith("HTTP 404: Not Found")


@pytest.mark.fault("a page is too large: {id}", "it is refused at the cap, after one try")
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(make_reply(b"x" * (MOST_BYTES + 1)), id="too long"),
        pytest.param(
            Reply(data=b"HTTP/1.1 200 OK\r\n\r\nx", endless=True), id="without length or end"
        ),
        pytest.param(
            make_reply(gzip.compress(b"x" * 10**8), Content_Encoding="gzip"), id="a gzip bomb"
        ),
    ],
)
def test_a_huge_page_is_refused(reply: Reply) -> None:
    reason, bad = fail(reply)
    assert (f"more than {MOST_BYTES} bytes" in reason, len(bad.asked)) == (True, 1)


def test_the_longest_page_is_taken() -> None:
    with running_bad_allocator(make_reply(b"x" * MOST_BYTES)) as bad:
        assert len(fetch(bad)) == MOST_BYTES


# Elsewhere


def moved(to: str) -> Reply:
    return make_reply(status="302 Found", Location=to)


def test_a_redirect_is_followed() -> None:
    with running_bad_allocator(moved("/elsewhere"), GOOD) as bad:
        assert fetch(bad) == PAGE
    assert bad.paths == ["/gettac/SLAVE", "/elsewhere"]


def test_redirects_in_a_circle_end() -> None:
    reason, bad = fail(moved("/gettac/SLAVE"))
    assert ("more than 5 redirects" in reason, len(bad.asked)) == (True, 6)


@pytest.mark.fault(
    "a redirect leads out of HTTP: {target}",
    "it is not followed; the reason names the allocator URL",
)
@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[/"])
def test_a_redirect_out_of_http_is_refused(target: str) -> None:
    reason, bad = fail(moved(target))
    assert ("allocator URL" in reason, len(bad.asked)) == (True, 1)


@pytest.mark.fault(
    "a redirect with an endless body", "the redirect is followed at once, its body is not read"
)
def test_the_body_of_a_redirect_is_not_read() -> None:
    endless = Reply(data=b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\nx", endless=True)
    with running_bad_allocator(endless, GOOD) as bad:
        assert seconds(lambda: fetch(bad)) < 2.0


def test_a_user_in_the_url_is_sent_and_never_shown() -> None:
    with running_bad_allocator(make_reply(status="401 Unauthorized")) as bad:
        url = bad.url.replace("//", "//me:hunter2@")
        with pytest.raises(Unavailable) as caught:
            fetch_page(url, 20.0)
    assert "hunter2" not in str(caught.value)
    assert "Basic bWU6aHVudGVyMg==" in bad.asked[0]


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_bad_allocator(GOOD) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        assert fetch_page("http://slavealloc.invalid/gettac/w1", 20.0) == PAGE
    assert proxy.paths == ["http://slavealloc.invalid/gettac/w1"]


def test_a_server_that_needs_no_proxy_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running_bad_allocator(GOOD) as bad:
        assert fetch(bad) == PAGE
