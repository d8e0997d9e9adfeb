"""The scanner's verbs as an operator types them."""

import json
from pathlib import Path
from typing import Any

import pytest

from farmhand.db import db_now
from farmhand.tables.builds import build_queue, builds
from tests.journal import wait_until
from tests.scan_farm import Daemon, Job, ScanFarm

pytestmark = pytest.mark.integration
ESCAPES = (b"building\n", b"\x1b[31mred\x07 \xff\n")
NEW = "http://127.0.0.1:1"


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_farm_is_set_up_by_hand_on_any_database(scans: ScanFarm) -> None:
    daemon = scans.sockets.add(type(scans.origin)())
    scans.run("processor", "add", "amd64", "--title", "64 bit")
    assert scans.run("daemon", "add", "eve", daemon.url, "--processor", "amd64").code == 0
    sha1 = daemon.put(b"a chroot")
    where = ("chroot", "set", "ubuntu", "warty", "amd64")
    assert scans.run(*where, "--sha1", sha1, "--url", daemon.url_of(sha1)).code == 0
    file = ("--file", "hello.dsc", sha1, daemon.url_of(sha1))
    place = ("--distribution", "ubuntu", "--series", "warty", "--arch", "amd64")
    added = scans.run(
        "build", "add", "hello", "1.0", *place, "--processor", "amd64", *file, "--json"
    )
    build = added.json["build"]
    assert (added.code, added.json["source"]) == (0, "hello")
    scans.scan_until_ended(build)
    (listed,) = lines(scans.run("build", "list", "--json").out)
    assert (listed["build"], listed["state"], listed["daemon"]) == (build, "fullybuilt", "eve")
    status = scans.run("status", "--json").json
    assert (status["daemons"], status["attention"]) == ({"idle": 1}, [])
    assert status["last_scan"]["exit_code"] == 0


def test_what_is_wrong_is_said_with_the_nearest_name(bobs: ScanFarm) -> None:
    url = bobs.add_daemon().url
    bobs.add_daemon("amy")
    bobs.add_build()
    sha1 = "0" * 40
    wrong = {
        ("daemon", "add", "eve", url.upper().replace("HTTP", "http") + "/"): "daemon bob is at",
        ("daemon", "set", "amy", "--url", url): "daemon bob is at",
        ("daemon", "show", "bobb"): 'did you mean "bob"?',
        ("daemon", "add", "bob", NEW): "there is a daemon bob already",
        ("daemon", "add", "eve", "ftp://x"): "must look like",
        ("daemon", "add", "eve", NEW, "--processor", "i383"): 'did you mean "i386"?',
        ("processor", "add", "i386"): "there is a processor i386 already",
        ("chroot", "set", "u", "h", "a", "--sha1", "x", "--url", "http://x"): "is no SHA-1",
        ("chroot", "set", "u", "h", "a", "--sha1", sha1): "belong together",
        ("build", "show", "99"): "there is no build 99",
        ("build", "retry"): "say which",
        ("build", "retry", "1"): "can't be tried again: it is needsbuild",
        ("queue", "cancel", "99"): "there is no build 99",
        ("build", "log", "1", "--path"): "has no log",
    }
    for words, said in wrong.items():
        done = bobs.run(*words)
        assert (done.code in {2, 3}, said in done.err) == (True, True), done


def test_a_dry_run_of_a_verb_writes_nothing(bobs: ScanFarm) -> None:
    bobs.add_daemon()
    build = bobs.add_build()
    before = [bobs.rows(table) for table in ("daemons", "builds", "queue")]
    for words in (
        ("daemon", "add", "eve", NEW),
        ("daemon", "disable", "bob", "why"),
        ("daemon", "clean", "bob"),
        ("daemon", "remove", "bob"),
        ("queue", "score", str(build), "7"),
        ("queue", "hold", str(build)),
        ("queue", "cancel", str(build)),
    ):
        done = bobs.run(*words, "--dry-run")
        assert (done.code, done.out.startswith("would: ")) == (0, True), done
    assert [bobs.rows(table) for table in ("daemons", "builds", "queue")] == before


