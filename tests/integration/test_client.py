"""The verbs that lock, disable, note and list workers, against a real server."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from farmhand.tables.farm import masters
from slavealloc.cli import main
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)
from tests.farm import Finished

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("process_as_before")]


Ask = Callable[..., Finished]
MANUAL = Path(__file__).parents[2] / "docs/slavealloc-commands.md"


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Allocator]:
    """Masters bm1 to bm3 of prod, bm3 disabled, and bm4 of try; each test has its own worker."""
    state = tmp_path_factory.mktemp("client")
    engine = make_places_database(f"sqlite:///{state}/places.sqlite")
    add_masters(engine, 3)
    add_masters(engine, 1, pool="try")
    with engine.begin() as connection:
        connection.execute(masters.update().where(masters.c.id == 3).values(enabled=False))
    add_workers(engine, [f"bld-{n:02}" for n in range(1, 16)])
    add_workers(engine, ["try-01", "try-02"], pool="try", notes="n" * 70)
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


@pytest.fixture
def ask(allocator: Allocator) -> Ask:
    """Runs a verb against the server, in this process, with a token."""
    allocator.authorization()
    shown = {"FARMHAND_TOKEN": allocator.token}

    def run(*args: str) -> Finished:
        done = CliRunner(env=shown).invoke(main, ["-A", allocator.url, *args])
        return Finished(code=done.exit_code, out=done.stdout, err=done.stderr)

    return run


def worker(allocator: Allocator, name: str) -> dict[str, Any]:
    row: dict[str, Any] = allocator.get(f"/api/slaves/{name}?byname=1").json()
    return row


def test_a_locked_worker_goes_to_its_master(ask: Ask, allocator: Allocator) -> None:
    done = ask("lock", "bld-01", "bm2", "-v")
    assert (done.code, done.out) == (0, "bld-01 is now locked to bm2; it was not locked\n")
    assert "bm2" in allocator.gettac("bld-01").text
    done = ask("lock", "BLD-01", "bm1", "--json")
    assert done.json == {
        "slave": "bld-01",
        "locked_master": "bm1",
        "previous_locked_master": "bm2",
        "changed": True,
        "dry_run": False,
    }


def test_a_lock_that_is_there_stays(ask: Ask) -> None:
    ask("lock", "bld-02", "bm2")
    done = ask("lock", "bld-02", "bm2", "-v")
    assert (done.code, done.out) == (0, "bld-02 is already locked to bm2\n")


def test_a_lock_to_a_disabled_master_of_another_pool_warns(ask: Ask, allocator: Allocator) -> None:
    done = ask("lock", "try-01", "bm3")
    assert (done.code, done.out) == (0, "")
    assert "master bm3 is disabled: try-01 gets no allocation until it is enabled" in done.err
    assert "master bm3 is of pool prod, and try-01 is not" in done.err
    assert worker(allocator, "try-01")["locked_masterid"] == 3


def test_an_unlocked_worker_is_free_and_cannot_be_unlocked_twice(
    ask: Ask, allocator: Allocator
) -> None:
    ask("lock", "bld-03", "bm2")
    done = ask("lock", "-u", "bld-03", "-v")
    assert (done.code, done.out) == (0, "bld-03 is now unlocked; it was locked to bm2\n")
    assert worker(allocator, "bld-03")["locked_masterid"] is None
    done = ask("lock", "-u", "bld-03")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("bld-03 is not locked\n")


def test_a_disabled_worker_has_the_note_that_says_why(ask: Ask, allocator: Allocator) -> None:
    done = ask("disable", "bld-04", "-m", "bug 1: disk", "--json")
    assert done.json == {
        "slave": "bld-04",
        "enabled": False,
        "previous_enabled": True,
        "notes": "bug 1: disk",
        "previous_notes": None,
        "changed": True,
        "dry_run": False,
    }
    assert worker(allocator, "bld-04")["enabled"] is False
    assert worker(allocator, "bld-04")["notes"] == "bug 1: disk"


def test_a_note_is_kept_also_where_the_state_stays(ask: Ask, allocator: Allocator) -> None:
    ask("disable", "bld-05", "-m", "bug 1")
    done = ask("disable", "bld-05", "-m", "bug 2", "-v")
    assert done.out == (
        'bld-05 is already disabled; its notes are now "bug 2"; they were "bug 1"\n'
    )
    assert worker(allocator, "bld-05")["notes"] == "bug 2"


def test_enabling_keeps_the_notes_and_says_so(ask: Ask, allocator: Allocator) -> None:
    ask("disable", "bld-06", "-m", "bug 1")
    assert ask("enable", "bld-06", "-v").out == (
        'bld-06 is now enabled; its notes are kept: "bug 1"\n'
    )
    ask("disable", "bld-06")
    assert ask("disable", "-e", "bld-06", "-m", "", "-v").out == (
        'bld-06 is now enabled; its notes are now none; they were "bug 1"\n'
    )
    row = worker(allocator, "bld-06")
    assert (row["enabled"], row["notes"]) == (True, None)


def test_notes_are_printed_and_replaced(ask: Ask) -> None:
    assert ask("notes", "bld-07").out == "bld-07 has no notes\n"
    assert ask("notes", "bld-07", "-m", "line 1\nline 2", "-v").out == (
        'bld-07: its notes are now "line 1\\nline 2"; they were none\n'
    )
    assert ask("notes", "bld-07").out == "line 1\nline 2\n"
    assert ask("notes", "bld-07", "-m", "ü", "--json").json == {
        "slave": "bld-07",
        "notes": "ü",
        "previous_notes": "line 1\nline 2",
        "changed": True,
        "dry_run": False,
    }
    assert ask("notes", "bld-07", "--json").json == {"slave": "bld-07", "notes": "ü"}


def test_notes_that_are_too_long_are_refused_by_the_server(ask: Ask) -> None:
    done = ask("notes", "bld-07", "-m", "x" * 16001)
    assert done.code == 2
    assert "notes: String should have at most 16000 characters" in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lock", "bld-08", "bm1"), "would be locked to bm1; it is not locked"),
        (("lock", "-u", "bld-09"), "would be unlocked; it is locked to bm2"),
        (("disable", "bld-09", "-m", "x"), "would be disabled; its notes would be x; they are y"),
        (("notes", "bld-09", "-m", "x"), "its notes would be x; they are y"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_dry_run_says_what_it_would_do_and_does_not(
    ask: Ask, allocator: Allocator, args: tuple[str, ...], said: str
) -> None:
    allocator.put("/api/slaves/bld-09?byname=1", {"locked_masterid": 2, "notes": "y"})
    before = allocator.get("/api/slaves").json()
    done = ask(*args, "--dry-run")
    assert done.code == 0
    assert said in done.out.replace('"', "")
    assert ask(*args, "--dry-run", "--json").json["dry_run"] is True
    assert allocator.get("/api/slaves").json() == before


def test_changes_say_nothing_on_stdout_to_cron(ask: Ask) -> None:
    for args in (("lock", "bld-10", "bm1"), ("disable", "bld-10"), ("notes", "bld-10", "-m", "x")):
        assert ask(*args) == Finished(code=0, out="", err="")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lock", "blb-01", "bm1"), 'no worker is called "blb-01"; did you mean "bld-01"'),
        (("lock", "bld-11", "bm-1"), 'no master is called "bm-1"; did you mean "bm1"'),
        (("lock", "-u", "zzz"), 'no worker is called "zzz"\n'),
        (("disable", "zzz"), 'no worker is called "zzz"\n'),
        (("notes", "zzz"), 'no worker is called "zzz"\n'),
        (("notes", "zzz", "-m", "x"), 'no worker is called "zzz"\n'),
        (("history", "zzz"), 'no worker is called "zzz"\n'),
        (("history", "é\udce9"), "no worker is called"),
        (("notes", "bld-11.example.com"), "give the name without its domain\n"),
        (("gettac", "bld-11", "bld-11.example.com"), "give the name without its domain\n"),
        (("workers", "--pool", "prdo"), 'no pool is called "prdo"; did you mean "prod"?\n'),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_one(
    ask: Ask, args: tuple[str, ...], said: str
) -> None:
    done = ask(*args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_workers_are_listed_one_a_line(ask: Ask, allocator: Allocator) -> None:
    allocator.gettac("try-02")
    done = ask("workers", "--pool", "try", "--enabled")
    head, *rows = done.out.strip().splitlines()
    assert head.split("  ")[0] == "worker"
    assert [row.split()[0] for row in rows] == ["try-01", "try-02"]
    assert rows[1].split()[1:6] == ["enabled", "try", "bm4", "just", "now"]
    assert rows[1].endswith(" " + "n" * 59 + "…")


def test_workers_are_filtered_by_each_option(ask: Ask, allocator: Allocator) -> None:
    allocator.put("/api/slaves/bld-12?byname=1", {"enabled": False})

    def names(*args: str) -> set[str]:
        return {row["name"] for row in ask("workers", "--json", *args).json}

    assert names() == {row["name"] for row in allocator.get("/api/slaves").json()}
    assert names("--pool", "try") == {"try-01", "try-02"}
    assert names("--pool", "try", "--pool", "prod", "--purpose", "purpose") == names()
    assert "bld-12" in names("--disabled", "--environment", "environment")
    assert "bld-12" not in names("--enabled")
    assert ask("workers", "--pool", "try", "--disabled").out == "no workers\n"


def test_json_of_lists_is_the_apis(ask: Ask, allocator: Allocator) -> None:
    assert ask("workers", "--json").json == allocator.get("/api/slaves").json()
    assert ask("masters", "--json").json == allocator.get("/api/masters").json()
    allocator.gettac("bld-13")
    history = allocator.get("/api/slaves/bld-13/history?byname=1").json()
    assert ask("history", "bld-13", "--json").json == history


def test_masters_are_listed_with_how_many_they_serve(ask: Ask, allocator: Allocator) -> None:
    allocator.put("/api/masters/4", {"notes": "drain on Monday"})
    allocator.gettac("try-02")
    head, *rows = ask("masters").out.strip().splitlines()
    assert head.split() == ["master", "address", "pool", "state", "live", "workers", "notes"]
    assert [row.split()[:4] for row in rows][2:] == [
        ["bm3", "bm3.example.com:9003", "prod", "disabled"],
        ["bm4", "bm4.example.com:9004", "try", "enabled"],
    ]
    assert rows[3].split()[4:] == ["1", "drain", "on", "Monday"]


def test_history_says_where_and_why_and_who_decided(ask: Ask, allocator: Allocator) -> None:
    assert ask("history", "bld-14").out == "bld-14 was never sent to a master, nor changed\n"
    allocator.gettac("bld-14")
    ask("disable", "bld-14", "-m", "bug 5: disk")
    allocator.gettac("bld-14")
    head, *rows = ask("history", "bld-14").out.strip().splitlines()
    assert head.split() == ["at", "what", "why", "by"]
    disabled, chosen = (row.split()[1:4] for row in (rows[0], rows[2]))
    assert disabled == ["→", "none", "disabled"]
    assert chosen in (["→", "bm1", "chosen"], ["→", "bm2", "chosen"])
    assert 'enabled: true → false; notes: none → "bug 5: disk"' in rows[1]
    assert rows[1].rstrip().endswith(f"bug 5: disk  {allocator.token_name}")


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("gettac", ("bld-15",)),
        ("lock", ("bld-15", "bm1")),
        ("disable", ("bld-15",)),
        ("notes", ("bld-15", "-m", "x")),
        ("history", ("bld-15",)),
    ],
)
def test_every_key_of_json_is_documented_and_no_other(
    ask: Ask, verb: str, args: tuple[str, ...]
) -> None:
    ask("gettac", "bld-15")
    ask("notes", "bld-15", "-m", f"before {verb}")
    said = ask(verb, *args, "--json").json
    section = (
        MANUAL.read_text("utf-8").partition(f"## `slavealloc {verb}`")[2].partition("\n## ")[0]
    )
    keys = set().union(*said) if isinstance(said, list) else set(said)
    assert keys == set(re.findall(r'"(\w+)"', section))


def master(allocator: Allocator, nickname: str) -> dict[str, Any]:
    row: dict[str, Any] = allocator.get(f"/api/masters/{nickname}?byname=1").json()
    return row


def test_a_disabled_master_gets_nobody_until_it_is_enabled(ask: Ask, allocator: Allocator) -> None:
    done = ask("master", "disable", "bm1", "-m", "bug 1: kernel", "-v")
    assert done.out == 'bm1 is now disabled; its notes are now "bug 1: kernel"; they were none\n'
    assert "bm2.example.com" in allocator.gettac("bld-13").text
    done = ask("master", "enable", "bm1", "-m", "", "--json")
    assert done.json == {
        "master": "bm1",
        "enabled": True,
        "previous_enabled": False,
        "notes": None,
        "previous_notes": "bug 1: kernel",
        "changed": True,
        "dry_run": False,
    }


def test_who_disables_a_master_is_told_of_workers_that_get_none(ask: Ask) -> None:
    ask("lock", "bld-13", "bm1")
    done = ask("master", "disable", "bm1", "--dry-run")
    assert re.search("locked to bm1, so they get no master until unlocked: .*bld-13", done.err)
    assert "no other enabled master" not in done.err
    ask("lock", "-u", "bld-13")
    done = ask("master", "disable", "bm4", "--dry-run")
    assert "pool try has no other enabled master: its workers get none" in done.err


def test_a_dry_run_leaves_a_master_as_it_is(ask: Ask, allocator: Allocator) -> None:
    before = master(allocator, "bm2")
    done = ask("master", "disable", "bm2", "--dry-run", "-v")
    assert done.out == "bm2 would be disabled; it has no notes\n"
    assert master(allocator, "bm2") == before


def test_a_master_that_there_is_not_is_named_with_a_near_one(ask: Ask) -> None:
    done = ask("master", "disable", "bm")
    assert done.code == 2
    assert 'no master is called "bm"; did you mean' in done.err
