"""The manual has what `sanity` and `status` say: kinds, fates, metrics, every key of their JSON."""

import re

from tests.builders import make_instance
from tests.fleets import find, make_fleet
from tests.manual import DOCS, first_words, read_sections
from tests.refusals import make_backoff
from watch_pending.aws_errors import Meaning
from watch_pending.sanity.models import Fate, FixOutcome, Kind, Step
from watch_pending.sanity.remedy import plan_remedy
from watch_pending.sanity.report import findings_to_json, make_sanity_samples
from watch_pending.status.models import RunRow, Status, TypeRow
from watch_pending.status.report import status_to_json

SANITY = read_sections(DOCS / "sanity.md")
STATUS = read_sections(DOCS / "status.md")


def keys_in(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)":', text))


def test_every_kind_of_finding_is_documented_in_order_and_no_other() -> None:
    assert first_words(SANITY["What is wrong with the fleet?"]) == [kind.value for kind in Kind]


def test_every_step_and_fate_is_documented_and_no_other() -> None:
    assert set(first_words(SANITY["sanity --json"])) == {*Step, *Fate}


def test_every_metric_of_sanity_is_documented_and_no_other() -> None:
    names = {f"farmhand_{sample.name}" for sample in make_sanity_samples([], [])}
    assert set(first_words(SANITY["Metrics"])) == names


def test_every_key_of_sanitys_json_is_documented_and_no_other() -> None:
    sight = make_fleet(make_instance(loaned_to="joe"))
    [finding] = find(sight)
    remedy = plan_remedy(finding, sight)
    outcome = FixOutcome(remedy=remedy, fate=Fate.FIXED, why="")
    said = findings_to_json(sight, [remedy], [outcome], {"us-west-2": "no answer"})
    keys = {*said, *said["findings"][0], *said["outcomes"][0], *said["others"]}
    text = SANITY["sanity --json"].partition('"lost"')
    assert keys_in(text[0]) | {"lost"} == keys


def test_every_key_of_statuss_json_is_documented_and_no_other() -> None:
    row = TypeRow(
        instance_type="bld",
        pending=0,
        oldest_wait_s=None,
        idle=0,
        busy=0,
        booting=0,
        other=0,
        live={"spot": 0},
        limits={"spot": 0},
        usd_per_hour=0.0,
        usd_today=0.0,
        unpriced=0,
    )
    status = Status(
        farm="test",
        now=make_instance().launched_at,
        types=(row,),
        unmatched=0,
        back_offs=(make_backoff(Meaning.BAD_SETTINGS),),
        runs=(RunRow(verb="run"),),
        masters_alive=(),
        masters_away=(),
        lost={},
    )
    said = status_to_json(status)
    keys = {*said, *said["types"][0], *said["back_offs"][0], *said["runs"][0], *said["masters"]}
    text = STATUS["status --json"].partition('"lost"')
    assert keys_in(text[0]) | {"lost"} == keys | {"spot"}
