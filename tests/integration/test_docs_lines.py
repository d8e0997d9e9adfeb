"""Every command line of the manual runs, page by page, in the world the manual is about."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ec2_control import Ec2Server
from tests.manual import PAGES, ROOT
from tests.manual_host import fill_database, running_world
from tests.manual_lines import Line, find_missing, read_inline, read_lines
from tests.manual_scenes import SCENES
from tests.manual_stand_ins import write_stand_ins
from tests.manual_world import World

pytestmark = pytest.mark.integration
# Of what can't run here, what is checked where it stands within the text.
CHECKED = ("apt-get ", "journalctl ", "make ", "pip ", "systemctl ")
LINES = {str(path.relative_to(ROOT)): read_lines(path) for path in PAGES}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The farm database that each page begins with."""
    return fill_database(tmp_path_factory.mktemp("manual"))


@pytest.fixture
def world(tmp_path: Path, ec2: Ec2Server, database: Path) -> Iterator[World]:
    """The manual's world, as a page begins with it."""
    with running_world(tmp_path / "host", ec2, database) as world:
        yield world


@pytest.mark.parametrize("page", [page for page, lines in LINES.items() if lines])
def test_every_line_of_a_page_runs(page: str, world: World) -> None:
    section = None
    for line in LINES[page]:
        for scene in arrive(page, section, line):
            SCENES[scene](world)
        section = line.section
        run_line(page, line, world)


def arrive(page: str, section: str | None, line: Line) -> list[str]:
    """Which scenes begin with a line."""
    began = [] if section is not None else [page]
    came = [] if line.section == section else [f"{page}#{line.section}"]
    return [scene for scene in (*began, *came) if scene in SCENES]


def run_line(page: str, line: Line, world: World) -> None:
    done = world.run(line.command)
    where = f"{page}:{line.number}: {line.command}"
    assert done.code in line.codes, f"{where}\nexit code {done.code}\n{done.out}{done.err}"
    missing = find_missing(line.shown, world.there(done.out + done.err))
    assert missing is None, f"{where}\ndoes not print {missing!r}, but\n{done.out}{done.err}"


def words_in_the_text() -> Iterator[str]:
    """What is typed by the text, of the kind that can be checked alone."""
    for path in PAGES:
        for number, words in read_inline(path):
            if words.startswith(CHECKED) and "/installed" not in words:
                yield f"echo {path.relative_to(ROOT)}:{number}; {words} || exit 1"


def test_every_unit_target_and_file_that_the_text_names_exists(tmp_path: Path) -> None:
    done = run_stand_ins(tmp_path, "\n".join(words_in_the_text()))
    assert done.returncode == 0, done.stdout.splitlines()[-1] + done.stderr


def run_stand_ins(directory: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script with nothing but the stand-ins in its PATH."""
    write_stand_ins(directory)
    environ = {"PATH": f"{directory}/bin:/usr/bin:/bin"}
    words = ["bash", "-c", script]
    return subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "systemctl restart slavealoc@production",
        "make demmo",
        "pip install -r no-such-file.txt",
        "apt-get remove python3",
        "no-such-program",
    ],
)
def test_what_cannot_run_here_and_is_wrong_would_be_found(tmp_path: Path, line: str) -> None:
    assert run_stand_ins(tmp_path, line).returncode != 0


def test_every_scene_is_of_a_page_and_its_section() -> None:
    known = {f"{page}#{line.section}" for page, lines in LINES.items() for line in lines}
    assert set(SCENES) - known - set(LINES) == set()