def test_what_changes_says_so_to_people_and_nothing_to_cron(bobs: ScanFarm) -> None:
    bobs.add_daemon()
    quiet = bobs.run("daemon", "disable", "bob", "for {bugs}")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert bobs.daemon_row()["notes"] == "for {bugs}"
    place = ("--distribution", "ubuntu", "--series", "hoary", "--arch", "i386")
    said = bobs.run("build", "add", "a{0}", "1", *place, "--processor", "i386", "-v").out
    assert said == "build 1: a{0} 1 is queued\n"


def test_a_log_is_shown_while_it_is_written_and_after_with_nothing_a_terminal_obeys(
    bobs: ScanFarm,
) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(log=ESCAPES, polls=None)
    build = bobs.add_build()
    bobs.scan()
    assert bobs.run("build", "log", str(build)).out == "building\n"
    last = ("--from", "-6", "--bytes", "3")
    assert bobs.run("build", "log", str(build), *last).out == "ed\\x07"
    daemon.finish()
    bobs.scan_until_ended(build)
    shown = bobs.run("build", "log", str(build)).out
    assert shown == "building\n\\x1b[31mred\\x07 \\xff\n"
    assert bobs.run("build", "log", str(build), "--from", "-5", "--bytes", "2").out == "d\\x07"
    path = bobs.run("build", "log", str(build), "--path", "--json").json
    assert (path["path"].endswith(f"/log-for-{build}-1.txt.gz"), path["log_bytes"]) == (True, 21)
    Path(path["path"]).unlink()
    gone = bobs.run("build", "log", str(build))
    assert (gone.code, path["path"] in gone.err) == (3, True)


def test_a_log_is_followed_until_its_build_has_ended_and_no_byte_is_fetched_twice(
    bobs: ScanFarm,
) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(log=(b"one\n", b"two\n", b"three\n"), polls=2)
    build = bobs.add_build()
    assert bobs.run("build", "log", str(build)).code == 3  # it waits
    following = bobs.start("build", "log", str(build), "--follow")
    bobs.scan()
    wait_until(lambda: fetched(daemon))
    bobs.scan_until_ended(build)
    assert following.finish(60).out == "one\ntwo\nthree\n"
    assert fetched(daemon)[0] == f"bytes=0-{2**24 - 1}"
    assert sum(each.startswith("bytes=0-") for each in fetched(daemon)) == 1


def fetched(daemon: Daemon) -> list[str]:
    """List the parts of its log that a daemon was asked for."""
    return [headers["range"] for _, headers in list(daemon.requests) if "range" in headers]


def test_what_a_build_made_is_listed_with_its_place(bobs: ScanFarm) -> None:
    bobs.add_daemon().default_job = Job(files={"hello.deb": b"a package"})
    build = bobs.add_build()
    bobs.scan_until_ended(build)
    made, source = lines(bobs.run("build", "files", str(build), "--json").out)
    assert (made["role"], made["name"], made["size"]) == ("result", "hello.deb", 9)
    assert Path(made["path"]).read_bytes() == b"a package"
    assert (source["role"], source["path"]) == ("source", None)
    files = ("build", "files", str(build))
    assert bobs.run(*files, "hello.deb").out == "a package"
    assert bobs.run(*files, "hello.deb", "--from", "2", "--bytes", "4").out == "pack"
    assert bobs.run(*files, "hello.deb", "--from", "-3").out == "age"
    assert 'did you mean "hello.deb"?' in bobs.run(*files, "helo.deb").err
    (attempt,) = lines(bobs.run("build", "history", str(build), "--json").out)
    assert (attempt["cookie"], attempt["state"], attempt["reason"]) == (f"{build}-1", "ended", "OK")


def test_a_build_that_waits_for_a_dependency_is_tried_again(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    build = bobs.add_build()
    daemon.jobs[f"{build}-1"] = Job(status="DEPFAIL", polls=0)
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "manualdepwait"
    assert bobs.run("build", "retry", "--state", "manualdepwait", "--json").json["builds"] == [
        build
    ]
    bobs.scan_until_ended(build)
    assert bobs.build(build)["state"] == "fullybuilt"
    assert bobs.manifest(build)["status"] == "fullybuilt"


def test_the_queue_is_shown_held_and_put_in_order(bobs: ScanFarm) -> None:
    first, second, held = (bobs.add_build(name) for name in ("a", "b", "c"))
    bobs.run("queue", "score", str(second), "9")
    bobs.run("queue", "hold", str(held))
    listed = lines(bobs.run("queue", "list", "--json").out)
    assert [each["build"] for each in listed] == [second, first, held]
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=0)
    bobs.scan_until_ended(first, second)
    assert bobs.build(held)["state"] == "needsbuild"
    bobs.run("queue", "release", str(held))
    bobs.scan_until_ended(held)
    assert [params[0].partition("-")[0] for params in daemon.called("build")] == [
        str(second),
        str(first),
        str(held),
    ]


