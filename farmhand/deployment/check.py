"""Check the files of a deployment, each as what it is by its name."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from farmhand import config
from farmhand.deployment.crontab import parse_crontab
from farmhand.deployment.models import Read
from farmhand.deployment.shell import parse_environment
from farmhand.deployment.started import PROGRAMS, check_started, from_line
from farmhand.deployment.units import Line, find_started, parse_unit, values_of
from farmhand.errors import BadInput
from farmhand.findings import Finding
from farmhand.yaml_tree import read_text

CHECKERS: Mapping[str, str] = {
    ".csv": "slavealloc.bulk.import_files:check_file",
    ".tac.j2": "slavealloc.bulk.import_files:check_file",
    ".user-data": "watch_pending.userdata:check_template",
    ".user-data.j2": "watch_pending.userdata:check_template",
    "runner.cfg": "runner.originals:read_ini",
}
"""End of a name → `module:function` that raises BadInput; imported only for such a file."""

TASKS = "runner.tasks:check_directory"
UNITS = (".service", ".timer")
DROP_INS = (".service.d", ".timer.d")
USUAL = {"etc/cron.d": ("*",), "etc/systemd/system": ("*.service", "*.timer")}
OURS = re.compile(rf"(?<![\w-])({'|'.join(PROGRAMS)})(?![\w.@-])")
PASSWORD = re.compile(r"://[^/@\s:]*:[^@\s]+@")


def find_deployed(root: Path) -> list[Path]:
    """Find the crontabs and units of a host that start something of ours."""
    paths = [
        path
        for directory, patterns in USUAL.items()
        for pattern in patterns
        for path in sorted((root / directory).glob(pattern))
    ]
    return [path for path in paths if path.is_file() and OURS.search(read_text(path))]


def check_files(paths: Iterable[Path], environ: Mapping[str, str]) -> list[Finding]:
    """Find all that is wrong with files; what several lines of a file have in common, once."""
    findings: dict[tuple[str, str], Finding] = {}
    for path in paths:
        try:
            found = list(_check_file(path, environ))
        except BadInput as err:
            found = list(map(from_line, str(err).splitlines()))
        for each in found:
            findings.setdefault((each.where.partition(":")[0], each.message), each)
    return list(findings.values())


def _check_file(path: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    checker = next((each for end, each in CHECKERS.items() if path.name.endswith(end)), None)
    if path.name.endswith(DROP_INS):
        return  # read with their unit
    if path.is_dir():
        _call(TASKS, path)
    elif checker is not None:
        _call(checker, path)
    elif path.suffix in {".yml", ".yaml"}:
        config.load(path, "", environ=environ)
    elif path.suffix == ".env":
        yield from _check_environment(path)
    elif path.suffix in UNITS:
        yield from _check_unit(path)
    else:
        yield from _check_crontab(path)


def _call(where: str, path: Path) -> None:
    module, _, name = where.partition(":")
    getattr(import_module(module), name)(path)


def _check_crontab(path: Path) -> Iterator[Finding]:
    read = parse_crontab(read_text(path), str(path))
    yield from read.findings
    if not read.started and not read.findings:
        message = "nothing farmhand knows: neither a crontab nor, by its name, anything else"
        yield Finding(code="unknown", where=str(path), message=message)
    if path.parent.name == "cron.d":
        if re.fullmatch(r"[\w-]+", path.name) is None:
            message = "cron passes over files with a dot, or anything but letters, digits, _ and -"
            yield Finding(code="crontab", where=str(path), message=message)
        if path.stat().st_mode & 0o022:
            message = (
                f"others than its owner can write it, so cron passes over it; chmod 644 {path}"
            )
            yield Finding(code="crontab", where=str(path), message=message)
    yield from _check_all(read)


def _check_all(read: Read) -> Iterator[Finding]:
    for started in read.started:
        yield from check_started(started)


def _check_environment(path: Path) -> Iterator[Finding]:
    text = read_text(path)
    if PASSWORD.search(text):
        read_text(path, secret=True)
    try:
        parse_environment(text)
    except ValueError as err:
        line, _, message = str(err).partition(": ")
        yield Finding(code="environment", where=f"{path}:{line}", message=message)


def _check_unit(path: Path) -> Iterator[Finding]:
    lines = parse_unit(read_text(path), str(path))
    for line in values_of(lines, "Unit"):
        if line.section == "Timer" and not _has_unit(path.parent, line.value):
            message = f"there is no {line.value} beside it"
            yield Finding(code="unit", where=str(line.place), message=message)
    if path.suffix != ".service":
        return
    if not path.stem.endswith("@"):
        yield from _check_service(lines, path, path.stem, "")
        return
    instances = _find_instances(path, lines)
    if not instances:
        message = "no instance of it is known, so its command line is not checked"
        yield Finding(code="unit", where=str(path), message=message, severe=False)
    for instance in instances:
        yield from _check_service(lines, path, path.stem + instance, instance)


def _has_unit(directory: Path, name: str) -> bool:
    template = re.sub(r"@[^.]*", "@", name)
    return (directory / name).exists() or (directory / template).exists()


def _find_instances(path: Path, lines: Iterable[Line]) -> list[str]:
    """Find a template's instances: what is enabled, timed, changed, or has a file of variables."""
    named = re.compile(rf"{re.escape(path.stem)}([^.%]+)\.(?:service|timer)\b")
    found = {match[1] for each in path.parent.rglob("*") if (match := named.match(each.name))}
    for timer in path.parent.glob("*.timer"):
        found |= set(named.findall(read_text(timer)))
    for line in values_of(lines, "EnvironmentFile"):
        before, template, after = line.value.lstrip("-").partition("%i")
        if template:
            files = Path(before).parent.glob(f"{Path(before).name}*{after}")
            found |= {str(each)[len(before) : -len(after) or None] for each in files}
    return sorted(found)


def _check_service(lines: list[Line], path: Path, name: str, instance: str) -> Iterator[Finding]:
    own = list(lines)
    for directory in dict.fromkeys((f"{path.name}.d", f"{name}.service.d")):
        for drop_in in sorted((path.parent / directory).glob("*.conf")):
            own += parse_unit(read_text(drop_in), str(drop_in))
    files: dict[str, dict[str, str]] = {}
    for line in values_of(own, "EnvironmentFile"):
        file = line.value.replace("%i", instance).lstrip("-")
        if Path(file).is_file():
            yield from _check_environment(Path(file))
            files[file] = _read_environment(Path(file))
        elif not line.value.startswith("-"):
            message = f"{file} is not there"
            yield Finding(code="environment", where=str(line.place), message=message)
    yield from _check_all(Read(started=tuple(find_started(own, instance, files))))


def _read_environment(path: Path) -> dict[str, str]:
    try:
        return parse_environment(read_text(path))
    except ValueError:
        return {}  # it was told where it was checked
