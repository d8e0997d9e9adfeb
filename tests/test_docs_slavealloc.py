"""docs/slavealloc.md says what slavealloc serves, reads and answers."""

import re
from pathlib import Path

import pytest

from slavealloc.allocate import place_workers
from slavealloc.bulk.import_forms import JACUZZIS, MASTERS, PASSWORDS, WORKERS, Form
from slavealloc.numbers import Numbers
from slavealloc.pages import Outcome
from slavealloc.rest.resources import RESOURCES, SHOWN_BESIDE
from slavealloc.tac import FIELDS, SHIPPED
from tests.manual import DOCS, first_words, quoted_words, read_sections, read_table

SECTIONS = read_sections(DOCS / "slavealloc.md")
API = read_sections(DOCS / "slavealloc-api.md")
REST = API["Which tables and fields?"]
FORMS = {
    "--slave-data": WORKERS,
    "--master-data": MASTERS,
    "--password-data": PASSWORDS,
    "--jacuzzi-data": JACUZZIS,
}


def rest_row(resource: str) -> list[str]:
    """The row of the manual's table of tables that is about this one."""
    return next(row for row in read_table(REST) if f"`{resource}`" in row[0])


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_field_that_can_be_set_is_documented_and_no_other(resource: str) -> None:
    documented = {word for word in quoted_words(rest_row(resource)[1]) if word != "template"}
    settable = set(RESOURCES[resource].edit.__annotations__)
    assert documented == settable - {"template"}
    assert ("template" in settable) == ("`template`" in rest_row(resource)[1])


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_filter_is_documented(resource: str) -> None:
    rows = read_table(API["How do I find some of the rows?"])
    documented = {
        word
        for names, _, tables in rows
        if f"`{resource}`" in tables or tables == "all" or "all but" in tables
        for word in quoted_words(names)
    }
    query = set(RESOURCES[resource].query.__annotations__)
    assert query <= documented
    assert documented <= query | ({"search"} if resource == "slave_passwords" else set())


def test_every_path_is_documented() -> None:
    documented = " ".join(row[0] for row in read_table(API["What is there?"]))
    for path in ("/TABLE", "/TABLE/ID", "/slaves/ID/history", "/jacuzzis", "/jacuzzis/BUILDER"):
        assert path in documented
    for path in ("/allocations", "/gettac/NAME", "/health"):
        assert path in documented


def test_every_outcome_of_an_allocation_is_documented() -> None:
    assert set(Outcome) <= set(quoted_words(API["How do I get places as JSON?"]))


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_field_that_is_only_shown_is_documented(resource: str) -> None:
    found = RESOURCES[resource]
    shown = {*found.fields, *SHOWN_BESIDE.get(resource, ())} - set(found.edit.__annotations__)
    documented = set(quoted_words(rest_row(resource)[2]))
    assert shown <= documented
    assert documented <= shown or found.edit is RESOURCES["pools"].edit


def test_every_metric_is_documented_and_no_other() -> None:
    families = Numbers().registry.collect()
    names = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    assert set(first_words(SECTIONS["Is it well?"])) == names


def test_every_outcome_is_documented() -> None:
    assert set(Outcome) <= set(quoted_words(SECTIONS["Is it well?"]))


@pytest.mark.parametrize(("option", "form"), FORMS.items(), ids=list(FORMS))
def test_every_column_is_documented_and_no_other(option: str, form: Form) -> None:
    rows = read_table(SECTIONS["How do workers and masters get in?"])
    row = next(row for row in rows if row[0] == f"`{option}`")
    assert set(quoted_words(row[1])) == set(form.columns)
    required = row[2].partition(";")[0]
    assert required in {"all", "both"} or set(quoted_words(required)) == form.required
    assert required not in {"all", "both"} or form.required == set(form.columns)


def test_every_field_of_a_template_is_documented() -> None:
    text = SECTIONS["How do I give machines another tac?"]
    assert set(FIELDS) <= set(quoted_words(text))
    shipped = {path.name.removesuffix(".tac.j2") for path in SHIPPED.iterdir()} - {"disabled"}
    assert shipped <= set(quoted_words(text))


def test_every_reason_for_no_place_is_documented() -> None:
    source = Path(str(place_workers.__code__.co_filename)).read_text("utf-8")
    text = SECTIONS["What does a machine's request get?"]
    for why in re.findall(r'why="([^"]+)"', source):
        assert f"`{why}`" in text
