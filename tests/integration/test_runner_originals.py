"""The original's runner.cfg, its command line, and `-g`, as processes."""

from pathlib import Path

import pytest

from tests.runner_machine import RunnerMachine

pytestmark = pytest.mark.integration
INI = """
[runner]
sleep_time = 0
retry_jitter = 0
round_interval = 0
[env]
WORD = all
[checkout]
max_tries = 2
repository = https://hg.example.com/tools
"""


@pytest.fixture
def machine(tmp_path: Path) -> RunnerMachine:
    machine = RunnerMachine(home=tmp_path, ini=INI)
    machine.add("halt.sh")
    machine.write_config()
    return machine


def test_the_original_s_command_line_works(machine: RunnerMachine) -> None:
    machine.add("1-checkout.sh", f"{machine.note('$WORD')}; exit 1")
    done = machine.run("-q", "-c", str(machine.config), "-n", "30", "-H", str(machine.tasks))
    assert done.returncode == 3
    assert machine.notes() == [*["1-checkout.sh", "all"] * 2, "halt.sh"]


def test_a_task_asks_for_its_settings(machine: RunnerMachine) -> None:
    machine.add("1-a", machine.note("$($RUNNER_CONFIG_CMD -g checkout.repository)"))
    machine.rounds()
    assert machine.notes() == ["1-a", "https://hg.example.com/tools"]


def test_a_task_asks_for_its_settings_in_farmhand_yml(tmp_path: Path) -> None:
    machine = RunnerMachine(home=tmp_path)
    machine.settings["sections"] = {"checkout": {"repository": "there"}}
    machine.add("1-a", machine.note("$($RUNNER_CONFIG_CMD -g checkout.repository)"))
    machine.rounds()
    assert machine.notes() == ["1-a", "there"]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("checkout.repository", 0, "https://hg.example.com/tools\n"),
        ("checkout.max_tries", 0, "2\n"),
        ("runner.sleep_time", 0, "0\n"),
        ("env.WORD", 0, "all\n"),
        ("checkout.nothing", 1, ""),
        ("nothing.at_all", 1, ""),
        ("checkout", 2, ""),
    ],
)
def test_g_prints_what_is_set(machine: RunnerMachine, name: str, code: int, said: str) -> None:
    done = machine.run("-c", str(machine.config), "-g", name)
    assert (done.returncode, done.stdout) == (code, said)
    assert "Traceback" not in done.stderr


def test_g_needs_no_lock_and_writes_nothing(machine: RunnerMachine) -> None:
    machine.run("-g", "env.WORD")
    assert not machine.state.exists()


def test_a_missing_directory_and_a_missing_file_are_refused(machine: RunnerMachine) -> None:
    assert machine.rounds().returncode == 0
    assert machine.run("-n", "1", str(machine.home / "none")).returncode == 2
    assert machine.run("-c", "none.cfg", "-n", "1", str(machine.tasks)).returncode == 2
    assert machine.run().returncode == 2
