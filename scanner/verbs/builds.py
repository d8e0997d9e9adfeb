"""Verbs of builds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from farmhand.command import Result, Run
from farmhand.errors import BadInput
from farmhand.wording import count_of, unknown
from scanner import build_queries as queries
from scanner import operator_queries
from scanner.models import BuildState
from scanner.settings import Settings
from scanner.transport.wire import FILE_NAME, MOST_WORD
from scanner.verbs.change import Planned, apply, show_one, show_rows
from scanner.verbs.chroots import check_file
from scanner.verbs.daemons import join_tags

COLUMNS = ("build", "name", "arch_tag", "state", "daemon", "duration_s", "finished_at", "reason")
RETRIED = (
    BuildState.FAILED,
    BuildState.DEPENDENCY_WAIT,
    BuildState.CHROOT_WAIT,
    BuildState.CANCELLED,
)


def add_build(
    run: Run, settings: Settings, source: tuple[str, str], options: Mapping[str, Any]
) -> Result:
    """Queue a build."""
    args = json.dumps(_parse_args(options["args"]))
    files = _check_files(options["files"])
    values = {
        name: options[name]
        for name in ("distribution", "series", "arch_tag", "pocket", "component", "arch_indep")
    }
    values |= {"source": source[0], "version": source[1], "build_type": options["build_type"]}
    values |= {"args": args, "tags": join_tags(options["tags"])}

    def plan(connection: Connection) -> Planned:
        known = operator_queries.read_processors(connection)
        if options["processor"] not in known:
            raise BadInput(f"--processor: {unknown('processor', options['processor'], known)}")
        values["processor_id"] = known[options["processor"]]
        return Planned(
            line=f"{source[0]} {source[1]} is queued",
            document={"build": None, "source": source[0], "version": source[1]},
            write=lambda writing: {
                "build": queries.insert_build(writing, values, files, options["score"])
            },
        )

    return apply(run, settings, plan)


def _parse_args(pairs: Sequence[str]) -> dict[str, object]:
    """Read KEY=JSON; a value that is no JSON is text."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise BadInput(f"--arg: expected KEY=JSON, got {pair!r}")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _check_files(files: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
    for name, sha1, url in files:
        if not FILE_NAME.fullmatch(name) or len(name) > MOST_WORD:
            raise BadInput(f"--file: a file may not be named {name!r}")
        check_file(f"--file {name}", sha1, url)
    if len({name for name, _, _ in files}) < len(files):
        raise BadInput("--file: a name stands there twice")
    return files


def list_builds(run: Run, settings: Settings, states: Sequence[str], most: int) -> Result:
    """List builds."""
    with settings.open_database(reading=True).begin() as connection:
        rows = queries.list_builds(connection, states, most)
    return show_rows(run, rows, COLUMNS, "no such builds")


def show_build(run: Run, settings: Settings, build_id: int) -> Result:
    """Show one build."""
    with settings.open_database(reading=True).begin() as connection:
        return show_one(run, read_build(connection, build_id))


def read_build(connection: Connection, build_id: int) -> Mapping[str, Any]:
    """Read one build. Raises BadInput where there is none."""
    row = queries.read_build(connection, build_id)
    if row is None:
        raise BadInput(f"there is no build {build_id}")
    return row


def list_history(run: Run, settings: Settings, build_id: int) -> Result:
    """List where a build has been."""
    with settings.open_database(reading=True).begin() as connection:
        read_build(connection, build_id)
        rows = queries.list_attempts(connection, build_id)
    columns = ("cookie", "daemon", "state", "began_at", "ended_at", "reason")
    return show_rows(run, rows, columns, "it was given to no daemon yet")


def retry_builds(
    run: Run, settings: Settings, build_ids: Sequence[int], states: Sequence[str]
) -> Result:
    """Queue builds again."""
    if not build_ids and not states:
        raise BadInput("say which: BUILD…, or --state")

    def plan(connection: Connection) -> Planned:
        found = queries.read_states(connection, build_ids, states)
        for build_id in build_ids:
            if build_id not in found:
                raise BadInput(f"there is no build {build_id}")
            if found[build_id] not in RETRIED:
                raise BadInput(f"build {build_id} can't be tried again: it is {found[build_id]}")
        again = sorted(key for key, state in found.items() if state in RETRIED)
        return Planned(
            line=f"{count_of(len(again), 'build')} queued again: {' '.join(map(str, again))}",
            document={"builds": again},
            write=lambda writing: queries.requeue(writing, again),
        )

    return apply(run, settings, plan)
