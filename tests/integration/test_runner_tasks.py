"""Tasks as processes: their order, retries and halts, what they are told, what hooks hear."""

import json
import os
from pathlib import Path

import pytest

from tests.runner_machine import RunnerMachine

pytestmark = pytest.mark.integration


@pytest.fixture
def machine(tmp_path: Path) -> RunnerMachine:
    machine = RunnerMachine(home=tmp_path)
    machine.add("halt.sh")
    return machine


# Order and retries


def test_tasks_run_in_natural_order(machine: RunnerMachine) -> None:
    machine.add_all("10-x", "2-x2", "1-y.sh", "b", "a")
    assert machine.rounds().returncode == 0
    assert machine.notes() == ["1-y.sh", "2-x2", "10-x", "a", "b"]


@pytest.mark.fault(
    "task {place} of five fails twice, then passes",
    "it alone is repeated; the others run once, in order; exit 0",
)
@pytest.mark.parametrize("place", [1, 2, 3, 4, 5])
def test_a_retry_resumes_at_the_task_that_failed(machine: RunnerMachine, place: int) -> None:
    for number in range(1, 6):
        machine.add(f"{number}-t{number}")
    machine.add(f"{place}-t{place}", f"[ $(grep -c {place}-t notes) -ge 3 ]")
    assert machine.rounds().returncode == 0
    ran = [int(note[0]) for note in machine.notes()]
    assert ran == sorted([1, 2, 3, 4, 5, place, place])


@pytest.mark.fault(
    "a task always fails",
    "after its last try the later tasks are left out, the halt task runs once; exit 3",
)
def test_after_the_last_try_only_the_halt_task_runs_and_once(machine: RunnerMachine) -> None:
    machine.add_all("1-a", "2-b", "4-d", "5-e")
    machine.add("3-c", "exit 1")
    done = machine.rounds(3)
    assert done.returncode == 3
    assert machine.notes() == ["1-a", "2-b", *["3-c"] * 5, "halt.sh"]
    assert "c: failed 5 times: exit code 1" in done.stderr


def test_tries_are_counted_for_each_task(machine: RunnerMachine) -> None:
    machine.settings["max_tries"] = 2
    for name in ("1-a", "2-b", "3-c"):
        machine.add(name, f"[ $(grep -c {name} notes) -ge 2 ]")
    assert machine.rounds().returncode == 0
    assert len(machine.notes()) == 6


@pytest.mark.parametrize(("code", "exit_code", "after"), [(2, 3, ["halt.sh"]), (3, 0, [])])
def test_a_task_can_halt_and_exit_at_once(
    machine: RunnerMachine, code: int, exit_code: int, after: list[str]
) -> None:
    machine.add("1-a", f"exit {code}")
    machine.add("2-b")
    assert machine.rounds(2).returncode == exit_code
    assert machine.notes() == ["1-a", *after]


def test_dependencies_come_first(machine: RunnerMachine) -> None:
    machine.add_all("0-first", "3-check_ami.py", "5-other")
    machine.settings["tasks"] = {"first": {"depends_on": ["check_ami", "5-other"]}}
    machine.rounds()
    assert machine.notes() == ["3-check_ami.py", "5-other", "0-first"]


@pytest.mark.fault(
    "depends_on of tasks is wrong: {id}", "exit 2 with the path or the nearest name; no task runs"
)
@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"a": ["b"], "b": ["a"]}, "tasks depend on each other: a → b → a"),
        ({"a": ["chek"]}, '1-a: depends_on: unknown task "chek"; did you mean "check"?'),
    ],
    ids=["cycle", "unknown"],
)
def test_wrong_dependencies_are_refused(
    machine: RunnerMachine, needs: dict[str, list[str]], said: str
) -> None:
    machine.add_all("1-a", "2-b", "3-check")
    machine.settings["tasks"] = {name: {"depends_on": each} for name, each in needs.items()}
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (2, [])
    assert said in done.stderr


