"""`scanner build files`: what a build was made from and what it made."""

from collections.abc import Iterator
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, FarmError
from farmhand.output import write_bytes
from farmhand.wording import unknown
from scanner import build_queries as queries
from scanner.settings import Settings
from scanner.verbs.builds import read_build
from scanner.verbs.change import show_rows

CHUNK = 2**16


def list_files(run: Run, settings: Settings, build_id: int) -> Result:
    """List a build's files."""
    with settings.open_database(reading=True).begin() as connection:
        read_build(connection, build_id)
        rows = queries.list_files(connection, build_id)
    root = settings.store.root
    shown = [{**row, "path": str(root / row["path"]) if row["path"] else None} for row in rows]
    return show_rows(run, shown, ("role", "name", "size", "sha256", "path"), "no files")


def write_file(settings: Settings, named: tuple[int, str], span: tuple[int, int | None]) -> Result:
    """Write a result to stdout, from one byte to another; below 0: so many of the last."""
    build_id, name = named
    with settings.open_database(reading=True).begin() as connection:
        read_build(connection, build_id)
        rows = queries.list_files(connection, build_id)
    results = {row["name"]: row for row in rows if row["role"] == "result"}
    if name not in results:
        raise BadInput(f"build {build_id}: {unknown('result', name, results)}")
    path = settings.store.root / results[name]["path"]
    start, most = span
    begin = start if start >= 0 else max(0, results[name]["size"] + start)
    write_bytes(_read(path, begin, most))
    return Result()


def _read(path: Path, start: int, left: int | None) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            while data := file.read(CHUNK if left is None else min(CHUNK, left)):
                left = None if left is None else left - len(data)
                yield data
    except OSError as err:
        raise FarmError(f"{path}: {err.strerror}") from err
