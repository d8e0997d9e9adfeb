"""The original's runner.cfg, an INI file with others beside it, as our settings. Reads files."""

import configparser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from farmhand.errors import BadInput
from farmhand.wording import unknown
from runner.chores.kinds import TRUTHS
from runner.settings import LONGEST_S, RunnerSettings, TaskSettings, is_command
from runner.tasks import natural_key
from runner.worker.config import NOT_NEGATIVE, POSITIVE, WorkerSettings

NUMBERS = ("max_time", "sleep_time", "retry_jitter", "grace")
RUNNER_NUMBERS = (*NUMBERS, "halt_interval", "round_interval", "hook_time", "reboot_s")
# An option of a task's section that is nearly one of these is a mistake; all others are its own.
MISSPELLED = ("max_time", "max_tries", "sleep_time", "retry_jitter", "interpreter", "depends_on")
NEAR = 0.85

Section = Mapping[str, str]
Read = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """What the files say to the runner and to `runner worker`."""

    settings: RunnerSettings
    worker: WorkerSettings = field(default_factory=WorkerSettings)


def read_ini(path: Path) -> Original:
    """Read runner.cfg, then the files of its `include_dir` by their number; the later ones win.

    Raises BadInput with the file, section and option.
    """
    sections: dict[str, dict[str, str]] = {}
    _add(sections, path)
    if included := sections.get("runner", {}).get("include_dir"):
        directory = path.parent / included
        try:
            files = sorted((each.name for each in directory.iterdir()), key=natural_key)
        except OSError as err:
            raise BadInput(f"{path}: [runner] include_dir: {directory}: {err.strerror}") from err
        for name in files:
            if not name.startswith(".") and not name.endswith("~"):
                _add(sections, directory / name)
    return convert(sections, str(path))


def _add(sections: dict[str, dict[str, str]], path: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    try:
        parser.read_string(path.read_text("utf-8"), source=str(path))
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise BadInput(f"{path}: not UTF-8 at byte {err.start}") from err
    except configparser.Error as err:
        raise BadInput(" ".join(str(err).split())) from err
    for name in parser.sections():
        sections.setdefault(name, {}).update(parser[name])


def convert(sections: Mapping[str, Section], file: str) -> Original:
    """Convert the sections of all files; decides only.

    Raises BadInput for an option of [runner] or [worker] that is unknown, one of a task that is
    misspelled, and for what is no number.
    """
    readers = _readers()
    runner = {**sections.get("runner", {})}
    runner.pop("include_dir", None)
    values = {
        key: _read(readers, key, text, f"{file}: [runner]") for key, text in runner.items() if text
    }
    tasks, free = {}, {}
    for name in sections.keys() - {"runner", "env", "worker"}:
        tasks[name], free[name] = convert_task(sections[name], f"{file}: [{name}]")
    settings = RunnerSettings(
        **values,
        env=dict(sections.get("env", {})),
        tasks={name: each for name, each in tasks.items() if each != TaskSettings()},
        sections={name: each for name, each in free.items() if each},
    )
    worker = convert_worker(sections.get("worker", {}), f"{file}: [worker]")
    return Original(settings=settings, worker=worker)


def convert_task(section: Section, where: str) -> tuple[TaskSettings, dict[str, str]]:
    """Take what the runner knows from a task's section, and leave the rest, which is the task's.

    `env.NAME` is a variable of its environment.
    """
    from difflib import get_close_matches

    readers = dict.fromkeys(NUMBERS, _seconds) | {"max_tries": _tries, "depends_on": _words}
    readers |= {"interpreter": _command, "user": _text}
    values: dict[str, Any] = {}
    free, env = {}, {}
    for key, text in section.items():
        if key in readers:
            values[key] = _read(readers, key, text, where)
        elif key.startswith("env."):
            env[key.removeprefix("env.")] = text
        elif get_close_matches(key, MISSPELLED, cutoff=NEAR):
            raise BadInput(f"{where}: {unknown('option', key, MISSPELLED)}")
        else:
            free[key] = text
    return TaskSettings(**values, env=env), free


def convert_worker(section: Section, where: str) -> WorkerSettings:
    """Convert what `runner worker` is told."""
    kinds: dict[str, Read] = {
        "float": _seconds,
        "int": _count,
        "bool": _truth,
        "Path | None": Path,
        "tuple[str, ...]": _words,
    }
    readers = {each.name: kinds.get(str(each.type), _text) for each in fields(WorkerSettings)}
    values = {key: _read(readers, key, text, where) for key, text in section.items()}
    for name in (*POSITIVE, *NOT_NEGATIVE):
        if name in POSITIVE and values.get(name, 1) == 0:
            raise BadInput(f"{where} {name}: expected more than 0")
    return WorkerSettings(**values)


def _readers() -> dict[str, Read]:
    """Option of [runner] → how it is read."""
    readers: dict[str, Read] = dict.fromkeys(RUNNER_NUMBERS, _seconds)
    readers |= {"max_tries": _tries, "output_limit": _count, "pass_env": _words}
    readers |= {"interpreter": _command, "task_hook": _command}
    return readers | {"user": _text, "halt_task": _text, "metadata_url": _text}


def _read(readers: Mapping[str, Read], key: str, text: str, where: str) -> Any:
    if key not in readers:
        raise BadInput(f"{where}: {unknown('option', key, readers)}")
    try:
        return readers[key](text.strip())
    except (ValueError, KeyError) as err:
        raise BadInput(f"{where} {key}: expected {readers[key].__doc__}, got {text!r}") from err


def _seconds(text: str) -> float:
    """seconds, 0 or more"""
    number = float(text)
    if not 0 <= number <= LONGEST_S:
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    """a whole number, 0 or more"""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _tries(text: str) -> int:
    """a whole number, 1 or more"""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _truth(text: str) -> bool:
    """true or false"""
    return TRUTHS[text.lower()]


def _words(text: str) -> tuple[str, ...]:
    """words with commas between"""
    return tuple(word for each in text.split(",") if (word := each.strip()))


def _command(text: str) -> str | None:
    """a command, its quotes closed"""
    if text and not is_command(text):
        raise ValueError(text)
    return text or None


def _text(text: str) -> str | None:
    """text"""
    return text or None
