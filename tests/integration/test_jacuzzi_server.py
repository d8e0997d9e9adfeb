"""Jacuzzis over HTTP: what an allocator says, and what becomes of all that is none."""

import logging
import time
from collections.abc import Mapping

import pytest

from tests.json_server import (
    BAD_ANSWERS,
    HANGS,
    HANGS_UP,
    HUGE,
    Says,
    machines,
    running_json_server,
    says,
)
from watch_pending.config_sources import IfDown, JacuzziServer
from watch_pending.jacuzzi_server import read_jacuzzis
from watch_pending.source_models import Jacuzzis, Trouble

pytestmark = pytest.mark.integration

ALL = "/v1/allocated/all"
LINUX = "/v1/builders/Linux%20x86-64%20build"
NAMED = {LINUX: machines("w1", "w2"), ALL: machines("w1", "w2", "w3")}
TIMEOUT_S = 1.0  # of those that use it up; the others must be in time on a busy machine too


def read(
    routes: Mapping[str, Says], *builders: str, if_down: IfDown = IfDown.HOLD
) -> tuple[Jacuzzis, Trouble | None]:
    with running_json_server(routes) as server:
        slow = any(said.hangs or said.drips_s for said in routes.values())
        timeout_s = TIMEOUT_S if slow else 10 * TIMEOUT_S
        asked = JacuzziServer(url=f"{server.url}/", timeout_s=timeout_s, if_down=if_down)
        return read_jacuzzis(asked, builders or ("Linux x86-64 build",), 60)


def test_a_builders_machines_and_those_of_all_are_told() -> None:
    jacuzzis, trouble = read(NAMED)
    assert trouble is None
    assert jacuzzis == Jacuzzis(
        by_builder={"Linux x86-64 build": frozenset({"w1", "w2"})},
        allocated=frozenset({"w1", "w2", "w3"}),
    )


def test_404_is_none_and_an_empty_list_is_a_jacuzzi_of_no_worker() -> None:
    jacuzzis, trouble = read(NAMED | {LINUX: machines()}, "Linux x86-64 build", "OS X")
    assert (jacuzzis.by_builder, trouble) == ({"Linux x86-64 build": frozenset()}, None)


def test_each_builder_is_asked_for_once_over_a_few_connections() -> None:
    builders = [f"Linux {n}" for n in range(40)]
    with running_json_server({ALL: machines()}) as server:
        read_jacuzzis(JacuzziServer(url=server.url), builders, 60)
    assert len(server.asked) == len(set(server.asked)) == 41
    assert len(server.ports) <= 8


@pytest.mark.parametrize("name", ["a/b #1?x=%41", "Ångström", "&"])
def test_a_builders_name_is_quoted(name: str) -> None:
    quoted = {"a/b #1?x=%41": "a%2Fb%20%231%3Fx%3D%2541", "Ångström": "%C3%85ngstr%C3%B6m"}
    path = f"/v1/builders/{quoted.get(name, '%26')}"
    jacuzzis, _ = read({path: machines("w1"), ALL: machines("w1")}, name)
    assert jacuzzis.by_builder == {name: frozenset({"w1"})}


