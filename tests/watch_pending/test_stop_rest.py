"""Which master's REST, and what several masters' answers come to."""

import pytest

from tests.builders import MASTER
from watch_pending.config_stops import MasterAccess
from watch_pending.stop_idle.rest import Refusal, find_access, join_answers

HOST = MASTER.partition(":")[0]
TWIN = f"{HOST}:/builds/bm2"
NO, SILENT = Refusal(why="no"), Refusal(why="no answer", unanswered=True)


def access(url: str) -> MasterAccess:
    return MasterAccess(url=url)


@pytest.mark.parametrize(
    ("configured", "known", "alive", "url"),
    [
        pytest.param({MASTER: "http://a/"}, [], [MASTER], "http://a/", id="by its whole name"),
        pytest.param({HOST: "http://a/"}, [], [MASTER], "http://a/", id="by its host"),
        pytest.param(
            {HOST: "http://a/", MASTER: "http://b/"}, [], [MASTER], "http://b/", id="name first"
        ),
        pytest.param({}, ["http://s/"], [MASTER], "http://s/", id="slavealloc's"),
        pytest.param(
            {HOST: "http://a/"}, ["http://s/"], [MASTER], "http://a/", id="configured first"
        ),
        pytest.param(
            {MASTER: "http://a/"},
            ["http://s/", "http://t/"],
            [MASTER, TWIN],
            "http://a/",
            id="by its whole name, one of two on a host",
        ),
        pytest.param({HOST: "http://a/"}, [], [MASTER, TWIN], None, id="which of two on a host"),
        pytest.param({}, ["http://s/"], [MASTER, TWIN], None, id="slavealloc's, which of two"),
        pytest.param({}, ["http://s/", "http://t/"], [MASTER], None, id="slavealloc has two"),
        pytest.param({"other": "http://a/"}, [], [MASTER], None, id="unknown"),
    ],
)
def test_a_master_s_rest_is_found(
    configured: dict[str, str], known: list[str], alive: list[str], url: str | None
) -> None:
    accesses = {name: access(each) for name, each in configured.items()}
    found = find_access(MASTER, accesses, {HOST: known} if known else {}, alive)
    assert (found.url if isinstance(found, MasterAccess) else None) == url
    assert url or (isinstance(found, str) and f'name "{MASTER}" in watch_pending.masters' in found)


@pytest.mark.parametrize(
    ("answers", "joined"),
    [
        ([], None),
        ([None, None], None),
        ([NO], NO),
        ([NO, SILENT], Refusal(why="no", unanswered=True)),
        ([None, NO], Refusal(why="no", taken=True)),
        ([SILENT, None], Refusal(why="no answer", unanswered=True, taken=True)),
    ],
)
def test_of_several_masters_one_that_refuses_is_told_and_whether_another_took_it(
    answers: list[Refusal | None], joined: Refusal | None
) -> None:
    assert join_answers(answers) == joined
