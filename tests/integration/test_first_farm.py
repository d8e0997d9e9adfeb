"""The page of the first farm, typed line by line: from nothing to a machine that built a job."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.manual import DOCS, ROOT
from tests.services import free_port
from tests.shell import Programs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TIME_LIMIT_S = 540
# What others may listen on here, and what a clone has that is not fresh.
INSTALL = "cd farmhand\nmake .venv/installed\n"
BIN = "export PATH=$PWD/.venv/bin:$PATH"


def make_script(here: Path, programs: Path) -> str:
    """Join the page's lines, in a directory of the test's, on ports of its own."""
    page = (DOCS / "first-farm.md").read_text("utf-8")
    script = "".join(re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert INSTALL in script
    assert BIN in script
    port = free_port()
    python = Path(sys.executable).parent
    outside = f"tests.demo.outside first --web-port 0 --pb-port 0 --allocator {port}"
    server = f"http://127.0.0.1:{port}"
    return (
        script.replace(INSTALL, f"cd {here}\n")
        .replace(BIN, f"export PATH={programs}:{python}:$PATH PYTHONPATH={ROOT}")
        .replace("../configs/", f"{ROOT}/configs/")
        .replace("tests.demo.outside first", outside)
        .replace("slavealloc serve", f"slavealloc serve --port {port}")
        .replace("slavealloc workers", f"slavealloc workers -A {server}")
        .replace("http://127.0.0.1:1080", server)
    )


def test_the_page_of_the_first_farm_leads_to_a_build_and_a_stopped_machine(tmp_path: Path) -> None:
    output = tmp_path / "output"
    programs = Programs(folder=tmp_path)
    programs.write(tmp_path / "bin")
    with output.open("w") as file, programs.serving():
        process = subprocess.Popen(
            ["bash", "-exmo", "pipefail", "-c", make_script(tmp_path, tmp_path / "bin")],
            env={name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            code = process.wait(TIME_LIMIT_S)
        finally:
            end_session(process.pid)
            process.wait()
    said = output.read_text()
    assert code == 0, said
    assert "0 errors, 0 warnings" in said
    assert "linux64 build: would start a machine" in said
    assert re.search(r"launched bld-001 spot c7i\.xlarge in us-east-1a as i-", said), said
    assert re.search(r"bld-001 \(i-\w+\) stopped: idle for", said), said


def end_session(leader: int) -> None:
    """Kill what a script that failed has left: its jobs have groups of their own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(stat.parent.name), signal.SIGTERM)
