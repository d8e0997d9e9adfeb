"""The shape of every command, through one that only does what a test tells it."""

import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Ran

from farmhand import __version__
from farmhand.command import Result, Run, farm_command, verb_group
from farmhand.errors import BadInput, ExitCode, FarmError, Locked, LockHeld, Unavailable
from farmhand.metrics import Sample

Verb = Callable[[Run], Result]


pytestmark = pytest.mark.usefixtures("process_as_before")


def call(verb: Verb, *args: str) -> Ran:
    """Call a command with the verbs `run` and `look`."""
    group = verb_group("tend", help="A command for tests.")
    farm_command(group, "run", command="tend", changes=True)(lambda run: verb(run))
    farm_command(group, "look", command="tend", changes=False)(lambda run: verb(run))
    return CliRunner().invoke(group, args)


def run_of(*args: str) -> Run:
    """Call the command and return the Run that its verb was given."""
    seen: list[Run] = []

    def verb(run: Run) -> Result:
        seen.append(run)
        return Result()

    assert call(verb, *args).exit_code == 0
    return seen[0]


def failing(error: BaseException) -> Verb:
    def verb(_run: Run) -> Result:
        raise error

    return verb


def done(_run: Run) -> Result:
    return Result(
        summary={"launched": 7, "why_not": ["a limit"]},
        samples=(Sample(name="launched", help="H.", value=7),),
    )


# Verbs


@pytest.mark.parametrize(
    ("args", "verb"),
    [
        ([], "run"),
        (["--dry-run"], "run"),
        (["-c", "look"], "run"),
        (["run"], "run"),
        (["look"], "look"),
        (["look", "-v"], "look"),
    ],
    ids=str,
)
def test_the_verb_is_the_first_argument_or_run(args: list[str], verb: str) -> None:
    assert run_of(*args).verb == verb


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_about_the_command(option: str) -> None:
    ran = call(done, option)
    assert (ran.exit_code, "look" in ran.output, "run" in ran.output) == (0, True, True)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_verb_has_help_of_its_own(option: str) -> None:
    assert "--deadline SECONDS" in call(done, "look", option).output


def test_the_version_is_asked_of_the_command() -> None:
    assert call(done, "--version").output == f"tend {__version__}\n"


@pytest.mark.fault("a command is called with an option or verb that it does not have", "exit 2")
@pytest.mark.parametrize(
    "args",
    [
        ["--nonsense"],
        ["nonsense"],
        ["look", "--dry-run"],
        ["--deadline", "0"],
        ["--deadline", "soon"],
        ["-v", "look"],
    ],
    ids=str,
)
def test_wrong_usage_exits_2(args: list[str]) -> None:
    assert call(done, *args).exit_code == 2


# Exit codes


@pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.PARTIAL])
def test_a_verbs_own_exit_code_is_the_commands(code: ExitCode) -> None:
    assert call(lambda _: Result(exit_code=code)).exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("oh"), 1),
        (BadInput("oh"), 2),
        (FarmError("oh"), 3),
        (Unavailable("oh"), 4),
        (Locked("oh"), 75),
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_ends_in_its_exit_code(error: BaseException, code: int) -> None:
    assert call(failing(error)).exit_code == code


def test_an_expected_failure_is_one_line_and_no_traceback() -> None:
    [line] = call(failing(BadInput("farmhand.yml:3: wrong"))).stderr.splitlines()
    assert line.endswith("ERROR tend: farmhand.yml:3: wrong")


@pytest.mark.fault(
    "cron's run is locked out by another", "exit 75 and no word on stderr: no mail from cron"
)
def test_from_cron_a_run_that_was_locked_out_says_nothing(tmp_path: Path) -> None:
    ran = call(failing(Locked("another run")), "-l", str(tmp_path / "log"))
    assert (ran.exit_code, ran.output) == (75, "")
    assert "INFO tend: another run" in (tmp_path / "log").read_text()


def test_each_line_of_a_failure_is_a_line_of_the_log() -> None:
    lines = call(failing(BadInput("one\ntwo"))).stderr.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["one", "two"]


@pytest.mark.fault(
    "a bug in a command", "exit 1, the traceback in stderr and log: this is a bug, please report it"
)
def test_a_bug_is_logged_with_its_traceback(tmp_path: Path) -> None:
    ran = call(failing(RuntimeError("oh")), "-l", str(tmp_path / "log"))
    for text in (ran.stderr, (tmp_path / "log").read_text()):
        assert f"this is a bug in farmhand {__version__}: please report it\nTraceback" in text
        assert "RuntimeError: oh" in text


def test_a_log_that_cannot_be_opened_exits_2(tmp_path: Path) -> None:
    ran = call(done, "-l", str(tmp_path))
    assert (ran.exit_code, f"log {tmp_path}" in ran.stderr) == (2, True)


def test_syslog_without_an_address_is_this_hosts_and_takes_no_other_option_for_one() -> None:
    ran = call(done, "run", "--syslog", "-n")
    assert ran.exit_code == ExitCode.OK or "log /dev/log" in ran.stderr


@pytest.mark.fault("SIGTERM to a command", "exit 143")
def test_sigterm_ends_a_run_like_an_exit() -> None:
    def verb(_run: Run) -> Result:
        signal.raise_signal(signal.SIGTERM)
        return Result()

    assert call(verb).exit_code == 143


