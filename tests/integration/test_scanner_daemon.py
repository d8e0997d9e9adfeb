"""The tests' daemon behaves as the real ones were measured; the standard library asks it."""

import contextlib
import http.client
import threading
import xmlrpc.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.daemon import BUILD_TYPES, Daemon, Era, Job
from tests.daemon_server import DaemonFarm, running_daemons

pytestmark = pytest.mark.integration

ERAS = tuple(Era)
ARGS = {"series": "noble"}
IDLE, BUILDING = "BuilderStatus.IDLE", "BuilderStatus.BUILDING"
WAITING, ABORTING = "BuilderStatus.WAITING", "BuilderStatus.ABORTING"
ABORTED = "BuilderStatus.ABORTED"


@pytest.fixture
def farm() -> Iterator[DaemonFarm]:
    with running_daemons() as farm:
        yield farm


@pytest.fixture(params=ERAS)
def daemon(request: pytest.FixtureRequest, farm: DaemonFarm) -> Daemon:
    """A daemon of each era in turn."""
    return farm.add(Daemon(request.param))


@pytest.fixture
def modern(farm: DaemonFarm) -> Daemon:
    return farm.add(Daemon())


def ask(daemon: Daemon, method: str, *params: Any) -> Any:
    """Call a method as the standard library does; a fault's code where it faults."""
    with xmlrpc.client.ServerProxy(
        f"{daemon.url}/rpc", allow_none=True, use_builtin_types=True
    ) as proxy:
        try:
            return getattr(proxy, method)(*params)
        except xmlrpc.client.Fault as fault:
            return fault.faultCode


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What HTTP answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def get(
    daemon: Daemon, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Response:
    connection = http.client.HTTPConnection(urlsplit(daemon.url).netloc)
    with contextlib.closing(connection):
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return Response(
            status=response.status, headers=dict(response.headers), body=response.read()
        )


def build(daemon: Daemon, cookie: Any = "1-1", job: Job | None = None, **changes: Any) -> Any:
    """Have it build; `changes` are of kind, chroot, files and args."""
    if job:
        daemon.jobs[str(cookie)] = job
    sums = {name: daemon.put(name.encode()) for name in ("chroot", "a.dsc")}
    params = {
        "kind": daemon.build_types[0],
        "chroot": sums["chroot"],
        "files": {"a.dsc": sums["a.dsc"]},
        "args": ARGS,
    }
    return ask(daemon, "build", cookie, *(params | changes).values())


def state(daemon: Daemon) -> str:
    status = ask(daemon, "status")
    return str(status["builder_status"] if isinstance(status, dict) else status[0])


# 1.1 Transport


def test_rpc_takes_posts_only_with_and_without_a_slash(daemon: Daemon) -> None:
    assert get(daemon, "/rpc").status == 405
    assert ask(daemon, "echo", "hi", 42, None) == ["hi", 42, None]
    with xmlrpc.client.ServerProxy(f"{daemon.url}/rpc/") as proxy:
        assert proxy.echo() == []


def test_keeps_a_connection_alive(modern: Daemon) -> None:
    connection = http.client.HTTPConnection(urlsplit(modern.url).netloc)
    for _ in range(2):
        connection.request("POST", "/rpc", xmlrpc.client.dumps((), "info"))
        assert connection.getresponse().read()
        assert connection.sock is not None
    connection.close()


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("fetchlogtail", (), 8001),
        ("status_dict", (), 8001),
        ("status", (1,), 8002),
        ("build", (), 8002),
        ("clean", (), 8002),
        ("abort", (), 8002),
        ("proxy_info", (), 8002),
    ],
)
def test_every_refusal_is_one_opaque_fault(
    daemon: Daemon, method: str, params: tuple[object, ...], code: int
) -> None:
    assert ask(daemon, method, *params) == code


