"""The opened database: transactions for reading and for writing, and the vault that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.engine import LIGHT_OPTION, WRITE_OPTION, Synchronous, open_engine, sqlite_url
from cpqbridge.store.upgrade import require_current, upgrade
from cpqbridge.store.vault import Vault, open_vault

DATABASE_FILE = "cpqbridge.sqlite3"


class Store:
    """An opened, up-to-date database. Functions of this package take one of its transactions."""

    def __init__(self, engine: Engine, vault: Vault, home: Path) -> None:
        """Keep what `open_store` opened."""
        self._reading = engine
        self._writing = engine.execution_options(**{WRITE_OPTION: True})
        self._writing_lightly = engine.execution_options(**{WRITE_OPTION: True, LIGHT_OPTION: True})
        self.vault = vault
        self.home = home

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a transaction that sees one consistent state and writes nothing."""
        with self._reading.begin() as transaction:
            yield transaction

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a transaction that is committed as a whole at the end, or undone on an error."""
        with self._writing.begin() as transaction:
            yield transaction

    @contextmanager
    def write_lightly(self) -> Iterator[Connection]:
        """Give a transaction like `write` that a power cut may undo; for what is only good for a moment."""
        with self._writing_lightly.begin() as transaction:
            yield transaction

    def check(self) -> None:
        """Check that the database answers and is at this release's schema.

        Raises:
            ConfigurationError: it is not, since another release has brought it up to its own.
            sqlalchemy.exc.DBAPIError: it does not answer.
        """
        with self.read() as transaction:
            require_current(transaction)

    def close(self) -> None:
        """Close all database connections of this process."""
        self._reading.dispose()


def open_store(
    home: Path,
    *,
    secret_key: str | None = None,
    database_url: str | None = None,
    synchronous: Synchronous = "FULL",
) -> Store:
    """Open (and where needed create and bring up to date) the database of `home`.

    `secret_key` is the value of CPQBRIDGE_SECRET_KEY; without one a key file is kept in the home.

    Raises:
        ConfigurationError: the home or its key cannot be used, or a newer release wrote the database.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {home} cannot be used: {error.strerror}.",
            code="home_unusable",
            field="CPQBRIDGE_HOME",
            fix="Name a folder you may write to in CPQBRIDGE_HOME.",
        ) from None
    vault = open_vault(home, secret_key)
    engine = open_engine(database_url or sqlite_url(home / DATABASE_FILE), synchronous=synchronous)
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, vault, home)
