"""Who may change slavealloc's tables, and who changed them."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import KEPT_IDS
from farmhand.tables.base import Id, LongText, Name, UtcDateTime

revision = "0006"
down_revision = "0005"
COMPATIBLE_FROM = "0.1.0"


def upgrade() -> None:
    """Create the tables of tokens and of changes."""
    op.create_table(
        "tokens",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("name", name="uq_tokens_name"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        **KEPT_IDS,
    )
    op.create_table(
        "audit",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("who", Name, nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("row_id", Id, nullable=False),
        sa.Column("row_name", Name, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("changes", LongText(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        **KEPT_IDS,
    )
    op.create_index("ix_audit_row", "audit", ["table_name", "row_id", "id"], unique=False)
