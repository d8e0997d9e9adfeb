"""The small parts of a worker's life: its environment, settings, stamp, tac and pid file."""

import os
from pathlib import Path
from typing import Any

import pytest

from farmhand.errors import BadInput
from farmhand.files import read_pid
from farmhand.validation import validate
from runner.worker.config import WorkerSettings
from runner.worker.environ import scrub
from runner.worker.process import clear_pid_file, find_worker, is_worker_of
from runner.worker.start import find_twistd, prepare
from runner.worker.stop import touch_newer
from runner.worker.tac import parse_idle, parse_master
from runner.worker.watch import read_past

LOGS = Path(__file__).parents[2] / "data/twistd_logs"
BASE = Path("/builds/slave")
TWISTD = ["/usr/bin/python", "/usr/bin/twistd", "--no_save"]


# The environment


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_PROFILE", "EC2_SECRET_KEY"),
        *("FARMHAND_DATABASE", "DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "GITHUB_TOKEN"),
        *("API_KEY", "apikey", "SSH_AUTH_SOCK", "VAULT_ADDR", "GPG_PASSPHRASE", "DATABASE_URL"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "SIGNING_KEY", "HTTP_COOKIE", "BASIC_AUTH"),
    ],
)
def test_a_secret_s_name_keeps_it_from_the_worker(name: str) -> None:
    assert scrub({name: "x"}) == {}


@pytest.mark.parametrize(
    "value",
    ["mysql://farm:pw@db/farm", "AKIAIOSFODNN7EXAMPLE", "-----BEGIN RSA PRIVATE KEY-----"],
)
def test_a_secret_value_keeps_it_from_the_worker(value: str) -> None:
    assert scrub({"SETTING": value}) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LANG", "LC_ALL", "DISPLAY", "TMPDIR", "PWD", "OLDPWD", "USER"),
        *("MOZ_KEYBOARD", "MONKEY", "http_proxy", "PYTHONPATH", "AUTHOR", "XAUTHORITY"),
    ],
)
def test_a_build_keeps_what_it_needs(name: str) -> None:
    assert scrub({name: "http://proxy:3128/"}) == {name: "http://proxy:3128/"}


@pytest.mark.parametrize("passed", ["AWS_REGION", "AWS_*", "*"])
def test_what_is_to_be_passed_is_passed(passed: str) -> None:
    assert scrub({"AWS_REGION": "us-east-1"}, [passed]) == {"AWS_REGION": "us-east-1"}


# Settings


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"run_for_s": -1}, "expected 0 or more"),
        ({"ready_within_s": 0}, "expected more than 0"),
        ({"stop_within_s": float("inf")}, "expected more than 0"),
        ({"basedir": "relative"}, "expected an absolute path"),
        ({"when_idle": "sleep"}, "expected 'wait', 'go-on', 'retry', 'halt' or 'exit'"),
        ({"run_fro_s": 1}, 'unknown key "run_fro_s"; did you mean "run_for_s"?'),
        ({"builds": "many"}, "expected a whole number, got text"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, Any], problem: str) -> None:
    _, problems = validate(WorkerSettings, given, BASE)
    assert [each.message for each in problems] == [problem]


def test_settings_are_validated_into_what_they_are() -> None:
    settings, problems = validate(
        WorkerSettings, {"basedir": "/b", "pass_env": ["LC_*"], "run_for_s": 60}, BASE
    )
    expected = WorkerSettings(basedir=Path("/b"), pass_env=("LC_*",), run_for_s=60)
    assert (settings, problems) == (expected, [])


# The stamp


@pytest.mark.parametrize("before", [1000, 999.25, 1000.75, 5000])
def test_a_stamp_gets_newer_by_a_whole_second_at_least(tmp_path: Path, before: float) -> None:
    stamp = tmp_path / "shutdown.stamp"
    stamp.touch()
    os.utime(stamp, (before, before))
    touch_newer(stamp, 1000.5)
    assert int(stamp.stat().st_mtime) > int(before)


def test_a_new_stamp_has_the_time_of_now(tmp_path: Path) -> None:
    touch_newer(tmp_path / "shutdown.stamp", 1000.5)
    assert (tmp_path / "shutdown.stamp").stat().st_mtime == 1000.5


