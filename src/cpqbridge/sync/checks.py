"""All checks of a connection, run again whenever somebody asks, kept with their time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cpqbridge.clock import SystemClock
from cpqbridge.salesforce.package import fields_zip
from cpqbridge.store import audit, connections, health_checks
from cpqbridge.store.audit import AuditEntry, current_actor
from cpqbridge.sync.connection_checks import (
    Check,
    CheckState,
    ConnectionChecks,
    account_client,
    org_client,
)
from cpqbridge.sync.key_rights import KeyRights, rights_with
from cpqbridge.sync.org_fields import OrgChecks, check_org

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = ["Check", "CheckState", "Health", "HealthChecks"]

_MACHINE = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All checks of a connection as they were at `checked_at` (aware UTC), and who asked for them."""

    checks: tuple[Check, ...]
    checked_at: datetime
    actor: str

    @property
    def state(self) -> CheckState:
        """Return the worst of all states; what is not known counts as worth a look."""
        states = {check.state for check in self.checks}
        if CheckState.PROBLEM in states:
            return CheckState.PROBLEM
        return CheckState.WARNING if states - {CheckState.OK} else CheckState.OK


class HealthChecks:
    """Makes and keeps the checks of the connections of a service."""

    def __init__(self, service: SyncService) -> None:
        """Check nothing yet."""
        self._service = service

    def last(self, name: str | None) -> Health | None:
        """Return what the last check of a connection found, None before the first."""
        with self._service.store.read() as transaction:
            connection = connections.find(transaction, name)
            stored = health_checks.find(transaction, connection_id=connection.connection_id)
        if stored is None:
            return None
        return Health(
            checks=tuple(
                Check(**{**each, "state": CheckState(each["state"])}) for each in stored.document["checks"]
            ),
            checked_at=stored.checked_at,
            actor=stored.actor,
        )

    def run(self, name: str | None) -> Health:
        """Make all checks of a connection now and keep what they found; some twenty requests, none writes.

        Raises:
            ConfigurationError: there is no such connection.
        """
        store = self._service.store
        with store.read() as transaction:
            connection = connections.find(transaction, name)
        found = tuple(ConnectionChecks(self._service, connection).all())
        health = Health(checks=found, checked_at=_MACHINE.now(), actor=current_actor.get())
        with store.write() as transaction:
            health_checks.put(
                transaction,
                connection_id=connection.connection_id,
                document={"checks": [_plain(each) for each in found]},
                actor=health.actor,
                at=health.checked_at,
            )
            audit.record(
                transaction,
                AuditEntry(
                    connection_id=connection.connection_id,
                    at=self._service.clock_of(connection).now(),
                    action="health_checked",
                    subject=connection.name,
                    detail={"problems": [each.key for each in found if each.state is CheckState.PROBLEM]},
                ),
            )
        return health

    def fields(self, name: str | None) -> OrgChecks:
        """Return the check list of a connection's org, asked now.

        Raises:
            CpqbridgeError: the org does not answer or does not let us in.
        """
        opened = self._service.open(name)
        return check_org(org_client(opened), opened.configuration)

    def package(self, name: str | None, *, callback_url: str) -> bytes:
        """Return our fields for a connection's org as a zip for the Salesforce CLI."""
        return fields_zip(
            self._service.configuration(name).mapping.salesforce_prefix, callback_url=callback_url
        )

    def rights(self, name: str | None) -> KeyRights:
        """Return what a connection's Stripe key may do, asked now.

        Raises:
            CpqbridgeError: Stripe does not answer or does not let us in.
        """
        return rights_with(account_client(self._service.open(name)))


def _plain(check: Check) -> dict[str, Any]:
    return {**asdict(check), "state": check.state.value}