@pytest.mark.fault(
    "a command is still busy at its deadline", "it is stopped; exit 4: after … s (--deadline)"
)
def test_a_run_that_ignores_its_deadline_is_stopped() -> None:
    def verb(_run: Run) -> Result:
        signal.raise_signal(signal.SIGALRM)
        return Result()

    ran = call(verb, "--deadline", "60")
    assert (ran.exit_code, "after 60 s (--deadline)" in ran.stderr) == (4, True)


def test_who_goes_on_after_a_failed_item_is_stopped_by_the_deadline_all_the_same() -> None:
    def verb(_run: Run) -> Result:
        with suppress(Exception):
            signal.raise_signal(signal.SIGALRM)
        return Result()

    [line] = call(verb).stderr.splitlines()
    assert line.endswith("ERROR tend: stopped: still at work 45 s after 240 s (--deadline)")


def test_the_deadline_strikes_more_than_once() -> None:
    timers = []

    def verb(_run: Run) -> Result:
        timers.append(signal.getitimer(signal.ITIMER_REAL))
        return Result()

    call(verb, "--deadline", "60")
    [(first_s, again_s)] = timers
    assert (95 < first_s <= 105, again_s) == (True, 45)


# What a run is given


def test_the_clock_is_utc_and_read_once() -> None:
    run = run_of()
    assert run.now.tzinfo is UTC
    assert 0 <= (datetime.now(UTC) - run.now).total_seconds() < 10


def test_the_deadline_counts_down_and_never_below_zero() -> None:
    run = run_of("--deadline", "100")
    assert 90 < run.remaining_s() <= 100
    assert Run.remaining_s(run_of("--deadline", "1")) <= 1


def test_the_host_is_named_by_the_environment_the_process_and_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FARMHAND_HOST", "manager-1")
    hosts = {run_of().host for _ in range(2)}
    assert len(hosts) == 2
    assert {host.split("/")[0] for host in hosts} == {"manager-1"}


@pytest.mark.parametrize(
    ("args", "speaks"),
    [
        ([], False),
        (["-q"], False),
        (["-v"], True),
        (["--json"], True),
        (["-n"], True),
        (["--dry-run"], True),
        (["--dryrun"], True),
    ],
    ids=str,
)
def test_stdout_gets_a_report(args: list[str], speaks: bool) -> None:
    assert run_of(*args).speaks is speaks


# The ends of a run


def test_a_run_from_cron_is_silent_when_well() -> None:
    assert call(done).output == ""


def test_a_run_logs_its_start_and_its_end(tmp_path: Path) -> None:
    call(done, "-l", str(tmp_path / "log"))
    start, end = (tmp_path / "log").read_text().splitlines()
    assert start.endswith(f"INFO tend: start version={__version__} verb=run dry_run=False")
    assert "INFO tend: done exit=0 launched=7 secs=0." in end


def test_a_failed_run_logs_its_end_too(tmp_path: Path) -> None:
    call(failing(Locked("oh")), "-l", str(tmp_path / "log"))
    assert "done exit=75 " in (tmp_path / "log").read_text().splitlines()[-1]


@pytest.mark.parametrize("verb", [done, failing(Unavailable("oh")), failing(RuntimeError("oh"))])
def test_metrics_are_written_however_a_run_ends(tmp_path: Path, verb: Verb) -> None:
    path = tmp_path / "tend.prom"
    code = call(verb, "--metrics-textfile", str(path)).exit_code
    assert f'farmhand_run_exit_code{{command="tend",verb="run"}} {code}.0' in path.read_text()


def test_a_run_that_was_locked_out_leaves_the_metrics_to_the_other(tmp_path: Path) -> None:
    path = tmp_path / "tend.prom"
    path.write_text("the other's")
    call(failing(LockHeld("another run")), "--metrics-textfile", str(path))
    assert path.read_text() == "the other's"


def test_a_run_that_lost_the_plan_to_another_host_writes_its_metrics(tmp_path: Path) -> None:
    path = tmp_path / "tend.prom"
    call(failing(Locked("another run")), "--metrics-textfile", str(path))
    assert 'farmhand_run_exit_code{command="tend",verb="run"} 75.0' in path.read_text()


def test_a_verb_that_only_reads_takes_the_option_and_writes_no_metrics(tmp_path: Path) -> None:
    ran = call(done, "look", "--metrics-textfile", str(tmp_path / "tend.prom"))
    assert (ran.exit_code, list(tmp_path.iterdir())) == (0, [])


def test_a_verbs_own_numbers_are_among_the_metrics(tmp_path: Path) -> None:
    call(done, "--metrics-textfile", str(tmp_path / "tend.prom"))
    assert "farmhand_launched 7.0" in (tmp_path / "tend.prom").read_text()


def test_a_dry_run_writes_no_metrics(tmp_path: Path) -> None:
    call(done, "-n", "--metrics-textfile", str(tmp_path / "tend.prom"))
    assert list(tmp_path.iterdir()) == []


def test_metrics_that_cannot_be_written_are_an_error_in_the_log(tmp_path: Path) -> None:
    ran = call(done, "--metrics-textfile", str(tmp_path / "none" / "tend.prom"))
    assert (ran.exit_code, "metrics textfile" in ran.stderr) == (0, True)