def test_what_an_earlier_worker_left_is_removed_and_the_host_is_named(tmp_path: Path) -> None:
    (tmp_path / "shutdown.stamp").touch()
    (tmp_path / "twistd.pid").write_text("1")
    prepare(tmp_path, "i-0abc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["info"]
    assert (tmp_path / "info/host").read_text() == "i-0abc"


def test_without_an_instance_info_is_left_alone(tmp_path: Path) -> None:
    prepare(tmp_path, None)
    assert list(tmp_path.iterdir()) == []


# The tac


@pytest.mark.parametrize(
    ("text", "master"),
    [
        ("buildmaster_host = 'bm1'\nport = 9001\n", ("bm1", 9001)),
        ('buildmaster_host = u"bm1"  # ours\nport=9001 # theirs\n', ("bm1", 9001)),
        ("buildmaster_host = exit()\nport = 9001\n", None),
        ("port = 9001\n", None),
        ("buildmaster_host = 'bm1'\nport = 99999\n", None),
        ("buildmaster_host = 'bm1'\nport = '9001'\n", None),
        ("", None),
    ],
)
def test_the_master_a_tac_names(text: str, master: tuple[str, int] | None) -> None:
    assert parse_master(text) == master


def test_a_tac_with_a_master_is_not_idle() -> None:
    assert parse_idle("port = 9001 # nothing assigned\n") is None


# The pid file


@pytest.mark.parametrize(
    ("words", "directory", "ours"),
    [
        pytest.param([*TWISTD, "--python", "/builds/slave/buildbot.tac"], None, True, id="ours"),
        pytest.param([*TWISTD, "--python=/builds/slave/buildbot.tac"], None, True, id="="),
        pytest.param([*TWISTD, "-y", "/builds/other/buildbot.tac"], BASE, False, id="another's"),
        pytest.param([*TWISTD, "-y", "buildbot.tac"], BASE, False, id="relative, from elsewhere"),
        pytest.param(["buildslave", "start", "."], BASE, True, id="by its own program"),
        pytest.param(["twistd", "-n", "web"], Path("/srv"), False, id="another twistd"),
        pytest.param(["tail", "-f", "/builds/slave/twistd.log"], BASE, False, id="no worker"),
        pytest.param(None, None, True, id="nothing is known"),
        pytest.param(["buildslave", "start"], None, True, id="no directory is known"),
    ],
)
def test_whose_process_it_is(words: list[str] | None, directory: Path | None, ours: bool) -> None:
    if "buildbot.tac" in (words or []):
        directory = Path("/elsewhere")
    assert is_worker_of(BASE, words, directory) is ours


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1 2", "99999999999"])
def test_what_is_no_process_id(tmp_path: Path, text: str) -> None:
    (tmp_path / "twistd.pid").write_text(text)
    assert read_pid(tmp_path / "twistd.pid") is None


def test_a_process_that_is_no_worker_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "twistd.pid").write_text("1")
    assert find_worker(tmp_path) is None


def test_we_are_not_our_worker(tmp_path: Path) -> None:
    (tmp_path / "twistd.pid").write_text(str(os.getpid()))
    assert find_worker(tmp_path) is None


def test_a_pid_file_that_can_t_be_read_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "twistd.pid").mkdir()
    with pytest.raises(BadInput, match=r"twistd\.pid: Is a directory"):
        find_worker(tmp_path)
    with pytest.raises(BadInput, match=r"twistd\.pid: Is a directory; remove it"):
        clear_pid_file(tmp_path)


# What starts it, and what its log said before we came


@pytest.mark.parametrize("given", ["no-such-program", "'", ""])
def test_a_twistd_that_is_none(given: str) -> None:
    with pytest.raises(BadInput, match="twistd_cmd"):
        find_twistd(given)


def test_the_past_of_a_worker_is_read_over_rotated_files(tmp_path: Path) -> None:
    text = (LOGS / "4.3-two-builds-then-hup.log").read_text()
    lines = text.partition("Initiating")[0].splitlines(keepends=True)
    (tmp_path / "twistd.log.2").write_text((LOGS / "4.3-wrong-password.log").read_text())
    (tmp_path / "twistd.log.1").write_text("".join(lines[:20]))
    (tmp_path / "twistd.log").write_text("".join(lines[20:]))
    log = read_past(tmp_path / "twistd.log")
    assert (log.connected, log.builds, log.stops_by, log.auth_failed) == (True, 2, "signal", False)


def test_a_past_without_a_log_is_unknown(tmp_path: Path) -> None:
    assert read_past(tmp_path / "twistd.log").connected is None
