"""Rows of files + what the farm database has → what to add, change and forget; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farmhand.validation import Problem
from farmhand.wording import unknown
from slavealloc.bulk.import_forms import Value
from slavealloc.bulk.importing import Found, ImportRow, Key
from slavealloc.models import SHIPPED_NAMES

Pair = tuple[str, str]
Names = Mapping[str, Collection[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """The rows of all files that were given."""

    workers: Sequence[ImportRow] = ()
    masters: Sequence[ImportRow] = ()
    passwords: Sequence[ImportRow] = ()
    templates: Sequence[ImportRow] = ()
    jacuzzis: Sequence[ImportRow] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What the database has under one natural key: the rows' ids and values by the files' columns.

    Nothing keeps a pool and distro from having two passwords: then ids are two, and None is what
    they do not agree in.
    """

    ids: Sequence[int]
    values: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What the database has: rows by table and key, jacuzzis, the names that each look-up has."""

    workers: Mapping[Key, Stored] = field(default_factory=dict)
    masters: Mapping[Key, Stored] = field(default_factory=dict)
    passwords: Mapping[Key, Stored] = field(default_factory=dict)
    templates: Mapping[Key, Stored] = field(default_factory=dict)
    jacuzzis: Collection[Pair] = ()
    look_ups: Names = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What becomes of one table: rows to add, (ids, columns) to change, and how many stay."""

    added: Sequence[Mapping[str, Value]]
    changed: Sequence[tuple[Sequence[int], Mapping[str, Value]]]
    unchanged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class JacuzziChanges:
    """Pairs of builder and worker to add and to remove."""

    added: Sequence[Pair]
    removed: Sequence[Pair]
    unchanged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportPlan:
    """What an import does; `look_ups` is column → the names to create."""

    look_ups: Mapping[str, Sequence[str]]
    workers: Changes
    masters: Changes
    passwords: Changes
    templates: Changes
    jacuzzis: JacuzziChanges


def plan_import(files: Files, state: State) -> ImportPlan:
    """Decide what an import does. What is planned and applied is, planned again, nothing."""
    rows = [*files.workers, *files.masters, *files.passwords]
    return ImportPlan(
        look_ups=plan_look_ups(rows, state.look_ups),
        workers=plan_rows(files.workers, state.workers),
        masters=plan_rows(files.masters, state.masters),
        passwords=plan_rows(files.passwords, state.passwords),
        templates=plan_rows(files.templates, state.templates),
        jacuzzis=plan_jacuzzis(files.jacuzzis, state.jacuzzis),
    )


def plan_look_ups(rows: Sequence[ImportRow], stored: Names) -> dict[str, list[str]]:
    """Return column → the names that rows have there and the database has not yet."""
    missing = {}
    for column, names in stored.items():
        named = {str(name) for row in rows if (name := row.values.get(column)) is not None}
        if new := sorted(named.difference(names)):
            missing[column] = new
    return missing


def plan_rows(rows: Iterable[ImportRow], stored: Mapping[Key, Stored]) -> Changes:
    """Compare rows with those stored; only columns that the file has are looked at."""
    added: list[Mapping[str, Value]] = []
    changed: list[tuple[Sequence[int], Mapping[str, Value]]] = []
    unchanged = 0
    for row in rows:
        old = stored.get(row.key)
        if old is None:
            added.append(row.values)
        elif new := {name: v for name, v in row.values.items() if v != old.values[name]}:
            changed.append((old.ids, new))
        else:
            unchanged += 1
    return Changes(added=added, changed=changed, unchanged=unchanged)


def plan_jacuzzis(rows: Iterable[ImportRow], stored: Collection[Pair]) -> JacuzziChanges:
    """Compare pairs; the file is the whole content for the builders that it mentions."""
    wanted = dict.fromkeys((str(row.key[0]), str(row.key[1])) for row in rows)
    builders = {builder for builder, _ in wanted}
    here = {pair for pair in stored if pair[0] in builders}
    return JacuzziChanges(
        added=[pair for pair in wanted if pair not in here],
        removed=sorted(here - wanted.keys()),
        unchanged=len(here & wanted.keys()),
    )


def find_dangling(files: Files, state: State) -> Found:
    """Find templates and workers that are named, but neither there nor in the files."""
    found: Found = []
    templates = [str(key[0]) for key in (*state.templates, *(row.key for row in files.templates))]
    for row in files.workers:
        name = row.values.get("tac_template")
        if name is not None and name not in {*templates, *SHIPPED_NAMES}:
            told = unknown("template", str(name), [*templates, *SHIPPED_NAMES])
            found.append((row.place, Problem(("tac_template",), told)))
    workers = {*state.workers, *(row.key for row in files.workers)}
    for row in files.jacuzzis:
        if (row.key[1],) not in workers:
            told = f'unknown worker "{row.key[1]}": not in the database, nor in --slave-data'
            found.append((row.place, Problem(("worker",), told)))
    return found


def sum_up(plan: ImportPlan) -> dict[str, dict[str, Any]]:
    """Count what a plan does, by table."""
    counts: dict[str, dict[str, Any]] = {
        name: {
            "added": len(changes.added),
            "changed": len(changes.changed),
            "unchanged": changes.unchanged,
        }
        for name in ("workers", "masters", "passwords", "templates")
        for changes in (getattr(plan, name),)
    }
    counts["jacuzzis"] = {
        "added": len(plan.jacuzzis.added),
        "removed": len(plan.jacuzzis.removed),
        "unchanged": plan.jacuzzis.unchanged,
    }
    return {**counts, "created": {name: list(new) for name, new in plan.look_ups.items()}}


def format_plan(plan: ImportPlan) -> str:
    """Format what a plan does as one line."""
    parts = [
        f"{name}: {', '.join(f'{count} {what}' for what, count in counts.items())}"
        for name, counts in sum_up(plan).items()
        if name != "created" and any(counts.values())
    ]
    parts += [f"new {column}: {', '.join(new)}" for column, new in plan.look_ups.items()]
    return "; ".join(parts) or "the files have no rows: nothing to import"
