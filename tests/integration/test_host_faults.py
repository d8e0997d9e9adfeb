"""What the host does to a command: what is closed, gone, missing or strange around it."""

import pytest

from tests.farm import Farm

pytestmark = pytest.mark.integration


@pytest.mark.fault(
    "stdin, stdout and stderr are closed", "the run does its work; nothing is written to its files"
)
def test_a_run_without_stdin_stdout_and_stderr_works(farm: Farm) -> None:
    farm.add_pending()
    closed = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    assert farm.run_from_cron("run", "-l", "run.log", prefix=closed).code == 0
    assert farm.names() == ["bld-linux64-001"]
    lines = (farm.directory / "run.log").read_text().splitlines()
    assert (lines[0].count("start version="), lines[-1].count("done exit=0")) == (1, 1)
