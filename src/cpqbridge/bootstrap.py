"""Wiring: settings become an opened store and the service on top of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpqbridge.clock import Clock
from cpqbridge.errors import ConfigurationError
from cpqbridge.settings import Settings
from cpqbridge.store.database import open_store
from cpqbridge.sync.service import ServiceOptions, SyncService


@contextmanager
def open_service(settings: Settings) -> Iterator[SyncService]:
    """Open the home that the settings name and close it at the end of the block.

    Simulated connections live by `CPQBRIDGE_NOW` where it is set, all others by the machine's clock.

    Raises:
        ConfigurationError: The home cannot be used, the secret key does not fit, or CPQBRIDGE_NOW is set
            while a connection is a real one.
    """
    options = ServiceOptions(simulated_clock=settings.clock() if settings.now else None)
    store = open_store(
        settings.home,
        secret_key=settings.secret_key.get_secret_value() if settings.secret_key else None,
        database_url=settings.database_url.get_secret_value() if settings.database_url else None,
    )
    service = SyncService(store, options)
    try:
        if settings.now is not None:
            _require_simulated(service)
        yield service
    finally:
        service.close()
        store.close()


def _require_simulated(service: SyncService) -> None:
    real = [connection.name for connection in service.connections() if not connection.facts.simulated]
    if real:
        raise ConfigurationError(
            f"CPQBRIDGE_NOW is set, but it is for simulated connections only, and {', '.join(real)} is real.",
            code="now_on_real_connection",
            field="CPQBRIDGE_NOW",
            fix="Unset CPQBRIDGE_NOW, or keep simulated connections in a CPQBRIDGE_HOME of their own.",
        )


@contextmanager
def open_throwaway_service(home: Path, *, clock: Clock) -> Iterator[SyncService]:
    """Open a service on a home that nobody needs afterwards: quick, and nothing survives a power cut."""
    store = open_store(home, synchronous="OFF")
    service = SyncService(store, ServiceOptions(clock=clock, simulated_clock=clock, synchronous="OFF"))
    try:
        yield service
    finally:
        service.close()
        store.close()
