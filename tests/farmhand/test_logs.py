"""What is logged where, in which words."""

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from farmhand.errors import BadInput
from farmhand.logs import add_syslog, set_up

log = logging.getLogger("farmhand.test")
BODIES = ("auth", "awsrequest", "endpoint", "hooks", "httpsession", "parsers", "retryhandler")
LEVELS = ("debug", "info", "warning", "error")


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield
    for handler in set(root.handlers) - set(before):
        with suppress(OSError):  # of a full disk
            handler.close()
    root.handlers = before
    root.setLevel(level)


def say_all() -> None:
    for level in LEVELS:
        log.log(getattr(logging, level.upper()), "%s!", level)


def said(text: str) -> list[str]:
    return [level for level in LEVELS if f"{level}!" in text]


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [(-1, ["error"]), (0, ["warning", "error"]), (1, list(LEVELS[1:])), (2, list(LEVELS))],
)
def test_stderr_gets_by_verbosity(
    verbosity: int, levels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(verbosity=verbosity, logfile=None, syslog=None)
    say_all()
    assert said(capsys.readouterr().err) == levels


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [(-1, LEVELS[1:]), (0, LEVELS[1:]), (1, LEVELS[1:]), (2, LEVELS)],
)
def test_a_log_file_gets_at_least_info(
    tmp_path: Path, verbosity: int, levels: tuple[str, ...]
) -> None:
    set_up(verbosity=verbosity, logfile=tmp_path / "log", syslog=None)
    say_all()
    assert said((tmp_path / "log").read_text()) == list(levels)


def test_nothing_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(verbosity=2, logfile=None, syslog=None)
    say_all()
    assert capsys.readouterr().out == ""


def test_a_line_has_a_utc_stamp_a_level_and_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(verbosity=0, logfile=None, syslog=None)
    log.warning("look")
    line = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING farmhand\.test: look\n"
    assert re.fullmatch(line, capsys.readouterr().err)


@pytest.mark.fault(
    "a builder's name has line ends or terminal codes",
    "the log line stays one line; they are shown escaped",
)
@pytest.mark.parametrize(
    ("name", "logged"),
    [
        ("Linux\nERROR forged: line", r"Linux\nERROR forged: line"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("next\x85line\u2028and\u2029more", r"next\x85line\u2028and\u2029more"),
        ("тест 🐛", "тест 🐛"),
    ],
)
def test_a_message_stays_on_one_line(
    name: str, logged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(verbosity=0, logfile=None, syslog=None)
    log.warning("builder %s", name)
    assert capsys.readouterr().err.endswith(f"builder {logged}\n")


def test_a_traceback_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(verbosity=0, logfile=None, syslog=None)
    try:
        int("oh")
    except ValueError:
        log.exception("a bug")
    assert "a bug\nTraceback (most recent call last):\n" in capsys.readouterr().err


@pytest.mark.fault(
    "a name that is not UTF-8 is logged", "it is shown escaped; the log file stays readable"
)
def test_a_log_file_takes_what_is_no_utf8(tmp_path: Path) -> None:
    set_up(verbosity=0, logfile=tmp_path / "log", syslog=None)
    log.warning("builder %s", "\udcff")
    assert r"builder \udcff" in (tmp_path / "log").read_text()


def test_a_log_file_grows_from_run_to_run(tmp_path: Path) -> None:
    for word in ("first", "second"):
        set_up(verbosity=0, logfile=tmp_path / "log", syslog=None)
        log.warning(word)
        logging.getLogger().handlers[-1].close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2


@pytest.mark.fault(
    "the disk of the log file is full", "one warning that says so; the run goes on without the log"
)
def test_a_log_file_on_a_full_disk_costs_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    set_up(verbosity=0, logfile=path, syslog=None)
    say_all()
    [warned, *more] = capsys.readouterr().err.splitlines()
    told = rf"log {path}: \[Errno 28\] No space left on device; this run goes on without it"
    assert re.search(told, warned)
    assert [line.rpartition(" ")[2] for line in more] == ["warning!", "error!"]


@pytest.mark.fault(
    "syslog goes away in the middle of a run", "one warning that says so; the run goes on"
)
def test_a_syslog_that_goes_away_costs_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = str(tmp_path / "syslog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        set_up(verbosity=0, logfile=None, syslog=address)
    say_all()
    said = capsys.readouterr().err
    assert said.count(f"log {address}: ") == said.count("goes on without it") == 1
    assert "Traceback" not in said


@pytest.mark.fault("the log file of -l is {id}", "exit 2, a line that names it")
@pytest.mark.parametrize("name", ["", "missing/log"], ids=["a directory", "in no directory"])
def test_a_log_file_is_refused_that_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=f"log {tmp_path}"):
        set_up(verbosity=0, logfile=tmp_path / name, syslog=None)


@pytest.mark.fault(
    "the syslog of --syslog can't be reached: {address}", "exit 2, a line that names it"
)
@pytest.mark.parametrize("address", ["/no/such/socket", "127.0.0.1:syslog"])
def test_a_syslog_is_refused_that_cannot_be_reached(address: str) -> None:
    with pytest.raises(BadInput, match=f"log {address}"):
        set_up(verbosity=0, logfile=None, syslog=address)


@pytest.mark.parametrize("address", ["/no/such/socket", "127.0.0.1:syslog"])
def test_a_syslog_that_a_file_names_costs_a_warning(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(verbosity=0, logfile=None, syslog=None)
    add_syslog(address)
    log.warning("still here")
    assert re.search(rf"WARNING \S+ log {address}.*\n.*still here", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("verbosity", "level"), [(0, logging.WARNING), (1, logging.WARNING), (2, logging.DEBUG)]
)
def test_libraries_talk_only_when_everything_is_asked_for(verbosity: int, level: int) -> None:
    set_up(verbosity=verbosity, logfile=None, syslog=None)
    assert logging.getLogger("botocore").level == level


@pytest.mark.parametrize(
    "name", ["urllib3", "urllib3.connectionpool", *(f"botocore.{each}" for each in BODIES)]
)
def test_what_writes_whole_requests_never_writes_at_debug(name: str) -> None:
    set_up(verbosity=2, logfile=None, syslog=None)
    assert logging.getLogger(name).getEffectiveLevel() == logging.INFO
