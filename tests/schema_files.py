"""What is made from the manual and the code: `make schema` writes it, a test compares it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from farmhand import config as farmhand_config
from farmhand.config_schema import make_schema
from runner import config as runner_config
from runner.chores.config import NAMES, Chores
from runner.chores.repo_settings import Repository
from runner.settings import TaskSettings
from runner.worker.config import WorkerSettings
from scanner import config as scanner_config
from slavealloc import config as slavealloc_config
from tests.manual import DOCS, ROOT, read_sections, read_table
from watch_pending import (
    config,
    config_backoff,
    config_machines,
    config_sanity,
    config_sources,
    config_stops,
)

KEYS: Mapping[str, type[Any]] = {
    "Top level": farmhand_config.Top,
    "graphite[]": farmhand_config.GraphiteHost,
    "watch_pending": config.WatchPending,
    "jacuzzis_from": config_sources.JacuzziServer,
    "inventory": config_sources.InventoryServer,
    "backoff": config_backoff.BackoffTimes,
    "masters.NAME": config_stops.MasterAccess,
    "stop_idle": config_stops.StopIdle,
    "sanity": config_sanity.Sanity,
    "instance_types.NAME": config_machines.InstanceType,
    "instance_types.NAME.regions.REGION": config_machines.Place,
    "Disk": config_machines.Disk,
    "spot": config_machines.Spot,
    "spot.rules.NAME[]": config_machines.SpotRule,
    "on_demand": config_machines.OnDemand,
    "slavealloc": slavealloc_config.SlaveAlloc,
    "runslave": slavealloc_config.RunSlave,
    "runner": runner_config.Runner,
    "tasks.NAME": TaskSettings,
    "runner.worker": WorkerSettings,
    "scanner": scanner_config.Scanner,
}
"""Heading in docs/configuration.md → the dataclass whose keys its table has."""
_KINDS: dict[str, Any] = get_type_hints(Chores) | {"repositories.NAME": Repository}
CHORE_KEYS: Mapping[str, type[Any]] = {name: _KINDS[name] for name in (*NAMES, "repositories.NAME")}
"""The same for docs/runner-tasks.md."""
MEANINGS = ROOT / "farmhand/keys.json"
SCHEMA = ROOT / "configs/farmhand.schema.json"


def read_meanings() -> dict[str, dict[str, str]]:
    """Read what the manual's tables say: dataclass → key → meaning, with the unit."""
    pages: dict[Path, Mapping[str, type[Any]]] = {
        DOCS / "configuration.md": KEYS,
        DOCS / "runner-tasks.md": CHORE_KEYS,
    }
    found: dict[str, dict[str, str]] = {}
    for page, kinds in pages.items():
        sections = read_sections(page)
        for heading, kind in kinds.items():
            rows = [row for row in read_table(sections[heading]) if len(row) == 5]
            found[kind.__name__] = {
                key.strip("`"): text
                for key, _, unit, _, meaning in rows
                if (text := _plain(meaning, unit))
            }
    bullets = re.findall(
        r"^- \[`(\w+)`\]\(#\w+\): (.*)$", (DOCS / "runner-tasks.md").read_text("utf-8"), re.M
    )
    return found | {Chores.__name__: dict(bullets)}


def _plain(meaning: str, unit: str) -> str:
    """Take links and escapes out of a cell, and put the unit behind it."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", meaning).replace("\\|", "|")
    return f"{text} ({unit})" if unit and text else text or unit


def format_json(document: object) -> str:
    """Format it as all JSON of ours."""
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    MEANINGS.write_text(format_json(read_meanings()), "utf-8")
    SCHEMA.write_text(format_json(make_schema()), "utf-8")
