"""`explain`, `check` and the verbs of `farmhand`: contracts and exit codes."""

from pathlib import Path
from typing import Any

import pytest

from farmhand import __version__
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, TRY, Farm

pytestmark = pytest.mark.integration

EAST, WEST = "us-east-1", "us-west-2"
Findings = dict[str, list[tuple[str, str]]]


# 1. explain


def test_explain_prints_its_contract_a_builder_each(farm: Farm) -> None:
    done = farm.run("explain", "--json", TRY, "OS X build", TRY)
    nobody, tried = sorted(done.json, key=lambda answer: answer["would_launch"])
    reasons = tried.pop("reasons")
    assert (done.code, len(done.json)) == (0, 2)
    assert tried == {
        "builder": TRY,
        "instance_type": "try-linux64",
        "rule": "Linux x86-64 try",
        "rule_index": 0,
        "also_matched": ["Linux"],
        "would_launch": True,
    }
    assert any("first try-linux64-001" in reason for reason in reasons)
    assert nobody == {
        "builder": "OS X build",
        "instance_type": None,
        "rule": None,
        "rule_index": None,
        "also_matched": [],
        "would_launch": False,
        "reasons": ["no pattern of the buildermap matches, so nothing is launched for it"],
    }


def test_explain_says_in_words_what_stands_in_the_way(farm: Farm) -> None:
    farm.watch["spot"]["limits"]["global"]["bld-linux64"] = 0
    done = farm.run("explain", BUILD)
    assert (done.code, done.out.splitlines()[0]) == (0, f"{BUILD}: would start no machine")
    assert "the global spot limit of bld-linux64 is 0, 0 live" in done.out


# 2. check


def findings_of(document: dict[str, list[dict[str, str]]]) -> Findings:
    """Return the kinds of findings as (code, where); each finding has a message too."""
    assert list(document) == ["errors", "warnings"]
    for item in (*document["errors"], *document["warnings"]):
        assert list(item) == ["code", "where", "message"]
        assert item["message"]
    return {
        kind: [(item["code"], item["where"]) for item in items] for kind, items in document.items()
    }


