"""The transport against daemons on real sockets: each era, each call, and what it never tells."""

import asyncio
import hashlib
import os
import threading
import time
import tracemalloc
import xmlrpc.client
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest

from farmhand.errors import BadInput, FarmError
from scanner.transport.calls import Limits, Order, Source, Transport, run_calls
from scanner.transport.errors import (
    DaemonFault,
    FileMissing,
    NothingMore,
    OutOfTime,
    ProtocolError,
    TooLarge,
    UnknownState,
    Unreachable,
)
from scanner.transport.wire import BuildReply, DaemonState, Dialect, Presence
from tests.daemon import Daemon, Era, Job
from tests.daemon_attacks import ENDLESS, ON_CALLS, ON_FILES, Attack, answer, hang, redirecting
from tests.daemon_server import DaemonFarm, encode_reply, http_response, running_daemons

pytestmark = pytest.mark.integration

Answer = TypeVar("Answer")
Call = Callable[[Transport, str], Awaitable[object]]
MOST = 1024 * 1024
NO_SUM = "0" * 40
SECRETS = ("builder-user", "hunter2", "http://library/secret-token", "https://ppa/private")
SOURCE = Source(sha1=NO_SUM, url=SECRETS[2], user=SECRETS[0], password=SECRETS[1])


@pytest.fixture
def farm() -> Iterator[DaemonFarm]:
    with running_daemons() as farm:
        yield farm


@pytest.fixture(params=Era)
def daemon(request: pytest.FixtureRequest, farm: DaemonFarm) -> Daemon:
    """A daemon of each era in turn."""
    return farm.add(Daemon(request.param))


@pytest.fixture
def modern(farm: DaemonFarm) -> Daemon:
    return farm.add(Daemon())


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    return run_calls(work)


async def ask(call: Call, url: str, **limits: float) -> Any:
    return await call(Transport(Limits(**limits)), url)  # type: ignore[arg-type]


def order(daemon: Daemon, cookie: str = "1-1", **args: object) -> Order:
    sums = {name: daemon.put(name.encode()) for name in ("chroot", "a.dsc")}
    return Order(
        cookie=cookie,
        build_type=daemon.build_types[0],
        chroot_sha1=sums["chroot"],
        files={"a.dsc": sums["a.dsc"]},
        args={"series": "noble", **args},
    )


# Each call, in each era


def test_a_whole_build(daemon: Daemon, farm: DaemonFarm) -> None:
    library = farm.add(Daemon())
    sums = {name: library.put(name.encode()) for name in ("chroot", "a.dsc")}
    job = Job(files={"a.deb": b"deb"}, log=(b"one\n", b"two\n"), polls=1, dependencies="libc6")
    daemon.default_job = job
    log = bytearray()

    async def build() -> list[DaemonState]:
        transport, url = Transport(Limits()), daemon.url
        info = await transport.info(url)
        assert info.arch_tag == "amd64"
        arity = await transport.probe_arity(url)
        assert arity == (2 if daemon.era is Era.SEED else 4)
        for sha1 in sums.values():
            source = Source(sha1=sha1, url=library.url_of(sha1))
            assert (await transport.ensurepresent(url, source, arity=arity)).present
        states = [await transport.status(url)]
        reply = await transport.build(url, order(daemon))
        assert reply == BuildReply(accepted=True, text="1-1")
        states += [await transport.status(url), await transport.status(url)]
        assert (states[-1].build_status, states[-1].cookie) == ("OK", "1-1")
        await transport.fetch(url, "buildlog", log.extend, most_bytes=MOST)
        files = bytearray()
        for sha1 in states[-1].files.values():
            await transport.fetch(url, sha1, files.extend, most_bytes=MOST)
        assert files == b"deb"
        await transport.clean(url)
        states.append(await transport.status(url))
        return [status.state for status in states]

    states = run(build())
    assert states == [
        DaemonState.IDLE,
        DaemonState.BUILDING,
        DaemonState.WAITING,
        DaemonState.IDLE,
    ]
    assert log == b"one\ntwo\n"


