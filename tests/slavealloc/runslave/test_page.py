"""What counts as a tac, where it says its worker lives, and what a name says of that."""

from pathlib import Path

import pytest

from farmhand.errors import Unavailable
from slavealloc.runslave.page import guess_basedir, parse_basedir, parse_page
from tests.bad_allocator import DIGEST, HEADER, make_old_page, make_page

BODY = "basedir = '/builds/slave'\n"
PAGE = make_page(BODY)


def test_a_page_of_ours_is_a_tac() -> None:
    tac = parse_page(PAGE)
    assert (tac.page, tac.basedir, tac.distrusted) == (PAGE, Path("/builds/slave"), None)


def test_an_old_servers_page_is_a_tac_by_its_marker_alone() -> None:
    assert parse_page(make_old_page(BODY)).basedir == Path("/builds/slave")


@pytest.mark.parametrize("cut", range(1, len(PAGE)))
def test_a_page_of_ours_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(Unavailable):
        parse_page(PAGE[:cut])


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param(b"", "no tac", id="empty"),
        pytest.param(b"<html><body>It works!</body></html>", "no tac", id="html"),
        pytest.param(BODY.encode(), "no tac", id="without marker"),
        pytest.param(HEADER.encode(), "nothing but comments", id="comments"),
        pytest.param(f"{HEADER}\n  \n\t# x\n".encode(), "nothing but comments", id="blank"),
        pytest.param(make_page(BODY, digest="0" * 64), "sha256", id="another digest"),
        pytest.param(make_page(BODY, digest="0" * 63), "sha256", id="short digest"),
        pytest.param(make_page(BODY, digest="what?"), "sha256", id="no digest"),
        pytest.param(PAGE + b"\n", "sha256", id="more than there was"),
        pytest.param(f"{HEADER}{DIGEST}".encode(), "sha256", id="cut in its third line"),
        pytest.param(PAGE + b"\xff", "not UTF-8 at byte", id="not UTF-8"),
        pytest.param(PAGE.decode().encode("utf-16"), "not UTF-8", id="UTF-16"),
    ],
)
def test_what_is_no_tac_is_refused_with_the_reason(page: bytes, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        parse_page(page)


def test_a_disabled_workers_tac_is_known_as_such() -> None:
    assert parse_page(make_page("# nothing assigned: 'w1 is disabled'\nimport sys\n")).idle
    assert not parse_page(make_page(BODY + "s = '# nothing assigned'\n")).idle


def test_the_page_with_its_password_is_not_in_its_repr() -> None:
    assert "hunter2" not in repr(parse_page(make_page("passwd = 'hunter2'\n")))


@pytest.mark.parametrize(
    ("line", "basedir"),
    [
        ("basedir = '/builds/slave'", "/builds/slave"),
        ('basedir="/builds/slave"  # here', "/builds/slave"),
        ("basedir\t= r'/builds/slave'", "/builds/slave"),
        ("basedir = u'/builds/sl\\xe4ve'", "/builds/släve"),
        ("port = 1\nbasedir = '/a'\nbasedir = '/b'", "/a"),
        ("port = 1", None),
        ("# basedir = '/a'", None),
        ("the_basedir = '/a'", None),
    ],
    ids=str,
)
def test_the_basedir_is_a_string_on_a_line_of_its_own(line: str, basedir: str | None) -> None:
    assert parse_basedir(line) == (Path(basedir) if basedir else None, None)


@pytest.mark.parametrize(
    "line",
    [
        "basedir = __import__('os').system('touch /tmp/evil') or '/builds'",
        "basedir = '/builds' + exit()",
        "basedir = '/builds' '/slave'",
        "basedir = '/builds'; exit()",
        "basedir = f'/{exit()}'",
        "basedir = b'/builds'",
        "basedir = ur'/builds'",
        "basedir = ''",
        "basedir = 'builds/slave'",
        "basedir = '../../etc'",
        "basedir = 'c:/builds'",
        "basedir = '/builds\\x00'",
        "basedir = '/builds\\n'",
        "basedir = '/builds\\xzz'",
        "basedir = '/builds",
        "basedir = '''/builds'''",
        "basedir = " + "(" * 100,
        "basedir = None",
    ],
    ids=lambda line: line[:60],
)
def test_anything_but_a_plain_absolute_path_is_not_trusted(line: str) -> None:
    assert parse_basedir(line) == (None, line)


@pytest.mark.parametrize(
    ("name", "basedir"),
    [
        ("bld-linux64-spot-001", "/builds/slave"),
        ("bld-lion-r5-012", "/builds/slave"),
        ("b-linux64-hp-0023", "/builds/slave"),
        ("try-linux64-ec2-007", "/builds/slave"),
        ("y-linux64-0001", "/builds/slave"),
        ("tst-linux64-spot-123", "/builds/slave"),
        ("t-yosemite-r7-0042", "/builds/slave"),
        ("talos-r4-lion-001", "/builds/slave"),
        ("talos-r3-fed64-001", "/builds/slave"),
        ("av-linux64-spot-001", "/builds/slave"),
        ("dev-linux64-ec2-dustin", "/builds/slave"),
        ("linux64-ix-slave01", "/builds/slave"),
        ("moz2-darwin10-slave01", "/builds/slave"),
        ("b-2008-ix-0001", "c:\\builds\\moz2_slave"),
        ("y-2008-spot-001", "c:\\builds\\moz2_slave"),
        ("try-win2008-001", "c:\\builds\\moz2_slave"),
        ("w64-ix-slave01", "c:\\builds\\moz2_slave"),
        ("w32-ix-slave01", "c:\\builds\\moz2_slave"),
        ("mw32-ix-slave01", "c:\\builds\\moz2_slave"),
        ("B-2008-IX-0001", "c:\\builds\\moz2_slave"),
        ("t-w732-ix-001", "C:\\slave"),
        ("t-w864-ix-001", "C:\\slave"),
        ("t-xp32-ix-001", "C:\\slave"),
        ("tst-w732-spot-001", "C:\\slave"),
        ("talos-r3-xp-001", "C:\\slave"),
        ("talos-r3-w7-001", "C:\\slave"),
        ("panda-0123", "/builds/panda-0123"),
        ("tegra-045", "/builds/tegra-045"),
        ("panda-relay-01", None),
        ("laptop", None),
        ("bldlinux", None),
        ("my-bld-001", None),
        ("", None),
    ],
)
def test_a_name_says_where_its_worker_lives(name: str, basedir: str | None) -> None:
    assert guess_basedir(name) == basedir
