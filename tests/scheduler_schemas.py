"""The three shapes of Buildbot's scheduler database, on any engine, filled with test data.

Shape A is Buildbot 0.8.2, B is 0.8.14, C is 4.3.0. Only the tables and columns that say something
about requests, builders, masters and workers are here; `test_services.py` checks C against a real
4.3.0 master's database. Source: schema/tables.sql (A), db/model.py (B, C).
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

Shape = Literal["A", "B", "C"]
When = datetime | int  # an aware datetime, or epoch seconds
ACTIVE_MASTER = "master-1.example.org:/builds/buildbot"
STOPPED_MASTER = "master-9.example.org:/builds/buildbot"

# One table a line: columns as `name:type`, where `!` is NOT NULL, `=0` a default and `>table` a
# foreign key to its id; after `|` the indexes as `name=column+column`, where `!` is unique.
_A = """
version      version:int!
sourcestamps id branch:256 revision:256 patchid:int repository:512! project:512!
buildsets    id external_idstring:256 reason:256 sourcestampid:int! submitted_at:int!
             complete:small!=0 complete_at:int results:small | complete submitted_at
buildset_properties buildsetid:int! property_name:256! property_value:1024! | buildsetid
buildrequests id buildsetid:int! buildername:256! priority:int!=0 claimed_at:int=0
             claimed_by_name:256 claimed_by_incarnation:256 complete:int=0 results:small
             submitted_at:int! complete_at:int
             | buildsetid buildername complete claimed_at claimed_by_name
builds       id number:int! brid:int! start_time:int! finish_time:int | number brid
"""
_B = """
migrate_version repository_id:250! repository_path:text version:int
objects      id name:128! class_name:128! | object_identity=name+class_name!
buildslaves  id name:256! info:text! | name!
sourcestampsets id
sourcestamps id branch:256 revision:256 patchid:int repository:512! codebase:256! project:512!
             sourcestampsetid:int>sourcestampsets | sourcestampsetid
buildsets    id external_idstring:256 reason:256 submitted_at:int! complete:small!=0
             complete_at:int results:small sourcestampsetid:int>sourcestampsets
             | complete submitted_at
buildset_properties buildsetid:int!>buildsets property_name:256! property_value:text! | buildsetid
buildrequests id buildsetid:int!>buildsets buildername:256! priority:int!=0 complete:int=0
             results:small submitted_at:int! complete_at:int | buildsetid buildername complete
buildrequest_claims brid:int>buildrequests objectid:int>objects claimed_at:int!
             | brids=brid! objectid
builds       id number:int! brid:int!>buildrequests start_time:int! finish_time:int | number brid
"""
_C = """
alembic_version version_num:32!
masters      id name:text! name_hash:40! active:int! last_active:int! | name_hash!
builders     id name:text! description:text description_format:text description_html:text
             projectid:int name_hash:40! | name_hash! projectid
builder_masters id builderid:int!>builders masterid:int!>masters
             | builderid masterid identity=builderid+masterid!
workers      id name:50! info:text! paused:small!=0 pause_reason:text graceful:small!=0 | name!
configured_workers id buildermasterid:int!>builder_masters workerid:int!>workers
             | buildermasterid workerid identity=buildermasterid+workerid!
connected_workers id masterid:int!>masters workerid:int!>workers
             | masterid workerid identity=masterid+workerid!
sourcestamps id ss_hash:40! branch:256 revision:256 patchid:int repository:512! codebase:256!
             project:512! created_at:int! | ss_hash!
buildsets    id external_idstring:256 reason:256 submitted_at:int! complete:small!=0
             complete_at:int results:small parent_buildid:int parent_relationship:text
             rebuilt_buildid:int | complete submitted_at
buildset_properties buildsetid:int!>buildsets property_name:256! property_value:text! | buildsetid
buildset_sourcestamps id buildsetid:int!>buildsets sourcestampid:int!>sourcestamps
             | buildsetid unique=buildsetid+sourcestampid!
buildrequests id buildsetid:int!>buildsets builderid:int!>builders priority:int!=0 complete:int=0
             results:small submitted_at:int! complete_at:int waited_for:small=0
             | complete builderid buildsetid
buildrequest_claims brid:int!>buildrequests masterid:int!>masters claimed_at:int!
             | brids=brid! masterid
builds       id number:int! builderid:int!>builders buildrequestid:int!>buildrequests
             workerid:int>workers masterid:int!>masters started_at:int! complete_at:int
             locks_duration_s:int! state_string:text! results:int
             | buildrequestid masterid workerid number=builderid+number!
