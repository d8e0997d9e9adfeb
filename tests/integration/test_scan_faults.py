"""Scans that are killed, two at once, full disks, and daemons that are slow, wrong or hostile."""

import asyncio
import os
import resource
import signal
import time
import uuid
from functools import partial
from pathlib import Path
from xmlrpc.client import Fault

import pytest
import sqlalchemy as sa

from farmhand.tables.builds import attempts, builds, daemons
from scanner.run import ENDING_S
from tests.daemon_attacks import drip, hang
from tests.daemon_server import encode_reply, http_response
from tests.journal import wait_until
from tests.processes import Command
from tests.scan_farm import Daemon, Era, Job, ScanFarm, running_scan_farm
from tests.services import DatabaseServer

pytestmark = pytest.mark.integration
FILES = {"hello_1.0-1_i386.deb": b"a package"}
PATIENCE_S = 30
DISK_BYTES = 2**23


# Killed

# What the daemon is asked when the scan dies, and whether it did it.
MOMENTS = {
    "claimed": ("ensurepresent", False),
    "fetched": ("build", False),
    "building": ("build", True),
    "collecting": ("file", False),
    "collected": ("clean", False),
    "cleaned": ("clean", True),
    "aborting": ("abort", False),
    "aborted": ("abort", True),
}


def die_at(farm: ScanFarm, daemon: Daemon, moment: str) -> None:
    """Scan until the daemon is asked that, and kill -9 the scan then."""
    method, done = MOMENTS[moment]
    commands: list[Command] = []

    async def kill(_: asyncio.StreamWriter, __: Daemon) -> None:
        for command in commands:
            command.send_signal(signal.SIGKILL)

    if done:
        kill_after(daemon, method, commands)
    else:
        daemon.attack(method, kill)
    for _ in range(6):
        commands[:] = [farm.start("scan")]
        if commands[0].finish(PATIENCE_S).code == -signal.SIGKILL:
            break
    else:
        raise AssertionError(f"it was never asked for {method}")
    daemon.behave()
    vars(daemon).pop("call", None)


def kill_after(daemon: Daemon, method: str, commands: list[Command]) -> None:
    """Let the daemon do what it is asked, and kill who asked before it hears of it."""
    honest = daemon.call

    def call(name: str, params: tuple[object, ...]) -> object:
        said = honest(name, params)
        if name == method:
            for command in commands:
                command.send_signal(signal.SIGKILL)
        return said

    vars(daemon)["call"] = call