@pytest.mark.fault(
    "README, backups, dot files, directories, dangling links among the tasks",
    "they are skipped with one warning that lists them",
)
def test_what_is_no_task_is_skipped_with_one_warning(machine: RunnerMachine) -> None:
    machine.add_all("1-a", "2-b~", "README.md", "3-c.bak", ".hidden")
    (machine.tasks / "4-notes.txt").write_text("not executable")
    (machine.tasks / "5-directory").mkdir()
    (machine.tasks / "6-loop").symlink_to("6-loop")
    (machine.tasks / "7-dangling").symlink_to("nowhere")
    skipped = "2-b~, 3-c.bak, 4-notes.txt, 5-directory, 6-loop, 7-dangling, .hidden, README.md"
    done = machine.rounds(2)
    assert machine.notes() == ["1-a", "1-a"]
    assert done.stderr.count("WARNING") == 1
    assert f"no tasks: {skipped}" in done.stderr


@pytest.mark.fault(
    "a task has no interpreter line",
    "could not be started: Exec format error; tried again, then halted; exit 3",
)
def test_a_file_that_can_not_be_started_fails_and_is_tried_again(machine: RunnerMachine) -> None:
    machine.add("1-a").write_text("no interpreter's name\n")
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (3, ["halt.sh"])
    assert done.stderr.count("could not be started: Exec format error; again") == 4


@pytest.mark.fault(
    "a task's interpreter is missing", "its interpreter is missing; the halt task runs; exit 3"
)
def test_a_task_whose_interpreter_is_missing_says_so(machine: RunnerMachine) -> None:
    machine.settings["max_tries"] = 1
    machine.add("1-a").write_text("#!/no/such/interpreter\n")
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (3, ["halt.sh"])
    assert "could not be started: its interpreter is missing" in done.stderr


@pytest.mark.fault(
    "a task's file name is not UTF-8", "it runs as others do; log and JSON show it escaped"
)
def test_a_name_that_is_no_text_is_a_task_like_others(machine: RunnerMachine) -> None:
    machine.add("1-a").rename(machine.tasks / os.fsdecode(b"1-\xff"))
    done = machine.rounds(1, "--json", "-l", str(machine.home / "log"))
    assert (done.returncode, machine.notes()) == (0, ["1-a"])
    assert r"\udcff: exit code 0" in (machine.home / "log").read_text()
    assert json.loads(done.stdout)["rounds"][0]["tasks"][0]["task"] == "\udcff"
    assert machine.run("--dry-run", str(machine.tasks)).returncode == 0


@pytest.mark.fault(
    "the task directory goes away between rounds",
    "the round goes on as the last one, and says so; exit 0",
)
def test_an_empty_directory_and_one_that_goes_away_stop_no_round(machine: RunnerMachine) -> None:
    assert machine.rounds().returncode == 0
    machine.add("1-a", f"rm -r {machine.tasks}")
    done = machine.rounds(2)
    assert (done.returncode, machine.notes()) == (0, ["1-a"])
    assert "No such file or directory; this round goes on as the last one" in done.stderr


@pytest.mark.fault("a task is removed during a round", "the round goes on without it, and says so")
def test_a_task_that_is_removed_during_a_round_is_left_out(machine: RunnerMachine) -> None:
    machine.add("1-a", f"rm {machine.tasks}/2-b")
    machine.add_all("2-b", "3-c")
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (0, ["1-a", "3-c"])
    assert "the round goes on without it" in done.stderr


def test_an_interpreter_runs_files_that_are_not_executable(machine: RunnerMachine) -> None:
    machine.settings["tasks"] = {"a": {"interpreter": "/bin/sh -e"}}
    machine.add("1-a", f"false; {machine.note('went on')}").chmod(0o644)
    machine.rounds()
    assert machine.notes() == [*["1-a"] * 5, "halt.sh"]


# What tasks are given


@pytest.mark.fault("secrets stand in the runner's environment", "they do not reach the tasks")
def test_secrets_of_our_environment_never_reach_a_task(machine: RunnerMachine) -> None:
    secrets = ("AWS_SECRET_ACCESS_KEY", "FARMHAND_DATABASE", "TOKEN", "DB_PASSWORD")
    machine.environ |= dict.fromkeys(secrets, "hidden")
    machine.add("1-a", f"env > {machine.home}/env")
    machine.rounds()
    seen = (machine.home / "env").read_text()
    assert "hidden" not in seen
    assert f"HOME={machine.home}" in seen


