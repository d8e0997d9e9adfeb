"""The farm's machines, masters and places, as slavealloc keeps them."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)

from farmhand.tables.base import Id, LongText, Name, UtcDateTime, metadata


def _look_up(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Id, primary_key=True, autoincrement=True),
        Column("name", Name, nullable=False),
        UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )


# Masters, and the workers they serve.
pools = _look_up("pools")
# Workers that agree in pool and in all of these are one silo: any of their masters serves them all.
distros = _look_up("distros")
bitlengths = _look_up("bitlengths")
speeds = _look_up("speeds")
purposes = _look_up("purposes")
datacenters = _look_up("datacenters")
trustlevels = _look_up("trustlevels")
environments = _look_up("environments")

masters = Table(
    "masters",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("nickname", Name, nullable=False),
    Column("fqdn", Name, nullable=False),
    # 0: it has no web page.
    Column("http_port", Integer, nullable=False, server_default="0"),
    Column("pb_port", Integer, nullable=False),
    Column("pool_id", Id, ForeignKey("pools.id"), nullable=False),
    Column("datacenter_id", Id, ForeignKey("datacenters.id")),
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=true()),
    Column("notes", Text),
    UniqueConstraint("nickname"),
    sqlite_autoincrement=True,
)

tac_templates = Table(
    "tac_templates",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Name, nullable=False),
    # NULL: the one of this name that the release ships.
    Column("template", Text),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

worker_passwords = Table(
    "worker_passwords",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("pool_id", Id, ForeignKey("pools.id"), nullable=False),
    # NULL: for each distro of the pool that has no row of its own.
    Column("distro_id", Id, ForeignKey("distros.id")),
    Column("password", Text, nullable=False),
    sqlite_autoincrement=True,
)

workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Name, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=true()),
    # Why it is disabled, and whatever else people say of it.
    Column("notes", Text),
    # The instance type whose jobs it runs; NULL: none that watch-pending knows.
    Column("instance_type", Name),
    # spot or on-demand; NULL for hardware, whose name is never launched.
    Column("market", String(16)),
    Column("pool_id", Id, ForeignKey("pools.id")),
    Column("distro_id", Id, ForeignKey("distros.id")),
    Column("bitlength_id", Id, ForeignKey("bitlengths.id")),
    Column("speed_id", Id, ForeignKey("speeds.id")),
    Column("purpose_id", Id, ForeignKey("purposes.id")),
    Column("datacenter_id", Id, ForeignKey("datacenters.id")),
    Column("trustlevel_id", Id, ForeignKey("trustlevels.id")),
    Column("environment_id", Id, ForeignKey("environments.id")),
    Column("basedir", Text),
    # NULL: the configuration's default template.
    Column("tac_template_id", Id, ForeignKey("tac_templates.id")),
    Column("locked_master_id", Id, ForeignKey("masters.id")),
    Column("current_master_id", Id, ForeignKey("masters.id")),
    # When it last asked for its buildbot.tac.
    Column("last_seen_at", UtcDateTime),
    UniqueConstraint("name"),
    # Counting a pool's live workers by silo and master reads this index alone.
    Index(
        "ix_workers_silo",
        "pool_id",
        "distro_id",
        "bitlength_id",
        "speed_id",
        "purpose_id",
        "datacenter_id",
        "trustlevel_id",
        "environment_id",
        "current_master_id",
        "last_seen_at",
    ),
    sqlite_autoincrement=True,
)

# One row, id 1: who places workers or edits what is above locks it first. `generation` rises
# where the numbers of workers by silo and master change, `edits` with everything but placing.
places = Table(
    "places",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Id, nullable=False),
    Column("edits", Id, nullable=False),
)

# One row for each time that a worker's master changed.
allocations = Table(
    "allocations",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("worker_id", Id, ForeignKey("workers.id", ondelete="CASCADE"), nullable=False),
    # NULL: it was given none, since it is disabled.
    Column("master_id", Id, ForeignKey("masters.id", ondelete="SET NULL")),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", String(16), nullable=False),
    # Which server decided.
    Column("host", Name, nullable=False),
    Index("ix_allocations_worker_id", "worker_id", "id"),
    sqlite_autoincrement=True,
)

# The fixed set of workers a builder may use.
jacuzzis = Table(
    "jacuzzis",
    metadata,
    Column("builder", Name, primary_key=True),
    Column(
        "worker_id", Id, ForeignKey("workers.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

# Who may change what is here. The token itself is shown once and kept nowhere.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    # Who holds it, as the audit names them.
    Column("name", Name, nullable=False),
    # write, or machine: good for /gettac alone, where that asks for one.
    Column("scope", String(16), nullable=False),
    # SHA-256 of the token, in hex: it is random and long, so nothing slower is needed.
    Column("digest", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    UniqueConstraint("name"),
    UniqueConstraint("digest"),
    sqlite_autoincrement=True,
)

# One row for each row that somebody changed.
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    # A token's name; or USER@HOST, of a verb that opens the database itself.
    Column("who", Name, nullable=False),
    # The table as it is called here, and the row's id and name then: it may be gone.
    Column("table_name", String(64), nullable=False),
    Column("row_id", Id, nullable=False),
    Column("row_name", Name, nullable=False),
    # add, edit or delete
    Column("action", String(16), nullable=False),
    # JSON: column → [before, after]
    Column("changes", LongText, nullable=False),
    Column("why", Text),
    Index("ix_audit_row", "table_name", "row_id", "id"),
    sqlite_autoincrement=True,
)
