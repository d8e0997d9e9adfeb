"""Build daemons, their builds, and where each is."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import KEPT_IDS, OPTIONS
from farmhand.tables.base import Id, Name, UtcDateTime

revision = "0005"
down_revision = "0004"
COMPATIBLE_FROM = "0.1.0"


def upgrade() -> None:
    """Create the scanner's tables."""
    op.create_table(
        "daemons",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("url", Name, nullable=False),
        sa.Column("tags", Name, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("manual", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("clean", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failure_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("counted_at", UtcDateTime(), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("aborting_since", UtcDateTime(), nullable=True),
        sa.Column("abort_sent_at", UtcDateTime(), nullable=True),
        sa.Column("fetching_until", UtcDateTime(), nullable=True),
        sa.Column("last_seen_at", UtcDateTime(), nullable=True),
        sa.Column("last_state", sa.String(length=16), nullable=True),
        sa.Column("last_cookie", sa.String(length=128), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("dialect", sa.String(length=8), nullable=True),
        sa.Column("arity", sa.Integer(), nullable=True),
        sa.Column("build_type", sa.String(length=64), nullable=True),
        sa.Column("arch_tag", sa.String(length=32), nullable=True),
        sa.Column("version", Name, nullable=True),
        sa.Column("owner", Name, nullable=True),
        sa.Column("owned_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_daemons"),
        sa.UniqueConstraint("name", name="uq_daemons_name"),
        sa.UniqueConstraint("url", name="uq_daemons_url"),
        **KEPT_IDS,
    )
    op.create_index("ix_daemons_owner", "daemons", ["owner"], unique=False)
    op.create_table(
        "processors",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("title", Name, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_processors"),
        sa.UniqueConstraint("name", name="uq_processors_name"),
        **KEPT_IDS,
    )
    op.create_table(
        "stored_files",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("sha1", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("path", Name, nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stored_files"),
        sa.UniqueConstraint("sha256", name="uq_stored_files_sha256"),
        **KEPT_IDS,
    )
    op.create_index("ix_stored_files_sha1", "stored_files", ["sha1"], unique=False)
    op.create_table(
        "builds",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("source", Name, nullable=False),
        sa.Column("version", Name, nullable=False),
        sa.Column("distribution", sa.String(length=64), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("pocket", sa.String(length=32), nullable=False),
        sa.Column("arch_tag", sa.String(length=32), nullable=False),
        sa.Column("processor_id", Id, nullable=False),
        sa.Column("component", sa.String(length=32), nullable=False),
        sa.Column("arch_indep", sa.Boolean(), nullable=False),
        sa.Column("build_type", sa.String(length=64), nullable=True),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("tags", Name, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("daemon_id", Id, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("first_dispatched_at", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("dependencies", sa.Text(), nullable=True),
        sa.Column("log_file_id", Id, nullable=True),
        sa.Column("log_name", Name, nullable=True),
        sa.Column("log_bytes", sa.BigInteger(), nullable=True),
        sa.Column("failure_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("publisher", Name, nullable=True),
        sa.Column("publish_until", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_builds_daemon_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["log_file_id"], ["stored_files.id"], name="fk_builds_log_file_id"),
        sa.ForeignKeyConstraint(["processor_id"], ["processors.id"], name="fk_builds_processor_id"),
        sa.PrimaryKeyConstraint("id", name="pk_builds"),
        **KEPT_IDS,
    )
    op.create_index("ix_builds_state_finished_at", "builds", ["state", "finished_at"], unique=False)
    op.create_index(
        "ix_builds_state_published_at", "builds", ["state", "published_at"], unique=False
    )
    op.create_table(
        "chroots",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("distribution", sa.String(length=64), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("pocket", sa.String(length=32), nullable=False),
        sa.Column("arch_tag", sa.String(length=32), nullable=False),
        sa.Column("title", Name, nullable=False),
        sa.Column("file_id", Id, nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["stored_files.id"], name="fk_chroots_file_id"),
        sa.PrimaryKeyConstraint("id", name="pk_chroots"),
        sa.UniqueConstraint(
            "distribution", "series", "pocket", "arch_tag", name="uq_chroots_distribution"
        ),
        **KEPT_IDS,
    )
    op.create_table(
        "daemon_processors",
        sa.Column("daemon_id", Id, nullable=False),
        sa.Column("processor_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_daemon_processors_daemon_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["processor_id"], ["processors.id"], name="fk_daemon_processors_processor_id"
        ),
        sa.PrimaryKeyConstraint("daemon_id", "processor_id", name="pk_daemon_processors"),
        **OPTIONS,
    )
    op.create_index(
        "ix_daemon_processors_processor_id", "daemon_processors", ["processor_id"], unique=False
    )
    op.create_table(
        "attempts",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("build_id", Id, nullable=False),
        sa.Column("queue_id", Id, nullable=False),
        sa.Column("daemon_id", Id, nullable=True),
        sa.Column("daemon_name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["build_id"], ["builds.id"], name="fk_attempts_build_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_attempts_daemon_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.UniqueConstraint("queue_id", name="uq_attempts_queue_id"),
        **KEPT_IDS,
    )
    op.create_index("ix_attempts_build_id", "attempts", ["build_id"], unique=False)
    op.create_table(
        "build_files",
        sa.Column("build_id", Id, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("filename", Name, nullable=False),
        sa.Column("file_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["build_id"], ["builds.id"], name="fk_build_files_build_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["file_id"], ["stored_files.id"], name="fk_build_files_file_id"),
        sa.PrimaryKeyConstraint("build_id", "role", "filename", name="pk_build_files"),
        **OPTIONS,
    )
    op.create_index("ix_build_files_file_id", "build_files", ["file_id"], unique=False)
    op.create_table(
        "build_queue",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("build_id", Id, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("daemon_id", Id, nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("processor_id", Id, nullable=False),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=True),
        sa.Column("log_moved_at", UtcDateTime(), nullable=True),
        sa.Column("stop_reason", sa.String(length=16), nullable=True),
        sa.Column("abort_sent_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name="fk_build_queue_build_id"),
        sa.ForeignKeyConstraint(["daemon_id"], ["daemons.id"], name="fk_build_queue_daemon_id"),
        sa.ForeignKeyConstraint(
            ["processor_id"], ["processors.id"], name="fk_build_queue_processor_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_build_queue"),
        sa.UniqueConstraint("build_id", name="uq_build_queue_build_id"),
        sa.UniqueConstraint("daemon_id", name="uq_build_queue_daemon_id"),
        **KEPT_IDS,
    )
    op.create_index(
        "ix_build_queue_status_processor_id",
        "build_queue",
        ["status", "processor_id", "score"],
        unique=False,
    )
    info = sa.table("schema_info", sa.column("compatible_from"))
    op.execute(info.update().values(compatible_from=COMPATIBLE_FROM))
