"""A clock that jumps changes no deadline, pause or order: the wall's is read for people only."""

import ast
from pathlib import Path

import pytest

from tests.manual import ROOT

MODULES = [ROOT / f"runner/{name}.py" for name in (
    "attempts", "cgroups", "environ",
    "execute", "hooks", "load", "policy", "processes", "rounds", "run",
    "stops", "tasks", "transcript",
)]  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_the_record_reads_the_clock_on_the_wall(path: Path) -> None:
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert not {"time.time", "datetime.now", "datetime.utcnow", "time.localtime"} & set(calls)
