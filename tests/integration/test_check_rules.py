"""`check` on rules against real clocks, histories and servers."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import jacuzzis, workers
from tests.farm import BUILD, TRY, Farm
from tests.journal import create
from tests.json_server import HTML, JsonServer, machines, running_json_server
from tests.scheduler_database import NOON, SchedulerDatabase
from watch_pending.buildermap import compile_buildermap
from watch_pending.check.slow_patterns import measure_rules
from watch_pending.pending import Window, detect_shape, read_recent_builders

pytestmark = pytest.mark.integration

ENDLESS = [
    "(a+)+$",
    r"^(\w+\s?)*$",
    "^Linux (a|ab|b)*c",
    r"^Linux (\S+ ?)*build",
    "^Linux .*.*.*.*.*.*build",
]
SOUND = ["Linux", r"^(TB )?WINNT (5.2|6.1)(.*(?! try)).* (pgo-)?build", r"^\S+_l10n_.*repack$"]
DAY_S = 86400


@pytest.mark.fault(
    "a pattern of the buildermap that takes for ever",
    "check finds it and gives the name it hangs on; the others are measured all the same",
)
def test_patterns_without_an_end_are_found_and_do_not_hold_up_the_others() -> None:
    rules = compile_buildermap(dict.fromkeys([*ENDLESS, *SOUND], "bld"))
    slow = {each.rule.pattern: each for each in measure_rules(rules, 60)}
    assert list(slow) == ENDLESS
    assert all(each.endless and len(each.name) == 256 for each in slow.values())


def test_a_slow_pattern_is_measured_to_its_end() -> None:
    [slow] = measure_rules(compile_buildermap({"^Linux .*.*.*.*build": "bld"}), 60)
    assert slow.took_s >= 0.01


@pytest.mark.fault(
    "check has no time left to measure patterns", "the log says how many were not measured"
)
def test_without_time_nothing_is_measured_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert measure_rules(compile_buildermap(dict.fromkeys(ENDLESS, "bld")), 0.001) == []
    assert "5 patterns were not measured: no time was left" in caplog.text


def test_recent_builders_are_those_with_a_request_since_then(scheduler: SchedulerDatabase) -> None:
    scheduler.add("old", 1, age_s=31 * DAY_S)
    scheduler.add("recent", 2, age_s=29 * DAY_S, complete=1)
    scheduler.add("Recent", 1)
    window = Window(now=NOON, min_age_s=0, max_age_s=30 * DAY_S)
    with scheduler.reader.connect() as connection:
        found = read_recent_builders(connection, detect_shape(connection), window)
    assert found == ("Recent", "recent")


def found(farm: Farm, *args: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and code → where → message."""
    done = farm.run("check", "--json", *args)
    codes: dict[str, dict[str, str]] = {}
    for finding in (*done.json["errors"], *done.json["warnings"]):
        codes.setdefault(finding["code"], {})[finding["where"]] = finding["message"]
    return done.code, codes


@pytest.mark.fault(
    "a rule takes names that are meant for another type (try and non-try)",
    "check warns: trust, with both rules, their lines and the builder",
)
def test_check_tells_rules_out_of_order_slow_and_of_no_use(farm: Farm) -> None:
    farm.watch["buildermap"] = {
        "^(O+)+X$": "bld-linux64",
        "^Linux.* build": "bld-linux64",
        "^Linux x86-64 try": "try-linux64",
        "^Linux arm": "bld-linux64",
    }
    farm.add_pending(BUILD)
    farm.add_pending(TRY, age_s=40 * DAY_S)
    code, codes = found(farm, "--days", "39")
    assert (code, set(codes)) == (0, {"slow_pattern", "trust", "shadowed_rule", "unmatched_rule"})
    assert list(codes["slow_pattern"]) == ['buildermap["^(O+)+X$"]']
    surprise = codes["trust"]['buildermap["^Linux.* build"]']
    assert f'takes the builder "{TRY}"' in surprise
    line = 1 + farm.config_path.read_text().splitlines().index("    ^Linux.* build: bld-linux64")
    assert surprise.startswith(f"rule 1 ({farm.config_path}:{line}, bld-linux64)")
    assert list(codes["shadowed_rule"]) == ['buildermap["^Linux x86-64 try"]']
    assert set(codes["unmatched_rule"]) == {
        'buildermap["^Linux x86-64 try"]',
        'buildermap["^Linux arm"]',
    }
    _, longer = found(farm, "--days", "41")
    assert list(longer["unmatched_rule"]) == ['buildermap["^Linux arm"]']


def test_check_compares_names_and_jacuzzis_with_the_farm_database(farm: Farm) -> None:
    farm.watch["jacuzzis_from"] = "database"
    with create(farm.database).begin() as connection:
        connection.execute(workers.insert(), [{"name": "bld-linux64-001"}, {"name": "stranger"}])
        ids = connection.execute(sa.select(workers.c.id)).scalars()
        rows = [{"builder": BUILD, "worker_id": each} for each in ids]
        connection.execute(jacuzzis.insert(), rows)
    code, codes = found(farm)
    assert (code, set(codes)) == (2, {"jacuzzi_name", "unknown_names"})
    assert "stranger" in codes["jacuzzi_name"][f'jacuzzis["{BUILD}"]']
    assert "99 names" in codes["unknown_names"]["instance_types.bld-linux64.names"]


@pytest.fixture
def server(farm: Farm) -> Iterator[JsonServer]:
    with running_json_server({"/v1/allocated/all": machines()}) as server:
        farm.watch["jacuzzis_from"] = {"url": server.url}
        farm.watch["inventory"] = {"url": f"{server.url}/api/slaves"}
        yield server


@pytest.mark.fault(
    "check, and the inventory server sends HTML", "exit 4, the finding inventory says: no JSON"
)
def test_check_asks_the_servers_and_ends_in_4_where_they_have_no_answer(
    farm: Farm, server: JsonServer
) -> None:
    server.routes["/api/slaves"] = HTML
    farm.add_pending(BUILD)
    farm.add_pending(TRY)
    code, codes = found(farm)
    assert (code, set(codes)) == (4, {"inventory"})
    assert "no JSON: <html>" in codes["inventory"]["inventory"]
    assert any("v1/builders/Linux" in path for path in server.asked)
    server.routes["/v1/allocated/all"] = HTML
    assert set(found(farm)[1]) == {"inventory", "jacuzzis"}


def test_check_warns_of_jacuzzis_that_count_as_none(farm: Farm, server: JsonServer) -> None:
    del farm.watch["inventory"]
    farm.watch["jacuzzis_from"]["if_down"] = "none"
    server.routes = {}
    code, codes = found(farm)
    assert (code, set(codes)) == (0, {"jacuzzis"})


def test_check_reads_the_originals_files_for_their_lines_too(farm: Farm) -> None:
    cfg, secrets = farm.directory / "watch_pending.cfg", farm.directory / "secrets.json"
    cfg.write_text(
        '{"buildermap": {\n"^Linux.* build": "bld",\n"^Linux try": "try-linux64"},\n'
        '"region_priorities": {"us-east-1": 1}}\n'
    )
    secrets.write_text(f'{{"db": "{farm.watch["scheduler_db"]}"}}')
    secrets.chmod(0o600)
    _, codes = found(farm, "-c", str(cfg), "-k", str(secrets))
    surprise = codes["trust"]['buildermap["^Linux.* build"]']
    assert surprise.startswith(f"rule 0 ({cfg}:2, bld) takes a name such as")
    assert f"rule 1 ({cfg}:3, try-linux64)" in surprise
