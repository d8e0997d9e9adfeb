"""What the runner is told, whatever file says it; pure.

Imports nothing slow: the runner lives as long as its machine, so that what checks these types is
imported in another process.
"""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

BUILDBOT = "buildbot"
LONGEST_S = 1e9
REBOOT_S = 95.0  # the middle of the 70 to 120 s that the original's users measured


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be; no true or false, which YAML's `yes` and `on` are."""

    least: float
    most: float = LONGEST_S

    def __get_pydantic_core_schema__(self, kind: Any, handler: Any) -> Any:
        """Say it to the library that checks, in the process that does."""
        from pydantic import Field

        from farmhand.validation import NotBool

        checked: Any = Annotated[kind, NotBool, Field(ge=self.least, le=self.most)]
        return handler.generate_schema(checked)


Seconds = Annotated[float, Bounds(0)]
Tries = Annotated[int, Bounds(1)]
Bytes = Annotated[int, Bounds(0, 1e12)]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSettings:
    """What one task has of its own; None is as for all tasks."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    max_time: Seconds | None = None
    max_tries: Tries | None = None
    sleep_time: Seconds | None = None
    retry_jitter: Seconds | None = None
    grace: Seconds | None = None
    interpreter: str | None = None
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()


NOTHING_OWN = TaskSettings()


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerSettings:
    """What all tasks have, and how rounds go on; times in seconds, a `max_time` of 0 has no end."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    max_time: Seconds = 600
    max_tries: Tries = 5
    sleep_time: Seconds = 1
    retry_jitter: Seconds = 30
    grace: Seconds = 20
    interpreter: str | None = None
    user: str | None = None
    halt_task: str = "halt.sh"
    halt_interval: Seconds = 600
    round_interval: Seconds = 1
    reboot_s: Seconds = REBOOT_S
    task_hook: str | None = None
    hook_time: Seconds = 60
    output_limit: Bytes = 1_000_000
    metadata_url: str = "http://169.254.169.254"
    env: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    tasks: Mapping[str, TaskSettings] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for one task."""

    max_time_s: float
    max_tries: int
    sleep_s: float
    jitter_s: float
    grace_s: float
    interpreter: str | None
    user: str | None
    env: Mapping[str, str]


def is_command(text: str) -> bool:
    """Whether it can be split into words as a shell does.

    >>> is_command("sh -e"), is_command("sh 'e")
    (True, False)
    """
    try:
        return bool(shlex.split(text))
    except ValueError:
        return False


def has_interpreter(settings: RunnerSettings, name: str) -> bool:
    """Whether a task's file is read by a program, so that it need not be executable."""
    own = settings.tasks.get(name)
    return bool((own and own.interpreter) or settings.interpreter)


def find_rules(settings: RunnerSettings, name: str) -> Rules:
    """Put a task's own settings over those for all.

    The worker's life is as long as it is: the task `buildbot` has no end unless its own says one.
    """
    own = settings.tasks.get(name, NOTHING_OWN)

    def choose(key: str) -> Any:
        value = getattr(own, key)
        return getattr(settings, key) if value is None else value

    max_time = 0 if name == BUILDBOT and own.max_time is None else choose("max_time")
    return Rules(
        max_time_s=max_time or math.inf,
        max_tries=choose("max_tries"),
        sleep_s=choose("sleep_time"),
        jitter_s=choose("retry_jitter"),
        grace_s=choose("grace"),
        interpreter=choose("interpreter"),
        user=choose("user"),
        env={**settings.env, **own.env},
    )


def find_option(settings: RunnerSettings, section: str, option: str) -> str | None:
    """Find what `-g SECTION.OPTION` prints: None where nothing is set.

    >>> find_option(RunnerSettings(sections={"hg": {"share": "/builds"}}), "hg", "share")
    '/builds'
    >>> find_option(RunnerSettings(sleep_time=60.0), "runner", "sleep_time")
    '60'
    """
    free = settings.sections.get(section, {})
    if option in free:
        return free[option]
    if section == "env":
        return settings.env.get(option)
    found: object = None
    if section == "runner":
        found = getattr(settings, option, None) if option in SCALARS else None
    elif section in settings.tasks and option in OWN:
        found = getattr(settings.tasks[section], option)
    return format_option(found)


def format_option(value: object) -> str | None:
    """Format a setting as the file has it."""
    match value:
        case None:
            return None
        case float() | int():
            return f"{value:.15g}"
        case tuple():
            return ",".join(value) or None
        case Mapping():
            return ",".join(f"{key}={each}" for key, each in value.items()) or None
        case _:
            return str(value)


OWN = tuple(each.name for each in fields(TaskSettings))
SCALARS = tuple(
    each.name for each in fields(RunnerSettings) if each.name not in {"env", "tasks", "sections"}
)


def from_json(data: Mapping[str, Any]) -> RunnerSettings:
    """Make settings from what another process checked and wrote."""
    names = {each.name for each in fields(RunnerSettings)}
    values = {name: value for name, value in data.items() if name in names}
    values["pass_env"] = tuple(values["pass_env"])
    values["tasks"] = {
        name: TaskSettings(**{**each, "depends_on": tuple(each["depends_on"])})
        for name, each in values["tasks"].items()
    }
    return RunnerSettings(**values)
