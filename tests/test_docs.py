"""The manual says what the code does: every command, option, exit code, key, code and link."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from farmhand import config as farmhand_config
from farmhand.cli import main as farmhand_main
from farmhand.errors import ExitCode
from farmhand.metrics import LAST_SUCCESS, run_samples
from farmhand.tables import records
from tests import builders, plans
from watch_pending import check, checks, config, originals, report
from watch_pending.cli import main as watch_pending_main
from watch_pending.models import Plan, Status
from watch_pending.run import HELP, make_samples
from watch_pending.userdata import make_fields, read_template, render_user_data

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md")], key=lambda path: path.relative_to(ROOT).as_posix()
)
PROGRAMS: Mapping[str, click.Group] = {
    "watch-pending": watch_pending_main,
    "farmhand": farmhand_main,
}
SCHEDULE = re.compile(r"(?:(?:\*|\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)(?:/\d+)?)")
ENVIRON = {"SCHEDULER_DB_PASSWORD": "secret"}


# Reading the manual


def read_sections(path: Path) -> dict[str, str]:
    """Heading, without # and backquotes → the text below it, up to the next heading."""
    sections: dict[str, str] = {}
    heading = ""
    fenced = False
    for line in path.read_text("utf-8").splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (found := re.match(r"#+ (.*)", line)):
            heading = found[1].replace("`", "")
        sections[heading] = sections.get(heading, "") + line + "\n"
    return sections


def read_table(text: str) -> list[list[str]]:
    """Rows of the tables in a text, without heads and rules."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rules = [index for index, row in enumerate(rows) if set("".join(row)) <= set("-:")]
    heads = {index - 1 for index in rules}
    return [row for index, row in enumerate(rows) if index not in heads and index not in rules]


def first_words(text: str) -> list[str]:
    """The backquoted word that each row of a table begins with."""
    return [found[1] for row in read_table(text) if (found := re.match(r"`([^`]+)`", row[0]))]


def slugs(path: Path) -> set[str]:
    """The anchors that a page's headings make."""
    headings = read_sections(path)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# Commands