def test_files_have_a_length_and_ranges(modern: Daemon) -> None:
    sha1 = modern.put(b"0123456789")
    response = get(modern, f"/filecache/{sha1}")
    assert (response.status, response.body) == (200, b"0123456789")
    assert response.headers["Content-Length"] == "10"
    assert response.headers["Content-Type"] == "text/html"
    assert response.headers.get("Content-Encoding") is None
    part = get(modern, f"/filecache/{sha1}", headers={"Range": "bytes=7-"})
    assert (part.status, part.body) == (206, b"789")
    assert get(modern, f"/filecache/{sha1}", headers={"Range": "bytes=10-"}).status == 416
    head = get(modern, f"/filecache/{sha1}", "HEAD")
    assert (head.headers["Content-Length"], head.body) == ("10", b"")
    assert sha1.encode() in get(modern, "/filecache/").body
    assert get(modern, f"/filecache/{'0' * 40}").status == 404


def test_the_log_is_there_from_the_build_to_its_cleaning(daemon: Daemon) -> None:
    assert get(daemon, "/filecache/buildlog").status == 404
    build(daemon, job=Job(log=(b"one\n", b"two\n"), polls=2))
    logs = []
    for _ in range(3):
        logs.append(get(daemon, "/filecache/buildlog").body)
        ask(daemon, "status")
    assert logs == [b"", b"one\n", b"one\ntwo\n"]
    assert state(daemon) == WAITING
    ask(daemon, "clean")
    assert get(daemon, "/filecache/buildlog").status == 404


def test_an_old_log_outlives_a_restart(daemon: Daemon) -> None:
    build(daemon)
    ask(daemon, "status")
    daemon.restart()
    assert state(daemon) == IDLE
    assert get(daemon, "/filecache/buildlog").body == b"building\ndone\n"


def test_cleaning_removes_results_and_leaves_what_was_sent(daemon: Daemon) -> None:
    build(daemon, job=Job(files={"a.deb": b"deb"}, polls=0))
    results = set(daemon.results.values())
    assert results < set(daemon.cache)
    ask(daemon, "clean")
    assert len(daemon.cache) == 2
    assert not results & set(daemon.cache)


# 1.2 Methods


def test_info_says_one_version_in_every_era(daemon: Daemon) -> None:
    assert ask(daemon, "info") == ["1.0", "amd64", list(BUILD_TYPES[daemon.era])]
    offered = {"debian", "binarypackage"} & set(BUILD_TYPES[daemon.era])
    assert offered


def wrapped(daemon: Daemon, *, present: bool, info: str) -> object:
    return present if daemon.era is Era.SEED else [present, info]


def test_a_file_is_had_fetched_or_missed(daemon: Daemon, farm: DaemonFarm) -> None:
    source = farm.add(Daemon())
    sha1 = source.put(b"source")
    rest = () if daemon.era is Era.SEED else ("user", "password")

    def ensure(sha1: str, url: str | None) -> object:
        return ask(daemon, "ensurepresent", sha1, url, *rest)

    assert ensure(sha1, None) == wrapped(daemon, present=False, info="No URL")
    other = "0" * 40
    wrong = wrapped(daemon, present=False, info="Digests did not match, removing again!")
    assert ensure(other, source.url_of(sha1)) == wrong
    assert "HTTP 404" in str(ensure(other, source.url_of(other))) or daemon.era is Era.SEED
    assert ensure(sha1, source.url_of(sha1)) == wrapped(daemon, present=True, info="Download")
    assert ensure(sha1, source.url_of(sha1)) == wrapped(daemon, present=True, info="Cache")


