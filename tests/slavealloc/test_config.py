"""The section slavealloc: what no single value shows."""

import pytest

from slavealloc.config import SlaveAlloc


@pytest.mark.parametrize(
    ("pattern", "url", "problem"),
    [
        pytest.param(r"bug (\d+)", r"https://b/\1", None, id="good"),
        pytest.param(r"bug \d+", "https://b/", None, id="one place for all"),
        pytest.param("bug (", "https://b/", "does not compile", id="pattern"),
        pytest.param(
            r"bug \d+", r"https://b/\1", r"asks for \1, and the pattern has 0", id="group"
        ),
    ],
)
def test_a_bug_link_that_can_t_work_is_refused(pattern: str, url: str, problem: str | None) -> None:
    found = SlaveAlloc(bug_links={pattern: url}).find_problems()
    said = "; ".join(each.message for each in found)
    assert problem in said if problem else not said
