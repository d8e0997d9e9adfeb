"""Options beat the file, the file beats the defaults; names, URLs and twistd are checked early."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farmhand.command import Run
from farmhand.errors import BadInput
from slavealloc.config import RunSlave
from slavealloc.runslave import settings as runslave_settings
from slavealloc.runslave.settings import (
    Options,
    find_twistd,
    hide_user,
    load_settings,
    parse_name,
)

SECTION = """
farm: test
runslave:
  allocator_url: http://file/gettac/SLAVE
  basedir: /from/file
  twistd_cmd: from-file
  timeout_s: 7
"""


@pytest.fixture(autouse=True)
def _no_usual_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def make_run(config: Path | None = None, **environ: str) -> Run:
    return Run(
        command="runslave",
        verb="run",
        host="host",
        config_path=config,
        environ=environ,
        now=datetime.now(UTC),
        started=time.monotonic(),
        deadline_s=60.0,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "farmhand.yml"
    path.write_text(SECTION)
    return path


def test_the_defaults_are_those_of_the_section() -> None:
    section = RunSlave()
    assert section.allocator_url == runslave_settings.ALLOCATOR_URL
    assert section.timeout_s == runslave_settings.TIMEOUT_S
    assert (section.basedir, section.twistd_cmd) == (None, None)


def test_without_a_file_the_defaults_hold() -> None:
    settings = load_settings(make_run(), Options(slavename="w1"))
    assert (settings.url, settings.timeout_s) == ("http://slavealloc/gettac/w1", 60.0)
    assert (settings.basedir, settings.twistd_cmd, settings.start) == (None, None, True)


def test_the_section_beats_the_defaults(config: Path) -> None:
    settings = load_settings(make_run(config), Options(slavename="w1"))
    assert (settings.url, settings.timeout_s) == ("http://file/gettac/w1", 7.0)
    assert (settings.basedir, settings.twistd_cmd) == (Path("/from/file"), "from-file")


def test_the_environment_names_the_file(config: Path) -> None:
    run = make_run(FARMHAND_CONFIG=str(config))
    assert load_settings(run, Options(slavename="w1")).timeout_s == 7


def test_a_file_without_the_section_changes_nothing(config: Path) -> None:
    config.write_text("farm: test\n")
    settings = load_settings(make_run(config), Options(slavename="w1"))
    assert settings.url == "http://slavealloc/gettac/w1"


def test_options_beat_the_section(config: Path) -> None:
    options = Options(
        slavename="w1",
        allocator_url="https://option/SLAVE/tac?again=SLAVE",
        basedir="/from/option",
        twistd_cmd="from-option",
        timeout_s=3,
        no_start=True,
    )
    settings = load_settings(make_run(config), options)
    assert (settings.url, settings.timeout_s) == ("https://option/w1/tac?again=w1", 3)
    assert (settings.basedir, settings.twistd_cmd) == (Path("/from/option"), "from-option")
    assert not settings.start


def test_a_relative_basedir_is_made_absolute() -> None:
    settings = load_settings(make_run(), Options(slavename="w1", basedir="slave"))
    assert settings.basedir == Path.cwd() / "slave"


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        load_settings(make_run(tmp_path / "missing.yml"), Options(slavename="w1"))


@pytest.mark.parametrize("url", ["slavealloc", "ftp://slavealloc/SLAVE", "http://", "file:///x"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="allocator URL"):
        load_settings(make_run(), Options(slavename="w1", allocator_url=url))


@pytest.mark.parametrize("name", ["", ".", "-w1", "a/b", "../x", "w 1", "w?x", "wörker", "a\nb"])
def test_a_name_that_no_worker_has_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="no worker's name"):
        parse_name(name)


def test_the_name_is_this_hosts_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "bld-007.build.example.com")
    assert load_settings(make_run(), Options()).slavename == "bld-007"
    run = make_run(FARMHAND_HOST="bld-008.example.com")
    assert load_settings(run, Options()).slavename == "bld-008"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/x", "http://h/x"),
        ("http://me:pass@h/x", "http://h/x"),
        ("http://me:p@ss@h/x", "http://h/x"),
        ("http://h/x@y", "http://h/x@y"),
    ],
)
def test_a_password_in_the_url_is_never_shown(url: str, shown: str) -> None:
    assert hide_user(url) == shown


# twistd


def test_twistd_is_the_one_beside_this_python() -> None:
    assert find_twistd(None) == (str(Path(sys.executable).with_name("twistd")),)


def test_else_twistd_is_the_one_in_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "twistd").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_twistd(None) == (str(tmp_path / "twistd"),)


def test_no_twistd_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="no twistd"):
        find_twistd(None)


def test_a_given_command_is_split_as_a_shell_would() -> None:
    assert find_twistd("/bin/sh -c 'exit 1'") == ("/bin/sh", "-c", "exit 1")


@pytest.mark.parametrize("given", ["no-such-twistd -n", "/bin/sh 'open", "  "])
def test_a_given_command_that_cannot_run_is_an_error(given: str) -> None:
    with pytest.raises(BadInput, match="--twistd-cmd"):
        find_twistd(given)
