"""The `watch_pending:` section; tests/farmhand/test_config.py has its mistakes as files."""

from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import Environment, StrictUndefined

from farmhand.config import Settings, load
from farmhand.validation import validate
from watch_pending.config import WatchPending, regex_problem
from watch_pending.config_machines import InstanceType, Market, Place, name_pattern_problem

EXAMPLE = Path("configs/farmhand.yml")
VARIABLES = (
    "moz_instance_type hostname domain fqdn region region_dns_atom"
    " farm launch_id market puppet_cert names fqdns"
)


def load_example() -> Settings:
    return load(EXAMPLE, None, environ={"SCHEDULER_DB_PASSWORD": "hunter2"})


def make_section(**changes: object) -> dict[str, object]:
    place = {"subnets": ["subnet-1"]}
    return {
        "scheduler_db": "sqlite://",
        "buildermap": {"^Linux": "bld"},
        "instance_types": {"bld": {"names": "bld-%03d", "regions": {"us-east-1": place}}},
        "region_priorities": {"us-east-1": 1},
        **changes,
    }


def build_section() -> WatchPending:
    section, problems = validate(WatchPending, make_section(), Path())
    assert section is not None, problems
    return section


def make_type(names: str | dict[Market, str]) -> InstanceType:
    return InstanceType(names=names, regions={"us-east-1": Place(subnets=("subnet-1",))})


def test_the_example_loads() -> None:
    section = load_example().section(WatchPending)
    assert list(section.instance_types) == ["bld-linux64", "try-linux64", "tst-linux64"]


def test_the_example_keeps_the_order_of_its_patterns() -> None:
    assert next(iter(load_example().section(WatchPending).buildermap)).startswith("^Android.* try")


def test_the_example_needs_its_password() -> None:
    with pytest.raises(Exception, match="SCHEDULER_DB_PASSWORD is not set"):
        load(EXAMPLE, "watch_pending", environ={})


def test_the_example_shows_no_password() -> None:
    assert "hunter2" not in repr(load_example())


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.j2")), ids=lambda path: path.stem)
def test_the_templates_need_no_more_than_they_get(path: Path) -> None:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    rendered = environment.from_string(path.read_text()).render(
        dict.fromkeys(VARIABLES.split(), "x")
    )
    assert "{{" not in rendered


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.j2")), ids=lambda path: path.stem)
def test_the_templates_end_the_machine_at_a_maximum_age(path: Path) -> None:
    assert "shutdown" in path.read_text()


def test_a_section_without_options_has_the_defaults() -> None:
    assert build_section().max_pending_age_s == 86400


def test_bad_patterns_are_told_apart_from_unknown_types() -> None:
    section = replace(build_section(), buildermap={"^Linux": "unknown"})
    assert list(section.find_bad_patterns()) == []


def test_a_jacuzzi_may_be_empty() -> None:
    _, problems = validate(WatchPending, make_section(jacuzzis={"Linux": []}), Path())
    assert problems == []


@pytest.mark.parametrize(
    ("names", "spot", "on_demand"),
    [
        pytest.param("bld-%03d", "bld-%03d", "bld-%03d", id="one for both"),
        pytest.param("workers", None, None, id="inventory"),
        pytest.param({Market.SPOT: "bld-spot-%d"}, "bld-spot-%d", None, id="spot alone"),
    ],
)
def test_a_market_has_its_names(
    names: str | dict[Market, str], spot: str | None, on_demand: str | None
) -> None:
    made = make_type(names)
    assert (made.name_pattern(Market.SPOT), made.name_pattern(Market.ON_DEMAND)) == (
        spot,
        on_demand,
    )


@pytest.mark.parametrize("pattern", ["bld-%03d", "%d", "bld-%d-x", "100%%-%d", "x" * 46 + "%d"])
def test_a_pattern_with_one_number_gives_names(pattern: str) -> None:
    assert name_pattern_problem(pattern) is None


@pytest.mark.parametrize("pattern", ["bld", "bld-%d-%d", "bld-%", "bld-%(n)d", "bld-%%", "%.0s"])
def test_other_patterns_give_no_names(pattern: str) -> None:
    assert "needs one %d" in str(name_pattern_problem(pattern))


@pytest.mark.parametrize("pattern", ["(", "*x", "[", "(?P<a>x)(?P<a>y)", "x{99999999999999}"])
def test_a_pattern_that_does_not_compile_is_said(pattern: str) -> None:
    assert str(regex_problem(pattern)).startswith("the pattern does not compile: ")


SERVER = {"url": "http://slavealloc.example.com"}


@pytest.mark.parametrize("second", ["database", SERVER], ids=["database", "server"])
def test_jacuzzis_have_one_source(second: object) -> None:
    section = make_section(jacuzzis={"Linux": ["w"]}, jacuzzis_from=second)
    _, [problem] = validate(WatchPending, section, Path())
    assert problem.path == ("jacuzzis_from",)
    assert "watch_pending.jacuzzis too" in problem.message
    assert validate(WatchPending, section | {"jacuzzis": {}}, Path())[1] == []


@pytest.mark.parametrize(
    ("section", "path"),
    [
        pytest.param({"jacuzzis_from": "databse"}, ("jacuzzis_from",), id="no source"),
        pytest.param({"jacuzzis_from": {}}, ("jacuzzis_from", "url"), id="no URL"),
        pytest.param(
            {"jacuzzis_from": SERVER | {"if_down": "held"}}, ("jacuzzis_from", "if_down"), id="word"
        ),
        pytest.param(
            {"jacuzzis_from": SERVER | {"time": 1}}, ("jacuzzis_from", "time"), id="unknown key"
        ),
        pytest.param({"inventory": {"url": "ftp://x"}}, ("inventory", "url"), id="not HTTP"),
        pytest.param(
            {"inventory": SERVER | {"types": {"bdl": {"speed": "1"}}}},
            ("inventory", "types", "bdl"),
            id="unknown type",
        ),
        pytest.param(
            {"inventory": SERVER | {"types": {"bld": {}}}},
            ("inventory", "types", "bld"),
            id="a type that everything fits",
        ),
        pytest.param(
            {"inventory": SERVER | {"types": {"bld": {"bitlength": 64}}}},
            ("inventory", "types", "bld", "bitlength"),
            id="a number",
        ),
    ],
)
def test_sources_are_checked(section: dict[str, object], path: tuple[str, ...]) -> None:
    _, [problem] = validate(WatchPending, make_section(**section), Path())
    assert problem.path == path
