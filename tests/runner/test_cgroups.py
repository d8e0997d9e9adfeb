"""Where our cgroup is, from what the kernel says of us."""

from pathlib import Path

import pytest

from runner.cgroups import find_own, own_cgroup, read_members, wait_for

ALONE = "25 1 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
BESIDE = """24 18 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
25 24 0:23 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
26 24 0:24 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu"""
PART = "25 1 0:23 /docker/1f /sys/fs/cgroup ro,nosuid - cgroup2 cgroup ro"


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "found"),
    [
        pytest.param("0::/a.slice/b", ALONE, "/sys/fs/cgroup/a.slice/b", id="systemd"),
        pytest.param("3:cpu:/x\n0::/", BESIDE, "/sys/fs/cgroup/unified", id="beside version 1"),
        pytest.param("0::/docker/1f/x", PART, "/sys/fs/cgroup/x", id="a container's part"),
        pytest.param("0::/docker/1f", PART, "/sys/fs/cgroup", id="a container's own"),
        pytest.param("0::/docker/1fe", PART, None, id="another container"),
        pytest.param("0::/../x", PART, None, id="outside of our namespace"),
        pytest.param("3:cpu:/x", BESIDE, None, id="version 1 alone"),
        pytest.param("0::/", "", None, id="not mounted"),
        pytest.param("", ALONE, None, id="no cgroups"),
    ],
)
def test_where_our_cgroup_is(cgroup: str, mountinfo: str, found: str | None) -> None:
    assert find_own(cgroup, mountinfo) == (Path(found) if found else None)


def test_a_state_directory_that_is_gone_means_no_cgroup(tmp_path: Path) -> None:
    with own_cgroup(tmp_path / "none", grace_s=0) as cgroup:
        assert cgroup is None


def test_who_can_not_be_seen_from_here_is_never_signalled(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("0\n7\n0\n")
    assert read_members(tmp_path) == {7}


def test_a_cgroup_that_is_gone_has_nobody_and_is_not_waited_for(tmp_path: Path) -> None:
    wait_for(tmp_path / "gone", "populated 0", 60)
    assert read_members(tmp_path / "gone") == set()