def test_credentials_are_used_where_there_are_any(modern: Daemon, farm: DaemonFarm) -> None:
    source = farm.add(Daemon())
    sha1 = source.put(b"source")
    ask(modern, "ensurepresent", sha1, source.url_of(sha1), "user", "password")
    assert source.requests[0][1]["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


def test_ensurepresent_of_2005_takes_two_arguments(daemon: Daemon) -> None:
    seed = daemon.era is Era.SEED
    four = ask(daemon, "ensurepresent", "0" * 40, None, None, None)
    assert four == (8002 if seed else [False, "No URL"])
    assert ask(daemon, "ensurepresent", "0" * 40, None) == (False if seed else 8002)


def test_who_fetches_answers_nobody(modern: Daemon, farm: DaemonFarm) -> None:
    source = farm.add(Daemon())
    sha1 = source.put(b"source")
    source.frozen = True
    fetching = threading.Thread(
        target=ask, args=(modern, "ensurepresent", sha1, source.url_of(sha1), "", "")
    )
    answers: list[object] = []
    fetching.start()
    while not source.requests:
        pass
    asking = threading.Thread(target=lambda: answers.append(state(modern)))
    asking.start()
    asking.join(0.2)
    assert answers == []
    source.frozen = False
    asking.join()
    fetching.join()
    assert answers == [IDLE]


def test_a_build_is_taken(daemon: Daemon) -> None:
    assert build(daemon) == [BUILDING, "1-1"]


UNKNOWN = "f" * 40


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "rpm"}, "BuilderStatus.UNKNOWNBUILDER"),
        ({"chroot": UNKNOWN}, "BuilderStatus.UNKNOWNSUM"),
        ({"files": {"a.dsc": UNKNOWN}}, "BuilderStatus.UNKNOWNSUM"),
        ({"kind": "rpm", "chroot": UNKNOWN}, "BuilderStatus.UNKNOWNBUILDER"),
        ({"chroot": UNKNOWN, "files": {"a.dsc": "0" * 40}}, f"BuilderStatus.UNKNOWNSUM {UNKNOWN}"),
    ],
    ids=["type", "chroot", "file", "type first", "chroot before files"],
)
def test_what_is_unknown_leaves_it_idle(
    daemon: Daemon, changes: Mapping[str, Any], expected: str
) -> None:
    status, text = build(daemon, **changes)
    assert f"{status} {text}".startswith(expected)
    assert state(daemon) == IDLE


def test_an_unknown_type_is_explained_since_2014(daemon: Daemon) -> None:
    text = build(daemon, kind="rpm")[1]
    assert (text is None) == (daemon.era is not Era.DICT)


# What is legal in which state: (eras, state) → abort, clean. `8002` is the fault.


def in_state(daemon: Daemon, wanted: str) -> None:
    """Bring a daemon into a state, by calls."""
    aborts = None if wanted == ABORTING else 0
    if wanted != IDLE:
        build(daemon, job=Job(polls=0 if wanted == WAITING else None, aborting=aborts))
    if wanted in {ABORTING, ABORTED}:
        ask(daemon, "abort")
    assert state(daemon) == wanted


OLD, LATE, NEW = {Era.SEED, Era.LIST}, {Era.LATE_LIST}, {Era.DICT}


@pytest.mark.parametrize(
    ("eras", "before", "abort", "clean"),
    [
        (OLD | LATE | NEW, IDLE, 8002, 8002),
        (OLD | LATE | NEW, BUILDING, ABORTING, 8002),
        (OLD | LATE | NEW, WAITING, 8002, IDLE),
        (OLD, ABORTING, 8002, 8002),
        (LATE | NEW, ABORTING, ABORTING, 8002),
        (OLD, ABORTED, 8002, IDLE),
    ],
    ids=["idle", "building", "waiting", "aborting, old", "aborting, new", "aborted"],
)
def test_what_is_legal_in_which_state(
    farm: DaemonFarm, eras: set[Era], before: str, abort: object, clean: object
) -> None:
    for era in eras:
        for method, expected in (("abort", abort), ("clean", clean)):
            daemon = farm.add(Daemon(era))
            in_state(daemon, before)
            assert (era, method, ask(daemon, method)) == (era, method, expected)


# 1.3 status() by state


