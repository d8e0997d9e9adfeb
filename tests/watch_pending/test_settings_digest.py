"""What makes a type that AWS refused launch again: a change to what its launch rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    REGIONS,
    WEST,
    make_config,
    make_image,
    make_instance_type,
    make_on_demand,
    make_place,
    make_rule,
    make_spot,
)
from tests.plans import make_launch
from tests.refusals import make_backoff
from watch_pending.aws_errors import Meaning
from watch_pending.backoff_models import Backoff
from watch_pending.config import WatchPending
from watch_pending.models import Image
from watch_pending.settings_digest import digest_settings, find_void

IMAGES = tuple(make_image(region=region) for region in REGIONS)
TEMPLATES = {"bld": "#!/bin/sh\n"}
DEARER = make_config(spot=make_spot(rules=(make_rule(0.6),)))


def digest(
    config: WatchPending | None = None,
    templates: Mapping[str, str] = TEMPLATES,
    images: Iterable[Image] = IMAGES,
    key_id: str = "AKIA1",
) -> dict[str, str | None]:
    """Digest the settings of `bld`, by region."""
    digests = digest_settings(config or make_config(), templates, images, key_id)
    return {region: digests["bld", region] for region in REGIONS}


def with_place(**changes: Any) -> WatchPending:
    """Change the settings of `bld` in the east."""
    bld = make_instance_type()
    regions = {**bld.regions, EAST: make_place(EAST, **changes)}
    return make_config(instance_types={"bld": replace(bld, regions=regions)})


@pytest.mark.parametrize(
    ("changed", "regions"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"config": with_place(security_groups=("sg-1",))}, {EAST}, id="its place"),
        pytest.param({"config": DEARER}, {*REGIONS}, id="a rule"),
        pytest.param({"templates": {"bld": "#!/bin/bash\n"}}, {*REGIONS}, id="its template"),
        pytest.param({"templates": {**TEMPLATES, "try": "x"}}, set(), id="another's template"),
        pytest.param({"images": (*IMAGES, make_image("ami-z", WEST))}, {WEST}, id="its AMI"),
        pytest.param({"key_id": "AKIA2"}, {*REGIONS}, id="the access key"),
        pytest.param({"config": make_config(on_demand=make_on_demand(1))}, set(), id="a limit"),
    ],
)
def test_a_digest_changes_with(changed: dict[str, Any], regions: set[str]) -> None:
    before, after = digest(), digest(**changed)
    assert {region for region in REGIONS if before[region] != after[region]} == regions


def test_without_an_ami_there_is_nothing_to_say() -> None:
    assert digest(images=()) == dict.fromkeys(REGIONS)


def stopped(sha: str | None, name: str = "bld") -> Backoff:
    row = make_backoff(Meaning.BAD_SETTINGS, make_launch(instance_type=name))
    return replace(row, settings_sha256=sha)


@pytest.mark.parametrize(
    ("backoff", "digests", "is_void"),
    [
        pytest.param(stopped("1"), {("bld", EAST): "1"}, False, id="the same"),
        pytest.param(stopped("1"), {("bld", EAST): "2"}, True, id="changed"),
        pytest.param(stopped("1"), {("bld", EAST): None}, False, id="nobody can say"),
        pytest.param(stopped("1"), {("try", EAST): "1"}, True, id="the type is gone"),
        pytest.param(make_backoff(), {}, False, id="no settings"),
    ],
)
def test_a_stop_is_void_when_its_settings_are(
    backoff: Backoff, digests: dict[tuple[str, str], str | None], is_void: bool
) -> None:
    assert find_void([backoff], digests) == ((backoff,) if is_void else ())
