"""Alembic's entry: runs the versions on the connection that `store.database` hands over."""

from alembic import context

from agentstream.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    compare_type=False,
)
with context.begin_transaction():
    context.run_migrations()
