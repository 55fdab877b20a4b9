"""Alembic migrations, run by `cpqbridge.store.upgrade` at start."""
