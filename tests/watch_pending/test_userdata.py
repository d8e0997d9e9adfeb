"""User data from a template."""

from pathlib import Path

import pytest

from farmhand.errors import BadInput
from tests.builders import make_template
from watch_pending.userdata import (
    REGION_DNS_ATOMS,
    Fields,
    is_index_aware,
    make_fields,
    read_template,
    render_user_data,
)

FIELDS = {"hostname": "bld-001", "fqdn": "bld-001.example.com", "region_dns_atom": None}


def render(text: str, path: str) -> str:
    return render_user_data(make_template(text, path), FIELDS)


def error(text: str, path: str) -> str:
    with pytest.raises(BadInput) as caught:
        render(text, path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "text", "rendered"),
    [
        pytest.param("a.user-data", "host {hostname}", "host bld-001", id="field"),
        pytest.param("a.user-data", "if {{ $x }}", "if { $x }", id="powershell's braces"),
        pytest.param("a.user-data", "{region_dns_atom}", "None", id="None, as the original"),
        pytest.param("a.user-data", "#cloud\n\n", "#cloud\n\n", id="line ends"),
        pytest.param("a.user-data", "", "", id="empty"),
        pytest.param("a.user-data", "{hostname} 🦊", "bld-001 🦊", id="emoji"),
        pytest.param("a.j2", "host {{ hostname }}", "host bld-001", id="jinja field"),
        pytest.param("a.j2", "${hostname} {x}", "${hostname} {x}", id="jinja leaves shell alone"),
        pytest.param("a.j2", "{{ '<&>' }}", "<&>", id="jinja escapes nothing"),
        pytest.param("a.j2", "#!/bin/sh\nexit\n", "#!/bin/sh\nexit\n", id="jinja line ends"),
        pytest.param(
            "a.j2", "{% if region_dns_atom %}x{% endif %}-", "-", id="jinja sees None as absent"
        ),
    ],
)
def test_a_template_is_filled_in(path: str, text: str, rendered: str) -> None:
    assert render(text, path) == rendered


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        pytest.param(
            "a.user-data",
            "{hostnam}",
            "a.user-data: unknown field {hostnam}; known: fqdn, hostname, region_dns_atom",
            id="unknown field",
        ),
        pytest.param("a.user-data", "{", "a.user-data: Single '{' encountered", id="brace"),
        pytest.param("a.user-data", "{}", "a.user-data: Replacement index 0", id="no name"),
        pytest.param("a.user-data", "{0}", "a.user-data: Replacement index 0", id="number"),
        pytest.param("a.user-data", "{hostname.x}", "a.user-data: 'str' object", id="attribute"),
        pytest.param("a.user-data", "{hostname[x]}", "a.user-data: string indices", id="index"),
        pytest.param("a.user-data", "{hostname:d}", "a.user-data: Unknown format", id="format"),
        pytest.param(
            "a.user-data", "{region_dns_atom:>9}", "a.user-data: unsupported format", id="no value"
        ),
        pytest.param("a.j2", "{{ hostnam }}", "a.j2: 'hostnam' is undefined; known: f", id="j2"),
        pytest.param("a.j2", "\n\n{% if %}", "a.j2:3: Expected an expression", id="j2 syntax"),
        pytest.param("a.j2", "{% include 'x' %}", "a.j2: ", id="j2 include"),
        pytest.param("a.j2", "{{ hostname + 1 }}", "a.j2: can only concatenate", id="j2 types"),
        pytest.param("a.j2", "{{ 1 / 0 }}", "a.j2: division by zero", id="j2 arithmetic"),
        pytest.param("a.j2", "{{ region_dns_atom.x }}", "a.j2: 'None' has no att", id="j2 None"),
    ],
)
def test_a_template_that_can_not_be_filled_in_says_why(path: str, text: str, message: str) -> None:
    assert error(text, path).startswith(message)


def test_the_suffix_alone_says_which_kind_it_is() -> None:
    assert render("{{hostname}}", "a.j2.user-data") == "{hostname}"


def test_a_template_is_read_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.j2"
    path.write_bytes("host 🦊\n".encode())
    assert read_template(path).text == "host 🦊\n"


