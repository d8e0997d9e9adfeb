"""Removal on real file systems: mounts, no room left, another user's rights, a kill half-way."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.remove import TRASH, finish_trash, open_directory, remove
from tests.runner_machine import ROOT, wait_until
from tests.small_disk import fill, mounted, names, needs_root

pytestmark = pytest.mark.integration
NOBODY = 65534
REMOVE = """
import sys
from pathlib import Path
from runner.remove import open_directory, remove
remove(open_directory(Path(sys.argv[1])), sys.argv[2])
"""


def as_nobody(act: Callable[[], str]) -> str:
    """Do something as another user, to whom our Python may be closed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(write, act().encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as file:
        return file.read()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "size=16m") as made:
        yield made


@needs_root
def test_a_tree_deeper_than_paths_and_recursion_go_is_removed(disk: Path) -> None:
    here = os.open(disk, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    parent = open_directory(disk)
    assert remove(parent, "deeper") == ""
    os.close(parent)
    assert names(disk) == []


@pytest.mark.fault("a file system is mounted below a directory to be removed", "it is left alone")
@needs_root
def test_what_has_a_mount_in_it_is_left_alone(disk: Path) -> None:
    inside = disk / "build/é b\\c/mounted"
    (disk / "kept").mkdir()
    (disk / "kept/file").touch()
    (disk / "build/first").mkdir(parents=True)
    parent = open_directory(disk)
    with mounted(inside):
        (inside / "file").touch()
        assert remove(parent, "build") == f"{inside} is mounted in it"
        assert remove(parent, "build/é b\\c/mounted") == "it is another file system"
        assert (inside / "file").exists()
        assert (disk / "build/first").exists()
    subprocess.run(["mount", "--bind", str(disk / "kept"), str(inside)], check=True)
    try:  # the same device: only the list of mounts tells
        assert remove(parent, "build") == f"{inside} is mounted in it"
        # Where that list did not show it: what is mounted can't be moved, so it is not entered.
        (disk / "build").rename(disk / f"{TRASH}1")
        assert finish_trash(parent) == [f"{TRASH}1: Device or resource busy"]
        assert (disk / "kept/file").exists()
    finally:
        subprocess.run(["umount", str(disk / f"{TRASH}1/é b\\c/mounted")], check=False)
        subprocess.run(["umount", str(inside)], check=False, capture_output=True)
        os.close(parent)


@needs_root
def test_what_cannot_be_renamed_for_want_of_room_is_removed_where_it_is(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    subprocess.run(["mkfs.ext4", "-q", "-m0", "-N64", str(image)], check=True)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
    try:
        (disk / "build/sub").mkdir(parents=True)
        (disk / "build/sub/file").write_bytes(bytes(1000))
        fill(disk)
        parent = open_directory(disk)
        assert remove(parent, "build") == ""
        os.close(parent)
        assert not (disk / "build").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@needs_root
def test_directories_without_permissions_are_removed_by_their_owner(disk: Path) -> None:
    (disk / "build/closed/sub").mkdir(parents=True)
    (disk / "build/closed/sub/file").touch()
    (disk / "build/others").mkdir()
    (disk / "build/others/file").touch()
    for path in (disk, *disk.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for closed in ("build/closed/sub", "build/closed"):
        (disk / closed).chmod(0)
    os.chown(disk / "build/others", 0, 0)
    parent = open_directory(disk)
    assert as_nobody(lambda: remove(parent, "build")) == "Permission denied"
    os.close(parent)
    (trash,) = disk.iterdir()
    assert [str(path.relative_to(trash)) for path in trash.rglob("*")] == ["others", "others/file"]


@pytest.mark.fault("removing a build directory is killed half way", "the next run finishes it")
def test_killed_half_way_the_next_run_finishes(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"build/{number}/sub").mkdir(parents=True)
    command = [sys.executable, "-c", REMOVE, str(tmp_path), "build"]
    process = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: not (tmp_path / "build").exists())
    process.kill()
    process.wait()
    (trash,) = tmp_path.iterdir()
    assert trash.name.startswith(TRASH)
    assert any(trash.iterdir())
    parent = open_directory(tmp_path)
    assert finish_trash(parent) == []
    os.close(parent)
    assert names(tmp_path) == []
