"""Instants as people of an org read them: in the org's own time zone, named."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cpqbridge.store.connections import Connection


def in_zone(instant: datetime, connection: Connection) -> str:
    """Return an aware instant to the minute in the org's time zone; in UTC where this machine lacks that."""
    zone = connection.facts.time_zone
    try:
        local = instant.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local, zone = instant.astimezone(UTC), "UTC"
    return f"{local:%Y-%m-%d %H:%M} ({zone})"