"""
_VERSION: dict[Shape, tuple[str, dict[str, object]]] = {
    "A": ("version", {"version": 6}),
    "B": ("migrate_version", {"repository_id": "Buildbot", "version": 24}),
    "C": ("alembic_version", {"version_num": "067"}),
}


def make_column(word: str) -> sa.Column[Any]:
    match = re.fullmatch(r"(\w+)(?::(\w+))?(!)?(?:=(\w+))?(?:>(\w+))?", word)
    assert match, word
    name, kind, required, default, target = match.groups()
    if kind is None:
        return sa.Column(name, sa.Integer, primary_key=True)
    simple = {"int": sa.Integer(), "small": sa.SmallInteger(), "text": sa.Text()}
    column_type: Any = simple.get(kind) or sa.String(int(kind))
    keys = [sa.ForeignKey(f"{target}.id", ondelete="CASCADE")] if target else []
    return sa.Column(name, column_type, *keys, nullable=not required, server_default=default)


def _metadata(text: str) -> sa.MetaData:
    meta = sa.MetaData()
    for block in re.split(r"\n(?=\w)", text.strip()):
        columns, _, indexes = block.partition("|")
        name, *words = columns.split()
        # Buildbot's default on MySQL is MyISAM, whose readers block writers; sane farms change it.
        table = sa.Table(name, meta, *map(make_column, words), mysql_engine="InnoDB")
        for word in indexes.split():
            index, _, keys = word.rstrip("!").rpartition("=")
            index = f"{name}_{index or keys}"
            sa.Index(index, *(table.c[key] for key in keys.split("+")), unique=word.endswith("!"))
    return meta


METADATA: dict[Shape, sa.MetaData] = {"A": _metadata(_A), "B": _metadata(_B), "C": _metadata(_C)}


def create_shape(engine: sa.Engine, shape: Shape) -> None:
    """Create the shape's tables in an empty database, with its version row."""
    path = Path(str(engine.url.database))
    if engine.dialect.name == "sqlite" and not path.exists():
        path.write_bytes(_read_made(shape))  # an SQLite file waits for the disk at each table
    else:
        _create(engine, shape)


@cache
def _read_made(shape: Shape) -> bytes:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    _create(engine, shape)
    with engine.connect() as connection:
        made: bytes = connection.connection.driver_connection.serialize()  # type: ignore[union-attr]
    engine.dispose()
    return made


def _create(engine: sa.Engine, shape: Shape) -> None:
    METADATA[shape].create_all(engine)
    name, row = _VERSION[shape]
    with engine.begin() as connection:
        connection.execute(sa.insert(METADATA[shape].tables[name]), row)


def add_requests(
    engine: sa.Engine,
    shape: Shape,
    builder: str,
    count: int,
    *,
    submitted_at: When,
    priority: int = 0,
    complete: int = 0,
    claimed: bool = False,
    claimed_at: When | None = None,
    sourcestamp: bool = True,
    active_master: bool = True,
) -> list[int]:
    """Add equal build requests, each with its own buildset, and return their ids.

    A claim is taken at `submitted_at` unless `claimed_at` is given; shape A's claims go stale after
    an hour. `sourcestamp` and `active_master` matter in shape C only: without them a 4.x master
    never runs the request.
    """
    at = to_epoch(submitted_at)
    done = {"complete": complete, "complete_at": at + 600 if complete else None}
    done["results"] = 0 if complete else None if shape == "A" else -1
    claim_time = at if claimed_at is None else to_epoch(claimed_at)
    with engine.begin() as connection:
        farm = SchedulerRows(connection, shape, active_master)
        request = {**done, **farm.builder_key(builder), "priority": priority, "submitted_at": at}
        if shape == "A" and claimed:
            request |= {"claimed_at": claim_time, "claimed_by_name": ACTIVE_MASTER}
        ids = []
        for _ in range(count):
            buildset = farm.add_buildset(
                {**done, "submitted_at": at, "reason": "test"}, sourcestamp
            )
            ids.append(farm.insert("buildrequests", {**request, "buildsetid": buildset}))
        if claimed and shape != "A":
            rows = [{"brid": id_, **farm.owner_key(), "claimed_at": claim_time} for id_ in ids]
            connection.execute(sa.insert(farm.tables["buildrequest_claims"]), rows)
    return ids