def test_the_dialect_is_told_by_the_reply(daemon: Daemon) -> None:
    expected = Dialect.DICT if daemon.era is Era.DICT else Dialect.LIST
    assert run(ask(Transport.status, daemon.url)).dialect is expected


def test_a_daemon_may_change_its_dialect_between_replies(modern: Daemon) -> None:
    modern.say("status", ["BuilderStatus.IDLE"], {"builder_status": "BuilderStatus.IDLE"})

    async def twice() -> list[Dialect]:
        transport = Transport(Limits())
        return [(await transport.status(modern.url)).dialect for _ in range(2)]

    assert run(twice()) == [Dialect.LIST, Dialect.DICT]


def test_an_abort_is_seen_through(daemon: Daemon) -> None:
    daemon.default_job = Job(polls=None)

    async def abort() -> list[DaemonState]:
        transport, url = Transport(Limits()), daemon.url
        await transport.build(url, order(daemon))
        await transport.abort(url)
        states = [(await transport.status(url)).state for _ in range(2)]
        await transport.clean(url)
        return states

    ended = DaemonState.ABORTED if daemon.era.has_aborted else DaemonState.WAITING
    assert run(abort()) == [DaemonState.ABORTING, ended]


@pytest.mark.parametrize("call", [Transport.abort, Transport.clean])
def test_what_is_illegal_is_a_fault(daemon: Daemon, call: Call) -> None:
    with pytest.raises(DaemonFault, match=rf"{daemon.url}: \w+: fault 8002") as raised:
        run(ask(call, daemon.url))
    assert raised.value.code == 8002


def test_a_build_that_is_not_taken_says_why(daemon: Daemon) -> None:
    async def build() -> BuildReply:
        wanted = order(daemon)
        daemon.cache.clear()
        return await Transport(Limits()).build(daemon.url, wanted)

    assert run(build()).text == f"UNKNOWNSUM: {order(daemon).chroot_sha1}"


def test_missing_files_are_missing_however_it_is_said(daemon: Daemon) -> None:
    arity = 2 if daemon.era is Era.SEED else 4
    source = Source(sha1=NO_SUM)

    def call(transport: Transport, url: str) -> Awaitable[Presence]:
        return transport.ensurepresent(url, source, arity=arity)

    info = "" if daemon.era is Era.SEED else "No URL"
    assert run(ask(call, daemon.url)) == Presence(present=False, info=info)


def test_a_path_before_rpc_is_kept(modern: Daemon) -> None:
    with pytest.raises(ProtocolError, match="HTTP 405"):
        run(ask(Transport.status, f"{modern.url}/builders/7"))
    assert modern.requests[0][0] == "POST /builders/7/rpc"


def test_an_unknown_state_is_told_apart(modern: Daemon) -> None:
    modern.say("status", {"builder_status": "BuilderStatus.DREAMING"})
    with pytest.raises(UnknownState, match=r"127.*: status: .*DREAMING"):
        run(ask(Transport.status, modern.url))


def test_another_cookie_than_ours_is_no_answer(modern: Daemon) -> None:
    modern.say("build", ["BuilderStatus.BUILDING", "9-9"])
    with pytest.raises(ProtocolError, match="another cookie"):
        run(ask(lambda transport, url: transport.build(url, order(modern)), modern.url))


def test_as_many_files_as_may_be_come_through(modern: Daemon) -> None:
    files = {f"{'x' * 245}{number:05}.deb": NO_SUM for number in range(10_000)}
    modern.say("status", ["BuilderStatus.WAITING", "BuildStatus.OK", "1-1", files])
    assert run(ask(Transport.status, modern.url)).files == files


@pytest.mark.parametrize(("starts", "after"), [(True, "BUILDING"), (False, "IDLE")])
def test_only_the_next_status_tells_what_an_unanswered_build_does(
    modern: Daemon, starts: bool, after: str
) -> None:
    modern.default_job = Job(starts=starts, reply="none", polls=None)
    with pytest.raises(Unreachable, match=r"build: no whole answer within 0\.1 s"):
        run(ask(lambda t, url: t.build(url, order(modern)), modern.url, call_s=0.1))
    assert run(ask(Transport.status, modern.url)).state == after


# Who does not answer


