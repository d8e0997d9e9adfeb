"""The inventory over HTTP, and its file: a server that is away, or lies, ends no run."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import EAST, NOW
from tests.json_server import (
    BAD_ANSWERS,
    REDIRECTS,
    JsonServer,
    Says,
    running_json_server,
    says,
)
from watch_pending.config_sources import InventoryServer
from watch_pending.inventory_server import FILE, Ask, Inventory, keep, read_inventory

pytestmark = pytest.mark.integration

PATH = "/api/slaves"
ROW = {"name": "bld-1", "enabled": True, "instance_type": "bld", "market": "spot"}


@pytest.fixture
def server() -> Iterator[JsonServer]:
    with running_json_server({PATH: says([ROW])}) as server:
        yield server


def ask(server: JsonServer, *, later: timedelta = timedelta(), **changes: Any) -> Ask:
    answer = server.routes[PATH]
    timeout_s = 0.3 if answer.hangs or answer.drips_s else 10
    said = InventoryServer(url=f"{server.url}{PATH}", timeout_s=timeout_s)
    return Ask(server=replace(said, **changes), regions=(EAST,), now=NOW + later, patience_s=60)


def names(inventory: Inventory) -> list[str] | None:
    return None if inventory.workers is None else [worker.name for worker in inventory.workers]


def fetch_and_keep(server: JsonServer, directory: Path) -> None:
    fetched = read_inventory(ask(server), directory).fetched
    assert fetched
    keep(directory, fetched)


def test_what_the_server_lists_is_the_inventory_and_reading_writes_nothing(
    server: JsonServer, tmp_path: Path
) -> None:
    inventory = read_inventory(ask(server), tmp_path)
    assert (names(inventory), inventory.trouble) == (["bld-1"], None)
    assert list(tmp_path.iterdir()) == []


def test_what_was_kept_is_used_while_it_is_fresh(server: JsonServer, tmp_path: Path) -> None:
    fetch_and_keep(server, tmp_path)
    server.routes[PATH] = says([])
    assert names(read_inventory(ask(server, later=timedelta(seconds=599)), tmp_path)) == ["bld-1"]
    assert len(server.asked) == 1
    assert names(read_inventory(ask(server, later=timedelta(seconds=600)), tmp_path)) == []


@pytest.mark.fault(
    "the kept inventory is of a later time than now",
    "it is not taken for fresh; the server is asked",
)
def test_what_comes_from_the_future_is_not_fresh(server: JsonServer, tmp_path: Path) -> None:
    fetch_and_keep(server, tmp_path)
    read_inventory(ask(server, later=timedelta(hours=-1)), tmp_path)
    assert len(server.asked) == 2


LIES = {
    **BAD_ANSWERS,
    "is not there": (Says(status=404), "HTTP 404"),
    "has a row that is none": (says([ROW, "bld-2"]), "is no worker"),
    "has a bad name": (says([ROW | {"name": "x" * 51}]), "is no worker"),
    "has one twice": (says([ROW, ROW]), "bld-1 stands there twice"),
    "says yes": (says([ROW | {"enabled": "yes"}]), "neither true nor false"),
}


@pytest.mark.parametrize(("bad", "why"), LIES.values(), ids=LIES)
def test_an_old_list_is_used_when_the_server_has_none_and_its_age_is_told(
    bad: Says, why: str, server: JsonServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch_and_keep(server, tmp_path)
    server.routes[PATH] = bad
    with caplog.at_level(logging.WARNING):
        inventory = read_inventory(ask(server, later=timedelta(days=2)), tmp_path)
    assert (names(inventory), inventory.fetched) == (["bld-1"], None)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"{server.url}{PATH}: " in record.message
    assert why in record.message
    assert "the one of 2880 minutes ago is used" in record.message
    assert inventory.trouble
    assert not inventory.trouble.held


def test_without_an_old_one_nothing_is_known(server: JsonServer, tmp_path: Path) -> None:
    server.routes[PATH] = REDIRECTS
    inventory = read_inventory(ask(server), tmp_path)
    assert names(inventory) is None
    assert inventory.trouble
    assert inventory.trouble.held


@pytest.mark.fault(
    "the kept inventory is empty or broken", "a warning that names the file; the server is asked"
)
@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"at": "now"}', '{"at": "2026-01-15T12:00:00Z", "url": 1}']
)
def test_a_broken_file_is_none(
    text: str, server: JsonServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    with caplog.at_level(logging.WARNING):
        assert names(read_inventory(ask(server), tmp_path)) == ["bld-1"]
    assert FILE in caplog.text


def test_another_servers_list_is_none(server: JsonServer, tmp_path: Path) -> None:
    fetch_and_keep(server, tmp_path)
    read_inventory(ask(server, url=f"{server.url}{PATH}?enabled=1"), tmp_path)
    assert server.asked[-1] == f"{PATH}?enabled=1"


@pytest.mark.fault("the inventory can't be kept", "a warning, and the run goes on")
def test_only_its_owner_reads_the_file_and_a_directory_that_is_full_costs_a_warning(
    server: JsonServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch_and_keep(server, tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    fetched = read_inventory(ask(server, later=timedelta(days=1)), tmp_path).fetched
    assert fetched
    with caplog.at_level(logging.WARNING):
        keep(tmp_path / "gone", fetched)
    assert "can't be written" in caplog.text
