"""A virtual environment like a machine's: only the packages that configs/ lists for machines."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "configs/machine-requirements.txt"
OURS = ("farmhand", "runner", "slavealloc")
IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| +(\w+)")


def read_requirements() -> list[str]:
    """Read the lines that are no comments."""
    lines = REQUIREMENTS.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def find_needed(lines: Iterable[str]) -> Iterator[Distribution]:
    """Find what pip would install for these, among what is installed here."""
    waiting, seen = [Requirement(line) for line in lines], set()
    while waiting:
        wanted = waiting.pop()
        key = (wanted.name.lower(), *sorted(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        yield (found := distribution(wanted.name))
        below = [Requirement(line) for line in found.requires or ()]
        waiting += [each for each in below if _holds(each, wanted.extras)]


def _holds(wanted: Requirement, extras: Iterable[str]) -> bool:
    """Whether it is wanted here, with these extras of whom it belongs to."""
    marker = wanted.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def find_modules(found: Distribution) -> set[str]:
    """Name the files and directories that a distribution puts beside others."""
    tops = {Path(str(each)).parts[0] for each in found.files or ()}
    return tops - {"..", "__pycache__"}


def make_venv(home: Path) -> Path:
    """Make a machine's, with links to what is installed here; return its interpreter."""
    python, site = make_bare_venv(home, read_requirements())
    for name in OURS:
        (site / name).symlink_to(ROOT / name)
    return python


def make_bare_venv(home: Path, lines: Iterable[str]) -> tuple[Path, Path]:
    """Make one with these requirements alone; return its interpreter, and where packages go."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    for found in find_needed(lines):
        for name in find_modules(found):
            if not (site / name).exists():
                (site / name).symlink_to(Path(str(found.locate_file(name))))
    return home / "bin/python", site


def find_used(said: str) -> set[str]:
    """Name the listed packages that processes imported, by what -X importtime says."""
    imported = {found[1] for found in IMPORTED.finditer(said)}
    return {
        line
        for line in read_requirements()
        if imported & find_modules(distribution(Requirement(line).name))
    }