def test_a_task_gets_the_configured_environment(machine: RunnerMachine) -> None:
    machine.environ["TOKEN"] = "for tasks"
    machine.settings |= {"env": {"A": "all", "B": "all"}, "pass_env": ["TOKEN"]}
    machine.settings["tasks"] = {"a": {"env": {"B": "own"}}}
    machine.add("1-a", machine.note("$A $B $TOKEN"))
    machine.rounds()
    assert machine.notes()[1] == "all own for tasks"


def test_the_halt_task_has_the_same_environment(machine: RunnerMachine) -> None:
    machine.settings["env"] = {"A": "all"}
    machine.add_all("1-a")
    machine.add("halt.sh", machine.note("$A"))
    assert machine.rounds(1, "-H").returncode == 0
    assert machine.notes() == ["1-a", "halt.sh", "all"]


def test_a_task_reads_nothing_from_our_stdin(machine: RunnerMachine) -> None:
    machine.add("1-a", machine.note("read: $(cat)"))
    machine.rounds()
    assert machine.notes() == ["1-a", "read: "]


def test_a_task_can_run_as_another_user(machine: RunnerMachine) -> None:
    machine.home.chmod(0o777)
    machine.settings["tasks"] = {"a": {"user": "nobody"}}
    machine.add("1-a", "").write_text(f"#!/bin/sh\necho $(id -un) $HOME > {machine.home}/who\n")
    for directory in (machine.home, *machine.home.parents[:3]):
        if directory.owner() == "root" and directory != Path("/tmp"):
            directory.chmod(directory.stat().st_mode | 0o011)
    done = machine.rounds()
    assert (machine.home / "who").read_text().split()[0] == "nobody", done.stderr


# Hooks


@pytest.fixture
def hook(machine: RunnerMachine) -> Path:
    """A hook that keeps its argument and what it reads."""
    path = machine.home / "hook's own.sh"
    path.write_text(f'#!/bin/sh\necho "$2" >> {machine.home}/args\ncat >> {machine.home}/read\n')
    path.chmod(0o755)
    machine.settings["task_hook"] = f'"{path}" --first'
    return path


def test_hooks_hear_of_every_try(machine: RunnerMachine, hook: Path) -> None:
    machine.settings["max_tries"] = 2
    machine.add("1-it's", "[ $(wc -l < notes) = 2 ]")
    machine.add("2-b", "exit 2")
    machine.rounds()
    args = [json.loads(line) for line in (machine.home / "args").read_text().splitlines()]
    told = [(each["task"], each["try_num"], each["result"]) for each in args]
    assert told == [
        ("1-it's", 1, "RUNNING"),
        ("1-it's", 1, "RETRY"),
        ("1-it's", 2, "RUNNING"),
        ("1-it's", 2, "OK"),
        ("2-b", 1, "RUNNING"),
        ("2-b", 1, "HALT"),
    ]
    assert {each["max_retries"] for each in args} == {2}
    assert (machine.home / "read").read_text() == (machine.home / "args").read_text()


@pytest.mark.fault("a hook hangs", "it is ended after hook_time, with a line; the task runs")
def test_a_hook_that_hangs_is_ended(machine: RunnerMachine, hook: Path) -> None:
    machine.settings["hook_time"] = 0.2
    hook.write_text("#!/bin/sh\nsleep 60\n")
    machine.add("1-a")
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (0, ["1-a"])
    assert done.stderr.count(": no end within 0.2 s") == 2


@pytest.mark.fault("a hook fails", "a line with its exit code; the task runs")
def test_a_hook_that_fails_is_a_warning(machine: RunnerMachine, hook: Path) -> None:
    hook.write_text("#!/bin/sh\nexit 2\n")
    machine.add("1-a")
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (0, ["1-a"])
    assert done.stderr.count(": exit code 2") == 2
