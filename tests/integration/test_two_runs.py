"""Runs at the same time: on one host, on two, and one that is told to end."""

import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.farm import BUILD, REGIONS, Farm
from tests.journal import (
    age_launches,
    finish,
    kill,
    known,
    launches,
    live,
    numbered,
    read,
    runs,
    shared_database,
    wait_until,
)
from tests.processes import Command
from watch_pending.apply import RENEW_S

pytestmark = pytest.mark.integration
HOSTS = ("one", "two")


@pytest.fixture(params=["sqlite", "mariadb", pytest.param("postgresql", marks=pytest.mark.soak)])
def shared(farm: Farm, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """The one database of two hosts, each of which has its own state directory."""
    with shared_database(request.param, farm, request) as engine:
        yield engine


def state_of(farm: Farm, host: str) -> str:
    return str(farm.directory / f"state-{host}")


def run_on_all_hosts(farm: Farm) -> dict[int, str]:
    """Run on all hosts at once: exit code → what was said on stderr."""
    processes = [farm.start(FARMHAND_STATE=state_of(farm, host)) for host in HOSTS]
    return {done.code: done.err for done in [process.finish(60) for process in processes]}


def start_slowly(farm: Farm, **environ: str) -> Command:
    """Start a run that has read the journal, and waits for what EC2 answered."""
    farm.ec2.add_fault(action="DescribeInstances", hold_s=1, left=len(REGIONS))
    process = farm.start(**environ)
    wait_until(lambda: len(farm.ec2.calls("DescribeInstances")) == len(REGIONS))
    return process


def start_and_stop(farm: Farm, **environ: str) -> Command:
    """Start a run, and stop it there until SIGCONT."""
    process = start_slowly(farm, **environ)
    process.send_signal(signal.SIGSTOP)
    return process


def go_on(process: Command) -> int:
    """Let a stopped run go on to its end; return its exit code."""
    process.send_signal(signal.SIGCONT)
    return finish(process)


@pytest.mark.fault(
    "another host planned while this run looked",
    "exit 75; it launches nothing, the demand is launched once",
)
def test_a_run_that_finds_another_plan_launches_nothing(farm: Farm, shared: sa.Engine) -> None:
    farm.add_pending(BUILD, 2)
    first = start_and_stop(farm, FARMHAND_STATE=state_of(farm, "one"))
    assert farm.run(FARMHAND_STATE=state_of(farm, "two")).code == 0
    assert go_on(first) == 75
    assert farm.names() == numbered(2)
    assert [row["exit_code"] for row in read(shared, runs)] == [75, 0]
    assert len(read(shared, launches)) == 2


@pytest.mark.fault(
    "a run is stopped (SIGSTOP) in the middle of launching while another host plans",
    "it does not retry what the other may have planned; the demand is met once, by the next "
    "run at the latest",
)
def test_a_run_leaves_what_it_did_not_get_to_one_that_planned_meanwhile(
    farm: Farm, request: pytest.FixtureRequest
) -> None:
    farm.add_pending(BUILD, 2)
    capacity = "InsufficientInstanceCapacity"
    farm.ec2.add_fault(action="RunInstances", code=capacity, latency_s=1, left=1)
    with shared_database("sqlite", farm, request) as shared:
        first = farm.start(FARMHAND_STATE=state_of(farm, "one"))
        wait_until(lambda: len(farm.ec2.calls("RunInstances")) == 2)
        first.send_signal(signal.SIGSTOP)
        farm.add_pending()
        assert farm.run(FARMHAND_STATE=state_of(farm, "two")).code == 0
        assert go_on(first) == 0
        assert len(farm.names()) == 2
        assert [row["summary"]["launched"] for row in read(shared, runs)] == [1, 1]
        assert farm.run(FARMHAND_STATE=state_of(farm, "one")).code == 0
        assert farm.names() == numbered(3)


@pytest.mark.fault(
    "watch-pending on two hosts at once, on one database",
    "each exits 0 or 75; the demand is launched exactly",
)
@pytest.mark.parametrize(
    "rounds", [2, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_two_hosts_at_once_launch_the_demand_exactly(
    farm: Farm, shared: sa.Engine, rounds: int
) -> None:
    farm.watch["spot"]["limits"] = {scope: {"bld-linux64": 1000} for scope in ("global", *REGIONS)}
    for count in range(1, rounds + 1):
        farm.add_pending(BUILD, 2)
        ends = run_on_all_hosts(farm)
        assert {0} <= ends.keys() <= {0, 75}, ends
        assert farm.names() == numbered(2 * count)
    farm.run()
    assert known(shared) == live(farm.ec2)


@pytest.mark.fault(
    "a host is killed (kill -9) in the middle of launching",
    "another host launches what was not called, a minute later; nothing twice",
)
def test_what_a_killed_host_had_not_called_another_launches_a_minute_later(
    farm: Farm, shared: sa.Engine
) -> None:
    farm.add_pending(BUILD, 12)
    farm.ec2.add_fault(action="RunInstances", hold_s=1)
    first = farm.start(FARMHAND_STATE=state_of(farm, "one"))
    wait_until(lambda: len(farm.ec2.instances()) >= 4)  # all that EC2's rate allows at once
    kill(first)
    farm.ec2.clear_faults()
    assert farm.run(FARMHAND_STATE=state_of(farm, "two")).code == 0
    assert len(farm.names()) < 12
    age_launches(shared, 1.1)
    assert farm.run(FARMHAND_STATE=state_of(farm, "two")).code == 0
    assert farm.names() == numbered(12)


def test_a_run_renews_what_waits_for_its_turn(farm: Farm) -> None:
    farm.add_pending(BUILD, 16)
    assert farm.run().code == 0
    planned = [row["created_at"] for row in read(farm.database, launches)]
    assert max(planned) - min(planned) >= timedelta(seconds=RENEW_S)


@pytest.mark.fault(
    "watch-pending runs twice at once on one host",
    "the second exits 75: another run holds the lock",
)
def test_a_second_run_on_the_same_host_does_nothing(farm: Farm) -> None:
    farm.add_pending(BUILD, 2)
    first = start_and_stop(farm)
    second = farm.run("-v")
    assert go_on(first) == 0
    assert (second.code, "another run holds" in second.err) == (75, True)
    assert farm.names() == numbered(2)
    assert len(read(farm.database, runs)) == 1


def test_a_dry_run_needs_no_lock(farm: Farm) -> None:
    farm.add_pending()
    first = start_and_stop(farm)
    second = farm.run("--dry-run")
    assert go_on(first) == 0
    assert second.code == 0


@pytest.mark.fault("the run that held the lock was killed (kill -9)", "the next run works at once")
def test_a_lock_ends_with_the_run_that_was_killed(farm: Farm) -> None:
    farm.add_pending()
    kill(start_slowly(farm))
    assert farm.run().code == 0


@pytest.mark.fault(
    "SIGTERM while watch-pending looks", "exit 143, also in the run's record; nothing is launched"
)
def test_sigterm_ends_a_run_and_its_row_says_so(farm: Farm) -> None:
    farm.add_pending()
    process = start_slowly(farm)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == 143
    [row] = read(farm.database, runs)
    assert row["exit_code"] == 143
    assert row["finished_at"] is not None
    assert farm.names() == []


@pytest.mark.fault(
    "SIGTERM during a launch call",
    "exit 143; its launch stays open, so that the next run launches nothing twice",
)
def test_sigterm_during_a_call_keeps_its_launch_open(farm: Farm) -> None:
    farm.add_pending(BUILD, 7)
    farm.ec2.add_fault(action="RunInstances", hold_s=1)
    process = farm.start()
    wait_until(farm.ec2.instances)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == 143
    started = len(farm.names())
    farm.run()
    assert len(farm.names()) == started
    assert known(farm.database) == live(farm.ec2)
