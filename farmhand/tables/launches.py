"""The journal of launches and of stops, the instances seen, the planner, and what went wrong."""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from farmhand.tables.base import Id, Name, UtcDateTime, metadata

# One row, id 1. A plan is written in the transaction that raises `generation`.
planner = Table(
    "planner",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Id, nullable=False),
)

# A row is written before the call. `state` goes planned → called → launched → seen, or ends in
# failed or expired; docs/watch-pending.md draws it.
launches = Table(
    "launches",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("run_id", Id, ForeignKey("runs.id", ondelete="SET NULL")),
    Column("generation", Id, nullable=False),
    Column("state", String(16), nullable=False),
    # EC2's ClientToken, and the tag `farmhand:launch`; random, so that none returns with a backup.
    Column("token", String(64), nullable=False),
    # SHA-256 of the request, never the request: user data may hold secrets.
    Column("request_sha256", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("instance_type", Name, nullable=False),
    Column("market", String(16), nullable=False),
    Column("region", String(64), nullable=False),
    Column("availability_zone", String(64), nullable=False),
    Column("subnet", String(64), nullable=False),
    Column("ec2_type", String(64), nullable=False),
    Column("ami", String(64), nullable=False),
    Column("price_usd_per_hour", Float),
    Column("max_price_usd_per_hour", Float),
    Column("created_at", UtcDateTime, nullable=False),
    Column("called_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("instance_id", String(64)),
    Column("error", Text),
    UniqueConstraint("token"),
    Index("ix_launches_state_created_at", "state", "created_at"),
    Index("ix_launches_run_id", "run_id"),
    sqlite_autoincrement=True,
)

# Machines of this farm as DescribeInstances last showed them.
instances = Table(
    "instances",
    metadata,
    Column("instance_id", String(64), primary_key=True),
    Column("token", String(64)),
    Column("name", Name, nullable=False),
    Column("instance_type", Name, nullable=False),
    Column("market", String(16), nullable=False),
    Column("region", String(64), nullable=False),
    Column("availability_zone", String(64), nullable=False),
    Column("subnet", String(64), nullable=False),
    Column("ec2_type", String(64), nullable=False),
    Column("ami", String(64)),
    Column("state", String(16), nullable=False),
    Column("launched_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("last_connected_at", UtcDateTime),
    # When it was first seen connected, without a longer gap than between two rounds.
    Column("connected_since", UtcDateTime),
    Index("ix_instances_state_region", "state", "region"),
    Index("ix_instances_name", "name"),
)

# Machines on their way out. A row is written before the worker is paused. `state` goes pausing →
# terminating → stopped → closed, or by way of releasing where the machine is let go after all;
# docs/watch-pending.md draws it.
stops = Table(
    "stops",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("run_id", Id, ForeignKey("runs.id", ondelete="SET NULL")),
    Column("state", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    # The reason in words; at last, what became of it.
    Column("detail", Text, nullable=False),
    Column("instance_id", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("instance_type", Name, nullable=False),
    Column("region", String(64), nullable=False),
    # The masters that were asked to pause the worker, by their names in the scheduler database.
    Column("masters", JSON, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    # The run that works on it, as long as it may.
    Column("owner", Name, nullable=False),
    Column("owned_until", UtcDateTime, nullable=False),
    # The instance while the row is open, NULL later: no machine is stopped twice at a time.
    Column("open_instance_id", String(64)),
    UniqueConstraint("open_instance_id"),
    Index("ix_stops_closed_at", "closed_at"),
    Index("ix_stops_run_id", "run_id"),
    sqlite_autoincrement=True,
)

# What AWS would not give, by scope: a NULL column stands for any. Nothing is asked for there
# until then, then one machine. A row without an end holds as long as the settings are the same.
backoffs = Table(
    "backoffs",
    metadata,
    Column("scope", Name, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("market", String(16)),
    Column("region", String(64)),
    Column("availability_zone", String(64)),
    Column("ec2_type", String(64)),
    Column("subnet", String(64)),
    Column("instance_type", Name),
    Column("reason", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("settings_sha256", String(64)),
)

# What `sanity` found wrong, and since when.
findings = Table(
    "findings",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("subject", Name, primary_key=True),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
)
