"""What `make dist` builds: all of the packages and nothing else, and it runs with what it names."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from farmhand import __version__
from tests.machine_venv import make_bare_venv
from tests.manual import PROGRAMS, ROOT

pytestmark = pytest.mark.integration

PACKAGES = ("farmhand", "runner", "scanner", "slavealloc", "watch_pending")
UNBUILT = (
    ".git",
    ".venv*",
    "__pycache__",
    "*.egg-info",
    ".*_cache",
    ".hypothesis",
    "build",
    "dist",
)
IMPORT_ALL = f"""
import importlib, pkgutil
for package in map(importlib.import_module, {PACKAGES}):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        # Alembic runs these, not an import; and `python -m` runs those.
        if ".migrations" not in found.name and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""
RUN_SOME = """
from farmhand.cli import main as farmhand
from slavealloc.cli import main as slavealloc
for program, line in (
    (farmhand, "db upgrade"),
    (slavealloc, "dbinit"),
    (slavealloc, "dbdump dump"),
    (farmhand, "config schema"),
):
    try:
        program(line.split())
    except SystemExit as ended:
        assert not ended.code, line
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What was built; files by their path."""

    wheel: Path
    sdist: Path

    @property
    def in_wheel(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @property
    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {each.name.partition("/")[2] for each in archive if each.isfile()}

    @property
    def metadata(self) -> Message:
        (name,) = (each for each in self.in_wheel if each.endswith("dist-info/METADATA"))
        return Parser().parsestr(self.in_wheel[name].decode())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel, built from the source distribution, as `make dist` does."""
    folder = tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*UNBUILT))
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "tree"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = folder.glob("dist/*.whl"), folder.glob("dist/*.tar.gz")
    return Built(wheel=wheel, sdist=sdist)


def files_of_packages() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def test_the_wheel_has_every_file_of_the_packages_and_no_other(built: Built) -> None:
    found = {name: data for name, data in built.in_wheel.items() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files_of_packages()
    }
    assert found.keys() == expected.keys()
    assert found == expected
    # The licence of what is not ours lies beside it.
    assert "slavealloc/ui/static/htmx.LICENSE.txt" in found


def test_the_wheel_says_who_it_is(built: Built) -> None:
    assert built.metadata["Version"] == __version__
    assert built.metadata["License"] == "MPL-2.0"
    licences = [data for name, data in built.in_wheel.items() if name.endswith("licenses/LICENSE")]
    assert licences == [(ROOT / "LICENSE").read_bytes()]
    (points,) = (data for name, data in built.in_wheel.items() if name.endswith("entry_points.txt"))
    scripts = {line.partition(b" = ")[0].decode() for line in points.splitlines() if b" = " in line}
    assert scripts == set(PROGRAMS)


def test_the_source_has_what_a_farm_needs_and_no_tests(built: Built) -> None:
    tops = {name.partition("/")[0] for name in built.in_sdist}
    made = {"PKG-INFO", "setup.cfg", "farmhand.egg-info"}
    files = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md"}
    files |= {"pyproject.toml", "setup.py"}
    assert tops - made == {*PACKAGES, *files, "configs", "cron", "docs"}
    expected = {path.relative_to(ROOT).as_posix() for path in files_of_packages()}
    assert expected <= built.in_sdist
    assert {"configs/farmhand.yml", "cron/crontab", "docs/configuration.md"} <= built.in_sdist


def test_an_index_can_show_it(built: Built) -> None:
    words = [sys.executable, "-m", "twine", "check", "--strict", str(built.wheel), str(built.sdist)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_with_what_it_names_alone(built: Built, tmp_path: Path) -> None:
    named = built.metadata.get_all("Requires-Dist") or []
    python, site = make_bare_venv(
        tmp_path / "venv", [each for each in named if "extra ==" not in each]
    )
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(site)
    environ = {"FARMHAND_STATE": str(tmp_path / "state"), "FARMHAND_FARM": "test"}

    done = subprocess.run(
        [str(python), "-c", IMPORT_ALL + RUN_SOME],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "watch_pending" in done.stdout
