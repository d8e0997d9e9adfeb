"""What Tab offers after each command, as a shell asks for it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from farmhand.completion import PROGRAMS, SHELLS, make_script
from tests import manual
from tests.manual import ROOT
from tests.run_here import run_here

EXAMPLE = {"FARMHAND_CONFIG": str(ROOT / "configs/farmhand.yml")}
NOWHERE = {"FARMHAND_CONFIG": "/nowhere/farmhand.yml"}


def offered(line: str, environ: Mapping[str, str] = EXAMPLE) -> list[str]:
    """What a shell is told after this line; `<file>` where it is to offer files."""
    words = line.split(" ")
    variable = f"_{words[0].replace('-', '_').upper()}_COMPLETE"
    asked = {variable: "zsh_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = run_here(manual.PROGRAMS[words[0]], [], {**environ, **asked})
    assert (done.code, done.err) == (0, "")
    lines = done.out.strip().splitlines()
    rows = zip(lines[::3], lines[1::3], strict=True)
    return [value if kind == "plain" else f"<{kind}>" for kind, value in rows]


def test_the_six_commands_are_completed() -> None:
    assert set(PROGRAMS) == set(manual.PROGRAMS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("watch-pending sta", ["status"]),
        ("watch-pending amis p", ["publish", "prune"]),
        ("watch-pending stop-idle --m", ["--moz-type", "--metrics-textfile"]),
        ("watch-pending stop-idle -t tst", ["tst-linux64"]),
        ("watch-pending stop-idle -t try-linux64 -t b", ["bld-linux64"]),
        ("watch-pending run -r us-w", ["us-west-2"]),
        ("watch-pending run -c ", ["<file>"]),
        ("scanner build list --state c", ["chrootwait", "cancelled"]),
        ("runner chore p", ["puppet", "post_flight", "purge_builds"]),
        ("runslave --all", ["--allocator-url"]),
        ("farmhand config s", ["show", "schema"]),
        ("farmhand completion ", [*SHELLS]),
        ("slavealloc d", ["dbinit", "dbdump", "dbload", "dbimport", "disable"]),
    ],
)
def test_verbs_options_and_names_are_offered(line: str, expected: list[str]) -> None:
    assert sorted(offered(line)) == sorted(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("watch-pending --dr", ["--dry-run", "--dryrun"]),
        ("watch-pending --ver", ["--verbose", "--version"]),
        ("watch-pending -k secrets.yml --dry", ["--dry-run", "--dryrun"]),
        ("watch-pending -r us-e", ["us-east-1"]),
        ("watch-pending r", ["run"]),
        ("runner r", ["<file>", "run"]),
        ("runner -c ", ["<file>"]),
        ("runner -n 3 ", ["<file>"]),
    ],
)
def test_without_a_verb_what_run_takes_is_offered_too(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_all_verbs_are_offered_before_anything_is_typed() -> None:
    assert set(offered("runner ")) == {"<file>", "run", "status", "worker", "chore"}
    assert "run" in offered("watch-pending ")


def test_an_option_is_offered_once() -> None:
    found = offered("watch-pending -")
    assert len(found) == len(set(found))


@pytest.mark.parametrize("text", [None, "farm: [", "watch_pending: 3\n", "\0"])
def test_a_configuration_that_can_not_be_read_offers_nothing(
    text: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "farmhand.yml"
    if text is not None:
        path.write_text(text)
    assert offered("watch-pending run -r ", {"FARMHAND_CONFIG": str(path)}) == []


def test_the_file_of_c_is_read(tmp_path: Path) -> None:
    path = tmp_path / "other.yml"
    path.write_text("watch_pending: {region_priorities: {eu-central-1: 1}}\n")
    assert offered(f"watch-pending run -c {path} -r ") == ["eu-central-1"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nonsense"])
def test_an_address_that_is_none_offers_nothing(url: str) -> None:
    assert offered(f"slavealloc lock -A {url} bld", NOWHERE) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command(shell: str) -> None:
    script = make_script(shell)
    assert all(f"_{name.replace('-', '_').upper()}_COMPLETE" in script for name in PROGRAMS)
