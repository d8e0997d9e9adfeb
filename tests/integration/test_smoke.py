"""Commands as cron starts them, and that what other tests start says the same."""

import re
from dataclasses import replace

import pytest

from tests.farm import BUILD, Farm
from tests.processes import Finished

pytestmark = pytest.mark.integration


def test_a_job_that_waits_starts_a_machine(farm: Farm) -> None:
    farm.add_pending(BUILD, 1)
    done = farm.run_from_cron()
    assert (done.code, done.out, done.err) == (0, "", "")
    assert farm.names() == ["bld-linux64-001"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("watch_pending", "run --dry-run"),
        ("watch_pending", "check --no-such-option"),
        ("farmhand", "status --json"),
        pytest.param("watch_pending", f"explain {BUILD}", marks=pytest.mark.soak),
        pytest.param("watch_pending", "check", marks=pytest.mark.soak),
        pytest.param("farmhand", "config check", marks=pytest.mark.soak),
        pytest.param("farmhand", "config show", marks=pytest.mark.soak),
        pytest.param("farmhand", "db current", marks=pytest.mark.soak),
    ],
)
def test_a_command_says_the_same_from_cron(farm: Farm, program: str, words: str) -> None:
    farm.add_pending()
    done = farm.run_from_cron(*words.split(), program=program)
    forked = farm.start(*words.split(), program=program).finish(60)
    assert without_now(done) == without_now(forked)


def without_now(done: Finished) -> Finished:
    return replace(done, out=re.sub('"now": "[^"]+"', "", done.out))


def test_an_upgrade_from_cron_creates_the_database(farm: Farm) -> None:
    assert farm.run_from_cron("db", "upgrade", program="farmhand").code == 0
    assert len(farm.rows("SELECT generation FROM planner")) == 1
