"""The JSON Schema for editors: made from what validates, and never stricter than that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from farmhand.cli import main as farmhand
from farmhand.config import SECTIONS, load
from farmhand.config_schema import make_schema
from farmhand.errors import BadInput
from farmhand.yaml_tree import read_yaml
from tests.manual import ROOT
from tests.run_here import run_here
from tests.schema_files import MEANINGS, SCHEMA, format_json, read_meanings

DATA = Path("tests/data")
LINE = "# yaml-language-server: $schema=farmhand.schema.json"
# What an editor can't know: names that other keys define, the environment, files, Python's
# patterns, what two values are together, and what AWS makes of a text.
ONLY_THE_LOADER = {
    "ages_that_leave_nothing",
    "backoff_that_shrinks",
    "broken_variable",
    "lease_too_short",
    "limit_for_unknown_type",
    "limit_in_unknown_region",
    "missing_key",  # it may stand in the file of -k
    "name_too_long",
    "name_without_a_number",
    "parameter_without_a_name",
    "pattern_does_not_compile",
    "place_in_unknown_region",
    "rule_for_unknown_type",
    "timeout_without_end",
    "type_without_entry",
    "unknown_cron_job",
    "user_data_does_not_exist",
    "user_data_is_a_directory",
    "variable_not_set",
}


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = make_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def files(folder: str) -> list[Path]:
    return sorted(DATA.glob(f"{folder}/*.yml"))


def test_what_editors_are_told_is_what_the_manual_says() -> None:
    assert json.loads(MEANINGS.read_text()) == read_meanings(), "run `make schema`"


def test_the_shipped_schema_is_what_the_command_prints() -> None:
    done = run_here(farmhand, ["config", "schema"], {})
    assert (done.code, done.out) == (0, SCHEMA.read_text()), "run `make schema`"
    assert done.out == format_json(make_schema())


def test_every_meaning_is_shown_at_its_key() -> None:
    shown = {(name, each.get("description")) for name, each in find_keys(make_schema())}
    told = {pair for meanings in read_meanings().values() for pair in meanings.items()}
    assert len(told) > 200
    assert told <= shown


def find_keys(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key at any depth, with its schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from find_keys(each)


def test_the_example_names_the_schema_in_its_first_line_and_fits(
    validator: Draft7Validator,
) -> None:
    path = ROOT / "configs/farmhand.yml"
    assert path.read_text("utf-8").splitlines()[0] == LINE
    validator.validate(read_yaml(path).data)


@pytest.mark.parametrize("path", files("good"), ids=lambda path: path.stem)
def test_what_loads_fits(path: Path, validator: Draft7Validator) -> None:
    validator.validate(read_yaml(path).data)


@pytest.mark.parametrize("path", files("bad"), ids=lambda path: path.stem)
def test_a_mistake_is_found_by_editors_too_where_they_can(
    path: Path, validator: Draft7Validator
) -> None:
    try:
        data = read_yaml(path).data
    except BadInput:  # no YAML as farmhand reads it: there is nothing to fit
        assert path.stem not in ONLY_THE_LOADER
    else:
        assert validator.is_valid(data) == (path.stem in ONLY_THE_LOADER)


WATCH = """
farm: test
watch_pending:
  scheduler_db: sqlite:///scheduler.sqlite
  buildermap: {"^Linux": bld}
  instance_types: {bld: {names: bld-%03d, regions: {}}}
  region_priorities: {us-east-1: 1}
"""


@pytest.mark.parametrize(
    "line",
    [
        "original_freshness: on",
        'original_freshness: "yes"',
        "original_freshness: 1",
        "original_freshness: ${TRUTH}",
        'max_launches_per_run: "7"',
        'max_launches_per_run: "7.0"',
        "max_launches_per_run: 7.0",
        "max_launches_per_run: ${SEVEN}",
        "max_launches_per_run: 1${SEVEN}",
        "max_launches_per_run: ~",
        "max_usd_per_hour: 1e1",
        "max_usd_per_hour: ${SEVEN}",
        "jacuzzis_from: database",
        "jacuzzis_from: ${DATABASE}",
        "jacuzzis_from: {url: 'http://x', if_down: '${NONE}'}",
        "masters: {m: {url: '${URL}:8010'}}",
        "usd_per_hour: {c7i.large: '${SEVEN}'}",
        "stop_idle: {idle_s: {spot: 5}}",
    ],
)
def test_whatever_the_loader_reads_as_a_value_fits(
    line: str, tmp_path: Path, validator: Draft7Validator
) -> None:
    path = tmp_path / "farmhand.yml"
    path.write_text(f"{WATCH}  {line}\n")
    values = {"TRUTH": "off", "SEVEN": "7", "DATABASE": "database", "NONE": "none"}
    load(path, None, environ=values | {"URL": "http://x"})
    validator.validate(read_yaml(path).data)


@pytest.mark.parametrize(
    "section",
    [
        "runner: {chores: {purge_builds: {paths: [builds]}}}",
        "runner: {chores: {halt: {action: sleep}}}",
        "runner: {max_tries: 0}",
        "runner: {tasks: {checkout: {max_tiem: 5}}}",
        "runner: {worker: {when_idle: sleep}}",
        "slavealloc: {api_url: slavealloc.example.com}",
        "slavealloc: {bug_links: {bug: nowhere}}",
        "runslave: {timeout_s: 0}",
        "scanner: {losses: 0}",
        "graphite: [{port: 2003}]",
    ],
)
def test_mistakes_in_the_other_sections_are_found_too(
    section: str, tmp_path: Path, validator: Draft7Validator
) -> None:
    path = tmp_path / "farmhand.yml"
    path.write_text(f"farm: test\n{section}\n")
    with pytest.raises(BadInput):
        load(path, None, environ={})
    assert not validator.is_valid(read_yaml(path).data)


def test_a_secret_may_stand_in_another_file_and_no_other_required_key(
    validator: Draft7Validator,
) -> None:
    def errors(without: str) -> list[str]:
        data = read_yaml(ROOT / "configs/farmhand.yml").data
        watch = {key: value for key, value in data["watch_pending"].items() if key != without}
        return [each.message for each in validator.iter_errors(data | {"watch_pending": watch})]

    assert errors("scheduler_db") == []
    assert errors("buildermap") == ["'buildermap' is a required property"]


def test_every_section_is_there() -> None:
    assert set(SECTIONS) <= set(make_schema()["properties"])
