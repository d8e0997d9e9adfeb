"""What cron/ has can be installed: every crontab, systemd and nginx file is parsed.

nginx and systemd themselves are not needed.
"""

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from farmhand.boundary import DEADLINE_GRACE_S
from farmhand.db import parse_url
from farmhand.schedule import EVERY_S, KNOWN
from scanner.cli import main as scanner_main
from slavealloc.cli import main as slavealloc_main
from tests.manual import PROGRAMS, split_shell, why_not_a_command
from tests.units import CRON, RUNNER, SERVICES, TIMERS, read_unit
from watch_pending.cli import main as watch_pending_main

CRONTABS = [CRON / "crontab", CRON / "slavealloc"]
DROP_INS = sorted((CRON / "systemd").glob("*.service.d/*.conf"))
ONE_RUN = CRON / "systemd/watch-pending@.service"
ONE_SCAN = CRON / "systemd/scanner-scan@.service"
# By tests/integration/test_puppet.py.
PUPPET_KINDS = {".pp", ".epp", ".rb", ".json", ".md"}
# The times of a crontab, and what systemd calls them.
CALENDAR = {
    "* * * * *": "minutely",
    "*/5 * * * *": "*:0/5",
    "30 1 * * *": "01:30",
    "0 6 * * *": "06:00",
    "11 4 * * *": "04:11",
    "40 5 * * *": "05:40",
}
SECONDS = {"minutely": 60, "*:0/5": 300}  # else a day
SERVER = CRON / "systemd/slavealloc@.service"
ENVIRONMENTS = sorted((CRON / "systemd").glob("*.env"))
PUPPET = [path for path in (CRON / "puppet").rglob("*") if path.suffix in PUPPET_KINDS]
NGINX = sorted((CRON / "nginx").glob("*.conf"))
PORTS = {"production": 1080, "staging": 1079}
FIELD = r"(?:\*|\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)(?:/\d+)?"
HIGHEST = (59, 23, 31, 12, 7)


def test_every_link_leads_to_a_shipped_file() -> None:
    links = [path for path in CRON.rglob("*") if path.is_symlink()]
    assert links
    assert [path for path in links if not path.resolve().is_relative_to(CRON)] == []
    assert [path for path in links if not path.exists()] == []


def test_every_file_is_of_a_kind_that_is_tested() -> None:
    # A link of puppet's leads to one of them.
    files = {path for path in CRON.rglob("*") if path.is_file() and not path.is_symlink()}
    alerts = set((CRON / "prometheus").iterdir())  # by tests/test_alerts.py
    alerts.add(CRON / "logrotate/farmhand")  # by tests/integration/test_logrotate.py
    tested = {*CRONTABS, *SERVICES, *TIMERS, *DROP_INS, *ENVIRONMENTS, *NGINX, *PUPPET, *alerts}
    assert files == tested


# cron


def crontab_lines() -> list[str]:
    """Every line that cron would read, also those that are commented out as alternatives."""
    lines = [line for path in CRONTABS for line in path.read_text("utf-8").splitlines()]
    alternatives = [line.removeprefix("#") for line in lines if re.match(r"#([*\d]|\w+=)", line)]
    return [line for line in lines if line and not line.startswith("#")] + alternatives


@pytest.mark.parametrize("line", crontab_lines())
def test_every_line_of_the_crontabs_parses(line: str) -> None:
    if re.match(r"[A-Z_]+=\S", line):
        return
    *times, user, command = line.split(maxsplit=6)
    assert all(re.fullmatch(FIELD, each) for each in times)
    assert all(
        int(number) <= highest
        for each, highest in zip(times, HIGHEST, strict=True)
        for number in re.findall(r"\d+", each)
    )
    assert re.fullmatch(r"[a-z]+", user)
    assert "%" not in command  # cron reads it as the end of the line
    assert why_not_a_command(command) is None


def test_a_backup_reads_the_environment_that_the_service_has() -> None:
    read = re.findall(r"\. (\S+\.env)", (CRON / "slavealloc").read_text("utf-8"))
    path = read_unit(SERVER)["Service"]["EnvironmentFile"][0]
    assert read == [path.replace("%i", "production")]


# systemd


def read_environment(path: Path) -> dict[str, str]:
    """Variable → value, as systemd and sh both read it."""
    values: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            (word,) = shlex.split(line)
            name, equals, value = word.partition("=")
            assert equals, line
            assert re.fullmatch("[A-Z_]+", name), line
            values[name] = value
    return values


