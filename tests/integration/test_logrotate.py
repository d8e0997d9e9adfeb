"""logrotate itself takes cron/logrotate, and neither a log's lines nor a dump are lost by it."""

import grp
import logging
import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from farmhand.files import replacing
from farmhand.logs import add_logfile
from tests.services import find_program
from tests.units import CRON

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_program("logrotate") is None, reason="logrotate is missing"),
]
ME = f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory that stands for the host's `/`, with the policy for it."""
    for name in ("var/log/farmhand", "var/log/slavealloc", "var/backups/slavealloc"):
        (tmp_path / name).mkdir(parents=True)
    text = re.sub(
        r"^/var", f"{tmp_path}/var", (CRON / "logrotate/farmhand").read_text(), flags=re.M
    )
    text = re.sub(r"\bsu .*", f"su {ME}", text)
    (tmp_path / "policy").write_text(text)
    (tmp_path / "policy").chmod(0o644)
    return tmp_path


def rotate(host: Path, *options: str) -> str:
    program = find_program("logrotate")
    assert program is not None
    words = [program, *options, "--state", str(host / "state"), str(host / "policy")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_logrotate_understands_the_policy(host: Path) -> None:
    said = rotate(host, "--debug")
    assert "error" not in said
    assert said.count("rotating pattern") == 3


def test_a_service_that_goes_on_writes_into_the_file_that_was_cut(
    host: Path, process_as_before: None
) -> None:
    path = host / "var/log/slavealloc/production.log"
    add_logfile(path)
    log = logging.getLogger("test")
    log.warning("before")
    rotate(host, "--force")
    log.warning("after")
    (old,) = path.parent.glob("production.log-*")
    assert [old.read_text().count(word) for word in ("before", "after")] == [1, 0]
    assert [path.read_text().count(word) for word in ("before", "after")] == [0, 1]


def test_a_run_finds_its_log_moved_and_begins_another(host: Path) -> None:
    path = host / "var/log/farmhand/run.log"
    path.write_text("before\n")
    (path.parent / "run.log.1").write_text("ours\n")
    rotate(host, "--force")
    assert not path.exists()
    assert sorted(each.name[:9] for each in path.parent.iterdir()) == ["run.log-2", "run.log.1"]


def test_the_newest_dump_stays_and_its_copies_are_as_secret(host: Path) -> None:
    path = host / "var/backups/slavealloc/production.jsonl"
    with replacing(path) as file:
        file.write(b"all of it\n")
    rotate(host, "--force")
    assert path.read_text() == "all of it\n"
    (copy,) = path.parent.glob("production.jsonl-*.gz")
    assert copy.stat().st_mode & 0o777 == 0o600
