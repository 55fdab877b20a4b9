"""Bring a database to this release's schema, or say clearly that it is newer than this release."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError, OperationalError

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.engine import WRITE_OPTION

REVISIONS = ("0001", "0002", "0003")
"""Every revision of `migrations/versions`, oldest first; the last one is this release's."""


def upgrade(engine: Engine) -> None:
    """Run the missing migrations in one transaction; two processes at once are safe.

    Raises:
        ConfigurationError: the file is no database, cannot be written, or was written by a newer release.
    """
    try:
        with engine.connect() as connection:
            current = _revision(connection)
        if current == REVISIONS[-1]:
            return
        with engine.execution_options(**{WRITE_OPTION: True}).begin() as connection:
            current = _revision(connection)
            if current is not None and current not in REVISIONS:
                raise _newer(current)
            _run_migrations(connection)
    except (OperationalError, DatabaseError) as error:
        raise ConfigurationError(
            f"The database cannot be opened: {error.orig}.",
            code="database_unusable",
            fix="Check that the file is the one cpqbridge made, is not damaged, and may be written to.",
        ) from None


def require_current(connection: Connection) -> None:
    """Check that an opened database is still at this release's schema.

    Raises:
        ConfigurationError: another release has changed it meanwhile.
    """
    current = _revision(connection)
    if current != REVISIONS[-1]:
        raise _newer(current)


def _newer(current: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"This database was written by a newer release (schema {current}; "
        f"this release knows up to {REVISIONS[-1]}).",
        code="database_newer",
        fix="Install that release again, or restore a backup made with this one.",
    )


def _revision(connection: Connection) -> str | None:
    exists = connection.execute(
        text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    ).first()
    if exists is None:
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _run_migrations(connection: Connection) -> None:
    # Alembic takes a moment to import and is not needed on an up-to-date database.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