def test_a_template_that_is_not_utf8_can_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.j2"
    path.write_bytes(b"\xff")
    with pytest.raises(BadInput, match=r"a\.j2: user data can't be read: 'utf-8' codec"):
        read_template(path)


def test_a_missing_template_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.j2: user data can't be read: .*No such file"):
        read_template(tmp_path / "a.j2")


def test_the_originals_three_regions_have_an_atom() -> None:
    assert [*REGION_DNS_ATOMS.values()] == ["use1", "usw1", "usw2"]


def fields_of(*names: str) -> Fields:
    return make_fields(
        moz_instance_type="bld",
        hostname=names[0],
        domain="example.com",
        region="us-west-2",
        market="spot",
        farm="test",
        launch_id="0",
        puppet_cert=None,
        names=names[1:] and names,
    )


def test_the_fields_derive_full_name_and_dns_atom_and_leave_the_originals_empty() -> None:
    fields = fields_of("bld-001")
    derived = {name: fields[name] for name in ("fqdn", "region_dns_atom", "puppet_server")}
    assert derived == {
        "fqdn": "bld-001.example.com",
        "region_dns_atom": "usw2",
        "puppet_server": "",
    }
    assert fields["password"] == ""


# Many machines, one text


@pytest.mark.parametrize(
    ("path", "text", "rendered"),
    [
        pytest.param("a.j2", "({{ names }})", "(b-1 b-2)", id="jinja"),
        pytest.param("a.j2", "{{ names[1] }}", "b-2", id="jinja item"),
        pytest.param("a.j2", "{{ fqdns | join(',') }}", "b-1.example.com,b-2.example.com", id="j"),
        pytest.param("a.user-data", "({names})", "(b-1 b-2)", id="format field"),
        pytest.param("a.user-data", "{fqdns[0]}", "b-1.example.com", id="format item"),
    ],
)
def test_a_list_of_names_is_filled_in(path: str, text: str, rendered: str) -> None:
    assert render_user_data(make_template(text, path), fields_of("b-1", "b-2")) == rendered


def test_a_machine_that_is_alone_is_the_only_one_of_the_list() -> None:
    fields = fields_of("bld-001")
    assert (fields["names"], fields["fqdns"]) == (("bld-001",), ("bld-001.example.com",))


@pytest.mark.parametrize(
    ("path", "text", "is_aware"),
    [
        pytest.param("a.j2", "{{ names }}", True, id="names"),
        pytest.param("a.j2", "{% for n in fqdns %}{{ n }}{% endfor %}", True, id="full names"),
        pytest.param("a.j2", "{{ names }} {{ farm }} {{ domain }}", True, id="what all share"),
        pytest.param("a.j2", "{{ farm }}", False, id="no list"),
        pytest.param("a.j2", "{{ names }} {{ hostname }}", False, id="its own name too"),
        pytest.param("a.j2", "{{ names }} {{ fqdn }}", False, id="its own full name too"),
        pytest.param("a.j2", "{{ names }}{% if puppet_cert %}1{% endif %}", False, id="its cert"),
        pytest.param("a.j2", "{{ names }} $hostname # {fqdn}", True, id="shell's own variables"),
        pytest.param("a.j2", "{{ names }} {% if %}", False, id="broken"),
        pytest.param("a.user-data", "{names}", True, id="format: names"),
        pytest.param("a.user-data", "{fqdns[0]:>9}", True, id="format: full names"),
        pytest.param("a.user-data", "{names} {hostname}", False, id="format: its own name too"),
        pytest.param("a.user-data", "{names:{fqdn}}", False, id="format: within a format"),
        pytest.param("a.user-data", "{names} {{hostname}}", True, id="format: literal braces"),
        pytest.param("a.user-data", "{names} {", False, id="format: broken"),
        pytest.param("a.user-data", "{{ names }}", False, id="format: not jinja's"),
    ],
)
def test_one_text_does_for_many_machines(path: str, text: str, is_aware: bool) -> None:
    assert is_index_aware(make_template(text, path)) is is_aware
