"""cron/puppet really puts a runner on a machine, below a directory that stands for its `/`."""

import grp
import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from runner.cli import main
from runner.settings import RunnerSettings
from runner.tasks import find_tasks
from tests.machine_image import write_script
from tests.machine_venv import read_requirements
from tests.manual import ROOT
from tests.run_here import run_here
from tests.units import RUNNER, read_unit

pytestmark = pytest.mark.integration
MODULE = ROOT / "cron/puppet/farmhand"
CHANGED = 2
PARAMETERS = {
    "farm": "prod",
    "allocator_url": "http://slavealloc.example.com/gettac/SLAVE",
    "settings": {"max_time": 360, "tasks": {"checkout": {"max_time": 1800}}},
    "tasks": ["0-check_ami", "4-buildbot", "halt.sh"],
    "own_tasks": {"2-greet": '#!/bin/sh\necho "it\'s me"\n'},
    "machine": {"FARMHAND_HOST": "t-linux64-001", "FARMHAND_FARM": "prod"},
    "manage_service": False,
}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing")


def call(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    known = {**os.environ, **environ}
    return subprocess.run(words, capture_output=True, text=True, env=known, check=False)


def apply(root: Path, *words: str, **changes: object) -> "subprocess.CompletedProcess[str]":
    """Apply the class, with all that it writes below `root`."""
    for name in ("etc", "var/lib", "var/log", "units"):
        (root / name).mkdir(parents=True, exist_ok=True)
    given = {
        **PARAMETERS,
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "group": grp.getgrgid(os.getgid()).gr_name,
        "config_dir": f"{root}/etc/farmhand",
        "state_dir": f"{root}/var/lib/farmhand",
        "unit_dir": f"{root}/units",
        "venv": f"{root}/opt/farmhand",
        **changes,
    }
    # JSON is a subset of the hashes that a manifest can have, but for the arrow.
    text = ", ".join(f"{name} => {to_puppet(value)}" for name, value in given.items())
    options = [f"--{name}={root}/puppet" for name in ("confdir", "vardir")]
    options += ["--facts_terminus=memory"]  # none: to gather them takes seconds
    return call(
        "puppet", "apply", *options, f"--modulepath={MODULE.parent}", "--detailed-exitcodes",
        *words, "-e", f"class {{ 'farmhand::runner': {text} }}",
    )  # fmt: skip


def fake_python(root: Path) -> str:
    """Write a Python whose `venv` has a pip that notes what it is told, and installs nothing."""
    pip = root / "pip"
    write_script(pip, f'#!/bin/sh\necho "$@" >> {root}/calls\n')
    places = f"mkdir -p {root}/opt/farmhand/bin; cp {pip} {root}/opt/farmhand/bin/pip"
    write_script(root / "python3", f'#!/bin/sh\necho "$@" >> {root}/calls\n{places}\n')
    return f"{root}/python3"


def to_puppet(value: object) -> str:
    """Write a value as a manifest has it."""
    if isinstance(value, dict):
        pairs = (f"{to_puppet(key)} => {to_puppet(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_puppet, value))}]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


@needs("puppet-lint")
@needs("puppet")
def test_the_module_is_valid_and_lint_finds_nothing() -> None:
    assert call("puppet-lint", "--fail-on-warnings", str(MODULE)).stdout == ""
    manifests, templates = MODULE.rglob("*.pp"), MODULE.rglob("*.epp")
    for words in (["parser", "validate", *manifests], ["epp", "validate", *templates]):
        done = call("puppet", *map(str, words))
        assert (done.returncode, done.stderr) == (0, "")


@needs("puppet")
def test_applied_it_makes_a_machine_that_runner_takes(tmp_path: Path) -> None:
    etc = tmp_path / "etc/farmhand"
    python = fake_python(tmp_path)
    first = apply(tmp_path, python=python)
    assert first.returncode == CHANGED, first.stderr
    (etc / "tasks.d/7-leftover").write_text("")
    again = apply(tmp_path, python=python)
    changes = [line for line in again.stdout.splitlines() if "Farmhand::" in line]
    assert len(changes) == 1, again.stdout
    assert "7-leftover]/ensure: removed" in changes[0]
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"-m venv {tmp_path}/opt/farmhand",
        f"install --disable-pip-version-check {' '.join(read_requirements())}",
        "install --disable-pip-version-check --no-deps farmhand==0.1.0",
    ]
    found = find_tasks(etc / "tasks.d", RunnerSettings())
    assert [task.name for task in found.tasks] == ["check_ami", "greet", "buildbot"]
    assert call(str(etc / "tasks.d/2-greet")).stdout == "it's me\n"
    worker = (etc / "tasks.d/4-buildbot").read_text()
    assert worker == f"#!/bin/sh\nexec {tmp_path}/opt/farmhand/bin/runner worker -v\n"
    chore = (etc / "tasks.d/halt.sh").read_text()
    assert chore == f"#!/bin/sh\nexec {tmp_path}/opt/farmhand/bin/runner chore halt -v\n"
    assert yaml.safe_load((etc / "farmhand.yml").read_text()) == {
        "farm": "prod",
        "runslave": {"allocator_url": PARAMETERS["allocator_url"]},
        "runner": PARAMETERS["settings"],
    }
    environ = {"FARMHAND_CONFIG": str(etc / "farmhand.yml")}
    done = run_here(main, ["run", "--dry-run", str(etc / "tasks.d")], environ)
    assert (done.code, done.err) == (0, "")
    assert "at most 360 s" in done.out
    assert (etc / "machine.env").read_text().splitlines()[1:] == [
        "FARMHAND_HOST=t-linux64-001",
        "FARMHAND_FARM=prod",
    ]
    # The unit is the shipped one, elsewhere.
    shipped, written = read_unit(RUNNER), read_unit(tmp_path / "units/runner.service")
    assert shipped["Service"].pop("StateDirectory") == ["farmhand"]
    places = json.loads(json.dumps(written).replace(str(tmp_path), ""))
    places["Service"]["EnvironmentFile"] = ["/etc/farmhand/machine.env"]
    assert places == shipped


@needs("puppet")
def test_what_is_no_path_or_name_is_refused(tmp_path: Path) -> None:
    wrong = {"state_dir": "var/lib", "farm": "Prod!", "tasks": ["../x"], "allocator_url": "x"}
    done = apply(tmp_path, **wrong)
    assert done.returncode == 1
    assert all(f"parameter '{name}'" in done.stderr for name in wrong)
    assert not (tmp_path / "etc/farmhand").exists()
