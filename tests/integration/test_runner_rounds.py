"""Rounds: what comes before and after the worker, stopping, halting, and what is read anew."""

import json
import signal
from pathlib import Path

import pytest

from tests.forks import Forked
from tests.runner_machine import RunnerMachine, wait_until

pytestmark = pytest.mark.integration
# A worker that ends itself when it is asked to, as `runner worker` does.
WAITS = "echo ready >> notes; while :; do sleep 0.02; done"
WORKER = f"trap 'echo drained >> notes; exit 0' TERM; {WAITS}"
DEAF = f"trap 'echo asked >> notes' TERM; {WAITS}"


@pytest.fixture
def machine(tmp_path: Path) -> RunnerMachine:
    machine = RunnerMachine(home=tmp_path)
    machine.settings["max_tries"] = 2
    machine.add_all("halt.sh", "1-before", "4-buildbot", "5-after", "99-last")
    return machine


def end(process: Forked) -> int:
    return process.wait(60)


# Pre-flight, worker, post-flight


def test_a_round_is_before_worker_after(machine: RunnerMachine) -> None:
    machine.rounds(2)
    assert machine.notes() == ["1-before", "4-buildbot", "5-after", "99-last"] * 2


@pytest.mark.fault(
    "the buildbot task {id}",
    "post-flight runs all the same, then what the task asked for; exit {exit_code}",
)
@pytest.mark.parametrize(
    ("script", "exit_code", "last"),
    [("exit 1", 3, ["halt.sh"]), ("exit 2", 3, ["halt.sh"]), ("exit 3", 0, []),
     ("kill -9 $$", 3, ["halt.sh"])],
    ids=["fails", "halts", "exits", "dies"],
)  # fmt: skip
def test_post_flight_runs_whatever_became_of_the_worker(
    machine: RunnerMachine, script: str, exit_code: int, last: list[str]
) -> None:
    machine.add("4-buildbot", script)
    assert machine.rounds(3).returncode == exit_code
    notes = [note for note in machine.notes() if note != "4-buildbot"]
    assert notes == ["1-before", "5-after", "99-last", *last]


@pytest.mark.fault(
    "a pre-flight task fails for good",
    "no worker is started and no post-flight runs; the halt task does",
)
def test_post_flight_does_not_run_where_the_worker_never_started(machine: RunnerMachine) -> None:
    machine.add("1-before", "exit 1")
    machine.rounds()
    assert machine.notes() == ["1-before", "1-before", "halt.sh"]


def test_post_flight_does_not_run_where_the_worker_can_not_be_started(
    machine: RunnerMachine,
) -> None:
    (machine.tasks / "4-buildbot").write_text("no interpreter's name\n")
    machine.rounds()
    assert machine.notes() == ["1-before", "halt.sh"]


