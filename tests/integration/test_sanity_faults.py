"""`sanity` when something does not answer, changes under its hands, or kills it."""

import signal

import pytest

from farmhand.tables.launches import findings
from farmhand.tables.records import runs
from tests import scheduler_schemas
from tests.farm import REGIONS, Farm
from tests.journal import finish, minutes_ago, read, wait_until
from tests.processes import Finished
from tests.sanities import DAYS, add_stopped, add_volume, age_findings, fixes, found, sanity
from tests.stops import RestServer, add_machine, is_paused

pytestmark = pytest.mark.integration
FIRST, SECOND = (f"bld-linux64-{number:03d}" for number in (1, 2))
STRANGE = "strange-001"
REFUSED = {"code": "UnauthorizedOperation", "message": "you may not"}
SECOND_LOOK = {"action": "DescribeInstances", "match": {"Filter.1.Name": "instance-id"}}


def add_orphan(farm: Farm) -> str:
    """Start a machine whose name nobody knows, and let a run have found it."""
    machine = add_machine(farm, STRANGE, launched_at=minutes_ago(60), **{"moz-type": "bld-linux64"})
    sanity(farm)
    return machine


def remembered(farm: Farm) -> set[str]:
    return {row["subject"] for row in read(farm.database, findings)}


# What does not answer


@pytest.mark.fault(
    "a region does not answer {action}",
    "exit 3; what was found there is left alone, and the report says NOT LOOKED AT",
)
@pytest.mark.parametrize("action", ["DescribeInstances", "DescribeVolumes"])
def test_what_was_found_in_a_region_that_does_not_answer_is_left(farm: Farm, action: str) -> None:
    if action == "DescribeInstances":
        machine = add_stopped(farm, FIRST, since=minutes_ago(3 * DAYS))
        subject = f"{REGIONS[0]}/{machine}"
    else:
        subject = f"{REGIONS[0]}/{add_volume(farm)}"
    sanity(farm)
    age_findings(farm.database, 5)
    before = read(farm.database, findings, findings.c.subject == subject)
    assert before
    farm.ec2.add_fault(action=action, region=REGIONS[0], **REFUSED)
    done = sanity(farm, "--fix")
    assert (done.code, fixes(done), list(done.json["lost"])) == (3, {}, [REGIONS[0]])
    assert read(farm.database, findings, findings.c.subject == subject) == before
    assert "NOT LOOKED AT: us-east-1" in farm.run("sanity", "-n").out


@pytest.mark.fault(
    "the scheduler database is away while sanity looks",
    "exit 3; what needs no scheduler is judged; --fix ends no machine",
)
def test_without_the_scheduler_database_the_rest_is_judged_and_nothing_is_ended(
    farm: Farm,
) -> None:
    add_orphan(farm)
    add_stopped(farm, FIRST, since=minutes_ago(3 * DAYS))
    farm.watch["scheduler_db"] = "mysql://nobody@127.0.0.1:1/away"
    done = sanity(farm, "--fix")
    assert (done.code, fixes(done)) == (3, {})
    assert set(done.json["lost"]) == {"scheduler database"}
    assert "long_stopped" in found(done)
    assert farm.names() == [FIRST, STRANGE]
    assert [row["kind"] for row in read(farm.database, findings)].count("orphan") == 1


@pytest.mark.fault(
    "neither EC2 nor the scheduler database answers sanity", "exit 4, also in the run's record"
)
def test_where_nothing_answers_nothing_is_decided(farm: Farm) -> None:
    farm.ec2.add_fault(action="Describe*", **REFUSED)
    assert farm.run("sanity").code == 3  # the scheduler database did
    farm.watch["scheduler_db"] = "mysql://nobody@127.0.0.1:1/away"
    done = farm.run("sanity")
    assert (done.code, read(farm.database, runs)[-1]["exit_code"]) == (4, 4)


# What changes between looking and doing


def while_it_looks_again(farm: Farm, machine: str, **poke: object) -> Finished:
    """Run `--fix`, and change a machine before it has its second look."""
    farm.ec2.add_fault(**SECOND_LOOK, latency_s=1, left=1)
    command = farm.start("sanity", "--fix", "--json")
    wait_until(
        lambda: any(
            call.params.get("Filter.1.Name") == "instance-id"
            for call in farm.ec2.calls("DescribeInstances")
        )
    )
    farm.ec2.poke_instance(machine, **poke)
    return command.finish(60)


@pytest.mark.fault(
    "between looking and fixing a machine is: {id}", "it is left; nothing is terminated; exit 0"
)
@pytest.mark.parametrize(
    "poke",
    [
        {"tags": {"moz-loaned-to": "joe"}},
        {"tags": {"farmhand:farm": "staging"}},
        {"tags": {"moz-state": "disabled"}},
        {"state": "running"},
    ],
    ids=["loaned", "another farm's", "disabled", "started"],
)
def test_a_machine_that_somebody_takes_at_the_last_moment_is_left(
    farm: Farm, poke: dict[str, object]
) -> None:
    machine = add_stopped(farm, FIRST, since=minutes_ago(3 * DAYS))
    done = while_it_looks_again(farm, machine, **poke)
    assert (done.code, fixes(done), farm.names()) == (0, {"long_stopped": "left"}, [FIRST])
    assert not farm.ec2.calls("TerminateInstances")


