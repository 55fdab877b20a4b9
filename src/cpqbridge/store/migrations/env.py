"""Alembic's entry point; the caller hands in its own open transaction."""

from alembic import context

from cpqbridge.store.app_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
