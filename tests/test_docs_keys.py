"""The manual has every key of the configuration, with its default."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from farmhand import config as farmhand_config
from tests.manual import DOCS, format_default, read_sections, read_table
from tests.schema_files import KEYS
from watch_pending import originals

ORIGINAL_KEYS: Mapping[str, tuple[type[Any], ...]] = {
    "watch_pending.cfg": (originals._Config, originals._Rule),
    "aws-secrets.json": (originals._Secrets,),
    "A type's file": (originals._Type, originals._Region, originals._Device),
}
UNLISTED = {"_Type": {"regions"}}  # not a key: the regions stand between the others


@pytest.mark.parametrize("heading", KEYS)
def test_every_key_is_documented_with_its_default_and_no_other(heading: str) -> None:
    rows = read_table(read_sections(DOCS / "configuration.md")[heading])
    documented = {row[0].strip("`"): row[3] for row in rows}
    expected = {each.name: format_default(each) for each in fields(KEYS[heading])}
    if heading == "Top level":
        expected |= dict.fromkeys(farmhand_config.SECTIONS, "none")
    assert documented == expected


@pytest.mark.parametrize("heading", ORIGINAL_KEYS)
def test_every_key_of_the_originals_is_documented_and_no_other(heading: str) -> None:
    rows = read_table(read_sections(DOCS / "configuration.md")[heading])
    expected = [
        (each.name, format_default(each))
        for kind in ORIGINAL_KEYS[heading]
        for each in fields(kind)
        if each.name not in UNLISTED.get(kind.__name__, set())
    ]
    assert sorted((row[0].strip("`"), row[1]) for row in rows) == sorted(expected)


def test_every_section_has_its_keys_documented() -> None:
    targets = {f"{kind.__module__}:{kind.__qualname__}" for kind in KEYS.values()}
    assert set(farmhand_config.SECTIONS.values()) <= targets