EXPECTED: Mapping[tuple[Era, str], object] = {
    (Era.SEED, IDLE): [IDLE],
    (Era.LIST, IDLE): [IDLE, ""],
    (Era.LATE_LIST, IDLE): [IDLE, ""],
    (Era.DICT, IDLE): {"builder_status": IDLE},
    (Era.SEED, BUILDING): [BUILDING, "1-1"],
    (Era.LIST, BUILDING): [BUILDING, "1-1", b"building\n"],
    (Era.DICT, BUILDING): {
        "builder_status": BUILDING,
        "build_id": "1-1",
        "logtail": b"building\n",
    },
    (Era.SEED, ABORTING): [ABORTING, "1-1"],
    (Era.LIST, ABORTING): [ABORTING, "1-1"],
    (Era.DICT, ABORTING): {"builder_status": ABORTING, "build_id": "1-1"},
    (Era.SEED, ABORTED): [ABORTED, "1-1"],
    (Era.LIST, ABORTED): [ABORTED, "1-1"],
}


@pytest.mark.parametrize(("era", "wanted"), EXPECTED)
def test_status_by_state(farm: DaemonFarm, era: Era, wanted: str) -> None:
    daemon = farm.add(Daemon(era))
    in_state(daemon, wanted)
    assert ask(daemon, "status") == EXPECTED[era, wanted]


@pytest.mark.parametrize(
    "build_status", ["OK", "PACKAGEFAIL", "DEPFAIL", "CHROOTFAIL", "GIVENBACK"]
)
def test_files_come_with_three_statuses_only(daemon: Daemon, build_status: str) -> None:
    job = Job(status=build_status, files={"a.deb": b"deb"}, dependencies="libc6", polls=0)
    build(daemon, job=job)
    filemap = {"a.deb": daemon.put(b"deb")}
    status = ask(daemon, "status")
    if isinstance(status, dict):
        status = [*status.values()]
    head = [WAITING, f"BuildStatus.{build_status}", "1-1"]
    tail = [filemap] if daemon.era is Era.SEED else [filemap, "libc6"]
    with_files = build_status in {"OK", "PACKAGEFAIL", "DEPFAIL"}
    found = sorted(map(str, status))
    assert found == sorted(map(str, head + (tail if with_files else [])))


def test_the_tail_is_the_last_two_kilobytes_cut_anywhere(modern: Daemon) -> None:
    build(modern, job=Job(log=("ä".encode() * 2000 + b"\0!",), polls=None))
    tails = [ask(modern, "status")["logtail"] for _ in range(2)]
    assert tails[0] == b""
    assert len(tails[1]) == 2048
    assert tails[1][-2:] == b"\0!"


def test_version_and_keys_of_others_are_told_along(modern: Daemon) -> None:
    modern.version, modern.extra = "254", {"revision_id": "abc"}
    assert ask(modern, "status") == {
        "builder_status": IDLE,
        "builder_version": "254",
        "revision_id": "abc",
    }


def test_an_aborted_build_waits_since_2013(farm: DaemonFarm) -> None:
    for era, status in ((Era.LATE_LIST, 1), (Era.DICT, "build_status")):
        daemon = farm.add(Daemon(era))
        build(daemon, job=Job(polls=None))
        ask(daemon, "abort")
        assert state(daemon) == ABORTING
        assert ask(daemon, "status")[status] == "BuildStatus.ABORTED"


@pytest.mark.parametrize("cookie", [0, 7, "", None], ids=str)
def test_a_cookie_that_is_none_faults_and_harms_nothing(modern: Daemon, cookie: object) -> None:
    assert build(modern, cookie) == 8002
    assert state(modern) == IDLE


@pytest.mark.parametrize("cookie", ["1-1", "PACKAGEBUILD-7", "ä-1", "x" * 240])
def test_a_cookie_may_be_almost_any_name(modern: Daemon, cookie: str) -> None:
    assert build(modern, cookie) == [BUILDING, cookie]


def is_wedged(daemon: Daemon) -> bool:
    """Whether nothing helps but a restart: it builds, and can't be aborted or cleaned."""
    assert state(daemon) == BUILDING
    assert ask(daemon, "abort") == ABORTING
    states = {state(daemon) for _ in range(50)}
    return states == {ABORTING} and ask(daemon, "clean") == 8002


