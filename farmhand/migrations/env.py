"""Alembic's entry: upgrade over the connection that farmhand.db opened."""

from alembic import context

from farmhand.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
