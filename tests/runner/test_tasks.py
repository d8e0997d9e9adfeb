"""How files become tasks, and their order."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmhand.errors import BadInput
from runner.settings import RunnerSettings, TaskSettings
from runner.tasks import Task, divide, find_tasks, name_task, natural_key, order_tasks, read_round


def make_tasks(*files: str) -> list[Task]:
    return [Task(name=name_task(file), path=Path(file)) for file in files]


def names(tasks: tuple[Task, ...]) -> list[str]:
    return [task.name for task in tasks]


def put(directory: Path, *files: str, mode: int = 0o755) -> None:
    for file in files:
        path = directory / file
        path.write_text("")
        path.chmod(mode)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("0-check_ami", "check_ami"),
        ("1-check-ami.py", "check-ami"),
        ("foo-bar.sh", "foo-bar"),
        ("10-2-x.sh", "2-x"),
        ("plain", "plain"),
    ],
)
def test_a_task_is_its_file_without_number_and_suffix(file: str, name: str) -> None:
    assert name_task(file) == name


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_are_ordered_by_value(numbers: list[int]) -> None:
    files = sorted((f"{number}-x" for number in numbers), key=natural_key)
    assert files == [f"{number}-x" for number in sorted(numbers)]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1)))
def test_any_names_can_be_ordered(files: list[str]) -> None:
    assert len(sorted(files, key=natural_key)) == len(files)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8))))
def test_a_task_comes_after_what_it_depends_on_else_by_number(
    pairs: list[tuple[int, int]],
) -> None:
    tasks = make_tasks(*(f"{number}-t{number}" for number in range(9)))
    needs: dict[str, list[str]] = {}
    for one, other in pairs:
        if one > other:  # a number never depends on a higher one, so there is no cycle
            needs.setdefault(f"t{8 - one}", []).append(f"{8 - other}-t{8 - other}")
    ordered = names(order_tasks(tasks, needs))
    for name, needed in needs.items():
        assert all(ordered.index(each[2:]) < ordered.index(name) for each in needed)
    if not needs:
        assert ordered == [f"t{number}" for number in range(9)]


def test_a_task_that_depends_on_itself_is_a_cycle() -> None:
    with pytest.raises(BadInput, match="a → a"):
        order_tasks(make_tasks("1-a"), {"a": ["a"]})


def test_a_longer_cycle_is_shown_without_what_leads_to_it() -> None:
    needs = {"a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]}
    with pytest.raises(BadInput, match=r": b → c → d → b$"):
        order_tasks(make_tasks("1-a", "2-b", "3-c", "4-d"), needs)


def test_the_worker_divides_a_round() -> None:
    divided = divide(make_tasks("1-a", "4-buildbot", "5-b"))
    assert (names(divided.before), names(divided.after)) == (["a"], ["b"])


def test_without_the_worker_nothing_comes_after() -> None:
    divided = divide(make_tasks("1-a", "5-b"))
    assert (names(divided.before), divided.buildbot, divided.after) == (["a", "b"], None, ())


def test_a_dependency_can_move_a_task_behind_the_worker(tmp_path: Path) -> None:
    put(tmp_path, "1-a", "4-buildbot")
    settings = RunnerSettings(tasks={"a": TaskSettings(depends_on=("buildbot",))})
    assert names(read_round(tmp_path, settings)[0].after) == ["a"]


@pytest.mark.parametrize(
    "file",
    ["README", "readme.txt", "1-a~", "1-a.bak", "#1-a#", ".1-a", "1-a.rpmsave", "1-a.dpkg-old"],
)
def test_backups_and_readmes_are_no_tasks(tmp_path: Path, file: str) -> None:
    put(tmp_path, file, "2-b")
    found = find_tasks(tmp_path, RunnerSettings())
    assert (names(found.tasks), found.skipped) == (["b"], (file,))


def test_directories_dead_links_and_what_is_not_executable_are_no_tasks(tmp_path: Path) -> None:
    (tmp_path / "1-dir").mkdir()
    (tmp_path / "2-link").symlink_to("nowhere")
    put(tmp_path, "3-plain", mode=0o644)
    found = find_tasks(tmp_path, RunnerSettings())
    assert (found.tasks, found.skipped) == ((), ("1-dir", "2-link", "3-plain"))


def test_the_halt_task_is_none_and_not_skipped(tmp_path: Path) -> None:
    put(tmp_path, "halt.py")
    assert find_tasks(tmp_path, RunnerSettings(halt_task="halt.py")).skipped == ()


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "1-a.sh", "2-a.py")
    with pytest.raises(BadInput, match=r"1-a\.sh and 2-a\.py are both the task 'a'"):
        find_tasks(tmp_path, RunnerSettings())


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"task directory .*none: No such file"):
        find_tasks(tmp_path / "none", RunnerSettings())
