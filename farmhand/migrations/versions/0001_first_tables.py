"""The first tables: records, the journal of launches, workers."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import KEPT_IDS, OPTIONS
from farmhand.tables.base import Id, Name, UtcDateTime

revision = "0001"
down_revision = None
COMPATIBLE_FROM = "0.1.0"


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "backoffs",
        sa.Column("scope", Name, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_backoffs"),
        **OPTIONS,
    )
    op.create_table(
        "instances",
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("name", Name, nullable=False),
        sa.Column("instance_type", Name, nullable=False),
        sa.Column("market", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("availability_zone", sa.String(length=64), nullable=False),
        sa.Column("subnet", sa.String(length=64), nullable=False),
        sa.Column("ec2_type", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("launched_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_connected_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", name="pk_instances"),
        **OPTIONS,
    )
    op.create_index("ix_instances_name", "instances", ["name"], unique=False)
    op.create_index("ix_instances_state_region", "instances", ["state", "region"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", Name, nullable=False),
        sa.Column("owner", Name, nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
        **OPTIONS,
    )
    op.create_table(
        "planner",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_planner"),
        **OPTIONS,
    )
    op.create_table(
        "runs",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("command", Name, nullable=False),
        sa.Column("verb", Name, nullable=False),
        sa.Column("host", Name, nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("summary", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        **KEPT_IDS,
    )
    op.create_index(
        "ix_runs_command_verb_started_at", "runs", ["command", "verb", "started_at"], unique=False
    )
    op.create_table(
        "schema_info",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("farm", Name, nullable=True),
        sa.Column("compatible_from", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schema_info"),
        **OPTIONS,
    )
    op.create_table(
        "workers",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("instance_type", Name, nullable=True),
        sa.Column("market", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
        sa.UniqueConstraint("name", name="uq_workers_name"),
        **KEPT_IDS,
    )
    op.create_table(
        "launches",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("run_id", Id, nullable=True),
        sa.Column("generation", Id, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("instance_type", Name, nullable=False),
        sa.Column("market", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("availability_zone", sa.String(length=64), nullable=False),
        sa.Column("subnet", sa.String(length=64), nullable=False),
        sa.Column("ec2_type", sa.String(length=64), nullable=False),
        sa.Column("ami", sa.String(length=64), nullable=False),
        sa.Column("price_usd_per_hour", sa.Float(), nullable=True),
        sa.Column("max_price_usd_per_hour", sa.Float(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("called_at", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("instance_id", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_launches_run_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_launches"),
        sa.UniqueConstraint("token", name="uq_launches_token"),
        **KEPT_IDS,
    )
    op.create_index("ix_launches_run_id", "launches", ["run_id"], unique=False)
    op.create_index(
        "ix_launches_state_created_at", "launches", ["state", "created_at"], unique=False
    )

    info = sa.table("schema_info", sa.column("id"), sa.column("compatible_from"))
    op.execute(info.insert().values(id=1, compatible_from=COMPATIBLE_FROM))
    planner = sa.table("planner", sa.column("id"), sa.column("generation"))
    op.execute(planner.insert().values(id=1, generation=0))
