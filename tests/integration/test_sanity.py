"""`sanity` on a farm with EC2's stand-in: what it finds, remembers, and puts right."""

import json

import pytest

from farmhand.tables.farm import workers
from farmhand.tables.launches import backoffs, findings, instances, launches, stops
from farmhand.tables.records import runs
from tests import scheduler_schemas
from tests.farm import BUILD, REGIONS, Farm
from tests.journal import add_instance, age_launches, create, minutes_ago, read, shared_database
from tests.sanities import (
    DAYS,
    add_stopped,
    add_volume,
    age_findings,
    fixes,
    found,
    sanity,
)
from tests.stops import RestServer, add_idle_machine, add_machine, is_paused, stop_idle
from watch_pending.sanity.models import Kind

pytestmark = pytest.mark.integration
FIRST, SECOND = (f"bld-linux64-{number:03d}" for number in (1, 2))
STRANGE = "strange-001"
THEIRS = {"farmhand:farm": "staging"}
HOUR_AGO = 60


def add_orphan(farm: Farm, **tags: str) -> str:
    """Start a machine of a known type whose name nobody knows."""
    tags = {"moz-type": "bld-linux64", **tags}
    return add_machine(farm, STRANGE, launched_at=minutes_ago(HOUR_AGO), **tags)


# What it finds


def test_a_farm_that_just_works_has_nothing_wrong(farm: Farm) -> None:
    farm.add_pending(BUILD, 2)
    farm.run()
    done = sanity(farm)
    assert (done.code, found(done), done.json["lost"]) == (0, {}, {})
    assert "Nothing is wrong." in farm.run("sanity", "-n").out


def test_what_is_wrong_with_a_farm_is_found_and_nothing_of_another_farms(farm: Farm) -> None:
    ill = add_machine(farm, FIRST, launched_at=minutes_ago(2 * DAYS))
    farm.ec2.poke_instance(ill, impaired=True)
    add_machine(farm, "bld-linux64-003", launched_at=minutes_ago(5), **{"moz-loaned-to": "joe"})
    add_machine(farm, "x-001", launched_at=minutes_ago(5), **{"moz-state": "?"})
    add_stopped(farm, SECOND, since=minutes_ago(3 * DAYS), region=REGIONS[1])
    volume = add_volume(farm)
    for tag in ("staging", ""):
        theirs = add_machine(farm, "x-9", launched_at=minutes_ago(9), **{"farmhand:farm": tag})
        farm.ec2.poke_instance(theirs, impaired=True)
    add_volume(farm, REGIONS[0], **THEIRS)
    scheduler_schemas.add_worker(farm.scheduler, "C", "bld-linux64-009", connected=False, paused=1)
    done = sanity(farm)
    assert done.code == 0
    assert found(done) == {
        "impaired": {FIRST},
        "long_running": {FIRST},
        "loaned": {"bld-linux64-003"},
        "unknown_type": {"x-001"},
        "unknown_state": {"x-001"},
        "long_stopped": {SECOND},
        "unattached_volume": {volume},
        "paused_name": {"bld-linux64-009"},
        "no_journal": {FIRST, SECOND, "bld-linux64-003", "x-001"},
        "limit_exceeded": {"on_demand.limits.global.bld-linux64"},
    }
    assert done.json["others"] == {"other_farms": 1, "untagged": 1}
    [stopped] = [each for each in done.json["findings"] if each["kind"] == "long_stopped"]
    assert stopped["age_s"] == pytest.approx(3 * 86400, abs=100)
    assert stopped["region"] == REGIONS[1]


def test_a_stopped_machine_costs_its_disks(farm: Farm) -> None:
    farm.add_pending(BUILD, 1)
    farm.run()
    [machine] = farm.ec2.instances()
    farm.ec2.poke_instance(
        machine["id"],
        state="stopped",
        launch_time=minutes_ago(9 * DAYS).isoformat(),
        stopped_at=minutes_ago(3 * DAYS).isoformat(),
    )
    [finding] = sanity(farm).json["findings"]
    assert (finding["kind"], finding["usd_per_month"]) == ("long_stopped", 8 * 0.08)