def test_a_daemon_is_cleaned_moved_and_removed(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(polls=None)
    build = bobs.add_build()
    bobs.scan()
    refused = bobs.run("daemon", "remove", "bob")
    assert (refused.code, "has a job" in refused.err) == (2, True)
    assert bobs.run("daemon", "clean", "bob").code == 0
    assert bobs.rows("queue")[0]["daemon_id"] is None
    bobs.run("queue", "hold", str(build))
    bobs.scan()
    assert daemon.called("abort") == [()]
    assert bobs.run("daemon", "set", "bob", "--url", NEW, "--tag", "kvm big").code == 0
    row = bobs.daemon_row()
    assert (row["url"], row["tags"]) == (NEW, "big kvm")
    assert bobs.run("daemon", "remove", "bob").code == 0
    (attempt,) = lines(bobs.run("build", "history", str(build), "--json").out)
    assert attempt["daemon"] == "bob"


def test_status_says_who_needs_a_human_and_why(bobs: ScanFarm) -> None:
    for name in ("bob", "eve"):
        bobs.add_daemon(name)
    bobs.add_build()
    bobs.add_build(tags="kvm", series="warty")
    bobs.run("daemon", "disable", "eve", "bug 7: no disk")
    bobs.scanner["status_s"] = 0.3
    bobs.daemons["bob"].frozen = True
    bobs.scan()
    status = bobs.run("status", "--json").json
    assert (status["daemons"], status["manual"]) == ({"silent": 1, "disabled": 1}, 0)
    assert [(each["what"], each["name"]) for each in status["attention"]] == [
        ("daemon", "bob"),
        ("daemon", "eve"),
        ("architecture", "ubuntu/warty/i386 (Release)"),
        ("processor", "i386"),
    ]
    assert status["attention"][1]["why"] == "disabled: bug 7: no disk"
    (waits,) = status["queue"]
    assert (waits["processor"], waits["waiting"], waits["oldest_wait_s"] >= 0) == ("i386", 2, True)
    assert "bug 7: no disk" in bobs.run("status").out


def test_status_names_daemons_on_which_builds_fail(scans: ScanFarm) -> None:
    for name, state in (("bad", "failedtobuild"), ("good", "fullybuilt")):
        scans.add_daemon(name)
        built = [scans.add_build(name) for _ in range(6)]
        with scans.engine.begin() as connection:
            (key,) = (row["id"] for row in scans.rows("daemons") if row["name"] == name)
            values = {"state": state, "daemon_id": key, "finished_at": db_now()}
            connection.execute(builds.update().where(builds.c.id.in_(built)).values(**values))
            connection.execute(build_queue.delete())
    (need,) = scans.run("status", "--json").json["attention"]
    assert (need["name"], need["why"]) == (
        "bad",
        "6 of 6 builds failed on it since yesterday; elsewhere 0 of 6",
    )


def test_probe_needs_nothing_but_the_daemon(bobs: ScanFarm) -> None:
    done = bobs.run("probe", bobs.origin.url, "--json")
    assert (done.json["dialect"], done.json["state"]) == ("dict", "IDLE")
    away = bobs.run("probe", NEW)
    assert (away.code, NEW in away.err) == (4, True)


def test_no_login_of_a_file_is_ever_shown(bobs: ScanFarm) -> None:
    url = "http://me:hunter2@127.0.0.1:1/a"
    bobs.run("chroot", "set", "ubuntu", "hoary", "i386", "--sha1", "0" * 40, "--url", url)
    bobs.add_daemon()
    build = bobs.add_build()
    said = [bobs.run("chroot", "list"), bobs.run("scan", "-vv"), bobs.run("build", "show", "1")]
    assert not any("hunter2" in each.out + each.err for each in said)
    assert bobs.daemons["bob"].called("ensurepresent")[0][2:] == ("me", "hunter2")
    assert bobs.build(build)["state"] == "needsbuild"
