"""Our one way to open a database: SQLite in WAL mode with explicit transactions, or a server by URL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from cpqbridge.errors import ConfigurationError

Synchronous = Literal["FULL", "OFF"]
"""How hard SQLite makes a commit: FULL survives a power cut, OFF is for throw-away homes only."""

BUSY_TIMEOUT_MILLISECONDS = 30_000
WRITE_OPTION = "cpqbridge_write"
LIGHT_OPTION = "cpqbridge_light"
"""Of a writing transaction: a power cut (not a crash) may undo it, so that its commit waits for no disk."""


def sqlite_url(path: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def open_engine(url: str, *, synchronous: Synchronous = "FULL") -> Engine:
    """Open `url`; SQLite files get WAL, foreign keys, a busy timeout and transactions we begin ourselves.

    Raises:
        ConfigurationError: `url` is not a database address.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "The database address cannot be read.",
            code="database_url",
            field="CPQBRIDGE_DATABASE_URL",
            fix="Leave it empty for the embedded database.",
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"Databases of kind {parsed.get_backend_name()!r} are not supported yet.",
            code="database_url",
            field="CPQBRIDGE_DATABASE_URL",
            fix="Leave it empty for the embedded database.",
        )
    engine = create_engine(parsed, connect_args={"check_same_thread": False})
    _prepare_sqlite(engine, synchronous)
    return engine


def _prepare_sqlite(engine: Engine, synchronous: Synchronous) -> None:
    def connect(database: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        # The driver's own implicit BEGIN would start a read and upgrade it later, which fails
        # when somebody else wrote in between; `begin` below starts the right kind at once.
        database.isolation_level = None
        database.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={synchronous}")
        database.execute("PRAGMA foreign_keys=ON")

    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get(WRITE_OPTION, False):
            connection.exec_driver_sql("BEGIN")
            return
        if synchronous != "OFF":
            # NORMAL is still safe for the file in WAL mode (sqlite.org/pragma.html, "synchronous").
            level = "NORMAL" if options.get(LIGHT_OPTION, False) else synchronous
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
