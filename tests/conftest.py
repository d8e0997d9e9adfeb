"""Fixtures: nothing real by default; real services where a test is marked `integration`."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test, settings

from tests import services
from tests.ec2_control import Ec2Server, running_ec2_server
from tests.farm import Farm
from tests.run_here import process_kept

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browsers import Watch

TESTS = Path(__file__).parent
REFUSALS = pytest.MonkeyPatch()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("farmhand")
    group.addoption(
        "--require-services", action="store_true", help="fail where a service is missing"
    )
    group.addoption("--soak", action="store_true", help="run the large numbers too")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("quick", max_examples=10, deadline=None)
    settings.register_profile("soak", max_examples=1000, deadline=None)
    settings.load_profile("soak" if config.getoption("--soak") else "quick")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import nothing that has no test to run: it takes longer than all unit tests together."""
    unit = config.option.markexpr == "not integration"
    return (unit and collection_path.name == "integration") or None


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skip_soak = pytest.mark.skip(reason="large numbers: make soak")
    for item in items:
        if config.getoption("--soak") and is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("soak")  # with as many examples as make a large number
        if item.get_closest_marker("soak") and not config.getoption("--soak"):
            item.add_marker(skip_soak)
        if item.get_closest_marker("integration"):
            item.add_marker(pytest.mark.enable_socket)
        elif not item.get_closest_marker("xdist_group"):  # one by one, telling takes longer
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(TESTS).as_posix()))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that is imported goes: to look through it again and again is much of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _refuse(*_: object, **__: object) -> None:
    raise RuntimeError("a unit test started a process: mark it `integration`")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep unit tests from starting anything; sockets are closed by pytest-socket."""
    if not item.get_closest_marker("integration"):
        REFUSALS.setattr(subprocess, "Popen", _refuse)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Let the next one start what it wants: it may be an integration test."""
    REFUSALS.undo()


@pytest.fixture
def process_as_before() -> Iterator[None]:
    """Commands set up logging and signals for the whole process."""
    with process_kept():
        yield


def _require(request: pytest.FixtureRequest, service: str) -> None:
    missing = services.missing_services()
    if service in missing:
        reason = f"{service} is missing: install {missing[service]}"
        if request.config.getoption("--require-services"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[services.DatabaseServer]:
    """A private MariaDB."""
    _require(request, "mariadb")
    with services.running_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def puppet(request: pytest.FixtureRequest) -> str:
    """The real puppet's command."""
    _require(request, "puppet")
    return "puppet"


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[services.DatabaseServer]:
    """A private PostgreSQL."""
    _require(request, "postgresql")
    with services.running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def nginx_installed(request: pytest.FixtureRequest) -> None:
    """Whoever runs an nginx needs one."""
    _require(request, "nginx")


@pytest.fixture(scope="session")
def zsh(request: pytest.FixtureRequest) -> None:
    """Whoever runs a zsh needs one."""
    _require(request, "zsh")


@pytest.fixture(scope="session")
def fish(request: pytest.FixtureRequest) -> None:
    """Whoever runs a fish needs one."""
    _require(request, "fish")


@pytest.fixture(scope="session")
def _ec2_process() -> Iterator[Ec2Server]:
    from tests import warm  # noqa: F401 - commands that run in this process read less, too

    with running_ec2_server() as server:
        yield server


@pytest.fixture
def ec2(_ec2_process: Ec2Server) -> Ec2Server:
    """The stand-in for EC2, empty."""
    _ec2_process.reset()
    return _ec2_process


@pytest.fixture
def farm(ec2: Ec2Server, tmp_path: Path) -> Farm:
    """A farm on SQLite and the stand-in: two regions, two instance types, nothing pending."""
    return Farm.make(tmp_path, ec2)


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A Chromium for a file's tests; no longer, since asyncio.run() can't be used beside it."""
    _require(request, "chromium")
    from tests.browsers import running_chromium

    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def _opened(chromium: Browser) -> Iterator[Page]:
    """One page for a file's tests: Chromium starts a process for each."""
    with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture
def watched(_opened: Page) -> Iterator[tuple[Page, Watch]]:
    """A page with nothing remembered, and what it complains of; fails if that is not expected."""
    from tests.browsers import forget, watch

    seen = watch(_opened)
    yield _opened, seen
    forget(_opened, seen)
    assert seen.unexpected() == []


@pytest.fixture
def page(watched: tuple[Page, Watch]) -> Page:
    """The page alone, for tests that cause no complaint."""
    return watched[0]
