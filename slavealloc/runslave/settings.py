"""What one call of `runslave` is told: options beat farmhand.yml, which beats the defaults."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from farmhand.config_file import find_config
from farmhand.errors import BadInput
from farmhand.state import find_state_directory
from slavealloc.secret import find_token, read_token

if TYPE_CHECKING:
    from farmhand.command import Run
    from slavealloc.config import RunSlave

# As in the section's dataclass, whose library alone takes longer to import than all of a run.
ALLOCATOR_URL = "http://slavealloc/gettac/SLAVE"
TIMEOUT_S = 60.0

LAST_TWISTD = "/tools/buildbot/bin/twistd"
URL = re.compile(r"https?://[^\s/]+(/\S*)?")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of its own, as given."""

    allocator_url: str | None = None
    twistd_cmd: str | None = None
    basedir: str | None = None
    slavename: str | None = None
    no_start: bool = False
    timeout_s: float | None = None
    token_file: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to ask, for whom, and what to start then; `basedir` is None where nothing says it."""

    slavename: str
    url: str
    basedir: Path | None
    twistd_cmd: str | None
    start: bool
    timeout_s: float
    state_directory: Path
    token: str | None = field(default=None, repr=False)


def load_settings(run: Run, options: Options) -> Settings:
    """Put options, configuration file and defaults together; raises BadInput."""
    section = _load_section(run)
    name = parse_name(options.slavename or run.environ.get("FARMHAND_HOST") or socket.gethostname())
    url = options.allocator_url or (section.allocator_url if section else ALLOCATOR_URL)
    if not URL.fullmatch(url):
        raise BadInput(f"allocator URL {url!r}: expected http://HOST/… or https://HOST/…")
    basedir = options.basedir or (section.basedir if section else None)
    return Settings(
        slavename=name,
        url=url.replace("SLAVE", name),
        basedir=Path(basedir).absolute() if basedir else None,
        twistd_cmd=options.twistd_cmd or (section.twistd_cmd if section else None),
        start=not options.no_start,
        timeout_s=options.timeout_s or (section.timeout_s if section else TIMEOUT_S),
        state_directory=find_state_directory(run.environ),
        token=_find_token(run, options, section),
    )


def _find_token(run: Run, options: Options, section: RunSlave | None) -> str | None:
    if options.token_file is not None:
        return read_token(options.token_file)
    if (token := find_token(run.environ)) or section is None or section.token_file is None:
        return token
    return read_token(Path(section.token_file))


def _load_section(run: Run) -> RunSlave | None:
    """Read the section `runslave`, where there is a file; without one nothing slow is imported."""
    path = find_config(run.config_path, run.environ)
    if path is None:
        return None
    from farmhand import config
    from slavealloc.config import RunSlave

    settings = config.load(path, "runslave", environ=run.environ)
    section = settings.sections.get("runslave")
    return section if isinstance(section, RunSlave) else None


def parse_name(text: str) -> str:
    """Read a worker's name, without a host's domain; raises BadInput.

    >>> parse_name("bld-linux64-001.build.example.com")
    'bld-linux64-001'
    """
    name = text.partition(".")[0]
    if not NAME.fullmatch(name):
        raise BadInput(f"{text!r} is no worker's name: letters, digits, - and _ (see -n)")
    return name


def hide_user(url: str) -> str:
    """Show a URL without the user and password that may stand in it.

    >>> hide_user("http://me:secret@slavealloc/gettac/w1")
    'http://slavealloc/gettac/w1'
    """
    return re.sub(r"//[^/]*@", "//", url, count=1)


def find_twistd(given: str | None) -> tuple[str, ...]:
    """Find the command that starts twistd, its program as an absolute path.

    The one given, else what stands beside this Python, in PATH, or where the farm installs it.
    Raises BadInput where there is none.
    """
    if given is not None:
        try:
            program, *words = shlex.split(given)
        except ValueError as err:
            raise BadInput(f"--twistd-cmd {given!r}: {err}") from err
        found = shutil.which(program)
        if found is None:
            raise BadInput(f"--twistd-cmd {given!r}: there is no program {program!r}")
        return (str(Path(found).absolute()), *words)
    for candidate in (str(Path(sys.executable).with_name("twistd")), "twistd", LAST_TWISTD):
        if found := shutil.which(candidate):
            return (str(Path(found).absolute()),)
    raise BadInput("no twistd beside this Python, in PATH or in /tools/buildbot: give -c CMD")