@pytest.fixture(scope="module")
def checked(_ec2_process: Ec2Server, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`check --json` of a farm with one mistake of each kind: (exit code, document)."""
    _ec2_process.reset()
    farm = Farm.make(tmp_path_factory.mktemp("checked"), _ec2_process)
    (farm.directory / "bad.j2").write_text("{{ hostnam }}")
    (farm.directory / "large.j2").write_text("x" * 16385)
    build, tries = (farm.watch["instance_types"][name] for name in ("bld-linux64", "try-linux64"))
    farm.watch["instance_types"]["idle"] = {"names": "idle-%d", "regions": {}}
    farm.watch["buildermap"] |= {"Linux x86-64 mozilla": "bld-linux64"}
    farm.watch["jacuzzis"] = {BUILD: ["bld-linux64-001", "stranger"], "OS X": ["bld-linux64-001"]}
    build["user_data"], tries["user_data"] = "bad.j2", "large.j2"
    build["regions"][EAST]["ami"] = "ami-00000000"
    build["regions"][EAST]["subnets"] += ["subnet-00000000", farm.subnets[EAST][0]]
    farm.ec2.set_free_addresses(farm.subnets[WEST][0], 0)
    limits = farm.watch["spot"]["limits"]
    limits[EAST] = {"bld-linux64": 10, "try-linux64": 100}
    limits[WEST] = {"bld-linux64": 20}
    farm.watch["on_demand"] = {"limits": {}}
    farm.add_pending(BUILD)
    done = farm.run("check", "--json")
    return done.code, done.json


@pytest.mark.fault(
    "check finds an error: {code}, {message}", "exit 2; the finding says where and what"
)
@pytest.mark.parametrize(
    ("code", "where", "message"),
    [
        ("jacuzzi_name", f'jacuzzis["{BUILD}"]', "stranger"),
        ("template", "instance_types.bld-linux64.user_data", "'hostnam' is undefined"),
        ("template", "instance_types.try-linux64.user_data", "16385 bytes"),
        ("missing_ami", f"instance_types.bld-linux64.regions.{EAST}", "ami-00000000"),
        ("missing_subnet", f"instance_types.bld-linux64.regions.{EAST}", "subnet-00000000"),
    ],
)
def test_check_finds_errors(checked: Any, code: str, where: str, message: str) -> None:
    exit_code, document = checked
    assert exit_code == 2
    assert [
        item
        for item in document["errors"]
        if (item["code"], item["where"]) == (code, where) and message in item["message"]
    ]


@pytest.mark.parametrize(
    ("code", "where", "message"),
    [
        ("unused_type", "instance_types.idle", "no pattern maps to it"),
        ("no_template", "instance_types.idle.user_data", "there is none"),
        ("unmatched_jacuzzi", 'jacuzzis["OS X"]', "no pattern matches"),
        ("duplicate_subnet", f"instance_types.bld-linux64.regions.{EAST}.subnets", "subnet-"),
        ("full_subnet", f"instance_types.try-linux64.regions.{WEST}", "no free address"),
        ("absent_limit", f"spot.limits.{WEST}", "try-linux64"),
        ("absent_limit", "on_demand.limits.global", "bld-linux64"),
        ("regional_sum", "spot.limits.global", "bld-linux64: 100"),
        ("shadowed_rule", 'buildermap["Linux x86-64 mozilla"]', '"Linux"'),
    ],
)
def test_check_warns(checked: Any, code: str, where: str, message: str) -> None:
    _, document = checked
    assert [
        item
        for item in document["warnings"]
        if (item["code"], item["where"]) == (code, where) and message in item["message"]
    ]


def test_check_finds_nothing_in_a_sound_farm(farm: Farm) -> None:
    done = farm.run("check", "--json")
    assert (done.code, done.json) == (0, {"errors": [], "warnings": []})


def test_check_tries_the_rules_on_given_builders_too_and_says_it_in_words(farm: Farm) -> None:
    farm.watch["buildermap"] |= {"Linux arm": "bld-linux64"}
    done = farm.run("check", "Linux arm build")
    assert done.code == 0
    finding, total = done.out.splitlines()
    assert finding.startswith('warning: buildermap["Linux arm"]: never comes first: "Linux", above')
    assert finding.endswith("[shadowed_rule]")
    assert total == "0 errors, 1 warning"


@pytest.mark.fault(
    "the buildermap has an unknown type and a pattern that does not compile",
    "check names both by line; exit 2",
)
def test_check_names_unknown_types_and_bad_patterns_by_line_in_one_go(farm: Farm) -> None:
    farm.watch["buildermap"] = {"(Linux": "bld-linux64", "OS X": "bld-linxu64"}
    done = farm.run("check", "--json")
    assert (done.code, done.json["warnings"]) == (2, [])
    assert {code for code, _ in findings_of(done.json)["errors"]} == {"config"}
    lines = [f"{item['where']} {item['message']}" for item in done.json["errors"]]
    assert all(line.startswith(f"{farm.config_path}:") for line in lines)
    assert "does not compile" in lines[0]
    assert 'did you mean "bld-linux64"?' in lines[1]


@pytest.mark.fault("check, and neither AWS nor the scheduler database answers", "exit 4")
def test_check_ends_in_4_where_aws_and_the_scheduler_database_are_away(farm: Farm) -> None:
    (farm.directory / "scheduler.sqlite").unlink()
    farm.ec2.add_fault(action="*", code="AuthFailure", status=401)
    done = farm.run("check", "--json")
    assert done.code == 4
    away = [("scheduler_db", "scheduler_db"), ("aws", "aws")]
    assert findings_of(done.json) == {"errors": away, "warnings": []}


@pytest.mark.fault("check, and one region does not answer", "the region is named")
def test_check_names_a_region_that_does_not_answer(farm: Farm) -> None:
    farm.ec2.add_fault(action="*", region=WEST, code="AuthFailure", status=401)
    done = farm.run("check", "--json")
    assert findings_of(done.json)["errors"] == [("region", WEST)]


# 3. reading writes nothing


def test_no_reading_verb_creates_the_state_directory(farm: Farm) -> None:
    farm.forget_database()
    commands = [
        ("watch_pending", "explain", BUILD),
        ("watch_pending", "check"),
        ("farmhand", "db", "current"),
        ("farmhand", "db", "upgrade", "--dry-run"),
        ("farmhand", "status"),
    ]
    for program, *words in commands:
        done = farm.run(*words, program=program)
        assert (done.code, done.err, bool(done.out)) == (0, "", True), words
    assert not (farm.directory / "state").exists()


# 4. farmhand's own


def test_the_database_is_made_by_upgrade_and_shown_by_current(farm: Farm) -> None:
    farm.forget_database()
    shown = farm.run("db", "current", "--json", program="farmhand").json
    made = farm.run("db", "upgrade", "--json", program="farmhand")
    after = farm.run("db", "current", "--json", program="farmhand").json
    newest = shown["newest"]
    where = f"sqlite:///{farm.directory}/state/farmhand.db"
    assert shown == {"database": where, "revision": None, "newest": newest}
    assert (made.code, made.json) == (0, {"database": where, "before": None, "after": newest})
    assert after == {"database": where, "revision": newest, "newest": newest}


@pytest.mark.fault(
    "a database that is named in the configuration has no tables", "exit 2, with the command to run"
)
def test_a_named_database_without_tables_ends_in_2_and_says_what_to_run(farm: Farm) -> None:
    farm.settings["database"] = f"sqlite:///{farm.directory}/named.db"
    done = farm.run()
    assert (done.code, farm.ec2.calls()) == (2, [])
    assert "run `farmhand db upgrade`" in done.err


@pytest.mark.fault("a run on another farm's database", "exit 2")
def test_another_farm_s_database_ends_in_2(farm: Farm) -> None:
    assert farm.run().code == 0
    farm.settings["farm"] = "staging"
    done = farm.run()
    assert done.code == 2
    assert 'belongs to farm "test", the configuration says "staging"' in done.err


def test_the_configuration_is_shown_with_defaults_and_without_secrets(farm: Farm) -> None:
    url = "mysql://reader:hunter2@db.example.com/buildbot"
    farm.watch["scheduler_db"], farm.settings["database"] = url, url
    as_text, as_json = (
        farm.run("config", "show", *option, program="farmhand") for option in ([], ["--json"])
    )
    assert (as_text.code, as_json.code) == (0, 0)
    assert "hunter2" not in as_text.out + as_text.err + as_json.out + as_json.err
    shown = as_json.json
    assert (shown["database"], shown["watch_pending"]["scheduler_db"]) == ("(hidden)",) * 2
    assert shown["watch_pending"]["min_pending_age_s"] == 10.0


@pytest.mark.fault("farmhand config check, and there are mistakes", "each is named by line; exit 2")
def test_config_check_names_each_mistake_by_line_and_ends_in_2(farm: Farm) -> None:
    farm.watch["max_launches_per_run"] = -1
    farm.watch["region_prioritys"] = {}
    done = farm.run("config", "check", program="farmhand")
    assert (done.code, done.out) == (2, "")
    assert f"{farm.config_path}:" in done.err
    assert 'did you mean "region_priorities"?' in done.err
    assert "max_launches_per_run" in done.err


def test_config_check_looks_at_what_cron_starts(farm: Farm) -> None:
    crontab = farm.directory / "crontab"
    crontab.write_text("* * * * * root watch-pending --quite\n")
    farm.watch["max_launches_per_run"] = -1
    done = farm.run("config", "check", str(crontab), "--json", program="farmhand")
    assert (done.code, done.json["path"], done.json["files"]) == (2, None, [str(crontab)])
    codes = [(each["code"], each["where"]) for each in done.json["errors"]]
    assert ("usage", f"{crontab}:1") in codes
    assert codes[0][0] == "config"
    assert codes[0][1].startswith(str(farm.config_path))


def test_status_shows_the_last_run_and_the_last_success(farm: Farm) -> None:
    farm.run()
    Path(farm.directory / "scheduler.sqlite").unlink()
    farm.run()
    started = [str(row["started_at"]) for row in farm.rows("SELECT * FROM runs ORDER BY id")]
    done = farm.run("status", "--json", program="farmhand")
    command, never = done.json["commands"]
    assert (done.json["farm"], command["command"], command["exit_code"]) == (
        "test",
        "watch-pending run",
        4,
    )
    assert (command["overdue"], never["command"]) == (False, "watch-pending stop-idle")
    assert (never["last_success"], never["every_s"], never["overdue"]) == (None, 300, True)
    assert (done.json["fits"], done.json["revision"]) == (True, done.json["newest"])
    assert [host["release"] for host in done.json["hosts"]] == [__version__]
    shown = [command[key].replace("T", " ").rstrip("Z") for key in ("last_success", "last_run")]
    assert shown == started
    assert command["success_age_s"] >= 0
