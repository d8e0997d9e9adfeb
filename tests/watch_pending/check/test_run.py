"""`check` renders user data as the machines to come would get it."""

from dataclasses import replace
from pathlib import Path

import pytest

from farmhand.findings import Finding
from tests.builders import EAST, WEST, make_config, make_instance_type, make_inventory, make_place
from watch_pending.check.run import check_templates
from watch_pending.config import WatchPending
from watch_pending.config_machines import FROM_INVENTORY, InstanceType
from watch_pending.models import InventoryWorker

TYPE = replace(
    make_instance_type(), regions={EAST: make_place(), WEST: make_place(WEST, domain="w.test")}
)


def config_with(tmp_path: Path, text: str, settings: InstanceType = TYPE) -> WatchPending:
    path = tmp_path / "bld.j2"
    path.write_text(text)
    return make_config(instance_types={"bld": replace(settings, user_data=path)})


def check(watch: WatchPending, inventory: tuple[InventoryWorker, ...] = ()) -> list[Finding]:
    return list(check_templates(watch, "test", inventory))


@pytest.mark.parametrize(
    ("fields", "longest"),
    [
        pytest.param("{{ hostname }}", len("bld-1000"), id="name"),
        pytest.param("{{ domain }}", len("w.test"), id="domain of one region"),
        pytest.param("{{ fqdn }}", len("bld-1000.w.test"), id="fqdn"),
        pytest.param("{{ market }}", len("on-demand"), id="market"),
        pytest.param("{{ farm }}{{ moz_instance_type }}", len("testbld"), id="farm and type"),
    ],
)
def test_a_template_is_measured_for_the_longest_real_case(
    tmp_path: Path, fields: str, longest: int
) -> None:
    room = 16384 - longest
    assert check(config_with(tmp_path, "x" * room + fields)) == []
    [finding] = check(config_with(tmp_path, "x" * (room + 1) + fields))
    assert (finding.code, finding.message) == (
        "template",
        "user data has 16385 bytes, EC2 takes 16384",
    )


def test_names_of_workers_are_measured_too(tmp_path: Path) -> None:
    settings = replace(TYPE, names=FROM_INVENTORY)
    watch = config_with(tmp_path, "x" * 16380 + "{{ hostname }}", settings)
    assert check(watch, make_inventory("b-1")) == []
    assert [item.code for item in check(watch, make_inventory("b-1", "b-long"))] == ["template"]


def test_a_mistake_that_only_one_region_meets_is_found(tmp_path: Path) -> None:
    text = '{% if region == "us-west-2" %}{{ hostnam }}{% endif %}'
    [finding] = check(config_with(tmp_path, text))
    assert "'hostnam' is undefined" in finding.message
