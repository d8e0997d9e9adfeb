"""What a run says and leaves behind: tables, JSON, logs, metrics, rows, exit codes."""

import base64
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.farm import BUILD, TRY, Farm, Finished
from tests.run_here import run_here
from watch_pending.cli import main

pytestmark = pytest.mark.integration

EAST, WEST = "us-east-1", "us-west-2"
NEWLINES = "Windows\nbuild\n2026-01-01T00:00:00.000Z ERROR forged"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) [\w.-]+: .")
CUTS = (
    "the global spot limit of bld-linux64 is 2, 0 live",
    "the global on-demand limit of bld-linux64 is 0, 0 live",
)
READS = {"DescribeImages", "DescribeInstances", "DescribeSpotPriceHistory", "DescribeSubnets"}


def files_of(farm: Farm) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in farm.directory.rglob("*") if path.is_file()}


def wait_for_more_than_the_limit(farm: Farm) -> None:
    """Let three builds wait where two machines are allowed, and two jobs that nothing matches."""
    farm.watch["spot"]["limits"]["global"]["bld-linux64"] = 2
    farm.add_pending(BUILD, 3)
    farm.add_pending(NEWLINES, 2)


def expected_plan(farm: Farm) -> dict[str, object]:
    """Return the whole document of such a farm's run, but for the time and the outcomes."""
    spot, on_demand = CUTS
    launches = {
        "market": "spot",
        "region": EAST,
        "availability_zone": f"{EAST}a",
        "ec2_type": "c7i.xlarge",
        "ami": farm.amis[EAST, "bld-linux64"],
        "max_price_usd_per_hour": 0.2,
        "price_usd_per_hour": 0.05,
        "names": ["bld-linux64-001", "bld-linux64-002"],
    }
    return {
        "farm": "test",
        "pending": 5,
        "matched": 3,
        "unmatched": {NEWLINES: 2},
        "demands": [
            {
                "instance_type": "bld-linux64",
                "workers": None,
                "pending": 3,
                "idle": 0,
                "in_flight": 0,
                "need": 3,
                "cuts": [
                    {"by": "spot.limits.global", "from": 3, "to": 2, "reason": spot},
                    {"by": "on_demand.limits.global", "from": 1, "to": 0, "reason": on_demand},
                ],
                "launches": [launches],
                "unmet": 1,
            }
        ],
    }


# 1. dry runs


def test_a_dry_run_prints_its_contract_and_writes_nothing_at_all(farm: Farm) -> None:
    farm.forget_database()
    wait_for_more_than_the_limit(farm)
    farm.write_config()
    before = files_of(farm)
    done = farm.run("--dry-run", "--json", "--metrics-textfile", "run.prom")
    shown = done.json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", shown.pop("now"))
    assert (done.code, shown) == (0, {**expected_plan(farm), "outcomes": []})
    assert files_of(farm) == before
    assert not (farm.directory / "state").exists()
    assert set(farm.ec2.call_counts()) == READS


