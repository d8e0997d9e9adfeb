"""Plain data as dataclasses, and how errors are worded; tests/data/bad/ has more mistakes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import ConfigDict, Field

from farmhand.errors import BadInput
from farmhand.validation import (
    ExistingFile,
    NotBool,
    Place,
    Problem,
    SecretUrl,
    format_path,
    refuse,
    validate,
)
from farmhand.wording import unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    count: Annotated[int, NotBool, Field(ge=1)] = 1
    database: SecretUrl | None = None
    template: ExistingFile | None = None
    inner: "Rule | None" = None

    def find_problems(self) -> Iterator[Problem]:
        if self.count == 13:
            yield Problem(("count",), "brings bad luck")


def problems_of(data: object, beside: tuple[str, ...] = ()) -> dict[tuple[str | int, ...], str]:
    _, problems = validate(Rule, data, Path("tests/data/good"), beside=beside)
    return {each.path: each.message for each in problems}


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ({"count": True}, ("count",), "expected a number, got true or false"),
        ({"count": 0}, ("count",), "expected 1 or more"),
        ({"count": 13}, ("count",), "brings bad luck"),
        ({"inner": 1}, ("inner",), "expected a mapping, got a number"),
        ({"inner": {"count": "x"}}, ("inner", "count"), "expected a whole number, got text"),
        ({"cuont": 1}, ("cuont",), 'unknown key "cuont"; did you mean "count"?'),
    ],
)
def test_a_mistake_is_told_in_plain_words(
    data: object, path: tuple[str | int, ...], message: str
) -> None:
    assert problems_of(data) == {path: message}


def test_a_misspelled_key_may_be_one_that_stands_beside_the_fields() -> None:
    message = 'unknown key "lanuches"; did you mean "launches"?'
    assert problems_of({"lanuches": 1}, beside=("launches",)) == {("lanuches",): message}


def test_what_stands_beside_the_fields_is_not_suggested_further_in() -> None:
    message = 'unknown key "lanuches"; known: count, database, template, inner'
    problems = problems_of({"inner": {"lanuches": 1}}, beside=("launches",))
    assert problems == {("inner", "lanuches"): message}


def test_a_relative_file_starts_at_the_directory() -> None:
    rule, _ = validate(Rule, {"template": "minimal.yml"}, Path("tests/data/good"))
    assert rule == Rule(template=Path("tests/data/good/minimal.yml"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:////var/lib/farmhand/farmhand.db",
        "mysql://user:p%40ss@host:3306/db?charset=utf8mb4",
        "postgresql+psycopg://[::1]:5432/db",
        "mysql:///db?unix_socket=/run/mysqld.sock",
        "mysql+mysqldb://user@host/db",
    ],
)
def test_database_urls_are_accepted(url: str) -> None:
    rule, _ = validate(Rule, {"database": url}, Path())
    assert rule is not None
    assert getattr(rule.database, "get_secret_value", str)() == url


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("a", "b_c"), "a.b_c: "),
        (("a-b",), '["a-b"]: '),
        (("a", 0, "b"), "a[0].b: "),
        (("a", '"'), 'a["\\""]: '),
    ],
)
def test_paths_are_dotted_where_keys_are_identifiers(
    path: tuple[str | int, ...], text: str
) -> None:
    assert format_path(path) == text


def test_nothing_near_lists_what_is_known() -> None:
    assert unknown("region", "x", ["us-east-1"]) == 'unknown region "x"; known: us-east-1'


def test_problems_are_told_once_each_in_the_order_of_lines() -> None:
    found = [(Place("f.yml", line), Problem(("a",), "is bad")) for line in (10, 9, 10)]
    with pytest.raises(BadInput, match=r"^f\.yml:9: a: is bad\nf\.yml:10: a: is bad$"):
        refuse(found)