def add_worker(
    engine: sa.Engine,
    shape: Shape,
    name: str,
    *,
    connected: bool = True,
    paused: int = 0,
    graceful: int = 0,
    building: bool = False,
    started_at: When | None = None,
    last_complete_at: When | None = None,
    builder: str = "Linux x86-64 mozilla-central build",
    state: str = "building",
    info: Mapping[str, object] | None = None,
) -> int:
    """Add a worker, perhaps with one completed and one running build, and return its id.

    A running build starts at `started_at` (default: now) and shows `state`. Shape B knows only
    name and info, shape A no workers at all.
    """
    about = {"admin": "", "host": "i-0123456789abcdef0", "access_uri": None, "version": "4.3.0"}
    row: dict[str, object] = {"name": name, "info": json.dumps(about if info is None else info)}
    with engine.begin() as connection:
        farm = SchedulerRows(connection, shape, active=True)
        if shape != "C":
            return farm.insert("buildslaves", row)
        worker = farm.insert("workers", {**row, "paused": paused, "graceful": graceful})
        if connected:
            farm.insert("connected_workers", {**farm.owner_key(), "workerid": worker})
        if last_complete_at is not None:
            end = to_epoch(last_complete_at)
            farm.add_build(builder, worker, start=end - 60, end=end, state="build successful")
        if building:
            start = int(time.time()) if started_at is None else to_epoch(started_at)
            farm.add_build(builder, worker, start=start, end=None, state=state)
    return worker


class SchedulerRows:
    """Finds or adds the rows that requests hang on, within one transaction."""

    def __init__(self, connection: sa.Connection, shape: Shape, active: bool) -> None:
        self.connection = connection
        self.shape = shape
        self.active = active
        self.tables = METADATA[shape].tables

    def insert(self, table: str, row: Mapping[str, object]) -> int:
        key = self.connection.execute(sa.insert(self.tables[table]), row).inserted_primary_key
        assert key is not None
        return int(key[0])

    def find_or_insert(self, table: str, row: Mapping[str, object], *keys: str) -> int:
        columns = self.tables[table].c
        where = [columns[key] == row[key] for key in keys]
        found = self.connection.scalar(sa.select(columns.id).where(*where))
        return self.insert(table, row) if found is None else int(found)

    def owner_key(self) -> dict[str, int]:
        """Return who claims: the master (C), its object (B); in A the request itself tells."""
        name = ACTIVE_MASTER if self.active else STOPPED_MASTER
        if self.shape == "A":
            return {}
        if self.shape == "B":
            row = {"name": name, "class_name": "buildbot.master.BuildMaster"}
            return {"objectid": self.find_or_insert("objects", row, "name")}
        row = {"name": name, "name_hash": sha1(name)}
        state = {"active": int(self.active), "last_active": int(time.time())}
        return {"masterid": self.find_or_insert("masters", {**row, **state}, "name_hash")}

    def builder_key(self, builder: str) -> dict[str, object]:
        if self.shape != "C":
            return {"buildername": builder}
        row = {"name": builder, "name_hash": sha1(builder)}
        key = {"builderid": self.find_or_insert("builders", row, "name_hash")}
        self.find_or_insert("builder_masters", key | self.owner_key(), "builderid", "masterid")
        return {**key}

    def source_key(self) -> dict[str, int]:
        """Return the one sourcestamp that all buildsets share."""
        row: dict[str, object] = {
            "branch": "default",
            "repository": "hg.example.org",
            "project": "",
        }
        if self.shape == "A":
            return {"sourcestampid": self.find_or_insert("sourcestamps", row, "branch")}
        row["codebase"] = ""
        if self.shape == "C":
            row |= {"ss_hash": sha1("default"), "created_at": 0}
            return {"sourcestampid": self.find_or_insert("sourcestamps", row, "ss_hash")}
        stamps = self.find_or_insert("sourcestampsets", {"id": 1}, "id")  # has no other column
        self.find_or_insert("sourcestamps", {**row, "sourcestampsetid": stamps}, "branch")
        return {"sourcestampsetid": stamps}

    def add_buildset(self, row: Mapping[str, object], sourcestamp: bool) -> int:
        if self.shape != "C":
            return self.insert("buildsets", {**row, **self.source_key()})
        buildset = self.insert("buildsets", row)
        if sourcestamp:
            self.insert("buildset_sourcestamps", {"buildsetid": buildset, **self.source_key()})
        return buildset

    def add_build(
        self, builder: str, worker: int, *, start: int, end: int | None, state: str
    ) -> None:
        done = {"complete_at": end, "results": None if end is None else 0}
        request = {"complete": 0, "complete_at": end, "results": -1, "submitted_at": start}
        if end is not None:
            request |= {"complete": 1, "results": 0}
        buildset = self.add_buildset(request, sourcestamp=True)
        builder_key = self.builder_key(builder)
        brid = self.insert("buildrequests", {**request, **builder_key, "buildsetid": buildset})
        claims = self.tables["buildrequest_claims"]
        claim = {"brid": brid, **self.owner_key(), "claimed_at": start}
        self.connection.execute(sa.insert(claims), claim)
        keys = {**builder_key, **self.owner_key(), "buildrequestid": brid, "workerid": worker}
        text = {"state_string": state, "locks_duration_s": 0, "started_at": start}
        self.insert("builds", {**keys, **text, **done, "number": brid})


def to_epoch(when: When) -> int:
    return when if isinstance(when, int) else int(when.timestamp())


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
