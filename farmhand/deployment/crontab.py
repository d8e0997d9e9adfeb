"""A crontab of /etc/cron.d → what it starts, and what cron would not like about it; pure."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from farmhand.deployment.models import Read, Started
from farmhand.deployment.shell import ASSIGNED, split_commands
from farmhand.findings import Finding
from farmhand.validation import Place

FIELDS: Mapping[str, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of the month": (1, 31),
    "month": (1, 12),
    "day of the week": (0, 7),
}
NICKNAMES = {"@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"}
NAMES = re.compile(
    r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)\b"
)
PART = re.compile(r"(\*|\d+(-\d+)?)(/[1-9]\d*)?")
NO_TIMES = "expected five times, a user and a command"


def parse_crontab(text: str, name: str) -> Read:
    """Read a crontab with users, as those of /etc/cron.d are."""
    environ: dict[str, str] = {}
    started: list[Started] = []
    findings: list[Finding] = []
    for number, line in enumerate(text.splitlines(), 1):
        place = Place(name, number)
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if found := re.match(r"([A-Za-z_]\w*)\s*=\s*(.*)", line):
            environ[found[1]] = found[2].strip("\"'")
            continue
        try:
            started += _parse_job(line, place, environ)
        except ValueError as err:
            findings.append(Finding(code="crontab", where=str(place), message=str(err)))
    if text and not text.endswith("\n"):
        place = Place(name, text.count("\n") + 1)
        message = "no newline at its end: cron ignores the last line, or the whole file"
        findings.append(Finding(code="crontab", where=str(place), message=message))
    return Read(started=tuple(started), findings=tuple(findings))


def _parse_job(line: str, place: Place, environ: Mapping[str, str]) -> Iterator[Started]:
    """Read a job's line; raises ValueError."""
    count = 1 if line.startswith("@") else 5
    words = line.split(None, count + 1)
    if len(words) < count + 2:
        raise ValueError(NO_TIMES)
    *times, user, command = words
    _check_times(times)
    if re.search(r"(?<!\\)%", command):
        raise ValueError("a % ends the command for cron; write \\%")
    own, sourced = dict(environ), list[Path]()
    for parts in split_commands(command):
        while parts and (found := ASSIGNED.fullmatch(parts[0])):
            own[found[1]] = found[2]
            parts = parts[1:]
        if parts[:1] == ["."]:
            sourced += map(Path, parts[1:])
        elif parts:
            yield Started(
                place=place,
                words=tuple(parts),
                environ=dict(own),
                user=user,
                sourced=tuple(sourced),
            )


def _check_times(times: list[str]) -> None:
    if len(times) == 1:
        if times[0] not in NICKNAMES:
            raise ValueError(f"{times[0]} is no time that cron knows")
        return
    for (what, (least, most)), text in zip(FIELDS.items(), times, strict=True):
        for part in NAMES.sub("1", text).split(","):
            if PART.fullmatch(part) is None:
                raise ValueError(f"{what}: {text} is no time; {NO_TIMES}")
            numbers = [int(each) for each in re.findall(r"\d+", part.partition("/")[0])]
            if any(not least <= each <= most for each in numbers):
                raise ValueError(f"{what}: {text} is not within {least} to {most}")