def start_line(instance: str) -> str:
    """What an instance of slavealloc is started with, as systemd reads it."""
    (line,) = read_unit(SERVER)["Service"]["ExecStart"]
    environment = read_environment(CRON / f"systemd/slavealloc-{instance}.env")
    line = line.replace("%i", instance)
    return re.sub(r"\$\{(\w+)\}", lambda found: environment[found[1]], line)


def serve_options(instance: str) -> Mapping[str, Any]:
    """What an instance's `slavealloc serve` is told."""
    _, verb, *args = shlex.split(start_line(instance))
    assert verb == "serve"
    return slavealloc_main.commands[verb].make_context(verb, args).params


@pytest.mark.parametrize("instance", PORTS)
def test_every_command_line_parses(instance: str) -> None:
    line = start_line(instance)
    assert re.search(r"[$%]", line) is None
    assert why_not_a_command(line) is None


def test_staging_may_run_the_next_release_and_is_else_the_same() -> None:
    path = CRON / "systemd/slavealloc@staging.service.d/version.conf"
    nothing, line = read_unit(path)["Service"]["ExecStart"]
    assert nothing == ""  # or both would be started
    (usual,) = read_unit(SERVER)["Service"]["ExecStart"]
    assert line == usual.replace("/opt/farmhand/", "/opt/farmhand-next/")


@pytest.mark.parametrize("unit", [SERVER, RUNNER], ids=lambda path: path.name)
def test_every_unit_has_what_a_service_needs(unit: Path) -> None:
    sections = read_unit(unit)
    assert set(sections) == {"Unit", "Service", "Install"}
    service = sections["Service"]
    assert service["Restart"] == ["on-failure"]
    assert "2" in service["RestartPreventExitStatus"][0].split()  # wrong configuration stays wrong
    assert service["SuccessExitStatus"] == ["143"]  # what our services say of SIGTERM
    assert all(Path(line.split()[0]).is_absolute() for line in service["ExecStart"])


def test_the_allocator_is_nobody_else() -> None:
    assert read_unit(SERVER)["Service"]["User"] == ["slavealloc"]


def test_the_runner_is_started_as_a_runner_is() -> None:
    service = read_unit(RUNNER)["Service"]
    (line,) = service["ExecStart"]
    assert why_not_a_command(line) is None
    # It halted, or a task used up its tries: what then would start it again is a boot.
    assert service["RestartPreventExitStatus"] == ["2 3"]


def run_line(verb: str) -> str:
    """What a timer starts for a verb."""
    (line,) = read_unit(ONE_RUN)["Service"]["ExecStart"]
    for path in DROP_INS:
        if path.parent.name == f"watch-pending@{verb}.service.d":
            nothing, line = read_unit(path)["Service"]["ExecStart"]
            assert nothing == ""  # or both would be started
    return line.replace("%i", verb)


def timed_verbs() -> dict[str, str]:
    """Verb → when its timer starts it."""
    found = {}
    for path in (CRON / "systemd").glob("watch-pending*.timer"):
        timer = read_unit(path)["Timer"]
        verb = re.fullmatch(r"watch-pending@([a-z-]+)\.service", timer["Unit"][0])
        assert verb, path
        assert path.name == f"watch-pending-{verb[1]}.timer"
        found[verb[1]] = timer["OnCalendar"][0]
    return found


def test_timers_run_what_the_crontab_runs_and_when() -> None:
    text = (CRON / "crontab").read_text("utf-8")
    lines = [
        line.split(maxsplit=6)
        for line in text.splitlines()
        if re.match(r"[*\d]", line) and "watch-pending" in line
    ]
    in_crontab = {
        "-".join(itertools.takewhile(lambda word: word[0] != "-", command.split()[1:])): CALENDAR[
            " ".join(times)
        ]
        for *times, _, command in lines
    }
    assert timed_verbs() == in_crontab


@pytest.mark.parametrize("verb", sorted(timed_verbs()))
def test_every_timer_s_command_line_parses(verb: str) -> None:
    assert why_not_a_command(run_line(verb)) is None


def test_scans_are_timed_each_minute_and_none_waits_for_one_that_lasts() -> None:
    timer = read_unit(ONE_SCAN.with_suffix(".timer"))["Timer"]
    assert (timer["OnCalendar"], timer["Unit"]) == (["*:%i/15"], ["scanner-scan@%i.service"])
    text = ONE_SCAN.read_text("utf-8")
    assert "enable --now scanner-scan@{0..14}.timer" in text  # all minutes, each once
    assert deadline_of(scanner_main, "scan") <= 15 * 60
    (line,) = read_unit(ONE_SCAN)["Service"]["ExecStart"]
    in_crontab = (CRON / "crontab").read_text("utf-8")
    assert f"* * * * * buildduty {line.removeprefix('/opt/farmhand/bin/')}\n" in in_crontab