def list_verbs(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for verb, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from list_verbs(f"{name} {verb}", command)
        else:
            yield f"{name} {verb}", command


VERBS = dict(pair for name, group in PROGRAMS.items() for pair in list_verbs(name, group))


def flags_of(command: click.Command) -> set[str]:
    return {flag for each in command.params if isinstance(each, click.Option) for flag in each.opts}


def flags_in(text: str) -> set[str]:
    """The flags in the first column of a text's tables."""
    return {
        flag for row in read_table(text) for flag in re.findall(r"`(-[\w-]+)`", row[0]) if row[0]
    }


def documented_flags(verb: str) -> set[str]:
    sections = read_sections(DOCS / "commands.md")
    common = sections["Options of every verb"]
    always, _, changing = common.partition("Verbs that change something")
    own = sections[verb]
    flags = flags_in(always) | flags_in(own)
    return flags | flags_in(changing) if "Changes something." in own else flags


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_section_and_nothing_else_has(verb: str) -> None:
    sections = read_sections(DOCS / "commands.md")
    named = {name for name in sections if name.split(" ")[0] in PROGRAMS}
    assert verb in named
    assert named == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_documented_and_no_other(verb: str) -> None:
    given = flags_of(VERBS[verb]) | {"-h", "--help"}
    assert documented_flags(verb) == given


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_readme(verb: str) -> None:
    assert f"`{verb}" in read_sections(ROOT / "README.md")["Commands"]


@pytest.mark.parametrize("path", [ROOT / "README.md", DOCS / "operations.md"], ids=lambda p: p.name)
def test_every_exit_code_is_documented_and_no_other(path: Path) -> None:
    rows = [row for row in read_table(path.read_text("utf-8")) if row[0].isdigit()]
    assert [(int(row[0]), row[1]) for row in rows] == [(int(code), code.name) for code in ExitCode]


def test_exit_codes_of_run_are_in_its_help() -> None:
    said = CliRunner().invoke(watch_pending_main, ["run", "--help"]).output
    codes = (ExitCode.OK, ExitCode.BAD_INPUT, ExitCode.PARTIAL, ExitCode.UNAVAILABLE)
    assert all(re.search(rf"\b{int(code)} ", said) for code in (*codes, ExitCode.LOCKED))


# Keys

KEYS: Mapping[str, type[Any]] = {
    "Top level": farmhand_config._Top,
    "watch_pending": config.WatchPending,
    "instance_types.NAME": config.InstanceType,
    "instance_types.NAME.regions.REGION": config.Place,
    "Disk": config.Disk,
    "spot": config.Spot,
    "spot.rules.NAME[]": config.SpotRule,
    "on_demand": config.OnDemand,
}
ORIGINAL_KEYS: Mapping[str, tuple[type[Any], ...]] = {
    "watch_pending.cfg": (originals._Config, originals._Rule),
    "aws-secrets.json": (originals._Secrets,),
    "A type's file": (originals._Type, originals._Region, originals._Device),
}
UNLISTED = {"_Type": {"regions"}}  # not a key: the regions stand between the others


def format_default(field: "Field[Any]") -> str:
    """Say a field's default as the manual does."""
    if field.default_factory is not MISSING:
        return "empty"
    match field.default:
        case value if value is MISSING:
            return "required"
        case None:
            return "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case "":
            return '`""`'
        case float(value):
            return f"`{value:g}`"
        case ():
            return "empty"
        case value:
            return f"`{value}`"


@pytest.mark.parametrize("heading", KEYS)
def test_every_key_is_documented_with_its_default_and_no_other(heading: str) -> None:
    rows = read_table(read_sections(DOCS / "configuration.md")[heading])
    documented = {row[0].strip("`"): row[3] for row in rows}
    expected = {each.name: format_default(each) for each in fields(KEYS[heading])}
    if heading == "Top level":
        expected |= dict.fromkeys(farmhand_config.SECTIONS, "none")
    assert documented == expected


@pytest.mark.parametrize("heading", ORIGINAL_KEYS)
def test_every_key_of_the_originals_is_documented_and_no_other(heading: str) -> None:
    rows = read_table(read_sections(DOCS / "configuration.md")[heading])
    expected = [
        (each.name, format_default(each))
        for kind in ORIGINAL_KEYS[heading]
        for each in fields(kind)
        if each.name not in UNLISTED.get(kind.__name__, set())
    ]
    assert sorted((row[0].strip("`"), row[1]) for row in rows) == sorted(expected)


def test_every_section_has_its_keys_documented() -> None:
    targets = {f"{kind.__module__}:{kind.__qualname__}" for kind in KEYS.values()}
    assert set(farmhand_config.SECTIONS.values()) <= targets


# Contracts of watch-pending


def watch_pending_section(heading: str) -> str:
    return read_sections(DOCS / "watch-pending.md")[heading]


def test_every_code_of_check_is_documented_and_no_other() -> None:
    source = "".join(Path(str(module.__file__)).read_text("utf-8") for module in (check, checks))
    codes = set(re.findall(r'code="(\w+)"', source))
    assert set(first_words(watch_pending_section("check --json"))) == codes


def test_every_status_of_an_outcome_is_documented_and_no_other() -> None:
    assert set(first_words(watch_pending_section("run --json"))) == set(Status)


def test_every_key_of_the_plan_is_documented() -> None:
    text = watch_pending_section("run --json")
    snapshot = builders.make_snapshot(builders.make_pending(requests=2))
    plan = plans.make_plan(snapshot, builders.make_config(spot=builders.make_spot(limit=1)))
    keys = set(keys_in(report.plan_to_json("farm", builders.NOW, plan, [])))
    assert {"from", "names"} <= keys <= set(re.findall(r'"(\w+)":', text))


def test_every_key_of_an_outcome_is_documented() -> None:
    text = watch_pending_section("run --json").partition('"outcomes": [{')[2].partition("}")[0]
    outcome = report.outcome_to_json(plans.make_outcome())
    assert set(outcome) == set(re.findall(r'"(\w+)":', text))


def keys_in(document: object) -> Iterator[str]:
    """Every key, at any depth."""
    if isinstance(document, dict):
        yield from document
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from keys_in(item)


def test_every_metric_is_documented_and_no_other() -> None:
    samples = [
        *run_samples(command="c", verb="v", exit_code=0, seconds=1.0, now=builders.NOW),
        *make_samples(0, Plan(), [], {"RunInstances": 1}),
    ]
    names = {f"farmhand_{sample.name}" for sample in samples}
    names |= {f"farmhand_watch_pending_{name}" for name in HELP}
    assert LAST_SUCCESS in names
    assert set(first_words(watch_pending_section("Metrics"))) == names


def test_every_column_of_runs_is_documented() -> None:
    text = watch_pending_section("The runs row")
    missing = {name for name in records.runs.c.keys() if f"`{name}`" not in text}  # noqa: SIM118 - a collection of columns
    assert missing == {"id"}


# Examples


def all_configs() -> list[Path]:
    return sorted(path for path in (ROOT / "configs").rglob("*") if path.is_file())


def is_template(path: Path) -> bool:
    return path.suffix in {".j2", ".user-data"}


def test_the_example_configuration_loads() -> None:
    path = ROOT / "configs/farmhand.yml"
    settings = farmhand_config.load(path, None, environ=ENVIRON)
    assert settings.section(config.WatchPending).instance_types


TEMPLATES = [path for path in all_configs() if is_template(path)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_example_template_renders(path: Path) -> None:
    fields = make_fields(
        moz_instance_type="bld",
        hostname="bld-001",
        domain="example.com",
        region="us-east-1",
        market="spot",
        farm="test",
        launch_id="0" * 32,
        puppet_cert=None,
    )
    assert "shutdown" in render_user_data(read_template(path), fields)


@pytest.fixture
def originals_example(tmp_path: Path) -> config.WatchPending:
    """The original's example files, loaded; its secrets are closed to others first."""
    folder = ROOT / "configs/originals"
    secrets = tmp_path / "aws-secrets.json"
    secrets.write_text((folder / "aws-secrets.json.example").read_text())
    secrets.chmod(0o600)
    settings = originals.load_originals(folder / "watch_pending.cfg", secrets, ["us-west-2"], {})
    return settings.section(config.WatchPending)


def test_every_example_is_of_a_kind_that_a_test_loads(
    originals_example: config.WatchPending,
) -> None:
    kinds = {"farmhand.yml", "watch_pending.cfg", "aws-secrets.json.example"}
    kinds |= set(originals_example.instance_types)
    assert [p for p in all_configs() if p.name not in kinds and not is_template(p)] == []


def crontab_lines() -> list[str]:
    """Every line that cron would read, also those that are commented out as alternatives."""
    lines = (ROOT / "cron/crontab").read_text("utf-8").splitlines()
    alternatives = [line.removeprefix("#") for line in lines if re.match(r"#(\*|\w+=)", line)]
    return [line for line in lines if line and not line.startswith("#")] + alternatives


@pytest.mark.parametrize("line", crontab_lines())
def test_every_line_of_the_crontab_parses(line: str) -> None:
    if re.match(r"[A-Z_]+=\S", line):
        return
    minute, hour, day, month, weekday, user, command = line.split(maxsplit=6)
    assert all(SCHEDULE.fullmatch(each) for each in (minute, hour, day, month, weekday))
    assert re.fullmatch(r"[a-z]+", user)
    assert "%" not in command  # cron reads it as the end of the line
    assert why_not_a_command(command) is None


def why_not_a_command(line: str) -> str | None:
    """Parse a shell line's commands of ours with click; with --help, so that nothing is done."""
    ours = [words for each in line.split(" && ") if (words := shlex.split(each))[0] in PROGRAMS]
    for program, *args in ours:
        result = CliRunner().invoke(PROGRAMS[program], [*args, "--help"])
        if result.exit_code != 0:
            return result.output
    return None if ours else f"no command of ours: {line}"


@pytest.mark.parametrize("line", ["watch-pending run --wrong", "farmhand wrong", "sleep 1"])
def test_a_wrong_command_would_be_found(line: str) -> None:
    assert why_not_a_command(line) is not None


def example_commands() -> list[str]:
    """Lines of indented blocks in the manual that begin with a command of ours."""
    return sorted(
        {
            line.strip()
            for path in PAGES
            for line in path.read_text("utf-8").splitlines()
            if line.startswith("    ") and line.split()[:1] and line.split()[0] in PROGRAMS
        }
    )


@pytest.mark.parametrize("line", example_commands())
def test_every_example_command_parses(line: str) -> None:
    assert why_not_a_command(line) is None


# Pages


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        if not found.exists() or (anchor and anchor not in slugs(found)):
            broken.append(link)
    assert broken == []


def test_the_changelog_has_unreleased_changes() -> None:
    sections = read_sections(ROOT / "CHANGELOG.md")
    assert "[Unreleased]" in sections
    assert "**Action needed" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_make_target_is_in_contributing() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documented = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert documented == targets - {"help"}
