"""The halt, by the runner and by hand; and chores as the runner runs them, by both files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from farmhand.errors import BadInput
from runner.chores.frame import RETRY, Outcome
from runner.chores.halt import plan
from runner.chores.settings import Halt
from runner.chores.wishes import Wish, write_wish
from runner.environ import HALT_REASON
from tests.chores import make_call
from tests.forks import RUNNER, forks_of
from tests.runner_machine import ROOT, RunnerMachine

pytestmark = pytest.mark.integration
BY_RUNNER = {HALT_REASON: "checkout: failed 5 times"}


@pytest.fixture
def settings(tmp_path: Path) -> Halt:
    """Commands that note what they would do."""
    reboot, terminate = (f"sh -c 'echo {it} >> {tmp_path}/notes'" for it in ("reboot", "terminate"))
    return Halt(reboot=reboot, terminate=terminate, settle_s=0.01)


def halt(home: Path, settings: Halt, **call: Any) -> Outcome:
    return plan(make_call(home, call.pop("environ", None), **call), settings).act()


def notes(home: Path) -> list[str]:
    path = home / "notes"
    return path.read_text().split() if path.exists() else []


@pytest.mark.fault(
    "somebody runs the halt by hand without --yes", "it is refused; the machine stays up"
)
def test_by_hand_it_refuses_without_yes(tmp_path: Path, settings: Halt) -> None:
    for by_runner in (False, True):  # as a task of a round, it is none either
        with pytest.raises(BadInput, match="--yes"):
            halt(tmp_path, settings, by_runner=by_runner)
    assert notes(tmp_path) == []
    assert halt(tmp_path, settings, by_runner=False, yes=True).code == 0
    assert notes(tmp_path) == ["reboot"]


def test_it_is_what_a_chore_has_wished_until_the_machine_has_booted(
    tmp_path: Path, settings: Halt
) -> None:
    write_wish(tmp_path / "state", Wish(action="terminate", why="an old AMI"), "first boot")
    (booted,) = plan(make_call(tmp_path, BY_RUNNER, boot_id="second boot"), settings).lines
    assert booted.startswith("reboot, by ")
    (wished,) = plan(make_call(tmp_path, BY_RUNNER), settings).lines
    assert wished.endswith("checkout: failed 5 times, since an old AMI")
    outcome = halt(tmp_path, settings, environ=BY_RUNNER)
    assert (outcome.code, "it still runs" in outcome.why) == (RETRY, True)
    assert notes(tmp_path) == ["terminate"]
    assert json.loads((tmp_path / "state/halt.json").read_text())["action"] == "terminate"
    assert not (tmp_path / "state/halt-wish.json").exists()


def test_a_halt_soon_after_another_waits(tmp_path: Path, settings: Halt) -> None:
    halt(tmp_path, settings, environ=BY_RUNNER)
    lines = plan(make_call(tmp_path, BY_RUNNER), settings).lines
    assert lines[1] in {f"in {seconds} s: the last one was not long ago" for seconds in (299, 300)}
    (by_hand,) = plan(make_call(tmp_path, yes=True), settings).lines
    assert by_hand.endswith("by hand")


@pytest.mark.fault(
    "the command that reboots fails",
    "the task asks for another try, with the command's exit code and words",
)
def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    outcome = halt(tmp_path, Halt(reboot="sh -c 'echo no; exit 1'"), environ=BY_RUNNER)
    assert (outcome.code, outcome.why.endswith("exit code 1: no")) == (RETRY, True)


@pytest.mark.fault(
    "the state directory can't be written when a halt is due", "the machine halts all the same"
)
def test_a_state_directory_that_can_not_be_written_prevents_no_halt(
    tmp_path: Path, settings: Halt
) -> None:
    (tmp_path / "state").write_text("a file")
    halt(tmp_path, settings, environ=BY_RUNNER)
    assert notes(tmp_path) == ["reboot"]


# Through the runner


@pytest.fixture
def machine(tmp_path: Path) -> RunnerMachine:
    machine = RunnerMachine(home=tmp_path)
    machine.settings["max_tries"] = 1
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    program = bin_directory / "runner"
    python = forks_of(RUNNER).folder / "python"
    program.write_text(f'#!/bin/sh\nexec {python} -m runner.cli "$@"\n')
    program.chmod(0o755)
    machine.environ = {"PATH": f"{bin_directory}:{os.environ['PATH']}"}
    machine.tasks.mkdir()
    for name in ("99-post_flight", "99-restart_services", "halt.sh"):
        path = machine.tasks / name
        path.write_bytes((ROOT / "configs/tasks.d" / name).read_bytes())
        path.chmod(0o755)
    machine.add("4-buildbot")
    return machine


def test_the_runner_halts_by_what_farmhand_yml_says(machine: RunnerMachine) -> None:
    machine.settings["chores"] = {
        "post_flight": {"rounds": 2, "min_memory_percent": 0},
        "restart_services": {"commands": [f"sh -c '{machine.note('restarted')}'"]},
        "halt": {"reboot": f"sh -c '{machine.note('rebooted')}'", "settle_s": 0},
    }
    done = machine.rounds(5)
    assert done.returncode == 3
    assert machine.notes() == ["4-buildbot", "restarted", "4-buildbot", "rebooted"]
    assert "runner.chore: 2 rounds since it booted" in done.stderr
    assert "runner.chore: reboot, by" in done.stderr
    assert "post_flight: asks to halt: exit code 2" in done.stderr


def test_the_machine_s_end_does_not_wait_for_the_halt(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", "exit 2")
    machine.ini = (
        f"[runner]\nhalt_interval = 0\n[halt]\nreboot = sh -c '{machine.note('rebooted')}'\n"
        "settle_s = 600\n[post_flight]\nmin_memory_percent = 0\n"
    )
    process = machine.start()
    machine.wait_for("rebooted")
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "halt: exit code 0" in said


@pytest.mark.fault(
    "runner.cfg has a wrong key in a chore's section",
    "the chore names the nearest key, and the machine halts all the same",
)
def test_and_by_what_runner_cfg_says_which_may_be_wrong(machine: RunnerMachine) -> None:
    machine.ini = (
        "[runner]\nmax_tries = 1\nhalt_interval = 0\n[post_flight]\nround = 1\n"
        f"[halt]\nreboot = sh -c '{machine.note('rebooted')}'\nsettle_s = 0\n"
    )
    machine.environ["FARMHAND_CONFIG"] = "/nonexistent.yml"
    done = machine.rounds(1, "-c", str(machine.config))
    assert 'did you mean "rounds"?' in done.stderr
    assert machine.notes() == ["4-buildbot", "rebooted"]


def test_by_hand_a_chore_shows_its_plan_and_does_nothing(machine: RunnerMachine) -> None:
    machine.ini = "[restart_services]\nservices = a\n"
    shown = machine.run("chore", "restart_services", "--dry-run", "--json")
    assert json.loads(shown.stdout) == {"plan": ["systemctl restart a"]}
    assert machine.run("chore", "halt").returncode == 2
    assert 'unknown chore "halted"; did you mean "halt"?' in machine.run("chore", "halted").stderr
    assert not machine.state.exists()
    machine.ini = None
    machine.settings["chores"] = {"checkout": {"repositories": {"x": {"url": "-x", "path": "y"}}}}
    wrong = machine.run("chore", "checkout")
    assert wrong.returncode == 2
    assert wrong.stderr.count("runner.chores.checkout.repositories.x") == 2
