"""Verbs of chroots."""

import re
from dataclasses import asdict, dataclass

from sqlalchemy.engine import Connection

from farmhand.command import Result, Run
from farmhand.errors import BadInput
from scanner import build_queries as queries
from scanner.settings import Settings
from scanner.transport.wire import SHA1
from scanner.verbs.change import Planned, apply, show_rows

COLUMNS = ("distribution", "series", "pocket", "arch_tag", "title", "sha1", "url")
URL = re.compile(r"(https?|ftp|file)://\S+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """What a build is built for."""

    distribution: str
    series: str
    pocket: str
    arch_tag: str

    def __str__(self) -> str:
        return f"{self.distribution}/{self.series}/{self.arch_tag} ({self.pocket})"


def check_file(what: str, sha1: str, url: str) -> None:
    """Refuse what no daemon could fetch."""
    if not SHA1.fullmatch(sha1):
        raise BadInput(f"{what}: {sha1!r} is no SHA-1: 40 digits, 0-9 and a-f")
    if not URL.fullmatch(url):
        raise BadInput(f"{what}: not a URL that a daemon can fetch: http://…")


def set_chroot(
    run: Run,
    settings: Settings,
    architecture: Architecture,
    title: str | None,
    file: tuple[str | None, str | None],
) -> Result:
    """Set an architecture's chroot; without a file it has none."""
    sha1, url = file
    if (sha1 is None) != (url is None):
        raise BadInput("--sha1 and --url belong together")
    if sha1 is not None and url is not None:
        check_file("--sha1, --url", sha1, url)
    named = title or f"{architecture.series} for {architecture.arch_tag}"

    def plan(_: Connection) -> Planned:
        has = f"has the chroot {sha1}" if sha1 else "has no chroot: nothing is built for it"
        return Planned(
            line=f"{architecture} {has}",
            document={**asdict(architecture), "title": named, "sha1": sha1},
            write=lambda writing: queries.write_chroot(
                writing, asdict(architecture), named, (sha1, url)
            ),
        )

    return apply(run, settings, plan)


def list_chroots(run: Run, settings: Settings, only: Architecture | None) -> Result:
    """List chroots, or show one."""
    with settings.open_database(reading=True).begin() as connection:
        rows = queries.list_chroots(connection)
    if only is not None:
        rows = [row for row in rows if row.items() >= asdict(only).items()]
        if not rows:
            raise BadInput(f"{only} is not known: scanner chroot set")
    return show_rows(run, rows, COLUMNS, "no architectures: scanner chroot set")
