"""Where logs and results are: names that a daemon chose are data, never part of a path."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farmhand.errors import FarmError
from farmhand.files import replacing

MANIFEST = "manifest.json"
CHUNK = 2**20


class StoreTrouble(FarmError):
    """The store can't be written: no daemon's fault."""


class Store:
    """A directory that all hosts share which scan the same farm."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def build_directory(self, build_id: int) -> Path:
        """Where a build's log and manifest are."""
        return self.root / "builds" / str(build_id)

    def log_path(self, build_id: int, cookie: str) -> Path:
        """Where the log of one attempt is, under the name that the original gave it."""
        return self.build_directory(build_id) / f"log-for-{cookie}.txt.gz"

    def file_path(self, sha256: str) -> Path:
        """Where a file is, by what is in it."""
        return self.root / "files" / sha256[:2] / sha256

    def relative(self, path: Path) -> str:
        """Say where a file is below the store."""
        return path.relative_to(self.root).as_posix()

    def check_space(self, wanted_bytes: int) -> None:
        """Refuse to begin what would fill the disk. Raises StoreTrouble."""
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        if free < wanted_bytes:
            raise StoreTrouble(
                f"store {self.root}: {free} bytes are free, less than keep_free_bytes "
                f"({wanted_bytes}); nothing is collected until there is room"
            )

    @contextmanager
    def staging(self, cookie: str) -> Iterator[Path]:
        """Make an empty directory for what comes of one attempt; what is left in it goes."""
        path = self.root / "incoming" / cookie
        shutil.rmtree(path, ignore_errors=True)
        with writing(self.root):
            path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def keep(self, staged: Path, target: Path) -> None:
        """Move a file to its place, so that it survives a crash of the machine."""
        with writing(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("rb") as file:
                os.fsync(file.fileno())
            staged.replace(target)
            _sync(target.parent)

    def link(self, kept: str, target: Path) -> None:
        """Let a kept file be found under another name too."""
        with writing(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.hardlink_to(self.root / kept)
            _sync(target.parent)

    def write_manifest(self, build_id: int, text: str) -> Path:
        """Replace a build's manifest in one step."""
        path = self.build_directory(build_id) / MANIFEST
        with writing(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(text.encode())
            path.chmod(0o644)
        return path


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what a disk may do to us into one line."""
    try:
        yield
    except OSError as err:
        raise StoreTrouble(f"store {root}: {err.strerror or err}") from err


def sum_file(path: Path) -> tuple[int, str, str]:
    """Read a file's size, SHA-1 and SHA-256."""
    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            size += len(data)
            sha1.update(data)
            sha256.update(data)
    return size, sha1.hexdigest(), sha256.hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
