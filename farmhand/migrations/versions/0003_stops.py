"""Machines on their way out, and since when an instance is connected."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import KEPT_IDS
from farmhand.tables.base import Id, Name, UtcDateTime

revision = "0003"
down_revision = "0002"
COMPATIBLE_FROM = "0.1.0"


def upgrade() -> None:
    """Create the table of stops, and let instances say since when they are connected."""
    op.create_table(
        "stops",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("run_id", Id, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("instance_type", Name, nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("masters", sa.JSON(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("owner", Name, nullable=False),
        sa.Column("owned_until", UtcDateTime(), nullable=False),
        sa.Column("open_instance_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_stops_run_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_stops"),
        sa.UniqueConstraint("open_instance_id", name="uq_stops_open_instance_id"),
        **KEPT_IDS,
    )
    op.create_index("ix_stops_closed_at", "stops", ["closed_at"])
    op.create_index("ix_stops_run_id", "stops", ["run_id"])
    op.add_column("instances", sa.Column("connected_since", UtcDateTime(), nullable=True))
    info = sa.table("schema_info", sa.column("compatible_from"))
    op.execute(info.update().values(compatible_from=COMPATIBLE_FROM))
