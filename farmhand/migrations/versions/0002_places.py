"""Where workers belong: pools, silos, masters, templates, passwords, allocations, jacuzzis."""

import sqlalchemy as sa
from alembic import op

from farmhand.migrations.options import KEPT_IDS, OPTIONS
from farmhand.tables.base import Id, Name, UtcDateTime

revision = "0002"
down_revision = "0001"
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
    """Create the places, and give workers theirs."""
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
    _extend_workers()
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

    templates = sa.table("tac_templates", sa.column("name"))
    op.bulk_insert(templates, [{"name": name} for name in SHIPPED_TEMPLATES])
    places = sa.table("places", *map(sa.column, ("id", "generation", "edits")))
    op.execute(places.insert().values(id=1, generation=0, edits=0))
    info = sa.table("schema_info", sa.column("compatible_from"))
    op.execute(info.update().values(compatible_from=COMPATIBLE_FROM))


def _extend_workers() -> None:
    references = {
        **SILO,
        "tac_template_id": "tac_templates",
        "locked_master_id": "masters",
        "current_master_id": "masters",
    }
    # SQLite can't add a foreign key: the table is made anew, and so needs to be told again.
    with op.batch_alter_table("workers", table_kwargs=KEPT_IDS) as batch:
        batch.add_column(sa.Column("notes", sa.Text(), nullable=True))
        batch.add_column(sa.Column("basedir", sa.Text(), nullable=True))
        batch.add_column(sa.Column("last_seen_at", UtcDateTime(), nullable=True))
        for column, table in references.items():
            batch.add_column(sa.Column(column, Id, nullable=True))
            batch.create_foreign_key(f"fk_workers_{column}", table, [column], ["id"])
    op.create_index("ix_workers_silo", "workers", [*SILO, "current_master_id", "last_seen_at"])