@pytest.mark.parametrize("name", ["slavealloc-dbdump", "farmhand-config-check"])
def test_a_service_of_one_command_does_what_its_line_does_and_when(name: str) -> None:
    (timer,) = read_unit(CRON / f"systemd/{name}.timer")["Timer"]["OnCalendar"]
    (line,) = read_unit(CRON / f"systemd/{name}.service")["Service"]["ExecStart"]
    assert why_not_a_command(line) is None
    (job,) = [each for each in crontab_lines() if line.removeprefix("/opt/farmhand/bin/") in each]
    *times, user, _ = job.split(maxsplit=6)
    assert CALENDAR[" ".join(times)] == timer
    assert read_unit(CRON / f"systemd/{name}.service")["Service"].get("User", ["root"]) == [user]


def test_jobs_run_as_often_as_status_expects() -> None:
    found = {}
    for job in crontab_lines():
        if job[0].isupper():
            continue
        *times, _, line = job.split(maxsplit=6)
        words = next(words for words in split_shell(line) if words[0] in PROGRAMS)
        name = " ".join(itertools.takewhile(lambda word: word[0] != "-", words))
        found[name] = SECONDS.get(CALENDAR.get(" ".join(times), ""), 86400)
    assert {name: found[name] for name in EVERY_S} == EVERY_S
    assert {*found} - {*EVERY_S} == {"farmhand config check", *KNOWN, "watch-pending"} - {*EVERY_S}


