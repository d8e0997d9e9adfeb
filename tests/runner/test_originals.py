"""The original's INI file: every option's meaning, and every mistake."""

from pathlib import Path

import pytest

from farmhand.errors import BadInput
from runner.originals import read_ini
from runner.settings import RunnerSettings, TaskSettings, find_option, find_rules
from tests.manual import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runner.cfg"


def read(path: Path, text: str) -> RunnerSettings:
    path.write_text(text)
    return read_ini(path).settings


def test_every_option_of_the_original_is_read(path: Path) -> None:
    settings = read(
        path,
        "[runner]\nsleep_time=60\nretry_jitter=5\nmax_tries=7\nmax_time=360\nhalt_task=halt.py\n"
        "task_hook=/bin/hook --x\ninterpreter=/bin/sh -e\n[env]\nPATH=/bin\nlower=1\n",
    )
    assert settings == RunnerSettings(
        sleep_time=60,
        retry_jitter=5,
        max_tries=7,
        max_time=360,
        halt_task="halt.py",
        task_hook="/bin/hook --x",
        interpreter="/bin/sh -e",
        env={"PATH": "/bin", "lower": "1"},
    )


def test_a_task_s_numbers_are_numbers(path: Path) -> None:
    settings = read(
        path, "[a]\nmax_time=1800\nmax_tries=2\nsleep_time=3\nretry_jitter=4\ndepends_on=b, c\n"
    )
    assert settings.tasks["a"] == TaskSettings(
        max_time=1800, max_tries=2, sleep_time=3, retry_jitter=4, depends_on=("b", "c")
    )


def test_what_the_runner_does_not_know_is_the_task_s_own(path: Path) -> None:
    settings = read(path, "[a]\nmax_tries=2\nTarget=100%\nenv.X=1\nuser=builder\n")
    assert find_option(settings, "a", "Target") == "100%"
    assert find_option(settings, "a", "max_tries") == "2"
    assert find_rules(settings, "a").env == {"X": "1"}
    assert find_rules(settings, "a").user == "builder"


def test_files_of_include_dir_come_later_and_by_number(path: Path) -> None:
    folder = path.parent / "more.d"
    folder.mkdir()
    for name, word in (("10-x.cfg", "ten"), ("2-x.cfg", "two"), (".x", "dot"), ("99~", "old")):
        (folder / name).write_text(f"[a]\nword={word}\n[env]\nW{name[0]}=1\n")
    settings = read(path, "[runner]\ninclude_dir=more.d\n[a]\nword=main\nother=kept\n")
    assert settings.sections["a"] == {"word": "ten", "other": "kept"}
    assert set(settings.env) == {"W1", "W2"}


def test_the_worker_has_a_section(path: Path) -> None:
    path.write_text(
        "[worker]\nbasedir=/builds/w\nbuilds=3\nrun_for_s=60\nkill_builds=yes\npass_env=A,B\n"
    )
    worker = read_ini(path).worker
    assert (worker.basedir, worker.builds, worker.run_for_s) == (Path("/builds/w"), 3, 60)
    assert (worker.kill_builds, worker.pass_env) == (True, ("A", "B"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[runner]\nmax_tme=1\n", 'unknown option "max_tme"; did you mean "max_time"?'),
        ("[a]\nmax_tme=1\n", r"\[a\]: unknown option \"max_tme\"; did you mean \"max_time\"\?"),
        ("[worker]\nrun_for=1\n", 'unknown option "run_for"; did you mean "run_for_s"?'),
        ("[runner]\nmax_time=soon\n", r"\[runner\] max_time: expected seconds, 0 or more, got"),
        ("[a]\nmax_time=-1\n", "expected seconds, 0 or more"),
        ("[a]\nmax_time=nan\n", "expected seconds, 0 or more"),
        ("[a]\nmax_tries=0\n", "expected a whole number, 1 or more"),
        ("[runner]\ntask_hook='hook\n", "task_hook: expected a command, its quotes closed"),
        ("[a]\ninterpreter=sh 'e\n", "interpreter: expected a command, its quotes closed"),
        ("[worker]\nready_within_s=0\n", "expected more than 0"),
        ("[worker]\nkill_builds=maybe\n", "expected true or false"),
        ("[runner]\ninclude_dir=none\n", "include_dir: .*none: No such file"),
        ("[a]\nx=1\nx=2\n", "already exists"),
        ("no section\n", "no section headers"),
    ],
)
def test_mistakes_are_told(path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read(path, text)


def test_a_missing_file_is_told(path: Path) -> None:
    with pytest.raises(BadInput, match=r"runner\.cfg: No such file"):
        read_ini(path)


def test_the_example_loads() -> None:
    settings = read_ini(ROOT / "configs/runner.cfg").settings
    assert find_rules(settings, "checkout").max_time_s == 1800
    assert find_option(settings, "checkout", "repositories.tools.vcs") == "hg"
