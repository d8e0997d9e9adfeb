"""farmhand.yml: what loads, and what each mistake says; mistakes are files in tests/data/bad/."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from farmhand.config import SECTIONS, Settings, load
from farmhand.config_file import find_config
from farmhand.errors import BadInput
from watch_pending.config import WatchPending

DATA = Path("tests/data")
ENVIRON = {"NAME": "test", "NUMBER": "7"}


def expected_error(path: Path) -> str:
    """Read the error from the text file beside a bad one, else from its first line."""
    beside = path.with_suffix(".txt")
    if beside.exists():
        return beside.read_text().strip()
    return path.read_text().splitlines()[0].removeprefix("# error: ")


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def error_of(path: Path, section: str | None = None, secrets: Path | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        load(path, section, environ={}, secrets=secrets)
    return str(caught.value)


def test_data_is_found() -> None:
    assert len(list(DATA.glob("bad/*.yml"))) > 50


@pytest.mark.fault(
    "a mistake in farmhand.yml: each file of tests/data/bad",
    "one line: file, line, key, what was expected and the nearest name",
)
@pytest.mark.parametrize("path", sorted(DATA.glob("bad/*.yml")), ids=lambda path: path.stem)
def test_a_bad_file_says_in_one_line_what_is_wrong_and_where(path: Path) -> None:
    [line] = error_of(path).splitlines()
    assert line.startswith(str(path))
    assert expected_error(path) in line


@pytest.mark.parametrize("path", sorted(DATA.glob("good/*.yml")), ids=lambda path: path.stem)
def test_a_good_file_loads(path: Path) -> None:
    assert load(path, None, environ=ENVIRON).farm in {"test", "2024-01-01"}


@pytest.mark.fault(
    "several mistakes in farmhand.yml", "all are told at once, in the order of lines"
)
def test_all_problems_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "f.yml", "zebra: 1\nfarm: 2\ndatabase: 3\n")
    assert [line.split(":")[1] for line in error_of(path).splitlines()] == ["1", "2", "3"]


# Variables


def test_variables_come_from_the_environment() -> None:
    settings = load(DATA / "good/variables.yml", None, environ=ENVIRON).section(WatchPending)
    assert settings.region_priorities == {"us-east-1": 7}


def test_a_doubled_dollar_is_a_literal_one() -> None:
    settings = load(DATA / "good/variables.yml", None, environ=ENVIRON).section(WatchPending)
    place = settings.instance_types["bld-linux64"].regions["us-east-1"]
    assert place.tags == {"literal": "${NAME}"}


@pytest.mark.fault(
    "an environment variable of a section that is read is not set",
    "an error with line, key and the variable's name",
)
def test_an_unset_variable_is_an_error_in_the_section_that_is_read() -> None:
    path = DATA / "good/variables.yml"
    with pytest.raises(
        BadInput, match=r'15: .*us-east-1"\]: the environment variable NUMBER is not'
    ):
        load(path, "watch_pending", environ={"NAME": "test"})


@pytest.mark.fault("an environment variable of another section is not set", "no error")
def test_an_unset_variable_in_another_section_is_no_error() -> None:
    settings = load(DATA / "good/variables.yml", "runner", environ={"NAME": "test"})
    assert settings.sections == {}


def test_another_section_is_checked_all_the_same() -> None:
    with pytest.raises(BadInput, match="bulidermap"):
        load(DATA / "bad/misspelled_key.yml", "runner", environ={})


# Secrets

URL = "mysql://reader:hunter2@db/buildbot"


def without_database(tmp_path: Path) -> Path:
    text = (DATA / "good/minimal.yml").read_text()
    lines = [line for line in text.splitlines() if "scheduler_db" not in line]
    return write(tmp_path / "farmhand.yml", "\n".join(lines))


def test_secrets_are_merged_into_the_file(tmp_path: Path) -> None:
    secrets = write(tmp_path / "secrets.yml", f"watch_pending: {{scheduler_db: '{URL}'}}")
    settings = load(without_database(tmp_path), None, environ={}, secrets=secrets)
    assert settings.section(WatchPending).scheduler_db.get_secret_value() == URL


@pytest.mark.fault("others can read the secrets: mode {mode}", "refused, with the chmod to run")
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o666])
def test_secrets_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    secrets = write(tmp_path / "secrets.yml", "farm: x", mode)
    message = f"{secrets}: holds secrets and others can read it; chmod 600 {secrets}"
    assert error_of(DATA / "good/minimal.yml", secrets=secrets) == message


@pytest.mark.fault("a mistake in the secrets", "the line names their file and key")
def test_a_mistake_in_the_secrets_names_their_file(tmp_path: Path) -> None:
    secrets = write(tmp_path / "secrets.yml", "\nwatch_pending:\n  scheduler_bd: x")
    message = f'{secrets}:3: watch_pending.scheduler_bd: unknown key "scheduler_bd"'
    assert message in error_of(DATA / "good/minimal.yml", secrets=secrets)


@pytest.mark.fault("a secret stands where it is a mistake", "the error never quotes the value")
@pytest.mark.parametrize(
    "text",
    [
        "database: 'mysql//u:hunter2@host/db'",
        "database: 'mysql://u:hunter2@host:port/db'",
        "database: 'mysql://u:hunter2 @host/db'",
        "database: [hunter2]",
        "database: *hunter2",
        "database: !hunter2",
        "database: &hunter2",
        "database: %hunter2",
        "database: '${hunter2-}'",
        "database: 'hunter2",
        "farm: 'hunter2 is too long with spaces'",
        "watch_pending: hunter2",
    ],
)
def test_an_error_never_quotes_a_value(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in error_of(write(tmp_path / "f.yml", text))


def test_secrets_are_hidden_in_repr(tmp_path: Path) -> None:
    path = write(tmp_path / "f.yml", f"farm: test\ndatabase: '{URL}'")
    assert "hunter2" not in repr(load(path, None, environ={}))


# Finding the file; sections


@pytest.mark.parametrize(
    ("option", "environ", "found"),
    [
        pytest.param(Path("o.yml"), {"FARMHAND_CONFIG": "e.yml"}, "o.yml", id="option"),
        pytest.param(None, {"FARMHAND_CONFIG": "e.yml"}, "e.yml", id="environment"),
        pytest.param(None, {"FARMHAND_CONFIG": ""}, "farmhand.yml", id="here"),
    ],
)
def test_the_option_wins_then_the_environment_then_here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: Path | None,
    environ: Mapping[str, str],
    found: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "farmhand.yml", "farm: test")
    assert find_config(option, environ) == Path(found)


@pytest.mark.skipif(Path("/etc/farmhand").exists(), reason="this host has a farmhand.yml")
def test_no_file_may_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(None, {}) is None


def test_a_section_is_found_by_its_type() -> None:
    settings = load(DATA / "good/minimal.yml", "watch_pending", environ={})
    assert settings.section(WatchPending) is settings.sections["watch_pending"]


@pytest.mark.fault("the section that a command needs is missing", "an error that names the section")
def test_a_missing_section_is_named() -> None:
    settings = load(DATA / "good/farm_only.yml", "watch_pending", environ={})
    with pytest.raises(BadInput, match='has no section "watch_pending", which'):
        settings.section(WatchPending)


def test_settings_can_be_made_without_a_file() -> None:
    assert Settings(path=Path("f.yml"), farm="test").database is None


def test_every_section_has_its_class() -> None:
    assert SECTIONS["watch_pending"] == f"{WatchPending.__module__}:{WatchPending.__qualname__}"
