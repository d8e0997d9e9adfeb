"""User data from a template."""

from pathlib import Path

import pytest

from farmhand.errors import BadInput
from tests.builders import make_template
from watch_pending.userdata import REGION_DNS_ATOMS, make_fields, read_template, render_user_data

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


def test_the_fields_derive_full_name_and_dns_atom_and_leave_the_originals_empty() -> None:
    fields = make_fields(
        moz_instance_type="bld",
        hostname="bld-001",
        domain="example.com",
        region="us-west-2",
        market="spot",
        farm="test",
        launch_id="0",
        puppet_cert=None,
    )
    derived = {name: fields[name] for name in ("fqdn", "region_dns_atom", "puppet_server")}
    assert derived == {
        "fqdn": "bld-001.example.com",
        "region_dns_atom": "usw2",
        "puppet_server": "",
    }
    assert fields["password"] == ""
