"""The manual says what the code does: every contract, example and link."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from farmhand import config as farmhand_config
from farmhand.metrics import LAST_SUCCESS, run_samples
from farmhand.tables import records
from runner.originals import read_ini
from runner.tasks import Task, find_tasks
from slavealloc.bulk.import_files import Paths, read_files
from slavealloc.bulk.import_plan import State, find_dangling, plan_import
from slavealloc.config import RunSlave, SlaveAlloc
from tests import builders, plans
from tests.iam import POLICIES
from tests.manual import DOCS, PAGES, ROOT, first_words, make_slug, read_sections
from tests.manual_lines import read_inline
from watch_pending import config, originals, report
from watch_pending.backoff_report import make_backoff_samples
from watch_pending.models import Status
from watch_pending.samples import make_samples
from watch_pending.userdata import make_fields, read_template, render_user_data

ENVIRON = {"SCHEDULER_DB_PASSWORD": "secret"}
CSV = Paths(
    slave_data=ROOT / "configs/workers.csv",
    master_data=ROOT / "configs/masters.csv",
    password_data=ROOT / "configs/passwords.csv",
)


# Contracts of watch-pending


def watch_pending_section(heading: str) -> str:
    return read_sections(DOCS / "watch-pending.md")[heading]


def test_every_code_of_check_is_documented_and_no_other() -> None:
    modules = (ROOT / "watch_pending/check").glob("*.py")
    source = "".join(path.read_text("utf-8") for path in modules)
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
        *make_samples(
            builders.make_snapshot(instances=builders.make_instances(1)),
            plans.plan_for(),
            [plans.make_outcome()],
            {"RunInstances": 1},
        ),
        *make_backoff_samples(builders.make_snapshot(), builders.make_config()),
    ]
    names = {f"farmhand_{sample.name}" for sample in samples}
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
    server = settings.section(SlaveAlloc).api_url
    assert settings.section(RunSlave).allocator_url == f"{server}/gettac/SLAVE"


def test_the_example_places_can_be_imported() -> None:
    files = read_files(CSV)
    plan = plan_import(files, State())
    assert find_dangling(files, State()) == []
    assert len(plan.masters.added) > 1
    pools = {row.values["pool"] for row in files.workers}
    assert pools == {row.values["pool"] for row in (*files.masters, *files.passwords)}


def test_the_example_places_suit_the_example_configuration() -> None:
    path = ROOT / "configs/farmhand.yml"
    types = farmhand_config.load(path, None, environ=ENVIRON).section(config.WatchPending)
    named = {row.values["instance_type"] for row in read_files(CSV).workers}
    assert named - {None} <= set(types.instance_types)


def example_tasks() -> tuple[Task, ...]:
    settings = read_ini(ROOT / "configs/runner.cfg").settings
    return find_tasks(ROOT / "configs/tasks.d", settings).tasks


def test_the_example_tasks_run_the_worker() -> None:
    assert "buildbot" in [task.name for task in example_tasks()]


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
    kinds = {"farmhand.yml", "farmhand.schema.json"}
    kinds |= {"watch_pending.cfg", "aws-secrets.json.example"}
    kinds |= set(originals_example.instance_types)
    kinds |= {"workers.csv", "masters.csv", "passwords.csv", "machine-requirements.txt"}
    kinds |= {path.name for path in POLICIES.glob("*.json")}  # tests/test_iam.py
    kinds |= {"runner.cfg", "README", "halt.sh", *(task.path.name for task in example_tasks())}
    assert [p for p in all_configs() if p.name not in kinds and not is_template(p)] == []


# Pages


def slugs(path: Path) -> set[str]:
    """The anchors that a page's headings make."""
    return {make_slug(heading) for heading in read_sections(path)}


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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_the_text_names_exists(path: Path) -> None:
    folders = "|".join(each.name for each in ROOT.iterdir() if each.is_dir())
    named = [
        words for _, words in read_inline(path) if re.fullmatch(rf"({folders})/[\w./@-]+", words)
    ]
    missing = [each for each in named if not (ROOT / each).exists()]
    assert [each for each in missing if not each.startswith("docs/benchmarks.")] == []  # make bench


def test_the_changelog_has_unreleased_changes() -> None:
    sections = read_sections(ROOT / "CHANGELOG.md")
    assert "[Unreleased]" in sections
    assert "**Action needed" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_make_target_is_in_contributing() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documented = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert documented == targets - {"help"}