def test_a_dry_run_s_table_says_what_would_start_and_why_not_more(farm: Farm) -> None:
    wait_for_more_than_the_limit(farm)
    done = farm.run("-n")
    lines = [re.split(r"\s{2,}", line.strip()) for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert ["bld-linux64", "3", "0", "0", "3", "2", "1", "; ".join(CUTS)] in lines
    assert "bld-linux64-001, bld-linux64-002" in done.out
    assert [NEWLINES.replace("\n", "\\n"), "2"] in lines


def test_a_dry_run_changes_nothing_that_a_real_run_left(farm: Farm) -> None:
    farm.add_pending()
    farm.run()
    farm.add_pending()
    before = files_of(farm)
    assert farm.run("--dry-run", "--json").json["demands"][0]["need"] == 1
    assert files_of(farm) == before
    assert len(farm.names()) == 1


# 2. real runs


def test_a_real_run_prints_what_its_dry_run_showed_and_what_became_of_it(farm: Farm) -> None:
    wait_for_more_than_the_limit(farm)
    done = farm.run("--json")
    shown = done.json
    del shown["now"]
    ids = {item["name"]: item["id"] for item in farm.ec2.instances()}
    outcomes = [
        {
            "name": name,
            "instance_type": "bld-linux64",
            "status": "launched",
            "instance_id": ids[name],
            "market": "spot",
            "region": EAST,
            "availability_zone": f"{EAST}a",
            "ec2_type": "c7i.xlarge",
            "reason": "",
        }
        for name in ("bld-linux64-001", "bld-linux64-002")
    ]
    shown["outcomes"].sort(key=lambda outcome: outcome["name"])
    assert (done.code, shown) == (0, {**expected_plan(farm), "outcomes": outcomes})


def test_a_run_from_cron_prints_nothing_and_logs_one_line_an_event(farm: Farm) -> None:
    wait_for_more_than_the_limit(farm)
    done = farm.run("-l", "run.log")
    assert (done.code, done.out, done.err) == (0, "", "")
    lines = (farm.directory / "run.log").read_text().splitlines()
    assert all(STAMP.match(line) for line in lines)
    assert "start version=" in lines[0]
    unmatched = "2 requests of 1 builders match no pattern: " + NEWLINES.replace("\n", "\\n")
    assert any(line.endswith(unmatched) for line in lines)
    assert re.search(
        r"done exit=0 pending=5 planned=2 launched=2 failed=0 unnamed=0 unmet=1 unmatched=2"
        r" secs=[\d.]+$",
        lines[-1],
    )


def test_verbose_prints_the_table_and_logs_to_stderr(farm: Farm) -> None:
    farm.add_pending()
    done = farm.run("-v")
    [instance] = farm.ec2.instances()
    assert instance["id"] in done.out
    assert f"launched bld-linux64-001 spot c7i.xlarge in {EAST}a as {instance['id']}" in done.err
    assert all(STAMP.match(line) for line in done.err.splitlines())


def test_quiet_leaves_errors_only(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", code="RequestLimitExceeded", left=1)
    done = farm.run("-q", "-l", "run.log")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert "RequestLimitExceeded" in (farm.directory / "run.log").read_text()


@pytest.mark.fault(
    "one RunInstances call is throttled",
    "it is repeated; exit 0 and nothing on stderr: no mail from cron",
)
def test_a_call_that_succeeds_when_repeated_is_no_mail_from_cron(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", code="RequestLimitExceeded", left=1)
    done = farm.run()
    assert (done.code, done.err) == (0, "")


def test_no_log_holds_user_data_however_much_is_said(farm: Farm) -> None:
    farm.add_pending()
    secret = "#!/bin/sh\nhunter2 hunter2 hunter2 hunter2\n"
    (farm.directory / "worker.user-data.j2").write_text(secret)
    done = farm.run("-vv", "-l", "run.log")
    assert [call.user_data for call in farm.ec2.calls("RunInstances")] == [secret]
    said = done.err + (farm.directory / "run.log").read_text()
    assert "DEBUG botocore" in said
    assert "hunter2" not in said
    assert base64.b64encode(secret.encode()).decode()[:40] not in said


def test_a_run_on_a_terminal_prints_its_table(farm: Farm) -> None:
    farm.add_pending()
    ours, theirs = pty.openpty()
    subprocess.run(farm.command(), env=farm.environ, cwd=farm.directory, stdout=theirs, check=True)
    os.close(theirs)
    assert b"bld-linux64-001" in os.read(ours, 65536)
    os.close(ours)


# 3. what is left behind


def test_a_run_s_row_says_what_was_planned_what_came_of_it_and_why_not_more(farm: Farm) -> None:
    wait_for_more_than_the_limit(farm)
    farm.add_pending(TRY)
    for region in (EAST, WEST):
        match = {"ImageId": farm.amis[region, "try-linux64"]}
        farm.ec2.add_fault(action="RunInstances", match=match, code="InvalidParameterValue")
    farm.run()
    [row] = farm.rows("SELECT * FROM runs")
    assert (row["command"], row["verb"], row["exit_code"]) == ("watch-pending", "run", 3)
    assert row["started_at"] < row["finished_at"]
    summary = json.loads(row["summary"])
    counts = ("pending", "planned", "launched", "failed", "unmet", "unmatched")
    assert [summary[key] for key in counts] == [6, 3, 2, 2, 2, 2]
    assert summary["api_calls"] == {**dict.fromkeys(READS, 2), "RunInstances": 4}
    assert f"spot.limits.global: {CUTS[0]}" in summary["why_not"]
    assert all("InvalidParameterValue" in error for error in summary["errors"])


@pytest.mark.fault(
    "the run fails, and metrics are wanted",
    "they are written with the exit code and keep the time of the last success",
)
def test_metrics_are_written_by_a_failed_run_too_and_keep_the_last_success(farm: Farm) -> None:
    farm.add_pending(count=2)
    textfile = farm.directory / "run.prom"
    first = farm.run("--metrics-textfile", str(textfile))
    assert first.code == 0, first.err
    good = read_metrics(textfile)
    (farm.directory / "scheduler.sqlite").unlink()
    done = farm.run("--metrics-textfile", str(textfile))
    bad = read_metrics(textfile)
    labels = '{command="watch-pending",verb="run"}'
    assert good['farmhand_watch_pending_launched{instance_type="bld-linux64"}'] == 2
    assert good['farmhand_watch_pending_api_calls{action="RunInstances"}'] == 2
    assert good["farmhand_watch_pending_pending"] == 2
    assert (done.code, bad[f"farmhand_run_exit_code{labels}"]) == (4, 4)
    last_success = f"farmhand_last_success_timestamp_seconds{labels}"
    assert (
        bad[last_success] == good[last_success] == good[f"farmhand_run_timestamp_seconds{labels}"]
    )
    assert bad[f"farmhand_run_timestamp_seconds{labels}"] > good[last_success]
    second = farm.rows("SELECT * FROM runs ORDER BY id")[1]
    assert (second["exit_code"], "scheduler" in second["summary"]) == (4, True)


def read_metrics(path: Path) -> dict[str, float]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


# 4. options and exit codes


def bare(farm: Farm, *args: str, **environ: str) -> Finished:
    """Run a command as it stands: no `-c` is added."""
    return run_here(main, args, {**farm.environ, **environ}, Path("/"))


@pytest.mark.fault(
    "the command line is wrong: {id}",
    "exit 2, a line that says what; nothing on stdout, no traceback",
)
@pytest.mark.parametrize(
    ("args", "reason"),
    [
        pytest.param(["--no-such-option"], "No such option", id="unknown option"),
        pytest.param(["explain"], "Missing argument", id="missing argument"),
        pytest.param(["-c", "missing.yml"], "missing.yml", id="missing file"),
        pytest.param([], "no configuration: give -c FILE", id="no file at all"),
        pytest.param(["-r", "us-west-3"], 'did you mean "us-west-2"', id="unknown region"),
        pytest.param(["-l", "/nowhere/run.log"], "/nowhere/run.log", id="log can't be written"),
    ],
)
def test_what_the_user_must_mend_ends_in_2(farm: Farm, args: list[str], reason: str) -> None:
    config = farm.write_config() if args[:1] in (["-r"], ["-l"]) else None
    done = bare(farm, *args, **({"FARMHAND_CONFIG": str(config)} if config else {}))
    assert (done.code, done.out) == (2, "")
    assert reason in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_verb(farm: Farm, option: str) -> None:
    done = bare(farm, option)
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"^  (\w+)  ", done.out, re.MULTILINE) == [
        "amis",
        "check",
        "explain",
        "run",
        "sanity",
        "status",
    ]


def test_version_is_printed(farm: Farm) -> None:
    done = bare(farm, "--version")
    assert (done.code, done.out.split()[0]) == (0, "watch-pending")


def test_without_a_verb_it_runs_with_the_configuration_of_the_environment(farm: Farm) -> None:
    done = bare(farm, "--dry-run", "--json", FARMHAND_CONFIG=str(farm.write_config()))
    assert (done.code, json.loads(done.out)["farm"]) == (0, "test")
