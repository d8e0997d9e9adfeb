"""systemd's units in cron/, as tests read them."""

import re
from pathlib import Path

from tests.manual import ROOT

CRON = ROOT / "cron"
SERVICES = sorted((CRON / "systemd").glob("*.service"))
TIMERS = sorted((CRON / "systemd").glob("*.timer"))
RUNNER = CRON / "systemd/runner.service"


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Section → key → its values; a line that is none of these fails."""
    sections: dict[str, dict[str, list[str]]] = {}
    keys: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            keys = sections.setdefault(header[1], {})
        else:
            key, equals, value = line.partition("=")
            assert equals, line
            assert re.fullmatch(r"[A-Z]\w+", key), line
            keys.setdefault(key, []).append(value)
    return sections
