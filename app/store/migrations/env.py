"""Runs revisions on the connection that `app.store.migrate` hands over. Alembic loads this file."""

from __future__ import annotations

from alembic import context

options = context.config.attributes
connection = options["connection"]
context.configure(
    connection=connection,
    version_table=options["version_table"],
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
