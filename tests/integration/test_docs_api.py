"""The manual's examples of the API work as they stand, one after the other."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.allocators import add_masters, add_workers, make_places_database, running_allocator
from tests.manual import DOCS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing"),
]


def test_the_manual_s_examples_work(tmp_path: Path) -> None:
    text = (DOCS / "slavealloc-api.md").read_text("utf-8")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    engine = make_places_database(f"sqlite:///{tmp_path}/farm.db")
    add_masters(engine, 1)
    add_workers(engine, [f"bld-linux64-00{n}" for n in (7, 8, 9)])
    with running_allocator(engine, state=tmp_path) as allocator:
        token = allocator.authorization()["Authorization"].removeprefix("Bearer ")
        script = "\n".join(lines).replace("http://slavealloc.example.com", allocator.url)
        done = subprocess.run(
            ["sh", "-ec", script.replace("curl ", "curl --fail-with-body -sS ")],
            env={"PATH": os.environ["PATH"], "FARMHAND_TOKEN": token},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = {row["name"]: row["enabled"] for row in allocator.get("/api/slaves").json()}
    engine.dispose()
    assert found == dict.fromkeys((f"bld-linux64-00{n}" for n in (7, 8, 9)), False)
