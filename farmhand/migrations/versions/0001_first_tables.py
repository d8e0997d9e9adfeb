"""The first tables: records; launches and stops; workers and their places; builds; doors."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import KEPT_IDS, OPTIONS
from farmhand.tables.base import Id, LongText, Name, UtcDateTime

revision = "0001"
down_revision = None
COMPATIBLE_FROM = "0.1.0"

SILO = {
    "pool_id": "pools",
    "distro_id": "distros",
    "bitlength_id": "bitlengths",
    "speed_id": "speeds",
    "purpose_id": "purposes",
    "datacenter_id": "datacenters",
    "trustlevel_id": "trustlevels",
    "environment_id": "environments",
}
SHIPPED_TEMPLATES = ("buildbot-worker", "buildslave")


def upgrade() -> None:
    """Create everything, and the rows that each farm has from the start."""
    _create_records()
    _create_launches()
    _create_places()
    _create_doors()
    _create_builds()
    op.bulk_insert(
        sa.table("schema_info", sa.column("id"), sa.column("compatible_from")),
        [{"id": 1, "compatible_from": COMPATIBLE_FROM}],
    )
    op.bulk_insert(
        sa.table("planner", sa.column("id"), sa.column("generation")), [{"id": 1, "generation": 0}]
    )
    op.bulk_insert(
        sa.table("places", *map(sa.column, ("id", "generation", "edits"))),
        [{"id": 1, "generation": 0, "edits": 0}],
    )
    templates = sa.table("tac_templates", sa.column("name"))
    op.bulk_insert(templates, [{"name": name} for name in SHIPPED_TEMPLATES])


def _create_records() -> None:
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


def _create_launches() -> None:
    op.create_table(
        "planner",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_planner"),
        **OPTIONS,
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
        sa.Column("ami", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("launched_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_connected_at", UtcDateTime(), nullable=True),
        sa.Column("connected_since", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", name="pk_instances"),
        **OPTIONS,
    )
    op.create_index("ix_instances_name", "instances", ["name"], unique=False)
    op.create_index("ix_instances_state_region", "instances", ["state", "region"], unique=False)
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


def _create_places() -> None:
    for table in SILO.values():
        op.create_table(
            table,
            sa.Column("id", Id, autoincrement=True, nullable=False),
            sa.Column("name", Name, nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
            sa.UniqueConstraint("name", name=f"uq_{table}_name"),
            **KEPT_IDS,
        )
    op.create_table(
        "tac_templates",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("template", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tac_templates"),
        sa.UniqueConstraint("name", name="uq_tac_templates_name"),
        **KEPT_IDS,
    )
    op.create_table(
        "masters",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("nickname", Name, nullable=False),
        sa.Column("fqdn", Name, nullable=False),
        sa.Column("http_port", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pb_port", sa.Integer(), nullable=False),
        sa.Column("pool_id", Id, nullable=False),
        sa.Column("datacenter_id", Id, nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_masters_pool_id"),
        sa.ForeignKeyConstraint(
            ["datacenter_id"], ["datacenters.id"], name="fk_masters_datacenter_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_masters"),
        sa.UniqueConstraint("nickname", name="uq_masters_nickname"),
        **KEPT_IDS,
    )
    op.create_table(
        "worker_passwords",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("pool_id", Id, nullable=False),
        sa.Column("distro_id", Id, nullable=True),
        sa.Column("password", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_worker_passwords_pool_id"),
        sa.ForeignKeyConstraint(
            ["distro_id"], ["distros.id"], name="fk_worker_passwords_distro_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_worker_passwords"),
        **KEPT_IDS,
    )
    references = {
        **SILO,
        "tac_template_id": "tac_templates",
        "locked_master_id": "masters",
        "current_master_id": "masters",
    }
    op.create_table(
        "workers",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("instance_type", Name, nullable=True),
        sa.Column("market", sa.String(length=16), nullable=True),
        *(sa.Column(column, Id, nullable=True) for column in SILO),
        sa.Column("basedir", sa.Text(), nullable=True),
        sa.Column("tac_template_id", Id, nullable=True),
        sa.Column("locked_master_id", Id, nullable=True),
        sa.Column("current_master_id", Id, nullable=True),
        sa.Column("last_seen_at", UtcDateTime(), nullable=True),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_workers_{column}")
            for column, table in references.items()
        ),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
        sa.UniqueConstraint("name", name="uq_workers_name"),
        **KEPT_IDS,
    )
    op.create_index("ix_workers_silo", "workers", [*SILO, "current_master_id", "last_seen_at"])
    op.create_table(
        "places",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", Id, nullable=False),
        sa.Column("edits", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_places"),
        **OPTIONS,
    )
    op.create_table(
        "allocations",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("worker_id", Id, nullable=False),
        sa.Column("master_id", Id, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("host", Name, nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["workers.id"], name="fk_allocations_worker_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["master_id"], ["masters.id"], name="fk_allocations_master_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_allocations"),
        **KEPT_IDS,
    )
    op.create_index("ix_allocations_worker_id", "allocations", ["worker_id", "id"])
    op.create_table(
        "jacuzzis",
        sa.Column("builder", Name, nullable=False),
        sa.Column("worker_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["workers.id"], name="fk_jacuzzis_worker_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("builder", "worker_id", name="pk_jacuzzis"),
        **OPTIONS,
    )
    op.create_index("ix_jacuzzis_worker_id", "jacuzzis", ["worker_id"])


def _create_doors() -> None:
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


def _create_builds() -> None:
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