@pytest.mark.parametrize("path", [p for p in SERVICES if p != RUNNER], ids=lambda p: p.name)
def test_a_unit_may_write_only_what_it_names(path: Path) -> None:
    service = read_unit(path)["Service"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["NoNewPrivileges"] == ["yes"]


def deadline_of(main: click.Group, verb: str) -> float:
    """How long a verb takes at most, if nobody says otherwise."""
    deadline_s: float = main.commands[verb].make_context(verb, []).params["deadline_s"]
    return deadline_s


@pytest.mark.parametrize("unit", [ONE_RUN, ONE_SCAN], ids=lambda path: path.name)
def test_a_run_that_finds_another_at_work_is_no_failure(unit: Path) -> None:
    service = read_unit(unit)["Service"]
    assert (service["Type"], service["SuccessExitStatus"]) == (["oneshot"], ["75 143"])


@pytest.mark.parametrize(
    ("unit", "deadline_s"),
    [
        (ONE_RUN, deadline_of(watch_pending_main, "run")),
        (ONE_SCAN, deadline_of(scanner_main, "scan")),
    ],
    ids=["watch-pending", "scanner"],
)
def test_no_run_is_ended_before_it_ends_itself(unit: Path, deadline_s: float) -> None:
    (timeout_s,) = read_unit(unit)["Service"]["TimeoutStartSec"]
    assert int(timeout_s) > deadline_s + DEADLINE_GRACE_S


@pytest.mark.parametrize("instance", PORTS)
def test_every_instance_listens_on_its_own_port_of_this_host_only(instance: str) -> None:
    options = serve_options(instance)
    assert (options["host"], options["port"]) == ("127.0.0.1", PORTS[instance])


@pytest.mark.parametrize("instance", PORTS)
def test_every_instance_logs_where_it_may_write(instance: str) -> None:
    (directory,) = read_unit(SERVER)["Service"]["LogsDirectory"]
    logfile = serve_options(instance)["logfile"]
    assert logfile.parent == Path("/var/log", directory)


def test_instances_share_neither_configuration_nor_database() -> None:
    production, staging = (
        read_environment(CRON / f"systemd/slavealloc-{name}.env") for name in PORTS
    )
    assert production.keys() == staging.keys()
    assert [name for name in production if production[name] == staging[name]] == []


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_every_environment_names_a_database(path: Path) -> None:
    assert parse_url(read_environment(path)["FARMHAND_DATABASE"], "it").database


# nginx

Block = list[tuple[list[str], "Block | None"]]


def parse_nginx(path: Path) -> Block:
    """Parse a configuration: [words of a directive, its block or None]."""
    text = re.sub(r"#.*", "", path.read_text("utf-8"))
    tokens = iter(re.findall(r'"[^"]*"|[{};]|[^\s{};]+', text))
    block = _parse_block(tokens)
    assert list(tokens) == []
    return block


def _parse_block(tokens: Iterator[str]) -> Block:
    block: Block = []
    words: list[str] = []
    for token in tokens:
        if token == "}":
            assert words == [], f"no ; after {words}"
            return block
        if token in {";", "{"}:
            assert words, f"nothing before {token}"
            block.append((words, _parse_block(tokens) if token == "{" else None))
            words = []
        else:
            words.append(token.strip('"'))
    assert words == [], f"no ; after {words}"
    return block


def find(block: Block, *name: str) -> Iterator[tuple[list[str], Block]]:
    """Directives that begin with these words: the words after them, and their block."""
    for words, inner in block:
        if words[: len(name)] == list(name):
            yield words[len(name) :], inner or []


(CONFIGURATION,) = [parse_nginx(path) for path in NGINX]
ALL_SERVERS = [block for _, block in find(CONFIGURATION, "server")]
SERVERS = dict(zip(PORTS, ALL_SERVERS[:2], strict=True))
WITHOUT_TLS = dict(zip(PORTS, ALL_SERVERS[2:], strict=True))
PATHS = ("/api/", "/gettac/", "/v1/", "/ui/")
ONLY = ("/", "/api", "/ui", "/login", "/logout", "/metrics")


def where_it_goes(server: Block, location: list[str]) -> list[str]:
    """Addresses that a location's requests are passed to."""
    ((_, block),) = find(server, "location", *location)
    (((target,), _),) = find(block, "proxy_pass")
    ((_, upstream),) = find(CONFIGURATION, "upstream", target.removeprefix("http://"))
    return [words[0] for words, _ in find(upstream, "server")]


@pytest.mark.parametrize("instance", PORTS)
@pytest.mark.parametrize(
    "location",
    [*([path] for path in PATHS), *(["=", path] for path in ONLY)],
    ids=" ".join,
)
def test_every_path_goes_to_the_instance_s_port(instance: str, location: list[str]) -> None:
    assert where_it_goes(SERVERS[instance], location) == [f"127.0.0.1:{PORTS[instance]}"]


@pytest.mark.parametrize("instance", PORTS)
def test_without_tls_only_machines_are_let_in(instance: str) -> None:
    server = WITHOUT_TLS[instance]
    assert where_it_goes(server, ["/gettac/"]) == [f"127.0.0.1:{PORTS[instance]}"]
    passed = {
        words[0] for words, block in find(server, "location") if list(find(block, "proxy_pass"))
    }
    assert passed == {"/gettac/", "/v1/"}
    assert list(find(server, "server_name")) == list(find(SERVERS[instance], "server_name"))


@pytest.mark.parametrize("instance", PORTS)
def test_the_service_hears_how_it_was_asked(instance: str) -> None:
    forwarded = [words for words, _ in find(SERVERS[instance], "proxy_set_header")]
    assert ["X-Forwarded-Proto", "$scheme"] in forwarded
    assert ["Host", "$http_host"] in forwarded


@pytest.mark.parametrize("instance", PORTS)
def test_metrics_are_for_the_host_itself(instance: str) -> None:
    ((_, block),) = find(SERVERS[instance], "location", "=", "/metrics")
    access = [words for words, _ in block if words[0] in {"allow", "deny"}]
    assert access == [["allow", "127.0.0.1"], ["allow", "::1"], ["deny", "all"]]


@pytest.mark.parametrize("instance", PORTS)
def test_nothing_else_is_passed_on(instance: str) -> None:
    ((_, block),) = find(SERVERS[instance], "location", "/")
    assert block == [(["return", "404"], None)]


@pytest.mark.parametrize("instance", PORTS)
@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("client_max_body_size", "512k"),
        ("client_header_timeout", "10s"),
        ("client_body_timeout", "10s"),
    ],
)
def test_slow_and_long_requests_are_ended(instance: str, directive: str, value: str) -> None:
    assert list(find(SERVERS[instance], directive)) == [([value], [])]


@pytest.mark.parametrize("instance", PORTS)
def test_the_service_hears_who_asks(instance: str) -> None:
    assert list(find(SERVERS[instance], "proxy_set_header", "X-Forwarded-For"))


def test_production_and_staging_have_names_of_their_own() -> None:
    names = [words for server in SERVERS.values() for words, _ in find(server, "server_name")]
    assert len({name for words in names for name in words}) == sum(map(len, names))
    assert all("staging" in name for name in names[1])


def test_a_missing_semicolon_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "bad.conf"
    path.write_text("server {\n    listen 80\n}\n")
    with pytest.raises(AssertionError, match="no ; after"):
        parse_nginx(path)
