"""Prometheus itself takes the alerts, and each fires when it should and not before."""

import shutil
import subprocess

import pytest

from tests.manual import ROOT

pytestmark = pytest.mark.integration
DIRECTORY = ROOT / "cron/prometheus"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")
@pytest.mark.parametrize(
    "words",
    [["check", "rules", "farmhand.rules.yml"], ["test", "rules", "farmhand.rules.test.yml"]],
    ids=["check", "test"],
)
def test_the_alerts_are_right_by_prometheus_itself(words: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *words], cwd=DIRECTORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stdout + done.stderr
