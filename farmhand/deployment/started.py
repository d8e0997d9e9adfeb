"""A command that cron or systemd starts: would it work? Reads files and the user database only."""

import os
import pwd
import shutil
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from farmhand import config
from farmhand.deployment.models import Started
from farmhand.deployment.shell import parse_environment
from farmhand.errors import BadInput
from farmhand.findings import Finding
from farmhand.state import SYSTEM_DIRECTORY
from farmhand.yaml_tree import read_text

PROGRAMS: Mapping[str, tuple[str, str]] = {
    "farmhand": ("farmhand.cli:main", ""),
    "runner": ("runner.cli:main", "runner"),
    "runslave": ("slavealloc.runslave.cli:main", "runslave"),
    "scanner": ("scanner.cli:main", "scanner"),
    "slavealloc": ("slavealloc.cli:main", "slavealloc"),
    "watch-pending": ("watch_pending.cli:main", "watch_pending"),
}
"""Program → `module:command`, imported only when something starts it, and its section."""

WRITTEN = {"logfile": "the log", "metrics_textfile": "the metrics textfile"}
STATEFUL = frozenset(("watch-pending", "scanner", "runner"))
CRON_PATH = "/usr/bin:/bin"


def check_started(started: Started) -> Iterator[Finding]:
    """Find what would go wrong with one command; nothing for a command that is not ours."""
    program = os.path.basename(started.words[0])  # noqa: PTH119 - a word, perhaps no path
    if program not in PROGRAMS:
        return
    where = str(started.place)
    try:
        sourced = [parse_environment(read_text(path)) for path in started.sourced]
    except (BadInput, ValueError) as err:
        yield Finding(code="environment", where=where, message=str(err))
        return
    started = replace(started, environ=dict(ChainMap(*sourced[::-1], dict(started.environ))))
    yield from _check_program(program, where, started)


def _check_program(program: str, where: str, started: Started) -> Iterator[Finding]:
    if reason := _why_not_there(started):
        yield Finding(code="program", where=where, message=reason)
    if started.user is not None and not _is_user(started.user):
        yield Finding(code="user", where=where, message=f"there is no user {started.user}")
    try:
        verb, options = read_options(program, started.words[1:])
    except click.ClickException as err:
        message = f"{program}: {err.format_message()}"
        yield Finding(code="usage", where=where, message=message)
        return
    except click.exceptions.Exit:
        return
    for what, directory in _directories(program, verb, options, started.environ):
        if reason := _why_not_writable(directory, started):
            yield Finding(code="directory", where=where, message=f"{reason}, for {what}")
    yield from _check_files(program, options, started)
    yield from _check_configuration(program, options, started)


def _check_files(program: str, options: Mapping[str, Any], started: Started) -> Iterator[Finding]:
    """Find what another user has left where this one writes: a run by hand as root, say."""
    user = started.user
    if user is None or not _is_user(user):
        return
    files = [Path(options["logfile"])] if options.get("logfile") else []
    if program in STATEFUL:
        state = _find_state(started.environ)
        files += [state / "farmhand.db", *sorted(state.glob("*.lock"))]
    for file in files:
        if file.exists() and not _may(file, user, 0o2):
            message = (
                f"user {user} can't write {file}, which is another user's: chown {user} {file}"
            )
            yield Finding(code="file", where=str(started.place), message=message)


def read_options(program: str, words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Read a command line as its program would → verb, options; raises click's errors."""
    module, _, attribute = PROGRAMS[program][0].partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    name, rest, parent = program, list(words), None
    while True:
        context = command.make_context(name, rest, parent)
        if not isinstance(command, click.Group):
            return name, context.params
        arguments = [*context._protected_args, *context.args]
        found, chosen, rest = command.resolve_command(context, arguments)
        assert chosen is not None  # noqa: S101 - else it has raised
        name, command, parent = str(found), chosen, context


def _why_not_there(started: Started) -> str | None:
    word = started.words[0]
    path = started.environ.get("PATH", CRON_PATH)
    if shutil.which(word, path=path) is not None:
        return None
    return f"{word} is no program" if "/" in word else f"{word} is not found in PATH, {path}"


def _directories(
    program: str, verb: str, options: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[tuple[str, Path]]:
    """Yield what a run writes into."""
    for name, what in WRITTEN.items():
        if options.get(name) is not None:
            yield what, Path(options[name]).parent
    if verb == "dbdump" and options.get("file") not in {None, Path("-")}:
        yield "the dump", options["file"].parent
    if program in STATEFUL:
        yield "the state", _find_state(environ)


def _find_state(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("FARMHAND_STATE") or SYSTEM_DIRECTORY)


def _why_not_writable(directory: Path, started: Started) -> str | None:
    """Say why a command can't write into a directory; None where it can."""
    directory = directory.absolute() if not started.words[0].startswith("/") else directory
    if started.writable is not None and not _is_below(directory, started.writable):
        return f"ProtectSystem=strict, and {directory} is not in ReadWritePaths"
    if _is_below(directory, started.made):
        return None
    if not directory.is_dir():
        return f"there is no {directory}; user {started.user} must be able to write into it"
    if started.user and _is_user(started.user) and not may_write(directory, started.user):
        return f"user {started.user} can't write into {directory}"
    return None


def _is_below(directory: Path, parents: tuple[Path, ...]) -> bool:
    return any(directory.is_relative_to(parent) for parent in parents)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def may_write(directory: Path, user: str) -> bool:
    """Say by the mode of a directory whether a user may make files in it; a known user."""
    return _may(directory, user, 0o3)


def may_read(path: Path, user: str) -> bool:
    """Say by the mode of a file whether a user may read it; a known user."""
    return _may(path, user, 0o4)


def _may(path: Path, user: str, bits: int) -> bool:
    entry, status = pwd.getpwnam(user), path.stat()
    if entry.pw_uid == 0:
        return True
    if status.st_uid == entry.pw_uid:
        shift = 6
    elif status.st_gid in os.getgrouplist(user, entry.pw_gid):
        shift = 3
    else:
        shift = 0
    return (status.st_mode >> shift) & bits == bits


def _check_configuration(
    program: str, options: Mapping[str, Any], started: Started
) -> Iterator[Finding]:
    """Load what the command would load, with its environment instead of ours."""
    where = str(started.place)
    named = options.get("config_path") or started.environ.get("FARMHAND_CONFIG")
    path = Path(named or "/etc/farmhand/farmhand.yml")
    secrets = options.get("secrets")
    for file in (path, secrets):
        if file is None or (not named and file == path and not path.exists()):
            continue
        if not file.is_file():
            yield Finding(code="config", where=where, message=f"{file} is not there")
            return
        if started.user and _is_user(started.user) and not may_read(file, started.user):
            message = f"user {started.user} can't read {file}"
            yield Finding(code="config", where=where, message=message)
            return
    if not path.exists() or path.suffix in {".cfg", ".json"}:
        return  # the original's own files: `watch-pending check` reads them
    section = PROGRAMS[program][1]
    try:
        settings = config.load(path, section, environ=started.environ, secrets=secrets)
    except BadInput as err:
        for line in str(err).splitlines():
            yield from_line(line, f"as {where} starts it: ")
        return
    if program == "watch-pending" and section not in settings.sections:
        yield Finding(code="config", where=where, message=f'{path} has no section "{section}"')


def from_line(line: str, before: str = "") -> Finding:
    """Make a finding of a line of an error: `file:line: key: message`."""
    place, colon, message = line.partition(": ")
    if not colon:
        place, message = "", line
    return Finding(code="config", where=place, message=before + message)