@pytest.mark.parametrize("cookie", ["a/b", "../x", "x" * 300])
def test_a_cookie_that_is_no_directory_wedges_it(modern: Daemon, cookie: str) -> None:
    assert build(modern, cookie) == 8002
    assert is_wedged(modern)


# 1.5 Traps


def test_trap_1_a_rejected_build_takes_the_cookie_of_the_one_that_runs(daemon: Daemon) -> None:
    build(daemon, "10-1", Job(files={"ten.deb": b"ten"}, log=(b"ten\n",), polls=2))
    ask(daemon, "status")
    assert build(daemon, "20-2") == 8002
    assert daemon.cookie == "20-2"
    assert daemon.log == b""
    while state(daemon) == BUILDING:
        pass
    assert daemon.cookie == "20-2"
    assert set(daemon.results) == {"ten.deb"}


@pytest.mark.parametrize("what", ["series", "dsc"])
def test_trap_2_bad_arguments_wedge_it_and_look_like_a_young_build(
    modern: Daemon, what: str
) -> None:
    sha1 = modern.put(b"x")
    bad: Mapping[str, Any] = {"args": {}} if what == "series" else {"files": {"a.tar": sha1}}
    assert build(modern, **bad) == 8002
    status = ask(modern, "status")
    assert status == {"builder_status": BUILDING, "build_id": "1-1", "logtail": b""}
    assert is_wedged(modern)
    modern.restart()
    assert build(modern, "1-2") == [BUILDING, "1-2"]


def test_trap_3_the_same_cookie_after_a_restart_wedges_it(modern: Daemon) -> None:
    build(modern, "1-1")
    modern.restart()
    assert build(modern, "1-1") == 8002
    assert is_wedged(modern)
    modern.restart()
    assert build(modern, "1-2") == [BUILDING, "1-2"]


def test_trap_4_cleaning_what_builds_is_a_fault(daemon: Daemon) -> None:
    build(daemon, job=Job(polls=None))
    assert ask(daemon, "clean") == 8002
    assert state(daemon) == BUILDING


def test_trap_5_an_abort_ends_later_or_as_the_builders_failure(daemon: Daemon) -> None:
    build(daemon, job=Job(polls=None, aborting=3, killable=False))
    assert ask(daemon, "abort") == ABORTING
    assert [state(daemon) for _ in range(4)] == [ABORTING] * 3 + [WAITING]
    assert daemon.build_status == "BUILDERFAIL"
    assert ask(daemon, "clean") == IDLE


def test_trap_5_an_abort_that_comes_too_late_faults(daemon: Daemon) -> None:
    build(daemon, job=Job(polls=0))
    assert ask(daemon, "abort") == 8002


@pytest.mark.parametrize(("starts", "after"), [(True, BUILDING), (False, IDLE)])
def test_trap_6_a_build_that_faults_may_run(modern: Daemon, starts: bool, after: str) -> None:
    assert build(modern, job=Job(starts=starts, reply="fault", polls=None)) == 8002
    assert state(modern) == after


# What tests can do


def test_a_frozen_daemon_does_what_it_was_asked_when_it_goes_on(modern: Daemon) -> None:
    modern.frozen = True
    asking = threading.Thread(target=build, args=(modern,))
    asking.start()
    asking.join(0.1)
    assert (asking.is_alive(), modern.state) == (True, IDLE)
    modern.frozen = False
    asking.join()
    assert state(modern) == BUILDING


def test_a_deaf_daemon_refuses_until_it_listens(modern: Daemon, farm: DaemonFarm) -> None:
    farm.deafen(modern)
    with pytest.raises(ConnectionRefusedError):
        state(modern)
    farm.listen(modern)
    assert state(modern) == IDLE


def test_what_is_said_hides_what_is(modern: Daemon) -> None:
    modern.say("status", {"builder_status": BUILDING, "build_id": "9-9"}, 7)
    answers = [ask(modern, "status") for _ in range(3)]
    assert answers == [{"builder_status": BUILDING, "build_id": "9-9"}, 7, 7]