@pytest.mark.fault(
    "a scan is killed (kill -9) when the build is: {id}",
    "the next scan leaves it until the lease is over, then goes on; the build ends once, with "
    "its log, under no number used twice",
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_scan_goes_on_where_one_was_killed(bobs: ScanFarm, moment: str) -> None:
    check_killed(bobs, moment)


@pytest.mark.parametrize("moment", ["building", "collected"])
@pytest.mark.parametrize(
    "scans", ["mariadb", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)
def test_it_does_on_a_server_too(scans: ScanFarm, moment: str) -> None:
    check_killed(scans, moment)


def check_killed(farm: ScanFarm, moment: str) -> None:
    """Kill a scan at that moment; the build ends once all the same, with its log."""
    cancels = moment in {"aborting", "aborted"}
    daemon = farm.add_daemon()
    daemon.default_job = Job(files=FILES, polls=None if cancels else 1)
    build = farm.add_build()
    if cancels:
        farm.scan()
        farm.run("queue", "cancel", str(build))
    die_at(farm, daemon, moment)
    assert farm.scan().json["daemons"] == []  # it may be alive
    farm.orphan()
    farm.scan_until_ended(build)
    expected = "cancelled" if cancels else "fullybuilt"
    assert farm.build(build)["state"] == farm.manifest(build)["status"] == expected
    assert farm.log(build).startswith(b"building\n")
    cookies = [params[0] for params in daemon.called("build")]
    assert len(set(cookies)) == len(cookies)
    assert [row["state"] for row in farm.rows("attempts")].count("ended") == 1
    farm.scan()
    assert farm.daemon_row()["clean"]


# Two at once


@pytest.mark.fault(
    "two hosts scan the same daemons at once", "both exit 0; every job is given once"
)
@pytest.mark.parametrize(
    "scans",
    [
        "mariadb",
        pytest.param("sqlite", marks=pytest.mark.soak),
        pytest.param("postgresql", marks=pytest.mark.soak),
    ],
    indirect=True,
)
def test_two_hosts_share_the_daemons_and_give_no_job_twice(scans: ScanFarm) -> None:
    names = [f"d{number:02d}" for number in range(6)]
    for name in names:
        scans.add_daemon(name)
    check_shared(scans, names)


@pytest.mark.soak
def test_they_do_fifty_times(scans: ScanFarm) -> None:
    names = [f"d{number:02d}" for number in range(8)]
    for name in names:
        scans.add_daemon(name)
    for _ in range(50):
        check_shared(scans, names)


def check_shared(farm: ScanFarm, names: list[str]) -> None:
    """Let two hosts scan at once until all is built; every job was given once, to one daemon."""
    for daemon in farm.daemons.values():
        daemon.calls.clear()
    built = [farm.add_build(f"p{number}") for number in range(2 * len(names))]
    for _ in range(12):
        both = [farm.start("scan", host=host) for host in ("one", "two")]
        assert {each.finish(60).code for each in both} == {0}
        if not farm.rows("queue"):
            break
    assert {farm.build(each)["state"] for each in built} == {"fullybuilt"}
    cookies = [p[0] for name in names for p in farm.daemons[name].called("build")]
    assert len(set(cookies)) == len(cookies) == len(built)


@pytest.mark.fault("a scan starts while another runs on the host", "exit 75; the first goes on")
def test_a_second_scan_on_one_host_does_nothing(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.frozen = True
    bobs.scanner["status_s"] = 30
    first = bobs.start("scan")
    wait_until(lambda: daemon.requests)
    assert bobs.run("scan").code == 75
    daemon.frozen = False
    assert first.finish(PATIENCE_S).code == 0


@pytest.mark.fault(
    "a daemon takes long to fetch its files",
    "the next scan looks at all the others; the slow one gets its build once",
)
def test_while_a_daemon_fetches_the_next_scan_looks_at_all_others(bobs: ScanFarm) -> None:
    slow, other = bobs.add_daemon("slow"), bobs.add_daemon("other", manual=True)
    bobs.add_build()
    bobs.origin.frozen = True  # `slow` waits for its files
    first = bobs.start("scan")
    wait_until(lambda: slow.called("ensurepresent"))
    wait_until(lambda: bobs.daemon_row("other")["owner"] is None)
    second = wait_for_lock(bobs)
    assert [each["daemon"] for each in second["daemons"]] == ["other"]
    assert len(other.calls) >= 2
    bobs.origin.frozen = False
    assert first.finish(PATIENCE_S).code == 0
    assert len(slow.called("build")) == 1


@pytest.mark.fault(
    "a daemon sends its log byte by byte",
    "the next scan looks at all the others meanwhile; the build is collected later",
)
def test_a_log_that_comes_drop_by_drop_keeps_nobody_waiting(bobs: ScanFarm) -> None:
    slow = bobs.add_daemon("slow")
    slow.default_job = Job(polls=0)
    build = bobs.add_build()
    bobs.scan()
    bobs.add_daemon("other", manual=True)
    slow.attack("file", partial(drip, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"))
    first = bobs.start("scan")
    wait_until(lambda: any("buildlog" in line for line, _ in slow.requests))
    wait_until(lambda: bobs.daemon_row("other")["owner"] is None)
    second = wait_for_lock(bobs)
    assert [each["daemon"] for each in second["daemons"]] == ["other"]
    bobs.sockets.deafen(slow)
    assert first.finish(PATIENCE_S).code == 0
    assert bobs.build(build)["state"] == "building"


def wait_for_lock(farm: ScanFarm) -> dict[str, list[dict[str, str]]]:
    """Scan as soon as the scan before lets us."""
    deadline = time.monotonic() + PATIENCE_S
    while (done := farm.scan()).code == 75:
        assert time.monotonic() < deadline
    document: dict[str, list[dict[str, str]]] = done.json
    return document


# Slow, wrong, hostile


@pytest.mark.fault(
    "six daemons hang",
    "together they cost one deadline; they are shown as silent and the others get their jobs",
)
def test_daemons_that_hang_cost_their_deadline_once_together(bobs: ScanFarm) -> None:
    bobs.scanner["status_s"] = 2
    for number in range(6):
        bobs.add_daemon(f"hung{number}").frozen = True
    good = bobs.add_daemon("good")
    bobs.add_build()
    bobs.scan("--no-dispatch", "--daemon", "good")  # what takes long is to start
    began = time.monotonic()
    done = bobs.scan()
    assert time.monotonic() - began < 6
    assert len(good.called("build")) == 1
    assert sorted(each["state"] for each in done.json["daemons"]).count("silent") == 6


@pytest.mark.fault(
    "the scan's own deadline comes first", "the daemon is left for the next scan and not blamed"
)
def test_a_scan_that_runs_out_of_time_blames_nobody(bobs: ScanFarm) -> None:
    bobs.add_daemon().frozen = True
    (said,) = bobs.scan("--deadline", str(ENDING_S + 0.5)).json["daemons"]
    assert (said["action"], "before the sweep's end" in said["reason"]) == ("wait", True)
    assert bobs.daemon_row()["failing_since"] is None


@pytest.mark.fault(
    "a daemon freezes and comes back", "it keeps its job, which is built; no failure stays counted"
)
def test_a_frozen_daemon_that_comes_back_keeps_its_job(bobs: ScanFarm) -> None:
    bobs.scanner["status_s"] = 0.5
    daemon = bobs.add_daemon()
    build = bobs.add_build()
    bobs.scan()
    daemon.frozen = True
    bobs.scan()
    assert bobs.daemon_row()["failing_since"] is not None
    daemon.frozen = False
    bobs.scan_until_ended(build)
    assert bobs.build(build)["failure_count"] == 0
    assert bobs.daemon_row()["failing_since"] is None


@pytest.mark.fault(
    "a daemon is gone for good",
    "its job is queued again; after five counted failures it is disabled, with the reason in "
    "its notes",
)
def test_a_daemon_that_is_gone_loses_its_job_and_is_disabled(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    bobs.add_build()
    bobs.scan()
    bobs.sockets.deafen(daemon)
    bobs.scan()
    for _ in range(5):
        bobs.age("daemons", "failing_since", 600)
        bobs.age("daemons", "counted_at", 600)
        bobs.scan()
    assert [row["daemon_id"] for row in bobs.rows("queue")] == [None]
    row = bobs.daemon_row()
    assert (row["enabled"], row["failure_count"]) == (False, 5)
    assert row["notes"].startswith("failed 5 times in a row: ")


@pytest.mark.fault(
    "a result file has another SHA-1 than it should",
    "it is not taken and the build stays; the reason is the daemon's last error; a good file "
    "later is taken",
)
def test_a_result_that_is_not_what_it_should_be_is_never_taken(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(files=FILES)
    build = bobs.add_build()
    bobs.scan()
    daemon.finish()
    for sha1 in daemon.results.values():
        daemon.cache[sha1] = b"something else"
    bobs.scan()
    assert (bobs.build(build)["state"], bobs.rows("queue")[0]["daemon_id"]) == ("building", 1)
    assert "another SHA-1" in bobs.daemon_row()["last_error"]
    for sha1 in daemon.results.values():
        daemon.cache[sha1] = b"a package"
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "fullybuilt"


@pytest.mark.fault("a log breaks off", "nothing is stored; it is fetched again until it is whole")
def test_a_log_that_breaks_off_is_fetched_again(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=0)
    build = bobs.add_build()

    async def short(writer: asyncio.StreamWriter, _: Daemon) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbuil")
        await writer.drain()

    daemon.attack("file", short)
    bobs.scan()
    bobs.scan()
    assert bobs.build(build)["state"] == "building"
    daemon.behave()
    bobs.scan()
    assert bobs.log(build) == b"building\ndone\n"


@pytest.mark.fault(
    "results are larger than build_most_bytes",
    "they are refused; the daemon's last error says what the most is",
)
def test_too_large_results_are_refused(bobs: ScanFarm) -> None:
    bobs.scanner["build_most_bytes"] = 2
    daemon = bobs.add_daemon()
    daemon.default_job = Job(files={f"f{number}": b"x" for number in range(3)}, polls=0)
    bobs.add_build()
    bobs.scan()
    bobs.scan()
    assert "are the most" in bobs.daemon_row()["last_error"]


@pytest.mark.fault(
    "a result is named ../../etc/passwd",
    "the build fails with that reason and its log; the daemon is not blamed",
)
def test_a_name_that_is_none_fails_its_build_and_costs_no_daemon(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(files={"logs/all": b"x"}, polls=0)
    bad, plain, ci = bobs.add_build(), bobs.add_build("b"), bobs.add_build("c", build_type="ci")
    daemon.jobs[str(bad)] = Job(files={"../../etc/passwd": b"x"}, polls=0)
    bobs.scan_until_ended(bad, plain, ci)
    assert [bobs.build(each)["state"] for each in (bad, plain, ci)] == [
        "failedtobuild",
        "failedtobuild",
        "fullybuilt",
    ]
    assert "a file may not be named" in bobs.build(bad)["reason"]
    assert "has directories" in bobs.build(plain)["reason"]
    assert {bobs.log(each) for each in (bad, plain, ci)} == {b"building\ndone\n"}
    assert (bobs.daemon_row()["failing_since"], bobs.daemon_row()["enabled"]) == (None, True)
    result = bobs.manifest(ci)["artifacts"][1]
    assert (result["name"], result["path"]) == ("logs/all", f"files/2d/{result['sha256']}")


@pytest.mark.fault(
    "a daemon faults the build and builds it all the same (trap 1)",
    "it is aborted and cleaned; the job is built under a new cookie",
)
@pytest.mark.parametrize("era", [Era.LIST, Era.DICT], ids=lambda era: era.value)
def test_a_rejected_build_is_aborted_cleaned_and_queued_as_a_new_one(
    bobs: ScanFarm, era: Era
) -> None:
    daemon = bobs.add_daemon(era=era)
    build = bobs.add_build()
    daemon.jobs[f"{build}-1"] = Job(reply="fault", polls=None)  # it builds all the same
    bobs.scan()
    assert (daemon.called("abort"), bobs.build(build)["state"]) == ([()], "needsbuild")
    bobs.age("daemons", "not_before", 1)
    bobs.age("queue", "not_before", 1)
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "fullybuilt"
    assert [params[0] for params in daemon.called("build")] == [f"{build}-1", f"{build}-2"]
    assert bobs.log(build) == b"building\ndone\n"


@pytest.mark.fault(
    "a daemon does not answer the build call, but builds (trap 6)",
    "the build is followed and ends; it is sent once",
)
def test_a_build_that_is_not_answered_is_followed_if_it_runs(bobs: ScanFarm) -> None:
    bobs.scanner["call_s"] = 1
    daemon = bobs.add_daemon()
    daemon.default_job = Job(reply="none")
    build = bobs.add_build()
    bobs.scan_until_ended(build)
    assert (bobs.build(build)["state"], len(daemon.called("build"))) == ("fullybuilt", 1)


@pytest.mark.fault(
    "a daemon is wedged: BUILDING without a word, then ABORTING for ever (trap 2)",
    "the build is aborted as silent, the daemon is disabled, the job queued again under a new "
    "number",
)
def test_a_wedged_daemon_is_disabled_and_its_job_built_elsewhere(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    build = bobs.add_build()
    daemon.default_job = Job(polls=None, aborting=None)
    bobs.scan()
    bobs.age("queue", "log_moved_at", 5 * 3600)
    bobs.age("queue", "started_at", 5 * 3600)
    bobs.scan()  # takes note of the log's first words
    bobs.age("queue", "log_moved_at", 5 * 3600)
    bobs.scan()
    assert (len(daemon.called("abort")), bobs.rows("queue")[0]["stop_reason"]) == (1, "silent")
    bobs.scan()
    bobs.age("daemons", "aborting_since", 600)
    bobs.age("queue", "abort_sent_at", 600)
    done = bobs.scan()
    assert done.json["disabled"] == ["bob"]
    assert "ABORTING" in bobs.daemon_row()["notes"]
    assert (bobs.build(build)["state"], bobs.rows("queue")[0]["id"]) == ("needsbuild", 2)


@pytest.mark.fault(
    "a daemon is in a state that nobody knows", "exit 3, a CRITICAL line; the daemon is disabled"
)
def test_a_daemon_in_a_state_that_nobody_knows_is_disabled(bobs: ScanFarm) -> None:
    bobs.add_daemon().say("status", {"builder_status": "BuilderStatus.DREAMING"})
    done = bobs.scan()
    assert (done.code, "CRITICAL" in done.err, bobs.daemon_row()["enabled"]) == (3, True, False)


@pytest.mark.fault(
    "daemons hang, send binary, deep nesting and faults",
    "a good daemon among them gets its build and ends it",
)
def test_a_hostile_daemon_harms_nobody_else(bobs: ScanFarm) -> None:
    bobs.scanner |= {"status_s": 2}
    for name, how in {"mute": hang, "binary": binary, "nested": nested}.items():
        bobs.add_daemon(name).attack("*", how)
    bobs.add_daemon("fault").say("status", Fault(1, "x"))
    good = bobs.add_daemon("good")
    build = bobs.add_build()
    bobs.scan_until_ended(build)
    assert (bobs.build(build)["state"], len(good.called("build"))) == ("fullybuilt", 1)


async def binary(writer: asyncio.StreamWriter, _: Daemon) -> None:
    writer.write(os.urandom(1000))


async def nested(writer: asyncio.StreamWriter, _: Daemon) -> None:
    value: list[object] = []
    for _depth in range(50):
        value = [value]
    writer.write(http_response(encode_reply(value), "text/xml"))


# Our own trouble


@pytest.mark.fault(
    "the store can't be written",
    "exit 3, the error names the store; no daemon is blamed or cleaned; collected later",
)
def test_a_store_that_can_not_be_written_costs_nothing_but_time(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=0)
    build = bobs.add_build()
    bobs.scan()
    bobs.store.write_text("in the way")
    done = bobs.scan()
    assert (done.code, "store" in done.json["errors"][0]) == (3, True)
    row = bobs.daemon_row()
    assert (row["failing_since"], row["failure_count"], daemon.called("clean")) == (None, 0, [])
    bobs.store.unlink()
    bobs.scan_until_ended(build)
    assert bobs.log(build) == b"building\ndone\n"


@pytest.mark.fault(
    "the disk is full in the middle of a result file",
    "exit 3, nothing half-written stays, no daemon is blamed; with room the build ends",
)
def test_a_disk_that_is_full_in_the_middle_of_a_file_costs_nothing_but_time(
    bobs: ScanFarm,
) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(files={"large.deb": bytes(DISK_BYTES + 1)}, polls=0)
    build = bobs.add_build()
    bobs.scan()
    scan = bobs.start("scan", "--json")
    assert scan.process.pid
    resource.prlimit(scan.process.pid, resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))
    done = scan.finish(PATIENCE_S)
    assert (done.code, "File too large" in done.json["errors"][0]) == (3, True)
    assert (list((bobs.store / "incoming").iterdir()), daemon.called("clean")) == ([], [])
    assert (bobs.daemon_row()["failing_since"], bobs.daemon_row()["failure_count"]) == (None, 0)
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "fullybuilt"


@pytest.mark.fault(
    "less is free than keep_free_bytes",
    "nothing is collected, the error says why; later the build ends",
)
def test_nothing_is_collected_onto_a_disk_that_is_nearly_full(bobs: ScanFarm) -> None:
    bobs.scanner["keep_free_bytes"] = 2**60
    bobs.add_daemon().default_job = Job(polls=0)
    build = bobs.add_build()
    bobs.scan()
    assert "keep_free_bytes" in bobs.scan().json["errors"][0]
    bobs.scanner.clear()
    bobs.scan_until_ended(build)


@pytest.mark.fault(
    "the database goes away in the middle of a scan",
    "exit 4; a later scan collects the build, once",
)
def test_a_database_that_goes_away_in_the_middle_costs_no_result(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=0)
    build = bobs.add_build()
    bobs.scan()

    def rename(old: str, new: str) -> None:
        with bobs.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))

    async def away(writer: asyncio.StreamWriter, asked: Daemon) -> None:
        rename("build_queue", "away")
        writer.write(http_response(asked.log or b"", "text/html"))

    daemon.attack("file", away)
    assert bobs.scan().code == 4
    rename("away", "build_queue")
    daemon.behave()
    bobs.orphan()
    bobs.scan_until_ended(build)
    assert bobs.log(build) == b"building\ndone\n"
    assert len([row for row in bobs.rows("attempts") if row["state"] == "ended"]) == 1


@pytest.mark.fault(
    "MariaDB gives up a statement: lock wait timeout",
    "it is tried again, which the log says; exit 0",
)
def test_what_the_database_gives_up_for_another_transaction_is_tried_again(
    tmp_path: Path, mariadb: DatabaseServer
) -> None:
    name = f"gives_up_{uuid.uuid4().hex[:12]}"
    with running_scan_farm(tmp_path, mariadb.create_database(name)) as farm:
        daemon = farm.add_daemon()
        farm.add_build()
        mariadb.execute("SET GLOBAL innodb_lock_wait_timeout = 1")
        try:
            with farm.engine.begin() as connection:
                connection.execute(daemons.update().values(notes="is being changed"))
                scan = farm.start("scan", "-v")
                wait_until(lambda: "farmhand.conflicts: Retrying" in scan.said)
            assert scan.finish(PATIENCE_S).code == 0
        finally:
            mariadb.execute("SET GLOBAL innodb_lock_wait_timeout = DEFAULT")
        assert len(daemon.called("build")) == 1
    mariadb.drop_database(name)


@pytest.mark.fault(
    "the queue came back from an older backup (trap 3)",
    "a number that a daemon has heard of is not given again",
)
def test_a_number_that_a_daemon_has_heard_of_is_never_given_again(scans: ScanFarm) -> None:
    daemon = scans.add_daemon()
    build = scans.add_build()
    with scans.engine.begin() as connection:  # as after a backup of the queue came back
        connection.execute(
            attempts.insert().values(
                build_id=build,
                queue_id=1,
                daemon_name="bob",
                state="ended",
                began_at=sa.func.now(),
                ended_at=sa.func.now(),
            )
        )
    scans.scan_until_ended(build)
    assert [params[0] for params in daemon.called("build")] == [f"{build}-2"]


# The command


@pytest.mark.fault(
    "the command after collecting fails",
    "exit 3 in that scan; the build stays fully built and the command is not run again",
)
def test_the_command_is_run_once_for_each_full_build(bobs: ScanFarm) -> None:
    said = bobs.directory / "said"
    bobs.scanner["command"] = ["sh", "-c", f"echo BUILDID $(ls) >> {said}; exit 1"]
    daemon = bobs.add_daemon()
    build, failed = bobs.add_build(score=1), bobs.add_build("other")
    daemon.jobs[str(failed)] = Job(status="PACKAGEFAIL")
    codes = [bobs.scan().code for _ in range(6)]
    assert said.read_text() == f"{build} log-for-{build}-1.txt.gz manifest.json\n"
    assert (codes.count(3), bobs.build(build)["state"]) == (1, "fullybuilt")


def test_it_is_not_run_again_while_it_runs(bobs: ScanFarm) -> None:
    said, go = bobs.directory / "said", bobs.directory / "go"
    script = f"echo BUILDID >> {said}; while [ ! -e {go} ]; do sleep 0.02; done"
    bobs.scanner |= {"command": ["sh", "-c", script], "wave_s": 0.05}
    first, second = bobs.add_daemon("first"), bobs.add_daemon("second")
    first.default_job = second.default_job = Job(polls=0)
    for name in ("a", "b"):
        bobs.add_build(name)
    bobs.scan()

    async def later(writer: asyncio.StreamWriter, asked: Daemon) -> None:
        while not said.exists():
            await asyncio.sleep(0.01)
        writer.write(http_response(asked.log or b"", "text/html"))

    second.attack("file", later)
    scan = bobs.start("scan")
    wait_until(lambda: said.exists() and len(said.read_text().splitlines()) >= 2)
    go.touch()
    assert scan.finish(PATIENCE_S).code == 0
    assert sorted(said.read_text().splitlines()) == ["1", "2"]


@pytest.mark.fault("a scan died before it wrote the manifest", "the next scan writes it")
def test_a_build_whose_scan_died_before_its_manifest_gets_it_from_another(bobs: ScanFarm) -> None:
    bobs.add_daemon()
    build = bobs.add_build()
    bobs.scan_until_ended(build)
    path = bobs.store / f"builds/{build}/manifest.json"
    path.unlink()
    with bobs.engine.begin() as connection:
        connection.execute(builds.update().values(published_at=None))
    bobs.scan()
    assert bobs.manifest(build)["status"] == "fullybuilt"