@pytest.mark.fault(
    "a daemon's port refuses connections", "that daemon is unreachable, by its address"
)
def test_who_refuses_is_unreachable(modern: Daemon, farm: DaemonFarm) -> None:
    farm.deafen(modern)
    with pytest.raises(Unreachable, match=rf"{modern.url}: status: Connection refused"):
        run(ask(Transport.status, modern.url))


@pytest.mark.fault("a daemon's host name can't be found (DNS)", "that daemon is unreachable")
def test_who_has_no_address_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"nowhere\.invalid: status: its name does not resolve"):
        run(ask(Transport.status, "http://nowhere.invalid"))


@pytest.mark.fault("a daemon closes the connection without a word", "that daemon is unreachable")
def test_who_closes_without_a_word_is_unreachable(modern: Daemon) -> None:
    async def close(*_: object) -> None:
        """Say nothing; the connection is closed then."""

    modern.attack("status", close)
    with pytest.raises(Unreachable, match="closed the connection without an answer"):
        run(ask(Transport.status, modern.url))


ORDER = Order(cookie="1-1", build_type="x", chroot_sha1=NO_SUM, files={}, args={})
CALLS: dict[str, tuple[Call, str]] = {
    "build": (lambda t, url: t.build(url, ORDER), "call_s"),
    "status": (Transport.status, "status_s"),
    "info": (Transport.info, "call_s"),
    "abort": (Transport.abort, "call_s"),
    "clean": (Transport.clean, "call_s"),
    "probe_arity": (Transport.probe_arity, "call_s"),
    "ensurepresent": (lambda t, url: t.ensurepresent(url, SOURCE, arity=4), "ensure_s"),
    "fetch": (lambda t, url: t.fetch(url, "buildlog", bytes, most_bytes=MOST), "fetch_s"),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_has_a_deadline_of_its_own(modern: Daemon, name: str) -> None:
    call, limit = CALLS[name]
    modern.attack("*", hang)
    with pytest.raises(Unreachable, match=r"no whole answer within 0\.1 s"):
        run(ask(call, modern.url, **{limit: 0.1}))


def test_no_call_outlasts_the_sweep_and_that_is_not_the_daemon_s_fault(modern: Daemon) -> None:
    modern.frozen = True

    async def sweep() -> None:
        await Transport(Limits(), ends_at=time.monotonic() + 0.1).status(modern.url)

    with pytest.raises(OutOfTime, match="no whole answer before the sweep's end"):
        run(sweep())


@pytest.mark.parametrize("how", ["late", "cancelled"])
def test_a_call_that_is_given_up_leaves_no_connection(modern: Daemon, how: str) -> None:
    gone = threading.Event()

    async def drip_until_it_is_gone(writer: asyncio.StreamWriter, daemon: Daemon) -> None:
        try:
            await ENDLESS["drips its body"](writer, daemon)
        finally:
            gone.set()

    async def give_up() -> None:
        transport = Transport(Limits(status_s=0.1 if how == "late" else 60))
        call = asyncio.create_task(transport.status(modern.url))
        await asyncio.wait([call], timeout=0.2)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled() or isinstance(call.exception(), Unreachable)

    modern.attack("*", drip_until_it_is_gone)
    run(give_up())
    assert gone.wait(5)


def test_who_was_frozen_answers_when_it_goes_on(modern: Daemon) -> None:
    modern.frozen = True
    with pytest.raises(Unreachable):
        run(ask(Transport.status, modern.url, status_s=0.1))
    modern.frozen = False
    assert run(ask(Transport.status, modern.url)).state is DaemonState.IDLE


# Files


def fetch(
    daemon: Daemon, name: str, write: Callable[[bytes], object] = bytes, most_bytes: int = MOST
) -> Any:
    return run(ask(lambda t, url: t.fetch(url, name, write, most_bytes=most_bytes), daemon.url))


def fetch_log(daemon: Daemon, start: int, most: int = MOST) -> bytes:
    part = bytearray()
    run(ask(lambda t, url: t.fetch_log(url, part.extend, start=start, most_bytes=most), daemon.url))
    return bytes(part)


def test_a_part_of_a_log_is_fetched_alone(modern: Daemon) -> None:
    modern.log = b"0123456789"
    assert (fetch_log(modern, 0, 4), fetch_log(modern, 4)) == (b"0123", b"456789")
    with pytest.raises(NothingMore):
        fetch_log(modern, 10)


def test_it_is_cut_out_of_the_whole_where_a_daemon_knows_no_parts(modern: Daemon) -> None:
    modern.attack("file", partial(answer, b"", http_response(b"0123456789", "text/html")))
    assert (fetch_log(modern, 4), fetch_log(modern, 99)) == (b"456789", b"")


@pytest.mark.fault(
    "a daemon sends another part of a log than was asked for", "it is refused as a protocol error"
)
@pytest.mark.parametrize("said", ["bytes 5-9/10", "bytes x", ""])
def test_another_part_than_that_is_refused(modern: Daemon, said: str) -> None:
    response = http_response(
        b"56789", "text/html", f"Content-Range: {said}", status="206 Partial Content"
    )
    modern.attack("file", partial(answer, b"", response))
    with pytest.raises(ProtocolError, match=r"too late|HTTP 206"):
        fetch_log(modern, 4)


@pytest.mark.parametrize("size", [0, 1, 3 * MOST // 2])
def test_a_file_comes_whole_and_summed(modern: Daemon, size: int) -> None:
    content = os.urandom(size)
    sha1, written = modern.put(content), bytearray()
    fetched = fetch(modern, sha1, written.extend, size)
    assert written == content
    assert (fetched.size, fetched.sha1) == (size, sha1)
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_not_there_is_missing(modern: Daemon) -> None:
    with pytest.raises(FileMissing, match=r"127.*: file buildlog: HTTP 404"):
        fetch(modern, "buildlog")


def test_a_file_over_the_cap_is_not_read(modern: Daemon) -> None:
    written = bytearray()
    with pytest.raises(TooLarge, match="it has 11 bytes; 10 are the most"):
        fetch(modern, modern.put(b"01234567890"), written.extend, 10)
    assert not written


@pytest.mark.fault(
    "instead of a result file, a daemon sends: {id}",
    "a protocol error that names daemon and file; nothing is kept",
)
@pytest.mark.parametrize("name", ON_FILES)
def test_a_file_that_is_not_what_was_agreed_is_refused(modern: Daemon, name: str) -> None:
    modern.attack("file", ON_FILES[name])
    with pytest.raises(ProtocolError, match=r"127\.0\.0\.1:\d+: file "):
        fetch(modern, hashlib.sha1(b"whole").hexdigest())


@pytest.mark.parametrize("name", ["", "../../x", "buildlog/..", "A" * 40, "buildlog\r\nX: y"])
def test_a_name_that_is_no_sum_is_never_asked_for(modern: Daemon, name: str) -> None:
    with pytest.raises(BadInput, match="neither a SHA-1 nor buildlog"):
        fetch(modern, name)
    assert modern.requests == []


@pytest.mark.parametrize("error", [OSError(28, "No space left"), TimeoutError("the disk's")])
def test_what_writing_raises_goes_through(modern: Daemon, error: OSError) -> None:
    def write(_: bytes) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        fetch(modern, modern.put(b"x"), write)
    assert raised.value is error


# What is sent, and to whom; what is told of it


def test_nothing_is_asked_for_compressed_or_kept_open(modern: Daemon) -> None:
    run(ask(Transport.status, modern.url))
    request, headers = modern.requests[0]
    assert request == "POST /rpc"
    assert set(headers) == {"content-type", "content-length", "host", "connection"}
    assert (headers["host"], headers["connection"]) == (modern.url[7:], "close")


@pytest.mark.fault(
    "a daemon redirects its caller", "the redirect is followed nowhere: a protocol error"
)
def test_a_redirect_is_followed_nowhere(modern: Daemon, farm: DaemonFarm) -> None:
    other = farm.add(Daemon())
    modern.attack("*", redirecting(f"{other.url}/rpc"))
    with pytest.raises(ProtocolError, match="status: HTTP 302"):
        run(ask(Transport.status, modern.url))
    assert other.requests == []


@pytest.mark.fault("a proxy stands in the environment", "daemons are asked directly")
def test_a_proxy_is_not_asked(
    modern: Daemon, farm: DaemonFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = farm.add(Daemon())
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    run(ask(Transport.status, modern.url))
    assert proxy.requests == []


async def telling_fault(writer: asyncio.StreamWriter, _: Daemon) -> None:
    """Fault with all that it was given."""
    fault = xmlrpc.client.Fault(8002, " ".join(SECRETS))
    writer.write(http_response(xmlrpc.client.dumps(fault).encode(), "text/xml"))


async def telling_reply(writer: asyncio.StreamWriter, _: Daemon) -> None:
    """Return all that it was given, where something else is expected."""
    writer.write(http_response(encode_reply(SECRETS), "text/xml"))


TELLTALES: dict[str, Attack] = {
    "fault": telling_fault,
    "reply": telling_reply,
    "hang": hang,
    "redirect": redirecting(SECRETS[2]),
}


def told(err: BaseException | None) -> str:
    """Everything that an error says, and those that led to it."""
    words = ""
    while err:
        words += f"{err!r} {err.__dict__} "
        err = err.__cause__ or err.__context__
    return words


@pytest.mark.parametrize("how", TELLTALES)
def test_secrets_stand_in_no_error(modern: Daemon, how: str) -> None:
    modern.attack("*", TELLTALES[how])
    wanted = order(modern, archive=SECRETS[3])
    for call in (
        lambda t, url: t.ensurepresent(url, SOURCE, arity=4),
        lambda t, url: t.build(url, wanted),
    ):
        with pytest.raises(FarmError) as raised:
            run(ask(call, modern.url, call_s=0.1, ensure_s=0.1))
        assert [secret for secret in SECRETS if secret in told(raised.value)] == []
    assert [secret for secret in SECRETS if secret in f"{SOURCE} {wanted}"] == []


def test_what_a_daemon_says_of_a_file_is_told_without_secrets(modern: Daemon) -> None:
    words = f"Error accessing Librarian: {SECRETS[2]} as {SECRETS[0]}:{SECRETS[1]}"
    modern.say("ensurepresent", [False, words])
    found = run(ask(lambda t, url: t.ensurepresent(url, SOURCE, arity=4), modern.url))
    assert found == Presence(present=False, info="Error accessing Librarian: … as …:…")


@pytest.mark.parametrize("name", ["endless chunks", "long text up to the cap"])
def test_an_error_keeps_nothing_of_what_the_daemon_sent(modern: Daemon, name: str) -> None:
    modern.attack("*", ON_CALLS[name])
    errors = []
    tracemalloc.start()
    for _ in range(4):
        with pytest.raises(ProtocolError) as raised:
            run(ask(Transport.status, modern.url))
        errors.append(raised.value)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 4_000_000  # the replies had four times as much


def test_the_largest_replies_go_when_all_together_are_too_large(farm: DaemonFarm) -> None:
    sizes = (20_000, 30_000, 20_000, 40_000, 1000)
    daemons = [farm.add(Daemon()) for _ in range(6)]
    for daemon, size in zip(daemons, sizes, strict=False):
        daemon.attack("*", partial(send_and_hang, b" " * size))

    async def ask_all() -> list[object]:
        transport = Transport(Limits(status_s=1, most_replies_bytes=50_000))
        calls = [asyncio.ensure_future(transport.status(each.url)) for each in daemons]
        return await asyncio.gather(*calls, return_exceptions=True)

    kinds = [type(answer).__name__ for answer in run(ask_all())]
    assert set(kinds[:4]) == {"HostExhausted", "Unreachable"}
    assert kinds[4:] == ["Unreachable", "Status"]


def test_replies_that_are_over_take_no_memory(modern: Daemon) -> None:
    async def ask_often() -> None:
        transport = Transport(Limits(most_replies_bytes=1000))
        for _ in range(20):
            await transport.status(modern.url)

    run(ask_often())


async def send_and_hang(part: bytes, writer: asyncio.StreamWriter, daemon: Daemon) -> None:
    """Send some of a large reply."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + part)
    await hang(writer, daemon)
