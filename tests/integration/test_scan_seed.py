"""The scenario of October 2005, with daemons on real sockets: its states, words and names."""

import gzip
from xmlrpc.client import Fault, dumps

import pytest

from scanner.models import TITLES, BuildState
from tests.daemon_attacks import replying
from tests.scan_farm import Daemon, Era, ScanFarm

pytestmark = pytest.mark.integration
LOG = b"This is a build log"
BROKEN, IDLE = "Broken Slave", "Idle Slave"
PACKAGE, DEPENDENCY, CHROOT = "Package Failed", "Missed Dependency build", "Bad Chroot"
OUT_OF_ORDER, BUSY, ABORTED = "I am out of order", "I am busy", "I was aborted"
ABORTING = "I am trying to terminate the child process"
BUILT = "Package Successfully Built"
SAYS: dict[str, list[object]] = {
    PACKAGE: ["WAITING", "BuildStatus.PACKAGEFAIL", {}],
    DEPENDENCY: ["WAITING", "BuildStatus.DEPFAIL", {}],
    CHROOT: ["WAITING", "BuildStatus.CHROOTFAIL", {}],
    OUT_OF_ORDER: ["WAITING", "BuildStatus.BUILDERFAIL", {}],
    BUSY: ["BUILDING", LOG.decode()],
    ABORTED: ["ABORTED"],
    ABORTING: ["ABORTING"],
    BUILT: ["WAITING", "BuildStatus.OK", {}],
}


def reply(state: object, *more: object, cookie: str) -> list[object]:
    """Make what a daemon of those days says: the cookie stands second, or third."""
    head: list[object] = [f"BuilderStatus.{state}"]
    return [*head, more[0], cookie, *more[1:]] if state == "WAITING" else [*head, cookie, *more]


def give_jobs(farm: ScanFarm) -> dict[str, tuple[int, str]]:
    """Let each daemon have a job, and say of it what it says: name → (build, cookie)."""
    for name in SAYS:
        farm.add_daemon(name, Era.SEED)
        farm.add_build(f"for-{name.replace(' ', '-').lower()}")
    farm.scan()
    rows = {row["daemon_id"]: row for row in farm.rows("queue")}
    jobs = {}
    for each in farm.rows("daemons"):
        row = rows[each["id"]]
        name, cookie = each["name"], f"{row['build_id']}-{row['id']}"
        jobs[name] = (row["build_id"], cookie)
        daemon = farm.daemons[name]
        daemon.log = LOG
        state, *more = SAYS[name]
        daemon.say("status", reply(state, *more, cookie=cookie))
        daemon.say("clean", "BuilderStatus.IDLE")
    return jobs


def test_each_state_of_a_slave_leads_where_it_led_then(bobs: ScanFarm) -> None:
    jobs = give_jobs(bobs)
    broken, idle = bobs.add_daemon(BROKEN, Era.SEED), bobs.add_daemon(IDLE, Era.SEED)
    broken.attack("status", replying(dumps(Fault(8002, "error")).encode()))
    done = bobs.scan("--no-dispatch")

    def title(name: str) -> str:
        return TITLES[BuildState(bobs.build(jobs[name][0])["state"])]

    assert title(PACKAGE) == "Failed to build"
    assert title(DEPENDENCY) == "Manual dependency wait"
    assert f"CRITICAL scanner: ***** {DEPENDENCY} is MANUALDEPWAIT *****" in done.err
    assert title(CHROOT) == "Chroot wait"
    assert f"CRITICAL scanner: ***** {CHROOT} is CHROOTWAIT *****" in done.err
    assert title(OUT_OF_ORDER) == "Needs building"
    assert f"WARNING scanner: ***** {OUT_OF_ORDER} has failed *****" in done.err
    row = bobs.daemon_row(OUT_OF_ORDER)
    notes = "Builder returned BUILDERFAIL when asked for its status"
    assert (row["enabled"], row["notes"]) == (False, notes)
    assert title(BUILT) == "Fully built"

    by_build = {row["build_id"]: row for row in bobs.rows("queue")}
    assert by_build[jobs[OUT_OF_ORDER][0]]["daemon_id"] is None
    assert by_build[jobs[ABORTED][0]]["daemon_id"] is None
    assert len(bobs.daemons[ABORTED].called("clean")) == 1
    busy, aborting = by_build[jobs[BUSY][0]], by_build[jobs[ABORTING][0]]
    assert (busy["daemon_id"], busy["log_tail"]) == (bobs.daemon_row(BUSY)["id"], LOG.decode())
    assert aborting["log_tail"] == "Waiting for slave process to be terminated"

    for name in (PACKAGE, DEPENDENCY, CHROOT, BUILT):
        build, cookie = jobs[name]
        row = bobs.build(build)
        assert row["daemon_id"] == bobs.daemon_row(name)["id"]
        assert row["finished_at"] is not None
        assert row["duration_ms"] is not None
        assert row["log_name"] == f"log-for-{cookie}.txt.gz"
        path = bobs.store / f"builds/{build}/log-for-{cookie}.txt.gz"
        assert gzip.decompress(path.read_bytes()) == LOG

    available = [each["daemon"] for each in done.json["daemons"] if each["reason"] == "is idle"]
    assert available == [IDLE]
    assert [method for method, _ in idle.calls] == ["status"]


