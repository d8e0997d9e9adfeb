"""docs/faults.md is what the tests' marks say, and they say enough."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.fault_marks import ROOT, Fault, read_faults, read_file
from tests.faults import ORDER, PAGE, PARTS, find_part, format_page

LEAST = 200
LEAST_OF_A_PART = 4
SAMPLE = """
import pytest
ROWS = [pytest.param(1, 400, id="one"), (2, 500)]
TABLE: dict[str, object] = {"a|b": 1, "c": 2}

@pytest.mark.fault("answer {status}", "exit {code}")
@pytest.mark.parametrize(("code", "status"), ROWS)
def test_rows(code: int, status: int) -> None:
    assert code

@pytest.mark.fault("{id} is sent", "it is refused", each=TABLE)
@pytest.mark.fault("nothing is sent", "it waits")
def test_table() -> None:
    for value in TABLE.values():
        print(value)

@pytest.mark.fault("it is {id}", "as {how} says")
@pytest.mark.parametrize("how", ["late", "early"], ids=["too late", "too early"])
def test_ids(how: str) -> None:
    assert_it(how)
"""


@cache
def all_faults() -> list[Fault]:
    return read_faults(ROOT / "tests")


@pytest.fixture
def sample(tmp_path: Path) -> list[Fault]:
    path = tmp_path / "test_sample.py"
    path.write_text(SAMPLE)
    return list(read_file(path))


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text("utf-8") == format_page(all_faults()), "run `make faults`"


def test_there_are_enough_and_no_two_have_one_name() -> None:
    names = Counter(fault.name.casefold() for fault in all_faults())
    assert len(names) >= LEAST
    assert [name for name, count in names.items() if count > 1] == []


def test_every_part_of_the_house_has_its_faults() -> None:
    parts = Counter(find_part(fault.path) for fault in all_faults())
    assert set(ORDER) == set(PARTS)
    assert [part for part in ORDER if parts[part] < LEAST_OF_A_PART] == []


def test_every_marked_test_asserts_something() -> None:
    assert [fault.test for fault in all_faults() if not fault.asserts] == []


def test_a_fault_is_one_line_that_says_what_happens() -> None:
    texts = [text for fault in all_faults() for text in (fault.name, fault.what)]
    assert [text for text in texts if not text.isprintable() or text.endswith(".")] == []
    assert [text for text in texts if not 3 <= len(text) <= 250] == []


def test_rows_of_a_table_are_faults_of_their_own(sample: list[Fault]) -> None:
    assert [(fault.name, fault.what) for fault in sample] == [
        ("answer 400", "exit 1"),
        ("answer 500", "exit 2"),
        ("a|b is sent", "it is refused"),
        ("c is sent", "it is refused"),
        ("nothing is sent", "it waits"),
        ("it is too late", "as late says"),
        ("it is too early", "as early says"),
    ]
    assert [fault.asserts for fault in sample] == [True, True, False, False, False, True, True]


def test_a_name_that_no_row_has_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "test_sample.py"
    path.write_text(SAMPLE.replace("{status}", "{reason}"))
    with pytest.raises(ValueError, match=r"test_sample.py:6: .*no 'reason'"):
        list(read_file(path))
