"""The real puppet, with a manifest of one file: applied, looked at, locked, asking to reboot."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runner.chores.frame import RETRY, Outcome
from runner.chores.puppet import apply, ask_reboot, look, make_argv, plan, wait_unlocked
from runner.chores.settings import Puppet
from runner.chores.wishes import read_wish, write_note
from runner.protocol import TaskCode
from tests.chores import make_call

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("puppet")]


@pytest.fixture
def settings(tmp_path: Path, puppet: str) -> dict[str, Any]:
    """A machine's puppet, with all its files below the test's directory."""
    (tmp_path / "site.pp").write_text(f"file {{ '{tmp_path}/motd': content => \"welcome\\n\" }}\n")
    places = [f"--{name}dir={tmp_path}/{name}" for name in ("conf", "var", "run", "log")]
    return {
        "mode": "apply",
        "manifest": tmp_path / "site.pp",
        "puppet": puppet,
        "arguments": (*places, "--facts_terminus=memory"),  # none: to gather them takes seconds
    }


def run(home: Path, settings: dict[str, Any]) -> Outcome:
    return plan(make_call(home, os.environ), Puppet(**settings)).act()


def test_changes_are_looked_at_then_applied_and_failures_tried_again(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    only_look = Puppet(**{**settings, "changes": "halt"})
    looked = look(only_look, make_argv(only_look, "apply"))
    assert (looked.code, looked.why) == (TaskCode.HALT, "puppet would change 1 resources")
    assert not (tmp_path / "motd").exists()
    applied = run(tmp_path, settings)
    assert (applied.code, applied.why) == (TaskCode.OK, "changes were applied")
    assert (tmp_path / "motd").read_text() == "welcome\n"
    settings["manifest"].write_text("exec { '/bin/false': }\n")
    for_real = Puppet(**settings)
    failed = apply(for_real, make_argv(for_real, "apply"))
    assert (failed.code, "exit code 4" in failed.why) == (RETRY, True)


@pytest.mark.fault("puppet is disabled on the machine", "it is left alone and the round goes on")
def test_puppet_that_is_disabled_is_left_alone_and_another_run_waited_for(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    lock = tmp_path / "var/state/agent_catalog_run.lock"
    lock.parent.mkdir(parents=True)
    (lock.parent / "agent_disabled.lock").write_text('{"disabled_message":"bug 1"}')
    disabled = run(tmp_path, {**settings, "mode": "agent"})
    assert (disabled.code, "puppet is disabled" in disabled.why) == (TaskCode.OK, True)
    assert wait_unlocked(lock, 0.01)
    lock.write_text(str(os.getpid()))
    assert not wait_unlocked(lock, 0.01)
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock.write_text(str(gone.pid))
    assert wait_unlocked(lock, 0.01)


@pytest.mark.soak
def test_an_agent_is_run_once_in_the_foreground(tmp_path: Path, settings: dict[str, Any]) -> None:
    argv = make_argv(Puppet(**{**settings, "changes": "halt"}), "agent")
    words = {"--onetime", "--no-daemonize", "--detailed-exitcodes", "--noop"}
    assert argv[1] == "agent"
    assert words <= set(argv)
    parsed = subprocess.run([*argv, "--help"], capture_output=True, check=False)
    assert parsed.returncode == 0, shlex.join(argv)


def test_a_reboot_that_is_asked_for_is_asked_for_until_it_was(tmp_path: Path) -> None:
    call = make_call(tmp_path)
    asking = tmp_path / "REBOOT\n"
    settings = Puppet(reboot_files=(asking, tmp_path / "never"))
    good = Outcome()
    assert ask_reboot(call, settings, good) is good
    asking.touch()
    for _ in range(2):
        assert ask_reboot(call, settings, good).code == TaskCode.HALT
    wish = read_wish(call.state, call.boot_id)
    assert wish is not None
    assert wish.action == "reboot"
    booted = make_call(tmp_path, boot_id="second boot")
    assert read_wish(call.state, booted.boot_id) is None
    assert ask_reboot(booted, settings, good) is good
    assert not asking.exists()
    write_note(call.state / "puppet.json", {"files": 7})
    asking.touch()
    assert ask_reboot(call, settings, good).code == TaskCode.HALT