def test_rows_that_do_not_get_on_are_found(farm: Farm) -> None:
    stop = {
        "state": "pausing",
        "reason": "idle",
        "detail": "idle for 60 min",
        "instance_type": "bld-linux64",
        "region": REGIONS[0],
        "masters": [],
        "began_at": minutes_ago(90),
        "owner": "a",
        "owned_until": minutes_ago(80),
    }
    stopped = {
        "scope": "settings/east/bld",
        "kind": "settings",
        "region": "east",
        "instance_type": "bld",
        "reason": "no such key pair",
        "failures": 1,
        "began_at": minutes_ago(9),
        "until": None,
    }
    backed_off = {"scope": "quota/east", "kind": "quota", "until": minutes_ago(-9)}
    with create(farm.database).begin() as connection:
        for name, minutes in ((FIRST, 31), (SECOND, 29)):
            about = {"instance_id": f"i-{name}", "open_instance_id": f"i-{name}", "name": name}
            connection.execute(
                stops.insert().values(**stop, **about, expires_at=minutes_ago(minutes))
            )
        connection.execute(backoffs.insert(), [stopped, {**stopped, **backed_off}])
    assert found(sanity(farm)) == {"stuck_stop": {FIRST}, "bad_settings": {"settings/east/bld"}}


def test_volumes_beyond_the_first_page_are_found_too(farm: Farm) -> None:
    farm.ec2.add_volumes(REGIONS[0], 501, tags={"farmhand:farm": "test"})
    done = sanity(farm)
    assert len(found(done)["unattached_volume"]) == 501
    assert len(farm.ec2.calls("DescribeVolumes")) == 3  # two of one region, one of the other


# What it remembers


def test_an_orphan_is_one_only_when_an_earlier_run_saw_it(farm: Farm) -> None:
    add_orphan(farm)
    first, dry = sanity(farm), sanity(farm, "--dry-run")
    assert ("orphan" in found(first), found(first, "suspects")) == (False, {"orphan": {STRANGE}})
    assert found(dry)["orphan"] == {STRANGE}
    assert found(sanity(farm))["orphan"] == {STRANGE}


def test_a_dry_run_remembers_nothing_and_leaves_nothing_behind(farm: Farm) -> None:
    add_orphan(farm)
    metrics = farm.directory / "sanity.prom"
    for _ in range(2):
        done = sanity(farm, "--dry-run", "--fix", "--metrics-textfile", str(metrics))
        assert found(done, "suspects") == {"orphan": {STRANGE}}
    assert not (farm.directory / "state").exists()
    assert not metrics.exists()
    assert farm.names() == [STRANGE]


def test_a_dry_run_of_fix_says_what_it_would_put_right(farm: Farm) -> None:
    add_orphan(farm)
    sanity(farm)
    before = read(farm.database, findings), read(farm.database, runs)
    assert fixes(sanity(farm, "--fix", "--dry-run")) == {"orphan": "would_fix"}
    assert (read(farm.database, findings), read(farm.database, runs)) == before
    assert farm.names() == [STRANGE]


def test_without_fix_nothing_but_findings_is_written(farm: Farm) -> None:
    add_stopped(farm, FIRST, since=minutes_ago(3 * DAYS))
    add_instance(create(farm.database), SECOND, seen=minutes_ago(9))
    assert set(found(sanity(farm))) == {
        "long_stopped",
        "no_instance",
        "no_journal",
        "limit_exceeded",
    }
    assert [row["state"] for row in read(farm.database, instances)] == ["running"]
    assert farm.names() == [FIRST]


