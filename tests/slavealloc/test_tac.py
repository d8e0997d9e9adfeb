"""Pages of buildbot.tac: values are data, whatever they hold; templates are checked, never run."""

import ast
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmhand.errors import BadInput
from slavealloc.models import Placement, Reason
from slavealloc.tac import (
    ENVIRONMENT,
    FIELDS,
    BrokenTemplate,
    Stamp,
    check_template,
    format_literal,
    read_shipped,
    render_tac,
)
from tests.slavealloc.test_allocate import make_master, make_worker

STAMP = Stamp(now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), host="manager")
SHIPPED = ("buildbot-worker", "buildslave")


def render(template: str, **more: object) -> str:
    worker = make_worker(1, template=template, **more)
    return render_tac(Placement(worker=worker, master=make_master(1), reason=Reason.CHOSEN), STAMP)


def shipped(name: str) -> str:
    text = read_shipped(name)
    assert text is not None
    return text


def assignments(page: str) -> dict[str, object]:
    """Read the constants a page assigns, without running it."""
    return {
        target.id: node.value.value
        for node in ast.walk(ast.parse(page))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_a_page_begins_as_old_clients_expect() -> None:
    lines = render(shipped("buildbot-worker")).splitlines()
    assert lines[0] == "# AUTOMATICALLY GENERATED - DO NOT MODIFY"
    assert lines[1] == "# generated: 2026-01-02T03:04:05Z on manager"


def test_the_third_line_is_the_digest_of_the_rest() -> None:
    page = render(shipped("buildbot-worker"))
    head, _, rest = page.partition("# sha256 of the lines below: ")
    digest, _, body = rest.partition("\n")
    assert head.count("\n") == 2
    assert hashlib.sha256(body.encode()).hexdigest() == digest


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_passes_its_own_check(name: str) -> None:
    check_template(shipped(name))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_has_no_octal_that_one_python_refuses(name: str) -> None:
    assert assignments(render(shipped(name)))["umask"] == 0o002


def test_the_worker_s_name_is_called_as_its_generation_calls_it() -> None:
    assert assignments(render(shipped("buildbot-worker")))["workername"] == "w1"
    assert assignments(render(shipped("buildslave")))["slavename"] == "w1"


def test_the_basedir_stands_on_a_line_of_its_own_for_old_clients() -> None:
    assert "\nbasedir = '/builds/slave'\n" in render(shipped("buildbot-worker"))


@given(
    st.sampled_from([*map(shipped, SHIPPED), "{{ passwd }}%s{{ port }}%%\n", "{{ passwd }}"]),
    st.text(),
)
def test_a_template_of_fields_alone_becomes_the_page_that_jinja_makes(
    template: str, value: str
) -> None:
    page = render(template, password=value, basedir=value)
    values = {
        "basedir": value or "/builds/slave",
        "buildmaster_host": make_master(1).fqdn,
        "passwd": value,
        "port": make_master(1).pb_port,
        "slavename": "w1",
    }
    assert page.split("\n", 3)[3] == ENVIRONMENT.from_string(template).render(values)


@pytest.mark.parametrize(
    "template", ["{% if port %}{{ port }}{% endif %}", "{{ port|string }}", "{{ 'a' }}"]
)
def test_a_template_of_more_is_jinja_s(template: str) -> None:
    assert render(template).split("\n", 3)[3] in {"9001", "'9001'", "'a'"}


@given(st.text(), st.text())
def test_no_basedir_or_password_becomes_code(basedir: str, password: str) -> None:
    page = render(shipped("buildbot-worker"), basedir=basedir or "/", password=password)
    found = assignments(page)
    assert (found["basedir"], found["passwd"]) == (basedir or "/", password)
    assert len(ast.parse(page).body) == len(ast.parse(render(shipped("buildbot-worker"))).body)


@given(st.text())
def test_a_page_is_ascii_so_that_python_2_reads_it(password: str) -> None:
    assert render(shipped("buildslave"), password=password).isascii()


@given(st.text(max_size=60))
def test_a_disabled_worker_s_notes_never_become_code(notes: str) -> None:
    worker = make_worker(1, enabled=False, notes=notes)
    page = render_tac(Placement(worker=worker, master=None, reason=Reason.DISABLED), STAMP)
    calls = [node for node in ast.walk(ast.parse(page)) if isinstance(node, ast.Call)]
    assert [ast.unparse(call.func) for call in calls] == ["sys.stdout.write", "sys.exit"]


def test_a_disabled_page_says_so_on_a_line_that_machines_look_for() -> None:
    worker = make_worker(1, enabled=False, notes="bug 1")
    page = render_tac(Placement(worker=worker, master=None, reason=Reason.DISABLED), STAMP)
    assert "\n# nothing assigned: 'w1 is disabled: bug 1'\n" in page


def test_a_percent_sign_in_a_template_is_a_percent_sign() -> None:
    assert render("x = '100 %' % ()\ny = {{ passwd }}\n").endswith(
        "x = '100 %' % ()\ny = 'secret'\n"
    )


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_can_be_used(field: str) -> None:
    check_template(f"value = {{{{ {field} }}}}\n")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("x = {{ basedir", "line 1: unexpected end of template"),
        ("x = {{ bsaedir }}", 'unknown field "bsaedir"; did you mean "basedir"'),
        ("umask = 002", "line 1: the tac is not Python 3: leading zeros"),
        ("x = 1\nprint 'hello'", "line 2: the tac is not Python 3"),
        ("x = '{{ basedir }}'", "the tac is not Python 3"),
        ('x = """{{ passwd }}"""', "write it alone"),
        ("x = {{ passwd }}{{ basedir }}", "write it alone"),
        ("x = {{ port + 1 }}", "write it alone"),
        ("x = {{ basedir.__class__ }}", "can't be rendered"),
        ("x = {{ 1 / 0 }}", "can't be rendered: division by zero"),
        ("{% include 'other' %}", "can't be rendered"),
        ("{% for c in passwd %}pass\n{% endfor %}", "write it alone"),
        ("#" * 70000, "longer than 65536 characters"),
    ],
)
def test_a_bad_template_is_refused_with_what_is_wrong(template: str, message: str) -> None:
    with pytest.raises(BadInput) as err:
        check_template(template)
    assert message in str(err.value)


def test_checking_a_template_runs_nothing_of_it() -> None:
    check_template("raise SystemExit(__import__('os').abort())\n")


def test_a_template_that_broke_later_is_one_worker_s_trouble() -> None:
    with pytest.raises(BrokenTemplate, match="can't be rendered"):
        render("x = {{ gone }}")


def test_a_template_this_release_lacks_is_said() -> None:
    worker = make_worker(1, template=None)
    placement = Placement(worker=worker, master=make_master(1), reason=Reason.CHOSEN)
    with pytest.raises(BrokenTemplate, match="not one of this release's"):
        render_tac(replace(placement), STAMP)


def test_the_page_for_the_disabled_is_no_template_to_choose() -> None:
    assert read_shipped("disabled") is None
    assert read_shipped("../models") is None


@given(st.text())
def test_a_literal_reads_back_as_itself(text: str) -> None:
    assert ast.literal_eval(format_literal(text)) == text
