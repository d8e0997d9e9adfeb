"""What every command leaves behind: its runs, and whose farm this is."""

from sqlalchemy import JSON, Column, Index, Integer, String, Table

from farmhand.tables.base import Id, Name, UtcDateTime, metadata

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("command", Name, nullable=False),
    Column("verb", Name, nullable=False),
    Column("host", Name, nullable=False),
    Column("version", String(32), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    # NULL while it runs; for ever, when it was killed.
    Column("finished_at", UtcDateTime),
    Column("exit_code", Integer),
    Column("summary", JSON(none_as_null=True)),
    Index("ix_runs_command_verb_started_at", "command", "verb", "started_at"),
    sqlite_autoincrement=True,
)


schema_info = Table(
    "schema_info",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("farm", Name),
    # The oldest release that may keep running on this database.
    Column("compatible_from", String(32), nullable=False),
)
