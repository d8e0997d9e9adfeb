"""The farm's machines, as slavealloc keeps them."""

from sqlalchemy import Boolean, Column, String, Table, UniqueConstraint, true

from farmhand.tables.base import Id, Name, metadata

workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Name, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=true()),
    # The instance type whose jobs it runs; NULL: none that watch-pending knows.
    Column("instance_type", Name),
    # spot or on-demand; NULL for hardware, whose name is never launched.
    Column("market", String(16)),
    UniqueConstraint("name"),
)