def test_what_is_no_longer_wrong_is_forgotten_and_begins_anew(farm: Farm) -> None:
    machine = add_orphan(farm)
    sanity(farm)
    age_findings(farm.database, 1)
    [before] = read(farm.database, findings, findings.c.kind == "orphan")
    sanity(farm)
    [after] = read(farm.database, findings, findings.c.kind == "orphan")
    assert after["first_seen_at"] == before["first_seen_at"]
    assert after["last_seen_at"] > before["last_seen_at"]
    farm.ec2.poke_instance(machine, tags={"Name": FIRST})
    sanity(farm)
    assert read(farm.database, findings, findings.c.kind == "orphan") == []


def test_a_worker_is_paused_for_long_when_it_was_found_so_long_ago(farm: Farm) -> None:
    add_idle_machine(farm, FIRST, paused=1)
    assert "paused" not in found(sanity(farm))
    age_findings(farm.database, 1.1)
    assert found(sanity(farm))["paused"] == {FIRST}


def test_a_region_that_is_no_longer_configured_is_still_looked_at(farm: Farm) -> None:
    west = REGIONS[1]
    volume = add_volume(farm, west)
    sanity(farm)
    for section in (farm.watch["region_priorities"], farm.watch["spot"]["limits"]):
        del section[west]
    for instance_type in farm.watch["instance_types"].values():
        del instance_type["regions"][west]
    assert found(sanity(farm)) == {"unattached_volume": {volume}}


# What it puts right


def test_fix_terminates_an_orphan_that_was_seen_twice(farm: Farm) -> None:
    add_orphan(farm)
    assert fixes(sanity(farm, "--fix")) == {}
    done = sanity(farm, "--fix")
    assert (done.code, fixes(done), farm.names()) == (0, {"orphan": "fixed"}, [])


def test_fix_terminates_what_is_stopped_for_long_and_nobody_needs(farm: Farm) -> None:
    since = minutes_ago(3 * DAYS)
    add_stopped(farm, FIRST, since=since)
    add_stopped(farm, SECOND, since=since, **{"moz-loaned-to": "joe"})
    add_stopped(farm, "bld-linux64-003", since=since, **{"moz-state": "disabled: bug 1"})
    add_stopped(farm, "bld-linux64-004", since=since, **{"farmhand:farm": "staging"})
    add_stopped(farm, "bld-linux64-005", since=since)
    with create(farm.database).begin() as connection:
        connection.execute(workers.insert().values(name="bld-linux64-005", enabled=False))
    assert fixes(sanity(farm, "--fix")) == {"long_stopped": "fixed"}
    assert farm.names() == [SECOND, *(f"bld-linux64-{number:03d}" for number in (3, 4, 5))]


def test_fix_deletes_a_volume_that_was_found_for_a_day(farm: Farm) -> None:
    here, there = add_volume(farm), add_volume(farm, REGIONS[1])
    loaned = add_volume(farm, REGIONS[0], **{"moz-loaned-to": "joe"})
    theirs = add_volume(farm, REGIONS[0], **THEIRS)
    assert fixes(sanity(farm, "--fix")) == {}
    age_findings(farm.database, 1.1)
    done = sanity(farm, "--fix")
    assert [each["subject"] for each in done.json["outcomes"]] == [
        f"{REGIONS[0]}/{here}",
        f"{REGIONS[1]}/{there}",
    ]
    assert farm.ec2.loose_volumes() == {loaned, theirs}


def test_fix_closes_the_rows_of_what_is_gone(farm: Farm) -> None:
    farm.add_pending(BUILD, 1)
    farm.run()
    farm.ec2.settings(lag_s=3600)
    age_launches(farm.database, 6)
    add_instance(farm.database, SECOND, seen=minutes_ago(6))
    add_instance(farm.database, "bld-linux64-003", seen=minutes_ago(4))
    done = sanity(farm, "--fix")
    assert found(done) == {"no_instance": {FIRST, SECOND}}
    assert fixes(done) == {"no_instance": "fixed"}
    assert [row["state"] for row in read(farm.database, launches)] == ["expired"]
    states = {row["name"]: row["state"] for row in read(farm.database, instances)}
    assert states == {SECOND: "gone", "bld-linux64-003": "running"}


