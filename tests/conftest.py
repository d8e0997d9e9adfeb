"""Fixtures: nothing real by default; real services where a test is marked `integration`."""

import logging
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.ec2_control import Ec2Server, running_ec2_server
from tests.farm import Farm


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("farmhand")
    group.addoption(
        "--require-services", action="store_true", help="fail where a service is missing"
    )
    group.addoption("--soak", action="store_true", help="run the large numbers too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skip_soak = pytest.mark.skip(reason="large numbers: make soak")
    for item in items:
        if item.get_closest_marker("soak") and not config.getoption("--soak"):
            item.add_marker(skip_soak)
        if item.get_closest_marker("integration"):
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(autouse=True)
def _no_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep unit tests from starting anything; sockets are closed by pytest-socket."""
    if not request.node.get_closest_marker("integration"):

        def refuse(*_: object, **__: object) -> None:
            raise RuntimeError("a unit test started a process: mark it `integration`")

        monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture
def process_as_before() -> Iterator[None]:
    """Commands set up logging and signals for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    signals = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGALRM)]
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    for number, action in signals:
        signal.signal(number, action)


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
def postgresql(request: pytest.FixtureRequest) -> Iterator[services.DatabaseServer]:
    """A private PostgreSQL."""
    _require(request, "postgresql")
    with services.running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def _ec2_process() -> Iterator[Ec2Server]:
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