@pytest.mark.parametrize(
    ("state", "cookie", "reason"),
    [
        ("WAITING", "2-1", "2-1: Job build entry mismatch"),
        ("BUILDING", "1000-10000", "The object Build by the ID 1000 does not exist"),
        ("WAITING", "1000-10000", "The object Build by the ID 1000 does not exist"),
    ],
)
def test_a_lost_slave_is_rescued(bobs: ScanFarm, state: str, cookie: str, reason: str) -> None:
    for name in ("sane", "other"):
        bobs.add_daemon(name, Era.SEED, manual=name == "other")
        bobs.add_build(f"of-{name}")
    bobs.scan()  # the job 1-1 is the sane one's
    lost = bobs.add_daemon("lost", Era.SEED)
    more = ["BuildStatus.OK"] if state == "WAITING" else []
    lost.say("status", reply(state, *more, cookie=cookie))
    said = bobs.scan("--no-dispatch").err
    assert "Builder 'lost' rescued from '" in said
    assert reason in said
    assert "Builder 'sane'" not in said
    assert len(lost.called("clean" if state == "WAITING" else "abort")) == 1


SERIES = {
    ("ubuntu", "warty"): "The Warty Warthog Release for i386 (x86)",
    ("ubuntu", "hoary"): "The Hoary Hedgehog Release for i386 (x86)",
    ("debian", "woody"): "WOODY for i386 (x86)",
}


def test_without_chroots_nothing_is_set_up_and_with_one_a_build_is_started(
    bobs: ScanFarm,
) -> None:
    daemon: Daemon = bobs.add_daemon(IDLE, Era.SEED)
    for (distribution, series), title in SERIES.items():
        where = (distribution, series, "i386")
        assert bobs.run("chroot", "set", *where, "--title", title).code == 0
        bobs.add_build(series, distribution=distribution, series=series)
    said = [line.partition("scanner: ")[2] for line in bobs.scan().err.splitlines()]
    for (distribution, series), title in SERIES.items():
        assert f"Disabling: No CHROOT found for {title} pocket 'Release'" in said
        assert f"Unable to setup builder for {distribution}/{series}/i386." in said
    assert daemon.called("ensurepresent", "build") == []

    chroot = daemon.put(b"a totally bogus but usable chroot")
    bobs.run("chroot", "set", "ubuntu", "warty", "i386", "--sha1", chroot, "--url", "http://x/y")
    bobs.scan()
    ((cookie, kind, given, files, args),) = daemon.called("build")
    assert (cookie, kind, given, list(files)) == ("1-1", "debian", chroot, ["warty.dsc"])
    assert (args["ogrecomponent"], args["arch_indep"]) == ("main", False)
    assert all(len(params) == 2 for params in daemon.called("ensurepresent")[1:])