@pytest.mark.parametrize(("bad", "why"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_builder_of_which_nothing_is_told_is_unknown_and_others_go_on(
    bad: Says, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        jacuzzis, trouble = read(NAMED | {"/v1/builders/Win": bad}, "Linux x86-64 build", "Win")
    assert list(jacuzzis.by_builder) == ["Linux x86-64 build"]
    assert list(jacuzzis.unknown) == ["Win"]
    assert why in jacuzzis.unknown["Win"]
    assert "/v1/builders/Win" in jacuzzis.unknown["Win"]
    assert (jacuzzis.why_unknown("Linux x86-64 build"), jacuzzis.allocated_unknown) == ("", "")
    assert trouble
    assert trouble.held
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert why in caplog.text


@pytest.mark.parametrize(("bad", "why"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_without_the_list_of_all_no_builder_without_a_jacuzzi_is_known(bad: Says, why: str) -> None:
    jacuzzis, _ = read(NAMED | {ALL: bad}, "Linux x86-64 build", "Win")
    assert why in jacuzzis.why_unknown("Win")
    assert jacuzzis.why_unknown("Linux x86-64 build") == ""
    assert jacuzzis.allocated == {"w1", "w2"}


@pytest.mark.fault(
    "something that is no allocator answers at the jacuzzi URL",
    "all jacuzzis are unknown: is that an allocator?",
)
def test_a_server_that_knows_no_list_of_all_is_no_allocator() -> None:
    jacuzzis, _ = read({})
    assert "is that an allocator?" in jacuzzis.why_unknown("Linux x86-64 build")


def test_if_down_none_takes_what_is_unknown_for_none_and_says_so() -> None:
    jacuzzis, trouble = read({LINUX: machines("w1")}, "Linux x86-64 build", if_down=IfDown.NONE)
    assert jacuzzis == Jacuzzis(
        by_builder={"Linux x86-64 build": frozenset({"w1"})}, allocated=frozenset({"w1"})
    )
    assert trouble
    assert not trouble.held


@pytest.mark.fault(
    "the jacuzzi server names a worker that can't be one",
    "the jacuzzi counts as unknown, with that reason",
)
@pytest.mark.parametrize("name", ["x" * 51, "", "w\n1", "w\x001", 7, None, ["w1"]], ids=repr)
def test_an_answer_with_a_name_that_no_worker_can_have_is_refused(name: object) -> None:
    jacuzzis, _ = read(NAMED | {LINUX: says({"machines": ["w1", name]})})
    assert "can't be a worker's name" in jacuzzis.unknown["Linux x86-64 build"]


@pytest.mark.fault(
    "the jacuzzi server's answer is larger than a megabyte",
    "it is not read to its end; that jacuzzi is unknown",
)
def test_a_huge_answer_is_not_read_to_its_end() -> None:
    jacuzzis, _ = read(NAMED | {LINUX: HUGE})
    assert "more than 1048576 bytes" in jacuzzis.unknown["Linux x86-64 build"]


@pytest.mark.fault("the jacuzzi server is not there", "connection refused, with its address")
def test_a_server_that_is_not_there_is_told_by_its_address() -> None:
    with running_json_server({}) as server:
        pass
    jacuzzis, trouble = read_jacuzzis(JacuzziServer(url=server.url), ["Linux"], 60)
    assert "Connection refused" in jacuzzis.why_unknown("Linux")
    assert trouble
    assert server.url in trouble.why


@pytest.mark.fault(
    "the jacuzzi server hangs, and 200 builders are to be asked for",
    "after a few it is given up: all are unknown within seconds",
)
def test_many_builders_of_a_server_that_hangs_cost_little_time() -> None:
    builders = [f"Linux {n}" for n in range(200)]
    routes = {f"/v1/builders/Linux%20{n}": HANGS for n in range(200)}
    with running_json_server(routes) as server:
        asked = JacuzziServer(url=server.url, timeout_s=TIMEOUT_S)
        start = time.monotonic()
        jacuzzis, _ = read_jacuzzis(asked, builders, 60)
    assert time.monotonic() - start < 3 * TIMEOUT_S + 2
    assert len(jacuzzis.unknown) == 200
    assert len(server.asked) <= 20


def test_a_server_that_hangs_up_on_one_question_answers_the_next() -> None:
    builders = [f"Linux {n}" for n in range(20)]
    with running_json_server({"/v1/builders/Linux%200": HANGS_UP, ALL: machines()}) as server:
        jacuzzis, _ = read_jacuzzis(JacuzziServer(url=server.url), builders, 60)
    assert list(jacuzzis.unknown) == ["Linux 0"]