def test_fix_does_not_expire_a_launch_whose_instance_ec2_shows(farm: Farm) -> None:
    farm.add_pending(BUILD, 1)
    farm.run()
    age_launches(farm.database, 6)
    add_instance(farm.database, SECOND, seen=minutes_ago(6))
    assert found(sanity(farm, "--fix")) == {"no_instance": {SECOND}}
    assert [row["state"] for row in read(farm.database, launches)] == ["seen"]


def test_fix_unpauses_a_name_that_stop_idle_had_paused(farm: Farm, master: RestServer) -> None:
    scheduler_schemas.add_worker(farm.scheduler, "C", "bld-linux64-003")
    for name, reason in ((FIRST, "farmhand test: idle: idle for 60 min"), (SECOND, "bad disk")):
        worker = scheduler_schemas.add_worker(farm.scheduler, "C", name, connected=False)
        master.answer(f"/api/v2/workers/{worker}", pause_call(reason))
    done = sanity(farm, "--fix")
    assert (found(done), fixes(done)) == (
        {"paused_name": {FIRST, SECOND}},
        {"paused_name": "fixed"},
    )
    assert (is_paused(farm, FIRST), is_paused(farm, SECOND)) == (False, True)


def pause_call(reason: str) -> bytes:
    return json.dumps({"method": "pause", "params": {"reason": reason}}).encode()


@pytest.mark.usefixtures("master")
def test_stop_idle_and_sanity_do_not_get_in_each_others_way(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    stop_idle(farm)
    done = sanity(farm, "--fix")
    assert set(found(done)) <= {"no_journal", "limit_exceeded"}
    assert (fixes(done), is_paused(farm, FIRST)) == ({}, True)


# What it says


def test_its_numbers_are_metrics_and_its_run_is_on_record(farm: Farm) -> None:
    add_orphan(farm)
    metrics = farm.directory / "sanity.prom"
    for _ in range(2):
        sanity(farm, "--fix", "--metrics-textfile", str(metrics))
    text = metrics.read_text()
    assert 'farmhand_watch_pending_findings{kind="orphan"} 1.0' in text
    assert 'farmhand_watch_pending_findings{kind="loaned"} 0.0' in text
    assert 'farmhand_watch_pending_fixes{fate="fixed"} 1.0' in text
    assert text.count("farmhand_watch_pending_findings{") == len(Kind)
    last = read(farm.database, runs)[-1]
    assert (last["verb"], last["exit_code"], last["summary"]["fixed"]) == ("sanity", 0, 1)
    assert last["summary"]["kinds"]["orphan"] == 1


def test_many_of_a_kind_are_cut_and_counted_by_region(farm: Farm) -> None:
    for number in range(13):
        add_volume(farm, REGIONS[number % 2])
    text = farm.run("sanity", "--dry-run").out
    assert "… 3 more" in text
    assert "us-east-1 7, us-west-2 6" in text
    assert text.count("vol-") == 10


@pytest.mark.parametrize("fix", [(), ("--fix",)], ids=["seen", "fixed"])
def test_from_cron_it_says_nothing(farm: Farm, fix: tuple[str, ...]) -> None:
    add_stopped(farm, FIRST, since=minutes_ago(3 * DAYS))
    done = farm.run("sanity", "-q", *fix)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_it_remembers_and_fixes_on_every_database(
    farm: Farm, kind: str, request: pytest.FixtureRequest
) -> None:
    with shared_database(kind, farm, request) as database:
        add_orphan(farm)
        volume = add_volume(farm)
        sanity(farm)
        age_findings(database, 1.1)
        done = sanity(farm, "--fix")
        assert fixes(done) == {"orphan": "fixed", "unattached_volume": "fixed"}
        assert volume not in farm.ec2.loose_volumes()
        assert found(sanity(farm)) == {}
        assert read(database, findings) == []
