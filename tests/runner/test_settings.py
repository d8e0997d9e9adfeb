"""What holds for a task, and what `-g` prints."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest

from farmhand.validation import validate
from runner.config import Runner
from runner.settings import RunnerSettings, TaskSettings, find_option, find_rules, from_json


def test_a_task_s_own_settings_win() -> None:
    settings = RunnerSettings(
        max_time=10, env={"A": "1", "B": "1"}, tasks={"a": TaskSettings(max_time=5, env={"B": "2"})}
    )
    rules = find_rules(settings, "a")
    assert (rules.max_time_s, rules.max_tries, rules.env) == (5, 5, {"A": "1", "B": "2"})
    assert find_rules(settings, "b").max_time_s == 10


def test_zero_is_no_limit() -> None:
    assert find_rules(RunnerSettings(max_time=0), "a").max_time_s == math.inf


@pytest.mark.parametrize(
    ("own", "expected"), [(None, math.inf), (0.0, math.inf), (7.0, 7.0)], ids=str
)
def test_the_worker_has_no_end_but_its_own(own: float | None, expected: float) -> None:
    settings = RunnerSettings(max_time=10, tasks={"buildbot": TaskSettings(max_time=own)})
    assert find_rules(settings, "buildbot").max_time_s == expected


@pytest.mark.parametrize("name", ["tasks", "sections", "nothing", "__class__"])
def test_what_is_no_option_is_not_set(name: str) -> None:
    assert find_option(RunnerSettings(), "runner", name) is None


def test_settings_come_back_from_another_process() -> None:
    settings = Runner(
        env={"A": "1"},
        pass_env=("B",),
        tasks={"a": TaskSettings(max_time=5.5, depends_on=("b",))},
        sections={"c": {"d": "e"}},
    )
    back = from_json(json.loads(json.dumps(asdict(settings), default=str)))
    assert find_rules(back, "a") == find_rules(settings, "a")
    assert back.tasks == settings.tasks
    assert (back.pass_env, back.sections) == (("B",), {"c": {"d": "e"}})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"max_tme": 1}, 'unknown key "max_tme"; did you mean "max_time"?'),
        ({"tasks": {"a": {"max_tris": 1}}}, 'unknown key "max_tris"; did you mean "max_tries"?'),
        ({"max_tries": 0}, "expected 1 or more"),
        ({"max_time": -1}, "expected 0 or more"),
        ({"max_time": True}, "expected a number, got true or false"),
        ({"max_tries": "many"}, "expected a whole number, got text"),
        ({"sleep_time": math.inf}, "expected 1000000000.0 or less"),
        ({"env": {"A": 1}}, "expected text, got a number; quote it"),
        ({"interpreter": "sh 'e"}, "expected a command, its quotes closed"),
        ({"task_hook": "'"}, "expected a command, its quotes closed"),
        ({"tasks": {"a": {"interpreter": ""}}}, "expected a command, its quotes closed"),
        ({"worker": {"ready_within_s": 0}}, "expected more than 0"),
    ],
)
def test_mistakes_in_the_section_are_told(section: object, said: str) -> None:
    _, problems = validate(Runner, section, Path())
    assert [each.message for each in problems] == [said]
