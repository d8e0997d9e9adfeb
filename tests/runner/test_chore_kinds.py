"""What chores are told: text of an INI file and plain data become the same settings."""

from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from farmhand.errors import BadInput
from farmhand.validation import validate
from runner.chores.config import NAMES, Chores, find_problems
from runner.chores.kinds import build, nest
from runner.chores.repo_settings import Checkout, Repository
from runner.chores.settings import CheckAmi, Halt, PostFlight, Puppet
from runner.load import find_file_of_task, load_chore
from runner.originals import MISSPELLED, convert_task
from runner.settings import TaskSettings
from tests.manual import ROOT

KINDS: dict[str, Any] = get_type_hints(Chores)
TOOLS = Repository(url="https://example.com/tools", path=Path("/tools"), vcs="hg", branch="b")


def test_text_and_plain_data_become_the_same() -> None:
    options = {
        "repositories.tools.url": "https://example.com/tools",
        "repositories.tools.path": "/tools",
        "repositories.tools.vcs": "hg",
        "repositories.tools.branch": "b",
        "timeout_s": "60",
    }
    data = {
        "repositories": {
            "tools": {
                "url": "https://example.com/tools",
                "path": "/tools",
                "vcs": "hg",
                "branch": "b",
            }
        },
        "timeout_s": 60,
    }
    expected = Checkout(repositories={"tools": TOOLS}, timeout_s=60.0)
    assert build(Checkout, nest(options), "x") == expected
    assert build(Checkout, data, "x") == expected
    assert validate(Checkout, data, Path())[0] == expected


def test_lists_of_text_have_commas_or_line_ends() -> None:
    built = build(PostFlight, {"halt_after": "a{1,2}\nb c", "disks": "/, /builds"}, "x")
    assert built.halt_after == ("a{1,2}", "b c")
    assert built.disks == (Path("/"), Path("/builds"))


WRONG: dict[str, tuple[type[Any], dict[str, Any], str]] = {
    "unknown": (Halt, {"acton": "reboot"}, 'x: unknown option "acton"; did you mean "action"?'),
    "choice": (Halt, {"action": "explode"}, "x action: expected reboot or shutdown or terminate"),
    "number": (Halt, {"settle_s": "soon"}, "x settle_s: expected a number, got 'soon'"),
    "whole": (PostFlight, {"rounds": "1.5"}, "x rounds: expected a whole number"),
    "bounds": (Halt, {"settle_s": "-1"}, "x settle_s: expected 0 to 1e\\+09, got -1"),
    "nan": (Halt, {"settle_s": "nan"}, "x settle_s: expected 0 to"),
    "pattern": (CheckAmi, {"skip": "("}, "x skip: expected a regular expression"),
    "command": (Halt, {"reboot": "sh 'x"}, "x reboot: expected a command"),
    "relative": (Puppet, {"manifest": "a.pp"}, "x manifest: expected an absolute path"),
    "missing": (
        Checkout,
        {"repositories": {"a": {"url": "u"}}},
        "x repositories a: path is required",
    ),
    "option": (
        Checkout,
        {"repositories": {"a": {"url": "--upload-pack=x", "path": "/a"}}},
        "x repositories a url: expected a word that does not begin with -",
    ),
    "scalar": (Checkout, {"repositories": "a"}, "x repositories: expected names below it"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_both_readers(case: str) -> None:
    kind, data, message = WRONG[case]
    with pytest.raises(BadInput, match=message):
        build(kind, data, "x")
    assert validate(kind, data, Path())[1] != []


def test_a_dotted_option_below_a_value_is_refused() -> None:
    with pytest.raises(BadInput, match="has a value of its own"):
        nest({"a": "1", "a.b": "2"})


def test_values_that_do_not_go_together_are_told() -> None:
    assert list(find_problems(Puppet(mode="apply"))) == [
        (("manifest",), "manifest is required with mode: apply")
    ]
    assert list(find_problems(Halt())) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_setting_of_a_chore_is_taken_for_the_runner_s(name: str) -> None:
    """In runner.cfg they stand in one section."""
    keys = {each.name for each in fields(KINDS[name])}
    assert keys & {each.name for each in fields(TaskSettings)} == set()
    _, own = convert_task(dict.fromkeys(keys, "1"), "x")
    assert own.keys() == keys
    assert keys & set(MISSPELLED) == set()


# Where they stand


def test_the_example_s_chores_are_read() -> None:
    tools = load_chore(ROOT / "configs/runner.cfg", "checkout", {}).chore.repositories["tools"]
    assert (tools.vcs, tools.path) == ("hg", Path("/builds/tools"))
    assert load_chore(None, "halt", {}).chore == Halt()


def test_wrong_values_of_runner_cfg_are_told_with_their_section(tmp_path: Path) -> None:
    path = tmp_path / "runner.cfg"
    path.write_text("[puppet]\nmode = apply\n")
    with pytest.raises(BadInput, match=r"runner\.cfg: \[puppet\]: manifest is required"):
        load_chore(path, "puppet", {})


def test_a_task_reads_the_runner_s_file_unless_it_is_told_another() -> None:
    environ = {"RUNNER_CONFIG_CMD": "python -m runner.cli -c /etc/my runner.cfg"}
    assert find_file_of_task(None, environ) == Path("/etc/my runner.cfg")
    assert find_file_of_task(Path("/b.cfg"), environ) == Path("/b.cfg")
    by_default = {"RUNNER_CONFIG_CMD": "python -m runner.cli", "FARMHAND_CONFIG": "/c.yml"}
    assert find_file_of_task(None, by_default) == Path("/c.yml")
