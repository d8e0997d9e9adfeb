"""farmhand.yml → Settings, a frozen dataclass for each section. Reads files only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import ConfigDict, Field, SecretStr

from farmhand.errors import BadInput
from farmhand.schedule import KNOWN
from farmhand.validation import Count, NonEmpty, PositiveInt, Problem, SecretUrl, validate
from farmhand.wording import unknown
from farmhand.yaml_tree import expand, merge, read_yaml

SECTIONS: Mapping[str, str] = {
    "watch_pending": "watch_pending.config:WatchPending",
    "slavealloc": "slavealloc.config:SlaveAlloc",
    "runslave": "slavealloc.config:RunSlave",
    "runner": "runner.config:Runner",
    "scanner": "scanner.config:Scanner",
}
"""Section → `module:class`; imported only when the file has the section."""

FARM_NAME = r"^[A-Za-z0-9._-]{1,63}$"
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphiteHost:
    """Where metrics are sent, in Graphite's plain text."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    host: NonEmpty
    port: PositiveInt = 2003
    prefix: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Top:
    """What stands beside the sections."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    farm: Annotated[str, Field(pattern=FARM_NAME)]
    database: SecretUrl | None = None
    graphite: tuple[GraphiteHost, ...] = ()
    every_s: Mapping[str, Count] = field(default_factory=dict)

    def find_problems(self) -> Iterator[Problem]:
        """Find names of no cron job."""
        for name in self.every_s.keys() - {*KNOWN}:
            yield Problem(("every_s", name), unknown("cron job", name, KNOWN))


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """A validated configuration file."""

    path: Path
    farm: str
    database: SecretStr | None = None
    graphite: tuple[GraphiteHost, ...] = ()
    every_s: Mapping[str, int] = field(default_factory=dict)
    sections: Mapping[str, object] = field(default_factory=dict)

    def section(self, kind: type[Kind]) -> Kind:
        """Return the section of this type.

        Raises: BadInput if the file has no such section.
        """
        for section in self.sections.values():
            if isinstance(section, kind):
                return section
        where = f"{kind.__module__}:{kind.__qualname__}"
        name = next((name for name, target in SECTIONS.items() if target == where), where)
        raise BadInput(f'{self.path}: has no section "{name}", which this command needs')


def load(
    path: Path,
    section: str | None,
    *,
    environ: Mapping[str, str],
    secrets: Path | None = None,
) -> Settings:
    """Read and validate the whole file for the command that reads a section; None means all.

    Raises: BadInput with one `file:line: key: message` per problem.
    """
    tree = read_yaml(path)
    if secrets is not None:
        tree = merge(tree, read_yaml(secrets, secret=True))
    expanded = expand(tree, environ)
    data = expanded.tree.data
    top_data = {name: value for name, value in data.items() if name not in SECTIONS}
    top, problems = validate(Top, top_data, path.parent, beside=SECTIONS)
    sections = {}
    for name in [name for name in SECTIONS if name in data]:
        sections[name], found = validate(find_section(name), data[name], path.parent)
        problems += [Problem((name, *each.path), each.message) for each in found]
    problems = [each for each in problems if not expanded.is_unset(each.path)]
    ignored = set() if section is None else SECTIONS.keys() - {section}
    tree.refuse(problems + expanded.unset_problems(ignored))
    incomplete = {unset[0] for unset in expanded.unset}
    complete = {name: each for name, each in sections.items() if name not in incomplete}
    top = cast("Top", top)
    return Settings(
        path=path,
        farm=top.farm,
        database=top.database,
        graphite=top.graphite,
        every_s=top.every_s,
        sections=complete,
    )


def find_section(name: str) -> type[Any]:
    """Import the dataclass of a section."""
    module, _, attribute = SECTIONS[name].partition(":")
    kind: type[Any] = getattr(import_module(module), attribute)
    return kind
