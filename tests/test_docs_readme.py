"""The README's lines work as they are printed, one after the other."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from slavealloc.runslave.page import MARKER
from tests.manual import ROOT, read_sections

MODULES = {"slavealloc": "slavealloc.cli", "runslave": "slavealloc.runslave"}


def readme_lines() -> list[str]:
    text = read_sections(ROOT / "README.md")["slavealloc: every machine gets its place"]
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_it_takes_five_lines() -> None:
    assert len(readme_lines()) == 5


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory that looks like a clone with its environment."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for name, module in MODULES.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_they_give_a_machine_its_place(clone: Path) -> None:
    port = free_port()
    lines = "\n".join(readme_lines()).replace("127.0.0.1:1080", f"127.0.0.1:{port}")
    lines = lines.replace(" serve ", f" serve --port {port} ").replace("/tmp/", f"{clone}/")
    done = subprocess.run(
        ["sh", "-ec", f"trap 'kill $!' EXIT\n{lines}"],
        cwd=clone,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(clone),
            "FARMHAND_STATE": str(clone / "state"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"# {MARKER}\n")
    assert (clone / "worker/buildbot.tac").read_text().startswith(f"# {MARKER}\n")
