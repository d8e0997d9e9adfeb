"""The alerts are about metrics that we write, agree with `farmhand status`, and are explained."""

import re
from typing import Any

import pytest
import yaml

from farmhand.schedule import EVERY_S, overdue_after_s
from tests.manual import DOCS, ROOT, make_slug, read_sections, read_table

RULES = ROOT / "cron/prometheus/farmhand.rules.yml"
SHOWN = ROOT / "cron/prometheus/farmhand.rules.test.yml"
# Of others: Prometheus itself, and node_exporter.
FOREIGN = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
FOREIGN |= {"node_textfile_scrape_error"}


def read_rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


ALERTS = read_rules()


def documented_metrics() -> set[str]:
    """Metrics of the manual's tables, which other tests compare with what the code writes."""
    rows = [row for path in DOCS.glob("*.md") for row in read_table(path.read_text("utf-8"))]
    return {name for row in rows for name in re.findall(r"`(farmhand_[a-z_]+)`", row[0])}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_about_metrics_that_are_written(alert: str) -> None:
    expression = re.sub(r"\{[^}]*\}|\"[^\"]*\"", "", ALERTS[alert]["expr"])
    named = set(re.findall(r"\b(?:farmhand|node|up)(?:_\w+)?\b", expression))
    assert named
    written = documented_metrics() | FOREIGN
    assert {re.sub("_bucket$", "", name) for name in named} <= written


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_it_means_and_leads_to_what_to_do(alert: str) -> None:
    notes = ALERTS[alert]["annotations"]
    page, _, anchor = notes["runbook"].partition("#")
    headings = read_sections(ROOT / page)
    assert anchor in map(make_slug, headings)
    assert notes["summary"]
    assert notes["description"]
    severity = ALERTS[alert]["labels"]["severity"]
    assert headings[alert].splitlines()[1].startswith(f"{severity}. ")


def test_every_alert_of_the_page_is_there() -> None:
    named = {name for name in read_sections(DOCS / "alerts.md") if re.fullmatch(r"\w+", name)}
    assert named - {"slavealloc", "Machines"} == set(ALERTS)


def test_it_is_shown_of_every_alert_that_it_fires() -> None:
    tests = yaml.safe_load(SHOWN.read_text("utf-8"))["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == set(ALERTS)


def test_a_job_is_overdue_when_status_says_so() -> None:
    limits = {
        f"{command} {verb}": float(limit)
        for alert in ("FarmhandJobOverdue", "FarmhandDailyJobOverdue")
        for command, verb, limit in re.findall(
            r'command="([^"]+)", verb="([^"]+)"\}\) > (\d+)', ALERTS[alert]["expr"]
        )
    }
    assert limits == {name: int(overdue_after_s(every_s)) for name, every_s in EVERY_S.items()}
