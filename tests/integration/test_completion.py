"""Tab in real shells, each told what `farmhand completion` prints; names from a real server."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from farmhand.completion import make_script
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)
from tests.manual import ROOT
from tests.test_layering import HEAVY

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
# As the shell calls them while somebody types; what they offer is printed, a line each.
BASH = """
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { echo "<files>"; }
name=$(complete -p "$2" | sed -E 's/.*-F ([^ ]+) .*/\\1/')
"$name" "$2"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
autoload -Uz compinit && compinit -C -d "$HOME/.zcompdump"
source "$1"
words=("${@:2}") CURRENT=$#words
compadd() { local name=${@[-1]}; print -l -- ${(P)name}; }
_describe() { local name=$3; print -l -- "${(@)${(@P)name}%%:*}"; }
_path_files() { echo "<files>"; }
$_comps[$2]
"""
FISH = 'source $argv[1]; complete -C (string join " " -- $argv[2..])'
SHELLS: dict[str, tuple[Sequence[str], str]] = {
    "bash": (("bash", "--norc", "-c", BASH, "bash"), "<files>"),
    "zsh": (("zsh", "-f", "-c", ZSH, "zsh"), "<files>"),
    "fish": (("fish", "--no-config", "-c", FISH), "tasks.d/"),
}
Offered = Callable[..., list[str]]


@pytest.fixture(params=SHELLS)
def offered(request: pytest.FixtureRequest, tmp_path: Path) -> Offered:
    """Asks a shell what it offers after these words."""
    if request.param != "bash":
        request.getfixturevalue(request.param)
    command, _ = SHELLS[request.param]
    script = tmp_path / "completion"
    script.write_text(make_script(request.param))
    (tmp_path / "tasks.d").mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FARMHAND_")}
    environ = kept | {
        "FARMHAND_CONFIG": str(ROOT / "configs/farmhand.yml"),
        "HOME": str(tmp_path),
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }

    def ask(*words: str) -> list[str]:
        done = subprocess.run(
            [*command, str(script), *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return [line.split("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()]

    return ask


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Allocator]:
    state = tmp_path_factory.mktemp("completion")
    engine = make_places_database(f"sqlite:///{state}/places.sqlite")
    add_masters(engine, 2)
    add_workers(engine, ["bld-linux64-001", "bld-linux64-002", "tst-bld-001"])
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


def tab(offered: Offered, *words: str) -> list[str]:
    """Press Tab until something is offered: a busy machine may not answer in time."""
    return next((found for _ in range(10) if (found := offered(*words))), [])


def test_a_real_shell_offers_verbs_options_names_and_files(
    offered: Offered, allocator: Allocator, request: pytest.FixtureRequest
) -> None:
    assert offered("watch-pending", "sta") == ["status"]
    assert offered("watch-pending", "stop-idle", "-t", "try") == ["try-linux64"]
    assert SHELLS[request.node.callspec.params["offered"]][1] in offered("runner", "-c", "t")
    words = ("slavealloc", "-A", allocator.url, "lock", "bld")
    assert tab(offered, *words) == ["bld-linux64-001", "bld-linux64-002"]
    assert set(tab(offered, *words, "bm")) == {"bm1", "bm2"}


def test_a_server_that_is_down_offers_nothing(offered: Offered) -> None:
    assert offered("slavealloc", "-A", "http://127.0.0.1:9", "lock", "bld") == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("watch_pending.cli", "watch-pending stop-idle -t b"),
        ("slavealloc.cli", "slavealloc lock bld"),
        ("runner.cli", "runner chore p"),
        ("scanner.cli", "scanner daemon "),
    ],
)
def test_completing_imports_nothing_heavy(module: str, line: str) -> None:
    name = line.split()[0]
    script = f"""
import atexit, sys
atexit.register(lambda: print({HEAVY} & set(sys.modules), file=sys.stderr))
from {module} import main
main(prog_name="{name}")
"""
    asked = {
        f"_{name.replace('-', '_').upper()}_COMPLETE": "zsh_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
        "FARMHAND_CONFIG": str(ROOT / "configs/farmhand.yml"),
        "PYTHONPATH": str(ROOT),
        "http_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=asked, capture_output=True, text=True, check=False
    )
    assert done.stderr == "set()\n"
