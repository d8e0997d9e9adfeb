"""What AWS refuses and until when, which AMI a machine runs, and since when something is wrong."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import OPTIONS
from farmhand.tables.base import Name, UtcDateTime

revision = "0004"
down_revision = "0003"
COMPATIBLE_FROM = "0.1.0"


def upgrade() -> None:
    """Give back-offs their scopes by columns, instances their AMI, and findings a memory."""
    op.drop_table("backoffs")
    op.create_table(
        "backoffs",
        sa.Column("scope", Name, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("market", sa.String(length=16), nullable=True),
        sa.Column("region", sa.String(length=64), nullable=True),
        sa.Column("availability_zone", sa.String(length=64), nullable=True),
        sa.Column("ec2_type", sa.String(length=64), nullable=True),
        sa.Column("subnet", sa.String(length=64), nullable=True),
        sa.Column("instance_type", Name, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("settings_sha256", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("scope", name="pk_backoffs"),
        **OPTIONS,
    )
    op.create_table(
        "findings",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", Name, nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name="pk_findings"),
        **OPTIONS,
    )
    op.add_column("instances", sa.Column("ami", sa.String(length=64), nullable=True))
    info = sa.table("schema_info", sa.column("compatible_from"))
    op.execute(info.update().values(compatible_from=COMPATIBLE_FROM))
