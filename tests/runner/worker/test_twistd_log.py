"""Logs of every generation of workers; `data/twistd_logs/README` says where each is from."""

from pathlib import Path

import pytest

from runner.worker.twistd_log import Kind, WorkerLog, advance, parse_line

LOGS = Path(__file__).parents[2] / "data/twistd_logs"
GENERATIONS = ("0.8", "0.9", "1", "2.7", "3", "4.3", "head")


def read(name: str) -> WorkerLog:
    """Add up a whole log."""
    return add(WorkerLog(), (LOGS / f"{name}.log").read_text())


def add(log: WorkerLog, text: str) -> WorkerLog:
    for line in text.splitlines():
        if event := parse_line(line):
            log = advance(log, event)
    return log


def read_until(name: str, wanted: str) -> WorkerLog:
    """Add up a log until a line that has the words, this line included."""
    before, found, rest = (LOGS / f"{name}.log").read_text().partition(wanted)
    assert found
    return add(WorkerLog(), before + found + rest.partition("\n")[0])


def named(ending: str) -> list[str]:
    return sorted(path.stem for path in LOGS.glob(f"*-{ending}.log"))


def test_every_generation_is_recorded() -> None:
    assert {path.stem.partition("-")[0] for path in LOGS.glob("*.log")} == set(GENERATIONS)


@pytest.mark.parametrize("name", named("two-builds-then-hup"))
def test_builds_are_counted_at_their_first_command(name: str) -> None:
    log = read(name)
    assert (log.builds, log.commands, log.stops_by) == (2, 0, "signal")
    assert (log.was_connected, log.connected, log.stop_heard, log.leaving, log.ended) == (
        True,
        False,
        True,
        True,
        True,
    )


@pytest.mark.parametrize("name", named("build-then-stamp"))
def test_an_old_worker_builds_and_leaves_by_its_stamp(name: str) -> None:
    log = read(name)
    assert (log.builds, log.commands, log.stops_by) == (1, 0, "file")
    assert (log.was_connected, log.stop_heard, log.leaving, log.ended) == (True, True, True, True)


@pytest.mark.parametrize(
    ("name", "ready"),
    [
        *((name, "worker is ready") for name in named("two-builds-then-hup")),
        ("0.8-build-then-stamp", "slave is ready"),
        ("0.9-build-then-stamp", "worker is ready"),
    ],
)
def test_it_is_connected_at_the_ready_line_and_not_before(name: str, ready: str) -> None:
    assert read_until(name, "attached").connected is False
    assert read_until(name, ready).connected is True


@pytest.mark.parametrize("name", [*named("two-builds-then-hup"), *named("build-then-stamp")])
def test_a_command_runs_between_its_lines(name: str) -> None:
    log = read_until(name, "using PTY")
    assert (log.builds, log.commands) == (1, 1)


@pytest.mark.parametrize("name", named("wrong-password"))
def test_authentication_failed(name: str) -> None:
    log = read(name)
    assert log.auth_failed
    assert log.problem.startswith("unauthorized login; check ")
    assert not log.was_connected


@pytest.mark.parametrize("name", named("duplicate-name"))
def test_a_duplicate_name(name: str) -> None:
    log = read(name)
    assert (log.duplicate, log.ended, log.was_connected) == (True, True, False)


@pytest.mark.parametrize("name", named("refused"))
def test_refused_is_not_connected(name: str) -> None:
    log = read_until(name, "Stopping factory")
    assert (log.connected, log.was_connected, log.auth_failed) == (False, False, False)


# As people published them


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("0.8-reported-attached", WorkerLog(started=True, connected=False)),
        ("0.8-reported-connected", WorkerLog(started=True, connected=True, was_connected=True)),
        ("0.9-reported-lost", WorkerLog(connected=False, leaving=True, ended=True)),
        ("1-reported-building", WorkerLog(connected=True, was_connected=True, commands=1)),
        ("3-reported-away", WorkerLog(connected=False)),
    ],
)
def test_what_others_recorded_is_understood(name: str, known: WorkerLog) -> None:
    assert read(name) == known


def test_every_log_says_where_it_is_from() -> None:
    text = (LOGS / "README").read_text()
    for path in LOGS.glob("*.log"):
        recorded_or_written = path.stem.startswith(("4.3-", "head-", "0.8-", "0.9-"))
        assert path.stem in text or (recorded_or_written and "reported" not in path.stem)


def test_an_old_log_says_itself_that_it_was_refused() -> None:
    assert "refused by other side" in read("0.8-refused").problem


@pytest.mark.parametrize("name", ["0.8-lost", "0.9-lost", "4.3-master-lost-while-building"])
def test_lost(name: str) -> None:
    log = read(name)
    assert (log.was_connected, log.connected, log.leaving) == (True, False, False)
    assert log.commands == 0


def test_a_worker_that_is_terminated_is_not_sent_away() -> None:
    log = read("4.3-terminated")
    assert (log.terminated, log.leaving, log.ended) == (True, False, True)


def test_connected_again_after_a_loss() -> None:
    log = add(
        read("0.8-lost"), "2012-05-06 08:00:00-0700 [-] Connected to bm1:9001; slave is ready"
    )
    assert log.connected is True


def test_only_what_follows_the_last_start_counts() -> None:
    start = "2026-01-01 00:00:00+0000 [-] Starting Worker -- version: 4.3.0"
    assert add(read("4.3-two-builds-then-hup"), start) == WorkerLog(started=True, connected=False)


def test_a_stop_that_was_heard_without_a_master_is_lost() -> None:
    heard = add(
        WorkerLog(connected=True),
        "2026-01-01 00:00:00+0000 [-] Initiating shutdown because we got SIGHUP",
    )
    lost = add(heard, "\ttwisted.spread.pb.DeadReferenceError: Calling Stale Broker")
    assert (heard.stop_heard, lost.stop_heard) == (True, False)


def test_a_stop_that_was_heard_is_lost_with_its_master() -> None:
    heard = WorkerLog(connected=True, was_connected=True, stop_heard=True)
    lost = add(heard, "2026-01-01 00:00:00+0000 [-] Stopping factory <f>")
    assert (lost.connected, lost.stop_heard) == (False, False)


def test_a_build_shows_that_it_is_connected_where_the_ready_line_was_rotated_away() -> None:
    ping = "2026-01-01 00:00:00+0000 [Broker,client] message from master: ping"
    command = "2026-01-01 00:00:00+0000 [Broker,client] (command 4): startCommand:shell"
    log = add(WorkerLog(), f"{ping}\n{command}")
    assert (log.connected, log.builds) == (True, 1)


def test_what_a_build_prints_of_its_environment_is_no_event() -> None:
    ready = "Connected to buildmaster; worker is ready"
    dump = f"2026-01-01 00:00:00+0000 [-] (command ['sh']):  environment:\n\t{{'A': '{ready}',\n"
    assert add(WorkerLog(), dump) == WorkerLog()


def test_a_ping_without_a_build_is_no_build() -> None:
    ping = "2026-01-01 00:00:00+0000 [Broker,client] message from master: ping"
    assert add(WorkerLog(connected=True), ping).builds == 0


@pytest.mark.parametrize(
    "line", ["", "Server Shut Down.", "2026-01-01 00:00:00+0000 [-] Server", "\0\0", "\t"]
)
def test_other_lines_are_no_events(line: str) -> None:
    assert parse_line(line) is None


def test_a_fraction_of_a_second_is_a_time_too() -> None:
    event = parse_line("2026-01-01 00:00:00.123+0000 [-] Main loop terminated.")
    assert event is not None
    assert event.kind is Kind.ENDED
