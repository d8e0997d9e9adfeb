"""The manual has all that scripts may rely on of the scanner."""

import re

from scanner import models, report
from scanner.publish import make_manifest
from scanner.report import Report, make_samples, report_to_json
from scanner.result_queries import EndedBuild
from tests.manual import DOCS, first_words, quoted_words, read_sections, read_table
from tests.scanner_rows import NOW


def section(heading: str) -> str:
    return read_sections(DOCS / "scanner.md")[heading]


def test_every_state_of_a_build_is_documented_with_its_words() -> None:
    rows = read_table(section("Which states has a build?"))
    assert [(row[0].strip("`"), row[1]) for row in rows] == [
        (state.value, models.TITLES[state]) for state in models.BuildState
    ]


def test_every_action_is_documented_and_no_other() -> None:
    actions = next(row for row in read_table(section("scan --json")) if row[0] == "`action`")
    assert quoted_words(actions[1]) == [action.value for action in models.Action]


def test_every_key_of_scan_is_documented_and_no_other() -> None:
    found = Report(names={1: "bob"}, verdicts={1: (models.Action.WAIT, "so")}, states={1: "idle"})
    document = report_to_json("test", found)
    text = section("scan --json")
    assert set(re.findall(r'"(\w+)"', text)) == set(document)
    assert first_words(text) == list(document["daemons"][0])


def test_every_key_of_a_manifest_is_documented_and_no_other() -> None:
    names = ("source", "version", "distribution", "series", "pocket", "arch_tag", "component")
    facts = dict.fromkeys((*names, "daemon", "reason", "dependencies", "duration_ms", "args"))
    facts |= {"started_at": None, "finished_at": NOW}
    build = EndedBuild(build_id=1, state=models.BuildState.BUILT, facts=facts)
    text = section("Where are logs and results?")
    documented = [word for row in read_table(text) for word in quoted_words(row[0])]
    assert documented == list(make_manifest("test", build))


def test_every_metric_is_documented_and_no_other() -> None:
    found = Report(states={1: "idle"})
    found.ended["fullybuilt"] = 1
    names = [f"farmhand_{sample.name}" for sample in make_samples(found, {"waiting": 1})]
    documented = first_words(section("Metrics"))
    assert set(documented) == set(names)
    assert set(documented) == {f"farmhand_scanner_{name}" for name in report.HELP}
