"""Every configuration a connection ever had, with who saved it, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, insert, select

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.app_tables import configuration_versions as versions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationVersion:
    """One saved configuration; versions of a connection count from 1, the highest is in force."""

    version: int
    document: Mapping[str, Any]
    actor: str
    reason: str
    created_at: datetime


def add(
    transaction: Transaction,
    *,
    connection_id: int,
    document: Mapping[str, Any],
    actor: str,
    reason: str,
    at: datetime,
) -> ConfigurationVersion:
    """Append a version and return it."""
    before = newest(transaction, connection_id=connection_id)
    added = ConfigurationVersion(
        version=before.version + 1 if before else 1,
        document=document,
        actor=actor,
        reason=reason,
        created_at=at,
    )
    values = {name: getattr(added, name) for name in ConfigurationVersion.__slots__}
    transaction.execute(insert(versions).values(connection_id=connection_id, **values))
    return added


def newest(transaction: Transaction, *, connection_id: int) -> ConfigurationVersion | None:
    """Return the version in force, None where none was ever saved."""
    found = listed(transaction, connection_id=connection_id, limit=1)
    return found[0] if found else None


def listed(
    transaction: Transaction, *, connection_id: int, limit: int, up_to: int | None = None
) -> tuple[ConfigurationVersion, ...]:
    """Return at most `limit` versions, newest first; with `up_to` that one and older ones only."""
    query = (
        select(versions)
        .where(versions.c.connection_id == connection_id)
        .order_by(versions.c.version.desc())
        .limit(limit)
    )
    if up_to is not None:
        query = query.where(versions.c.version <= up_to)
    return tuple(_version(row) for row in transaction.execute(query))


def since(transaction: Transaction, *, connection_id: int, version: int) -> tuple[ConfigurationVersion, ...]:
    """Return every version saved after `version`, oldest first."""
    rows = transaction.execute(
        select(versions)
        .where(versions.c.connection_id == connection_id, versions.c.version > version)
        .order_by(versions.c.version)
    )
    return tuple(_version(row) for row in rows)


def get(transaction: Transaction, *, connection_id: int, version: int) -> ConfigurationVersion:
    """Return one version.

    Raises:
        ConfigurationError: the connection has no such version.
    """
    row = transaction.execute(
        select(versions).where(versions.c.connection_id == connection_id, versions.c.version == version)
    ).first()
    if row is None:
        raise ConfigurationError(
            f"The connection has no version {version} of its configuration.",
            code="configuration_version_unknown",
            field="version",
            fix="Choose one from the list of versions.",
        )
    return _version(row)


def _version(row: Row[Any]) -> ConfigurationVersion:
    return ConfigurationVersion(**{name: getattr(row, name) for name in ConfigurationVersion.__slots__})
