"""systemd's units → what they start. systemd-analyze says whether each word is right; pure."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from farmhand.deployment.models import Started
from farmhand.validation import Place

MADE = {
    "StateDirectory": "/var/lib",
    "LogsDirectory": "/var/log",
    "CacheDirectory": "/var/cache",
    "RuntimeDirectory": "/run",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A key of a unit's file."""

    place: Place
    section: str
    key: str
    value: str


def parse_unit(text: str, name: str) -> list[Line]:
    """Read a unit's keys; a line that goes on behind a backslash is one."""
    lines: list[Line] = []
    section, before, first = "", "", 1
    for number, raw in enumerate(text.splitlines(), 1):
        first = number if not before else first
        line = before + raw.strip()
        before = line[:-1] + " " if line.endswith("\\") else ""
        if before or not line or line.startswith(("#", ";")):
            continue
        if found := re.fullmatch(r"\[(.+)\]", line):
            section = found[1]
        else:
            key, _, value = line.partition("=")
            place = Place(name, first)
            lines.append(Line(place=place, section=section, key=key.strip(), value=value.strip()))
    return lines


def values_of(lines: Iterable[Line], key: str) -> list[Line]:
    """List what a key says, drop-ins last; an empty value forgets what stood before."""
    found: list[Line] = []
    for line in lines:
        if line.key == key:
            found = [*found, line] if line.value else []
    return found


def find_started(
    lines: Iterable[Line], instance: str, files: Mapping[str, Mapping[str, str]]
) -> list[Started]:
    """Say what a service starts; `files` are its environment files, read."""
    lines = [
        Line(place=a.place, section=a.section, key=a.key, value=a.value.replace("%i", instance))
        for a in lines
        if a.section == "Service"
    ]
    environ: dict[str, str] = {}
    for line in values_of(lines, "Environment"):
        environ |= dict(word.split("=", 1) for word in shlex.split(line.value) if "=" in word)
    for line in values_of(lines, "EnvironmentFile"):
        environ |= files.get(line.value.lstrip("-"), {})
    users = values_of(lines, "User")
    made = tuple(_made(lines))
    writable = (*made, *_paths(lines, "ReadWritePaths"))
    strict = [line.value for line in values_of(lines, "ProtectSystem")][-1:] == ["strict"]
    return [
        Started(
            place=line.place,
            words=_split(line.value, environ),
            environ=environ,
            user=users[-1].value if users else "root",
            writable=writable if strict else None,
            made=made,
        )
        for key in ("ExecStartPre", "ExecStart", "ExecStartPost")
        for line in values_of(lines, key)
    ]


def _split(line: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Split a command line as systemd does, its variables filled in."""
    words = shlex.split(line.lstrip("-@:+!"))
    filled = (re.sub(r"\$\{(\w+)\}", lambda m: environ.get(m[1], ""), word) for word in words)
    return tuple(filled)


def _made(lines: Iterable[Line]) -> Iterable[Path]:
    lines = list(lines)
    for key, parent in MADE.items():
        for line in values_of(lines, key):
            yield from (Path(parent, name) for name in line.value.split())


def _paths(lines: Iterable[Line], key: str) -> list[Path]:
    return [
        Path(word.lstrip("-+")) for line in values_of(lines, key) for word in line.value.split()
    ]
