"""Find a directory's tasks and put them in order. Reads the directory; the rest decides only."""

import heapq
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from farmhand.errors import BadInput
from farmhand.wording import unknown
from runner.settings import BUILDBOT, RunnerSettings, has_interpreter

# What editors, package managers and people leave beside a file, and what people write about it.
NO_TASK = re.compile(
    r"\..*|README.*|.*~|#.*#|.*\.(bak|orig|rej|old|save|swp|tmp|pyc|rpm(new|save|orig)|dpkg-\w+)",
    re.IGNORECASE,
)

NUMBER = re.compile(r"^\d+-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A file to run; `name` is the file's without the number in front and the suffix."""

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A directory's tasks by their number, and the files that are none."""

    tasks: tuple[Task, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Divided:
    """A round's tasks in order: those before the worker, the worker's, and those after it."""

    before: tuple[Task, ...]
    buildbot: Task | None
    after: tuple[Task, ...]


def name_task(file: str) -> str:
    """Name a task by its file.

    >>> [name_task(file) for file in ("1-check-ami.py", "foo-bar.sh", "99-post_flight", "7")]
    ['check-ami', 'foo-bar', 'post_flight', '7']
    """
    return PurePath(NUMBER.sub("", file)).stem


def natural_key(file: str) -> tuple[tuple[int, int, str], ...]:
    """Return what files are ordered by: numbers by their value.

    >>> sorted(["10-x", "2-x", "b", "a"], key=natural_key)
    ['2-x', '10-x', 'a', 'b']
    """
    parts = re.split(r"(\d+)", file)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def find_tasks(directory: Path, settings: RunnerSettings) -> Found:
    """List the tasks of a directory; raises BadInput where it can't be read or two share a name."""
    try:
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: natural_key(entry.name))
    except OSError as err:
        raise BadInput(f"task directory {directory}: {err.strerror}") from err
    tasks: dict[str, Task] = {}
    skipped = []
    for entry in found:
        file = entry.name
        if file == settings.halt_task:
            continue
        task = Task(name=name_task(file), path=directory / file)
        interpreted = has_interpreter(settings, task.name)
        if NO_TASK.fullmatch(file) or not is_runnable(entry, interpreted=interpreted):
            skipped.append(file)
        elif task.name in tasks:
            both = f"{tasks[task.name].path.name} and {file}"
            raise BadInput(f"task directory {directory}: {both} are both the task {task.name!r}")
        else:
            tasks[task.name] = task
    return Found(tasks=tuple(tasks.values()), skipped=tuple(skipped))


def check_directory(directory: Path) -> None:
    """Refuse what can't be a task directory: unreadable, ambiguous, or without a task."""
    if not find_tasks(directory, RunnerSettings()).tasks:
        raise BadInput(f"{directory}: no file in it is a task; is none executable?")


def is_runnable(entry: "os.DirEntry[str]", *, interpreted: bool) -> bool:
    """Whether a file can be a task: one that an interpreter reads need not be executable."""
    try:
        return entry.is_file() and os.access(entry.path, os.R_OK if interpreted else os.X_OK)
    except OSError:  # a link that leads to itself
        return False


def order_tasks(tasks: Sequence[Task], depends_on: Mapping[str, Iterable[str]]) -> tuple[Task, ...]:
    """Order tasks by their number, each after those it depends on.

    `depends_on` is a task's name → names or files. Raises BadInput for a name that is no task's,
    and for a cycle, with its path.
    """
    order = {task.name: place for place, task in enumerate(tasks)}
    needs = _resolve(tasks, depends_on)
    ready = [order[name] for name, needed in needs.items() if not needed]
    heapq.heapify(ready)
    done: list[Task] = []
    while ready:
        task = tasks[heapq.heappop(ready)]
        done.append(task)
        for name, needed in needs.items():
            if task.name in needed:
                needed.discard(task.name)
                if not needed:
                    heapq.heappush(ready, order[name])
    if len(done) < len(tasks):
        waiting = {name: needed for name, needed in needs.items() if needed}
        raise BadInput(f"tasks depend on each other: {' → '.join(find_cycle(waiting))}")
    return tuple(done)


def _resolve(tasks: Sequence[Task], depends_on: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Turn the names and file names that each task depends on into names."""
    names = {task.path.name: task.name for task in tasks} | {task.name: task.name for task in tasks}
    needs: dict[str, set[str]] = {}
    for task in tasks:
        wanted = depends_on.get(task.name, ())
        for each in wanted:
            if each not in names:
                known = [other.name for other in tasks]
                raise BadInput(f"{task.path.name}: depends_on: {unknown('task', each, known)}")
        needs[task.name] = {names[each] for each in wanted}
    return needs


def find_cycle(waiting: Mapping[str, Collection[str]]) -> list[str]:
    """Find a cycle among tasks that wait for each other.

    >>> find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]})
    ['b', 'c', 'b']
    """
    path: list[str] = []
    name = min(waiting)
    while name not in path:
        path.append(name)
        name = min(each for each in waiting[name] if each in waiting)
    return [*path[path.index(name) :], name]


def divide(tasks: Sequence[Task]) -> Divided:
    """Divide a round at the task named `buildbot`; without it, nothing comes after."""
    places = [place for place, task in enumerate(tasks) if task.name == BUILDBOT]
    if not places:
        return Divided(before=tuple(tasks), buildbot=None, after=())
    at = places[0]
    return Divided(before=tuple(tasks[:at]), buildbot=tasks[at], after=tuple(tasks[at + 1 :]))


def read_round(directory: Path, settings: RunnerSettings) -> tuple[Divided, tuple[str, ...]]:
    """Read a round's tasks in order, and the names of the files that are none."""
    found = find_tasks(directory, settings)
    depends_on = {name: each.depends_on for name, each in settings.tasks.items()}
    return divide(order_tasks(found.tasks, depends_on)), found.skipped
