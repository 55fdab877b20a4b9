"""Saving a connection's configuration: each save is a version, and none overwrites another's unseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration, configuration_document, parse_configuration
from cpqbridge.mapping.configuration_changes import Change, configuration_changes
from cpqbridge.store import audit, configuration_versions, connections
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.configuration_versions import ConfigurationVersion
from cpqbridge.store.connections import Connection
from cpqbridge.sync.documents import instant_text
from cpqbridge.sync.filter_check import changed_filters, require_readable
from cpqbridge.sync.mapping_check import described_for, require_fitting

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

MOST_VERSIONS = 50
"""How many versions one list shows; all are kept."""

_MOST_NAMED = 5
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A connection's configuration in force and its version, which a later save is based on.

    The version is 0 while none was saved.
    """

    connection: Connection
    configuration: Configuration
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """One version of the list, with what it changed against the one before it."""

    version: int
    actor: str
    reason: str
    created_at: datetime
    changes: tuple[Change, ...]
    is_newest: bool


class Configure:
    """The configuration of connections and its versions."""

    def __init__(self, service: SyncService) -> None:
        """Work on the connections of `service`."""
        self._service = service

    def current(self, name: str | None) -> Configured:
        """Return the configuration in force."""
        with self._service.store.read() as transaction:
            connection = connections.find(transaction, name)
            document = connections.configuration(transaction, connection_id=connection.connection_id)
            newest = configuration_versions.newest(transaction, connection_id=connection.connection_id)
        return Configured(
            connection=connection,
            configuration=parse_configuration(document or {}),
            version=newest.version if newest else 0,
        )

    def save(
        self,
        name: str | None,
        configuration: Configuration,
        *,
        based_on: int | None = None,
        reason: str = "",
    ) -> int:
        """Put a configuration in force as a new version and return its number.

        One that changes nothing makes no version; the number in force comes back. The rules of
        each Stripe object of which one changed are checked against the org first, and so are the filters
        that changed.

        Args:
            name: the connection; None for the only one there is.
            configuration: the whole configuration, changed parts and all others.
            based_on: the version that was changed; None puts it in force whatever holds now.
            reason: why, for whoever reads the list of versions.

        Raises:
            ConfigurationError: somebody saved another version meanwhile (`configuration_changed_meanwhile`),
                or a rule of the mapping does not fit the org (`mapping_unfit`; `field` is its path), or the
                org cannot read a filter (`filter_refused`, `filter_syntax`, `filter_not_balanced`).
            CpqbridgeError: the org had to be asked for its fields, and did not answer.
        """
        present = self.current(name).configuration
        filters = changed_filters(present.filters, configuration.filters)
        if filters:
            require_readable(self._service.open(name).salesforce, configuration.filters, filters)
        before = present.mapping
        changed = {
            stripe_object: rules
            for stripe_object, rules in configuration.mapping.objects.items()
            if rules != before.of(stripe_object)
        }
        if changed:
            checked = replace(configuration.mapping, objects=changed)
            require_fitting(checked, described_for(checked, self._service.open(name).salesforce))
        with self._service.store.write() as transaction:
            connection = connections.find(transaction, name)
            if based_on is not None:
                _require_newest(transaction, connection.connection_id, based_on)
            return save_version(
                transaction, connection, configuration, at=self._service.clock.now(), reason=reason
            )

    def versions(
        self, name: str | None, *, up_to: int | None = None, limit: int = MOST_VERSIONS
    ) -> tuple[ListedVersion, ...]:
        """Return the newest versions, newest first, each with what it changed; older ones with `up_to`."""
        with self._service.store.read() as transaction:
            connection_id = connections.find(transaction, name).connection_id
            newest = configuration_versions.newest(transaction, connection_id=connection_id)
            found = configuration_versions.listed(
                transaction, connection_id=connection_id, limit=limit + 1, up_to=up_to
            )
        earlier = [*(each.document for each in found[1:]), *({} for _ in found[:1])]
        return tuple(
            ListedVersion(
                version=each.version,
                actor=each.actor,
                reason=each.reason,
                created_at=each.created_at,
                changes=configuration_changes(before, each.document),
                is_newest=newest is not None and each.version == newest.version,
            )
            for each, before in list(zip(found, earlier, strict=True))[:limit]
        )

    def version(self, name: str | None, version: int) -> ConfigurationVersion:
        """Return one version.

        Raises:
            ConfigurationError: there is no such version.
        """
        with self._service.store.read() as transaction:
            connection = connections.find(transaction, name)
            return configuration_versions.get(
                transaction, connection_id=connection.connection_id, version=version
            )

    def difference(self, name: str | None, before: int, after: int) -> tuple[Change, ...]:
        """Return what differs between two versions, by dotted path.

        Raises:
            ConfigurationError: there is no such version.
        """
        return configuration_changes(self.version(name, before).document, self.version(name, after).document)

    def restore(self, name: str | None, version: int, *, based_on: int | None = None) -> int:
        """Put an old version in force again, as a new version, and return its number.

        Raises:
            ConfigurationError: there is no such version, this release no longer reads it, or as `save`.
        """
        configuration = parse_configuration(self.version(name, version).document)
        return self.save(
            name, configuration, based_on=based_on, reason=f"Version {version} was put back in force."
        )


