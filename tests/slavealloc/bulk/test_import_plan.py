"""What an import adds, changes, forgets, and leaves alone."""

from typing import Any

import pytest

from farmhand.errors import BadInput
from farmhand.validation import Place, refuse
from slavealloc.bulk.import_plan import (
    Files,
    ImportPlan,
    State,
    Stored,
    find_dangling,
    format_plan,
    plan_import,
)
from slavealloc.bulk.importing import ImportRow


def make_row(*key: str | None, **values: Any) -> ImportRow:
    return ImportRow(place=Place("f.csv", 2), key=key, values=values)


def worker(name: str, **more: Any) -> ImportRow:
    return make_row(name, **{"name": name, "pool": "p", **more})


def stored(*ids: int, **values: Any) -> Stored:
    return Stored(ids=ids, values={"pool": "p", "distro": None, "enabled": True, **values})


def plan(files: Files, **state: Any) -> ImportPlan:
    return plan_import(files, State(**{"look_ups": {"pool": {"p": 1}, "distro": {}}, **state}))


def test_a_worker_that_is_new_is_added_and_one_that_is_there_is_not() -> None:
    files = Files(workers=[worker("w-1"), worker("w-2")])
    planned = plan(files, workers={("w-1",): stored(1, name="w-1")})
    assert [row["name"] for row in planned.workers.added] == ["w-2"]
    assert (planned.workers.changed, planned.workers.unchanged) == ([], 1)


def test_only_columns_that_differ_are_changed() -> None:
    files = Files(workers=[worker("w-1", distro="d")])
    planned = plan(files, workers={("w-1",): stored(1, name="w-1")})
    assert planned.workers.changed == [((1,), {"distro": "d"})]


def test_two_rows_of_one_password_are_changed_together() -> None:
    files = Files(passwords=[make_row("p", None, pool="p", distro=None, password="new")])
    planned = plan(files, passwords={("p", None): stored(1, 2, password=None)})
    assert planned.passwords.changed == [((1, 2), {"password": "new"})]


def test_look_ups_that_are_missing_are_created_once() -> None:
    files = Files(workers=[worker("w-1", pool="q"), worker("w-2", pool="q", distro="d")])
    assert plan(files).look_ups == {"pool": ["q"], "distro": ["d"]}


def test_a_jacuzzi_file_is_the_whole_content_for_its_builders_and_only_for_them() -> None:
    files = Files(jacuzzis=[make_row("b", "w-1"), make_row("b", "w-2")])
    planned = plan(files, jacuzzis={("b", "w-2"), ("b", "w-3"), ("other", "w-3")})
    jacuzzis = planned.jacuzzis
    assert (jacuzzis.added, jacuzzis.removed) == ([("b", "w-1")], [("b", "w-3")])
    assert jacuzzis.unchanged == 1


def told(files: Files, **state: Any) -> str:
    with pytest.raises(BadInput) as caught:
        refuse(find_dangling(files, State(**state)))
    return str(caught.value)


def test_an_unknown_template_is_refused_with_the_nearest_one() -> None:
    files = Files(
        workers=[worker("w-1", tac_template="lniux")], templates=[make_row("linux", name="linux")]
    )
    message = 'f.csv:2: tac_template: unknown template "lniux"; did you mean "linux"?'
    assert told(files) == message


def test_a_template_that_is_shipped_or_stored_or_imported_is_known() -> None:
    named = [worker(name, tac_template=name) for name in ("buildslave", "old", "new")]
    files = Files(workers=named, templates=[make_row("new", name="new")])
    assert find_dangling(files, State(templates={("old",): stored(1)})) == []


def test_a_jacuzzi_of_an_unknown_worker_is_refused() -> None:
    files = Files(jacuzzis=[make_row("b", "w-1"), make_row("b", "w-2")], workers=[worker("w-1")])
    assert told(files).startswith('f.csv:2: worker: unknown worker "w-2"')


def test_the_result_is_one_line_of_what_was_in_the_files() -> None:
    files = Files(workers=[worker("w-1", pool="q")], jacuzzis=[make_row("b", "w-1")])
    assert format_plan(plan(files)) == (
        "workers: 1 added, 0 changed, 0 unchanged; jacuzzis: 1 added, 0 removed, 0 unchanged; "
        "new pool: q"
    )
    assert format_plan(plan(Files())) == "the files have no rows: nothing to import"