@pytest.mark.fault("both the buildbot task and post-flight fail", "the halt task runs once; exit 3")
def test_post_flight_that_fails_halts_once(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", "exit 2")
    machine.add("5-after", "exit 1")
    assert machine.rounds(2).returncode == 3
    assert machine.notes() == ["1-before", "4-buildbot", "5-after", "5-after", "halt.sh"]


def test_the_worker_s_life_has_no_end_unless_its_own_settings_say_one(
    machine: RunnerMachine,
) -> None:
    machine.settings["max_time"] = 0.2
    machine.add("4-buildbot", f"sleep 0.6; {machine.note('worked')}")
    machine.rounds()
    assert machine.notes() == ["1-before", "4-buildbot", "worked", "5-after", "99-last"]


# Stopping


@pytest.mark.fault(
    "SIGTERM to the runner while a worker runs",
    "the worker ends gracefully, post-flight runs; exit 0",
)
def test_a_stop_lets_the_worker_end_and_post_flight_run(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", WORKER)
    process = machine.start()
    machine.wait_for("ready")
    process.terminate()
    assert end(process) == 0
    assert machine.notes() == ["1-before", "4-buildbot", "ready", "drained", "5-after", "99-last"]


@pytest.mark.fault(
    "a second SIGTERM to the runner", "the worker is ended now, post-flight runs; exit 143"
)
def test_a_second_stop_ends_the_worker_and_post_flight_runs(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", DEAF)
    process = machine.start()
    machine.wait_for("ready")
    process.terminate()
    machine.wait_for("asked")
    process.terminate()
    assert end(process) == 143
    assert machine.notes()[-2:] == ["5-after", "99-last"]


@pytest.mark.fault("a third SIGTERM to the runner", "post-flight is ended too; exit 143")
def test_a_third_stop_ends_post_flight_too(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", DEAF)
    machine.add("5-after", "sleep 60")
    process = machine.start()
    machine.wait_for("ready")
    process.terminate()
    machine.wait_for("asked")
    process.terminate()
    machine.wait_for("5-after")
    process.terminate()
    assert end(process) == 143
    assert machine.notes()[-1] == "5-after"


@pytest.mark.fault(
    "SIGTERM or Ctrl-C during pre-flight", "the task may finish; no worker is started; exit 0"
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_pre_flight_lets_the_task_finish_and_starts_no_worker(
    machine: RunnerMachine, number: signal.Signals
) -> None:
    machine.add("1-before", "sleep 0.5; echo finished >> notes")
    machine.add("2-more")
    process = machine.start()
    machine.wait_for("1-before")
    process.send_signal(number)
    assert end(process) == 0
    assert machine.notes() == ["1-before", "finished"]


@pytest.mark.fault("SIGHUP to the runner", "it goes on; tasks do not inherit that")
def test_a_hangup_is_no_stop(machine: RunnerMachine) -> None:
    machine.add("1-before", "sleep 0.3; grep SigIgn /proc/$$/status >> notes")
    process = machine.start("-n", "1")
    machine.wait_for("1-before")
    process.send_signal(signal.SIGHUP)
    assert end(process) == 0
    assert machine.notes()[-1] == "99-last"
    assert int(machine.notes()[1].split()[1], 16) & 1 == 0  # a task does not inherit that


@pytest.mark.fault("SIGTERM during the pause before another try", "the runner ends at once; exit 0")
def test_a_stop_ends_the_pause_before_another_try(machine: RunnerMachine) -> None:
    machine.settings["sleep_time"] = 60
    machine.add("1-before", "exit 1")
    process = machine.start()
    machine.wait_for("1-before")
    wait_until(lambda: machine.status()["doing"] == "pause")
    process.terminate()
    assert end(process) == 0
    assert machine.notes() == ["1-before"]


# Halting


def test_a_halt_follows_the_last_round(machine: RunnerMachine) -> None:
    assert machine.rounds(2, "-H").returncode == 0
    assert machine.notes().count("halt.sh") == 1
    assert machine.notes()[-1] == "halt.sh"
    assert machine.status()["halts"] == {"rounds": 1}


@pytest.mark.fault(
    "a machine would halt again right after it has", "the halt waits until halt_interval is over"
)
def test_a_second_halt_waits(machine: RunnerMachine) -> None:
    machine.settings["halt_interval"] = 600
    machine.add("1-before", "exit 2")
    machine.rounds()
    process = machine.start()
    wait_until(lambda: machine.status()["doing"] == "pause")
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert "the halt waits" in err
    assert "asked to stop: no halt" in err
    assert machine.notes().count("halt.sh") == 1


@pytest.mark.fault("a halt is due and there is no halt task", "an error that says so; exit 3")
def test_without_a_halt_task_the_runner_says_so_and_ends(machine: RunnerMachine) -> None:
    (machine.tasks / "halt.sh").unlink()
    machine.add("1-before", "exit 2")
    done = machine.rounds()
    assert done.returncode == 3
    assert "ERROR runner: there is no halt task" in done.stderr


def test_a_halt_s_reason_has_a_name_in_record_log_and_metrics(machine: RunnerMachine) -> None:
    machine.add("5-after", "echo '@runner reason disk-full: 3 GB are free'; exit 2")
    path = machine.home / "runner.prom"
    done = machine.rounds(2, "--metrics-textfile", str(path))
    why = "after: asks to halt: disk-full: 3 GB are free"
    assert f"WARNING runner: halt: {why}" in done.stderr
    (ended,) = machine.status()["rounds"]
    assert (ended["cause"], ended["reason"]) == ("disk-full", why)
    assert 'farmhand_runner_halts{reason="disk-full"} 1.0' in path.read_text()
    assert "halts: disk-full 1" in machine.run("status").stdout


# Between rounds


def test_the_configuration_is_read_anew_each_round(machine: RunnerMachine) -> None:
    machine.add("1-before", machine.note("$WORD") + f"\nsed -i s/first/second/ {machine.config}")
    machine.settings["env"] = {"WORD": "first"}
    machine.rounds(2)
    assert [note for note in machine.notes() if note in {"first", "second"}] == ["first", "second"]


@pytest.mark.fault(
    "the runner's configuration breaks between rounds",
    "the round goes on with the last good one, and says so",
)
def test_a_configuration_that_breaks_leaves_the_last_good_one(machine: RunnerMachine) -> None:
    machine.add("1-before", machine.note("$WORD") + f"\necho '- broken' > {machine.config}")
    machine.settings["env"] = {"WORD": "good"}
    done = machine.rounds(2)
    assert (done.returncode, machine.notes().count("good")) == (0, 2)
    assert "this round goes on as the last one" in done.stderr


def test_tasks_are_found_anew_each_round(machine: RunnerMachine) -> None:
    new = machine.tasks / "2-new"
    machine.add("1-before", f"cp {machine.tasks}/5-after {new}")
    machine.rounds(2)
    assert machine.notes().count("5-after") == 3


# status


def test_status_says_what_is_done_and_what_was(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", WORKER)
    process = machine.start()
    machine.wait_for("ready")
    wait_until(lambda: machine.status()["doing"] == "task")
    now = machine.status()
    process.terminate()
    end(process)
    assert (now["doing"], now["task"], now["try"], now["round"]) == ("task", "buildbot", 1, 1)
    assert now["pid"] == process.pid
    after = machine.status()
    assert after["doing"] is None
    (ended,) = after["rounds"]
    assert (ended["result"], ended["reason"]) == ("stop", "asked to stop")
    assert [each["task"] for each in ended["tasks"]] == ["before", "buildbot", "after", "last"]


def test_status_keeps_the_last_ten_rounds(machine: RunnerMachine) -> None:
    machine.ini = "[runner]\nround_interval=0\n"  # which is read without another process
    machine.rounds(12)
    assert [each["number"] for each in machine.status()["rounds"]] == list(range(3, 13))
    said = machine.run("status").stdout
    assert said.startswith("no runner is at work")
    assert len(said.splitlines()) == 13
    assert "12 rounds without a reboot" in said


def test_status_of_a_machine_that_never_ran_it_writes_nothing(machine: RunnerMachine) -> None:
    assert machine.status()["rounds"] == []
    assert not machine.state.exists()


def test_a_round_s_reason_is_kept(machine: RunnerMachine) -> None:
    machine.add("1-before", "exit 1")
    machine.rounds()
    (ended,) = machine.status()["rounds"]
    assert (ended["result"], ended["reason"]) == ("halt", "before: failed 2 times: exit code 1")


# What a run says


def test_a_dry_run_shows_the_order_and_runs_nothing(machine: RunnerMachine) -> None:
    done = machine.run("--dry-run", str(machine.tasks))
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["before", "1-before"],
        ["worker", "4-buildbot"],
        ["after", "5-after"],
        ["after", "99-last"],
    ]
    assert machine.notes() == []
    assert not machine.state.exists()


def test_json_and_metrics_say_how_it_ended(machine: RunnerMachine) -> None:
    path = machine.home / "runner.prom"
    done = machine.rounds(2, "--json", "--metrics-textfile", str(path))
    document = json.loads(done.stdout)
    assert (document["result"], len(document["rounds"])) == ("ok", 2)
    assert 'farmhand_runner_rounds{result="ok"} 2.0' in path.read_text()


def test_metrics_are_written_after_each_round(machine: RunnerMachine) -> None:
    path = machine.home / "runner.prom"
    machine.add("1-before", f"cp {path} {machine.home}/seen || :")
    machine.rounds(2, "--metrics-textfile", str(path))
    seen = (machine.home / "seen").read_text()
    assert 'farmhand_runner_rounds{result="ok"} 1.0' in seen
    assert "farmhand_runner_last_round_seconds" in seen


@pytest.mark.fault("the runner's metrics can't be written", "a warning; the rounds go on")
def test_metrics_that_can_not_be_written_stop_no_round(machine: RunnerMachine) -> None:
    done = machine.rounds(1, "--metrics-textfile", "/none/runner.prom")
    assert done.returncode == 0
    assert "WARNING runner: metrics textfile /none/runner.prom: No such file" in done.stderr


def test_the_log_reads_like_a_story(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", "echo building")
    lines = [line.split(" ", 1)[1] for line in machine.rounds().stderr.splitlines()]
    assert lines[1] == "INFO runner: round 1: before, then the worker, then after, last"
    assert "INFO runner: buildbot: building" in lines
    assert lines[-2].startswith("INFO runner: round 1: done after ")
