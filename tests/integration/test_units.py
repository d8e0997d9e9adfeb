"""systemd itself finds nothing wrong with the units in cron/."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.units import CRON, RUNNER, SERVICES, TIMERS

pytestmark = pytest.mark.integration


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    shutil.copytree(CRON / "systemd", tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.*"):
        if path.is_file():  # what they start is not installed here
            path.write_text(
                re.sub(r"^(ExecStart=)/\S+", r"\1/bin/true", path.read_text(), flags=re.M)
            )
    instances = {"scanner-scan@": "scanner-scan@0"}
    names = [
        path.name.replace(path.stem, instances.get(path.stem, f"{path.stem}sanity"))
        if path.stem.endswith("@")
        else path.name
        for path in (*SERVICES, *TIMERS)
    ]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        cwd=tmp_path,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_systemd_calls_every_unit_of_a_manager_host_safe(tmp_path: Path) -> None:
    # Not the runner's: builds may do on their machine what they like.
    paths = [path for path in SERVICES if path != RUNNER]
    for path in paths:
        text = re.sub(r"^(ExecStart=)/\S+", r"\1/bin/true", path.read_text(), flags=re.M)
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--threshold=25",
            *(p.name for p in paths),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_a_word_that_systemd_does_not_know_would_be_found(tmp_path: Path) -> None:
    unit = tmp_path / "wrong.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nOomPolicie=continue\n")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Unknown key" in done.stderr