def version_document(listed: ListedVersion) -> dict[str, Any]:
    """Return one version of the list as JSON values; its time is UTC."""
    return {
        "version": listed.version,
        "created_at": instant_text(listed.created_at),
        "actor": listed.actor,
        "reason": listed.reason,
        "changes": [
            {"path": change.path, "before": change.before, "after": change.after} for change in listed.changes
        ],
    }


def save_version(
    transaction: Transaction,
    connection: Connection,
    configuration: Configuration,
    *,
    at: datetime,
    reason: str = "",
) -> int:
    """Store a configuration as the connection's newest version, with its audit entry; return its number.

    One that changes nothing makes no version.
    """
    connection_id = connection.connection_id
    document = configuration_document(configuration)
    newest = configuration_versions.newest(transaction, connection_id=connection_id)
    changes = configuration_changes(newest.document if newest else {}, document)
    if newest is not None and not changes:
        return newest.version
    connections.save_configuration(transaction, connection_id=connection_id, document=document, at=at)
    added = configuration_versions.add(
        transaction,
        connection_id=connection_id,
        document=document,
        actor=audit.current_actor.get(),
        reason=reason.strip()[:_LONGEST_REASON],
        at=at,
    )
    if newest is not None:
        audit.record(
            transaction,
            AuditEntry(
                connection_id=connection_id,
                at=at,
                action="configuration_applied",
                subject=connection.name,
                detail={"version": added.version, "reason": added.reason},
                before={change.path: change.before for change in changes},
                after={change.path: change.after for change in changes},
            ),
        )
    return added.version


def _require_newest(transaction: Transaction, connection_id: int, based_on: int) -> None:
    later = configuration_versions.since(transaction, connection_id=connection_id, version=based_on)
    if not later:
        return
    base = (
        configuration_versions.get(transaction, connection_id=connection_id, version=based_on).document
        if based_on
        else {}
    )
    paths = [change.path for change in configuration_changes(base, later[-1].document)]
    named = ", ".join(paths[:_MOST_NAMED]) + (" and more" if len(paths) > _MOST_NAMED else "")
    actors = ", ".join(dict.fromkeys(each.actor or "somebody" for each in later))
    at = later[-1].created_at
    raise ConfigurationError(
        f"{actors} changed {named or 'nothing that still differs'} meanwhile "
        f"(version {later[-1].version}, {at:%d %b %Y %H:%M} UTC); yours began with version {based_on}.",
        code="configuration_changed_meanwhile",
        field="version",
        fix="Open the page again, look at what changed, and make your change on top of it.",
    )
