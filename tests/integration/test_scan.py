"""`scanner scan`, end to end: daemons on real sockets, scans as processes."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.scan_farm import Era, Job, ScanFarm

pytestmark = pytest.mark.integration
PACKAGE = b"a package"
FILES = {"hello_1.0-1_i386.deb": PACKAGE}


@pytest.mark.parametrize("era", list(Era), ids=lambda era: era.value)
def test_a_build_is_given_followed_collected_and_cleaned(bobs: ScanFarm, era: Era) -> None:
    daemon = bobs.add_daemon(era=era)
    daemon.default_job = Job(files=FILES, polls=2)
    build = bobs.add_build()
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "fullybuilt"
    assert bobs.log(build) == b"building\ndone\n"
    assert len(daemon.called("clean")) == 1
    assert bobs.daemon_row()["clean"]


def test_what_a_build_leaves_is_stored_by_its_content_and_in_a_manifest(scans: ScanFarm) -> None:
    left = {**FILES, "nothing": b"", "the_same.deb": PACKAGE}
    scans.add_daemon().default_job = Job(files=left)
    build = scans.add_build()
    scans.scan_until_ended(build)
    manifest = scans.manifest(build)
    assert (manifest["manifest_version"], manifest["uid"]) == (1, f"test-build-{build}")
    assert (manifest["status"], manifest["source"]["source"]) == ("fullybuilt", "hello")
    log, *results = manifest["artifacts"]
    assert (log["role"], log["name"]) == ("log", f"log-for-{build}-1.txt.gz")
    assert {each["name"]: (scans.store / each["path"]).read_bytes() for each in results} == left
    for artifact in (log, *results):
        content = (scans.store / artifact["path"]).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (artifact["size"], artifact["sha256"])
    assert all(Path(each["path"]).name == each["sha256"] for each in results)
    assert list((scans.store / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [
        ("PACKAGEFAIL", "failedtobuild", ""),
        ("DEPFAIL", "manualdepwait", "CRITICAL scanner: ***** bob is MANUALDEPWAIT *****"),
        ("CHROOTFAIL", "chrootwait", "CRITICAL scanner: ***** bob is CHROOTWAIT *****"),
    ],
)
def test_how_a_build_fails_is_its_state(bobs: ScanFarm, status: str, state: str, said: str) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(status=status, polls=0, dependencies="libc6 (>= 9)")
    build = bobs.add_build()
    bobs.scan()
    assert said in bobs.scan().err
    row = bobs.build(build)
    assert (row["state"], bobs.log(build)) == (state, b"building\ndone\n")
    assert (row["duration_ms"] >= 0, row["finished_at"] is not None) == (True, True)
    assert row["dependencies"] == ("libc6 (>= 9)" if status != "CHROOTFAIL" else None)
    assert bobs.rows("files") == [each for each in bobs.rows("files") if each["role"] == "source"]


@pytest.mark.fault(
    "a daemon says BUILDERFAIL",
    "it is disabled at once, with a warning and its notes; another daemon gets the job as a "
    "new one; exit 3",
)
def test_builderfail_disables_and_another_daemon_gets_the_job_as_a_new_one(
    bobs: ScanFarm,
) -> None:
    bad, good = bobs.add_daemon("bad"), bobs.add_daemon("good", manual=True)
    bad.default_job = Job(status="BUILDERFAIL", polls=0)
    build = bobs.add_build()
    bobs.scan()
    done = bobs.scan()
    assert (done.code, done.json["disabled"]) == (3, ["bad"])
    assert "WARNING scanner: ***** bad has failed *****" in done.err
    row = bobs.daemon_row("bad")
    notes = "Builder returned BUILDERFAIL when asked for its status"
    assert (row["enabled"], row["notes"], bad.called("clean")) == (False, notes, [])
    assert bobs.build(build)["state"] == "needsbuild"
    bobs.run("daemon", "auto", "good")
    bobs.run("queue", "release", str(build))
    bobs.scan_until_ended(build)
    assert [params[0] for params in (*bad.called("build"), *good.called("build"))] == [
        f"{build}-1",
        f"{build}-2",
    ]
    assert bobs.scan().code == 0


@pytest.mark.fault("a daemon gives a job back", "the job waits behind all others")
def test_a_job_that_is_given_back_waits_behind_all_others(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    build, other = bobs.add_build(score=10), bobs.add_build("other", score=5)
    daemon.jobs[str(build)] = Job(status="GIVENBACK", polls=0)
    bobs.scan()
    bobs.scan()
    assert [params[0].partition("-")[0] for params in daemon.called("build")] == [
        str(build),
        str(other),
    ]
    assert bobs.rows("queue")[-1]["score"] == 0


@pytest.mark.fault(
    "a daemon restarted and forgot its build (trap 3)",
    "a warning: builder forgot about build; the job is sent again under a new cookie and ends",
)
def test_a_daemon_that_has_forgotten_its_build_gets_it_under_another_cookie(
    bobs: ScanFarm,
) -> None:
    daemon = bobs.add_daemon()
    build = bobs.add_build()
    bobs.scan()
    daemon.restart()
    assert "bob: builder forgot about build" in bobs.scan().err
    bobs.scan_until_ended(build)
    assert [params[0] for params in daemon.called("build")] == [f"{build}-1", f"{build}-2"]
    assert (bobs.build(build)["state"], bobs.build(build)["lost_count"]) == ("fullybuilt", 1)
    assert [row["state"] for row in bobs.rows("attempts")] == ["requeued", "ended"]


def test_a_job_that_runs_is_cancelled_with_its_log(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=None)
    build = bobs.add_build()
    bobs.scan()
    assert bobs.run("queue", "cancel", str(build)).code == 0
    bobs.scan_until_ended(build)
    assert (bobs.build(build)["state"], len(daemon.called("abort"))) == ("cancelled", 1)
    assert bobs.log(build).startswith(b"building\n")
    bobs.scan()
    assert bobs.daemon_row()["clean"]


def test_a_job_that_waits_is_cancelled_at_once(bobs: ScanFarm) -> None:
    build = bobs.add_build()
    assert bobs.run("queue", "cancel", str(build)).code == 0
    bobs.scan()
    assert (bobs.build(build)["state"], bobs.manifest(build)["status"]) == (
        "cancelled",
        "cancelled",
    )


def test_a_disabled_daemons_job_goes_to_another_and_nobody_calls_it(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=None)
    build = bobs.add_build()
    bobs.scan()
    bobs.run("daemon", "disable", "bob", "bug 1: no disk")
    calls = len(daemon.calls)
    bobs.scan()
    assert (len(daemon.calls), bobs.build(build)["state"]) == (calls, "needsbuild")
    bobs.run("daemon", "enable", "bob")
    bobs.scan()
    assert daemon.called("abort") == [()]


def test_a_manual_daemon_is_collected_from_and_gets_nothing(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    build, other = bobs.add_build(), bobs.add_build("other")
    bobs.scan()
    bobs.run("daemon", "manual", "bob", "to be moved")
    bobs.scan_until_ended(build)
    bobs.scan()
    assert (bobs.build(build)["state"], bobs.build(other)["state"]) == ("fullybuilt", "needsbuild")
    assert len(daemon.called("build")) == 1


# Without what it needs


@pytest.mark.fault(
    "there is no chroot for a build",
    "nothing is sent to a daemon; the original's two warnings say so",
)
def test_without_a_chroot_nothing_is_built_and_two_lines_say_so(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    bobs.set_chroot(None)
    bobs.add_build()
    title = "The Hoary Hedgehog Release for i386 (x86)"
    said = bobs.scan().err
    assert f"WARNING scanner: Disabling: No CHROOT found for {title} pocket 'Release'" in said
    assert "WARNING scanner: Unable to setup builder for ubuntu/hoary/i386." in said
    assert daemon.called("ensurepresent", "build") == []


@pytest.mark.fault(
    "the server of a build's files does not have them",
    "the build is tried again, then failed to build, with the reason; no daemon is blamed",
)
def test_a_file_that_no_daemon_can_get_ends_its_build(bobs: ScanFarm) -> None:
    for name in ("bob", "eve"):
        bobs.add_daemon(name)
    build = bobs.add_build()
    bobs.origin.cache.clear()
    bobs.scan()
    row = bobs.build(build)
    assert (row["state"], row["failure_count"]) == ("needsbuild", 1)
    assert "could not get the chroot" in row["reason"]
    bobs.run("queue", "release", str(build))
    bobs.scan()
    assert bobs.build(build)["state"] == "failedtobuild"


@pytest.mark.fault(
    "no daemon can build such a type", "it is not sent; the reason stands with the build"
)
def test_a_build_that_no_daemon_of_its_kind_can_build_is_refused(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    build = bobs.add_build(build_type="snapcraft")
    bobs.scan()
    assert "builds no snapcraft" in bobs.build(build)["reason"]
    assert daemon.called("build") == []


# What else a daemon has


@pytest.mark.fault(
    "a daemon builds or holds what is not ours (trap 4)",
    "it is aborted or cleaned, as its state allows, and then gets our build",
)
@pytest.mark.parametrize("cookie", ["9-9", "not ours"])
def test_a_daemon_that_has_what_is_not_ours_is_swept_and_then_works(
    bobs: ScanFarm, cookie: str
) -> None:
    daemon = bobs.add_daemon()
    sha1 = daemon.put(b"x")
    daemon.default_job = Job(polls=0)
    daemon.call("build", (cookie, "binarypackage", sha1, {"x.dsc": sha1}, {"series": "x"}))
    build = bobs.add_build()
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "fullybuilt"


@pytest.mark.fault(
    "a daemon builds what no database knows",
    "a warning with the original's words; it is aborted, not cleaned",
)
def test_a_rescue_says_the_originals_words(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.say("status", {"builder_status": "BuilderStatus.BUILDING", "build_id": "1000-10000"})
    words = (
        "Builder 'bob' rescued from '1000-10000: The object Build by the ID 1000 does not exist'"
    )
    assert f"WARNING scanner: {words}" in bobs.scan().err
    assert daemon.called("abort", "clean") == [()]


# Asking only


def test_a_dry_run_asks_and_changes_nothing(scans: ScanFarm) -> None:
    daemon = scans.add_daemon()
    build = scans.add_build()
    before = scans.rows("daemons"), scans.rows("queue")
    done = scans.scan("--dry-run")
    assert done.json["daemons"][0]["reason"] == f"is idle, and gets job {build}-1"
    assert [method for method, _ in daemon.calls] == ["status"]
    assert (scans.rows("daemons"), scans.rows("queue")) == before
    assert not (scans.directory / "manager").exists()


def test_from_cron_it_says_nothing_when_all_is_well(bobs: ScanFarm) -> None:
    bobs.add_daemon()
    bobs.add_build()
    for _ in range(4):
        done = bobs.run("scan")
        assert (done.code, done.out, done.err) == (0, "", "")


def test_only_the_named_daemons_are_looked_at(bobs: ScanFarm) -> None:
    for name in ("bob", "eve"):
        bobs.add_daemon(name)
    bobs.scan("--daemon", "eve")
    assert (bobs.daemons["bob"].calls, len(bobs.daemons["eve"].calls)) == ([], 1)
    wrong = bobs.scan("--daemon", "evee")
    assert (wrong.code, 'did you mean "eve"?' in wrong.err) == (2, True)


def test_nothing_new_is_started_where_that_is_said(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    bobs.add_build()
    bobs.scan("--no-dispatch")
    assert daemon.called("build") == []