@pytest.mark.fault("an orphan connects after all", "it is no finding any more and lives")
def test_an_orphan_that_connects_is_none(farm: Farm) -> None:
    add_orphan(farm)
    scheduler_schemas.add_worker(farm.scheduler, "C", STRANGE)
    done = sanity(farm, "--fix")
    assert ("orphan" in found(done), fixes(done), farm.names()) == (False, {}, [STRANGE])


# What fails


@pytest.mark.fault(
    "EC2 refuses to terminate an orphan",
    "that fix is a failure with AWS's words, the others are done; exit 3",
)
def test_a_fix_that_ec2_refuses_is_a_failure_and_the_others_are_done(farm: Farm) -> None:
    add_orphan(farm)
    add_volume(farm)
    sanity(farm)
    age_findings(farm.database, 2)
    farm.ec2.add_fault(action="TerminateInstances", **REFUSED)
    done = sanity(farm, "--fix")
    assert (done.code, fixes(done)) == (3, {"orphan": "failed", "unattached_volume": "fixed"})
    assert "you may not" in done.err
    assert farm.names() == [STRANGE]


@pytest.mark.fault("EC2 refuses to delete one volume", "the others are deleted; exit 3")
def test_a_volume_that_ec2_refuses_to_delete_costs_no_other(farm: Farm) -> None:
    first, second = add_volume(farm), add_volume(farm)
    sanity(farm)
    age_findings(farm.database, 2)
    farm.ec2.add_fault(action="DeleteVolume", match={"VolumeId": first}, **REFUSED)
    assert sanity(farm, "--fix").code == 3
    assert farm.ec2.loose_volumes() == {first}
    assert second


@pytest.mark.fault(
    "the master does not unpause a name: HTTP {status}",
    "a failure with the master's answer; the name stays paused; exit 3",
)
@pytest.mark.parametrize("status", [403, 500])
def test_a_name_that_its_master_does_not_unpause_is_a_failure(
    farm: Farm, master: RestServer, status: int
) -> None:
    scheduler_schemas.add_worker(farm.scheduler, "C", SECOND)
    worker = scheduler_schemas.add_worker(farm.scheduler, "C", FIRST, connected=False)
    pause = b'{"method": "pause", "params": {"reason": "farmhand test: idle"}}'
    master.answer(f"/api/v2/workers/{worker}", pause)
    master.answer = lambda *_: (status, b"no")
    done = sanity(farm, "--fix")
    assert (done.code, fixes(done)) == (3, {"paused_name": "failed"})
    assert f"HTTP {status}" in done.json["outcomes"][0]["why"]
    assert is_paused(farm, FIRST)


# What is killed


@pytest.mark.fault(
    "sanity --fix is killed (kill -9) while {moment}",
    "its row stays without an end; the next run does what is left, once",
)
@pytest.mark.parametrize(
    "moment", ["looking", "looking again", "before the call", "after the call"]
)
def test_a_run_that_was_killed_leaves_the_next_one_to_go_on(farm: Farm, moment: str) -> None:
    add_orphan(farm)
    rule: dict[str, object] = {
        "looking": {"action": "DescribeVolumes", "latency_s": 1},
        "looking again": {**SECOND_LOOK, "latency_s": 1},
        "before the call": {"action": "TerminateInstances", "latency_s": 1, "drop": "before"},
        "after the call": {"action": "TerminateInstances", "hold_s": 1},
    }[moment]
    farm.ec2.clear_calls()
    farm.ec2.add_fault(**rule, left=1)
    command = farm.start("sanity", "--fix")
    wait_until(lambda: farm.ec2.faults()[0]["left"] == 0)
    if moment == "after the call":
        wait_until(lambda: not farm.names())
    command.send_signal(signal.SIGKILL)
    finish(command)
    assert read(farm.database, runs)[-1]["finished_at"] is None
    farm.ec2.clear_faults()
    expected = {} if moment == "after the call" else {"orphan": "fixed"}
    assert fixes(sanity(farm, "--fix")) == expected
    assert farm.names() == []


@pytest.mark.fault(
    "sanity runs twice at once on one host", "the second exits 75; a dry run works all the same"
)
def test_a_second_run_on_the_same_host_is_kept_out(farm: Farm) -> None:
    farm.ec2.add_fault(action="DescribeVolumes", hold_s=2)
    command = farm.start("sanity")
    wait_until(lambda: farm.ec2.calls("DescribeVolumes"))
    assert farm.run("sanity").code == 75
    assert farm.run("sanity", "--dry-run").code == 0
    assert finish(command) == 0


@pytest.mark.fault(
    "sanity --fix on two hosts at once", "both exit 0 in silence; each fix is done once"
)
def test_two_hosts_that_fix_at_once_do_it_once(farm: Farm) -> None:
    add_orphan(farm)
    volume = add_volume(farm)
    sanity(farm)
    age_findings(farm.database, 2)
    url = str(farm.database.url)
    commands = [
        farm.start(
            "sanity",
            "--fix",
            "--json",
            FARMHAND_STATE=str(farm.directory / host),
            FARMHAND_DATABASE=url,
        )
        for host in ("a", "b")
    ]
    done = [command.finish(60) for command in commands]
    assert [(each.code, each.err) for each in done] == [(0, "")] * 2
    assert (farm.names(), volume in farm.ec2.loose_volumes()) == ([], False)
