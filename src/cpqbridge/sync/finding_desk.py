"""What people do with findings: look through them, accept one for a reason, put one right by its plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cpqbridge.clock import SystemClock
from cpqbridge.errors import ConfigurationError, ConflictError
from cpqbridge.store import audit, connections, finding_lists, findings, lanes
from cpqbridge.store.audit import AuditEntry, current_actor
from cpqbridge.store.connections import Connection
from cpqbridge.store.finding_lists import FindingFilter, KindCount
from cpqbridge.store.findings import FindingState, StoredFinding
from cpqbridge.sync.finding_words import is_fixable
from cpqbridge.sync.order_actions import PATIENCE_SECONDS
from cpqbridge.sync.patience import within
from cpqbridge.sync.plan_mark import plan_mark
from cpqbridge.sync.reconcile import Fix, Reconciler

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = [
    "FindingDesk",
    "FindingFilter",
    "FindingPage",
    "FindingState",
    "KindCount",
    "ShownFinding",
    "ShownFix",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    """A finding with its connection."""

    finding: StoredFinding
    connection: Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """Some findings, how many there are in all, and the kinds of all open ones with their amounts."""

    findings: tuple[ShownFinding, ...]
    total: int
    kinds: tuple[KindCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFix:
    """What puts a finding right, with the others of its contract; `mark` stands for the plan as shown."""

    fix: Fix
    mark: str


class FindingDesk:
    """Lists findings of all connections and takes decisions about them."""

    def __init__(self, service: SyncService) -> None:
        """Work on the service's store; nothing is read yet."""
        self._service = service
        self._store = service.store

    # Looking.

    def page(self, wanted: FindingFilter, *, offset: int = 0, limit: int | None = None) -> FindingPage:
        """Return `limit` findings after the first `offset`, the oldest first."""
        with self._store.read() as transaction:
            known = {each.connection_id: each for each in connections.list_all(transaction)}
            found = finding_lists.page(transaction, wanted, offset=offset, limit=limit)
            return FindingPage(
                findings=tuple(
                    ShownFinding(finding=each, connection=known[each.connection_id]) for each in found
                ),
                total=finding_lists.count(transaction, wanted),
                kinds=finding_lists.kinds(transaction, replace(wanted, kind="", contract="")),
            )

    def find(self, finding_id: int) -> ShownFinding | None:
        """Return a finding in whatever state, None when there is none of that number."""
        with self._store.read() as transaction:
            found = findings.find(transaction, finding_id=finding_id)
            if found is None:
                return None
            connection = connections.get(transaction, connection_id=found.connection_id)
        return ShownFinding(finding=found, connection=connection)

    def count(self) -> int:
        """Return how many findings of all connections are open."""
        with self._store.read() as transaction:
            return finding_lists.count(transaction, FindingFilter())

    # Accepting.

    def accept(
        self, name: str | None, finding_id: int, reason: str, *, fingerprint: str | None = None
    ) -> StoredFinding:
        """Note that a finding is meant to be as it is, and return it; `fingerprint` is what was looked at.

        Raises:
            ConfigurationError: there is no such open finding, or no reason.
            ConflictError: it is not the difference of the fingerprint any more.
        """
        if not reason.strip():
            raise ConfigurationError(
                "A finding is accepted with a reason.",
                code="reason_missing",
                field="--reason",
                fix="Say why it may stay: --reason TEXT.",
            )
        with self._store.write() as transaction:
            connection = connections.find(transaction, name)
            now = self._service.clock_of(connection).now()
            accepted = findings.accept(
                transaction,
                connection_id=connection.connection_id,
                finding_id=finding_id,
                reason=reason.strip(),
                at=now,
                actor=current_actor.get(),
                fingerprint=fingerprint,
            )
            entry = self._entry("finding_accepted", ShownFinding(finding=accepted, connection=connection))
            audit.record(transaction, replace(entry, after={"reason": accepted.reason}))
        return accepted

    def open_again(self, shown: ShownFinding) -> StoredFinding:
        """Take back that a finding was accepted, and return it.

        Raises:
            ConfigurationError: it is not an accepted finding any more.
        """
        with self._store.write() as transaction:
            opened = findings.open_again(
                transaction,
                finding_id=shown.finding.finding_id,
                at=self._service.clock_of(shown.connection).now(),
            )
            entry = self._entry("finding_opened_again", shown)
            audit.record(transaction, replace(entry, before={"reason": shown.finding.reason}))
        return opened

    # Putting right.

    def fix_of(self, shown: ShownFinding) -> ShownFix | None:
        """Return what a sync would do to put a finding right, None where there is nothing it could do.

        Whatever else of the contract the same sync puts right goes with it. Both sides are read.

        Raises:
            CpqbridgeError: a side cannot be read, or the contract is being synced just now.
        """
        if shown.finding.state is not FindingState.OPEN or not is_fixable(shown.finding):
            return None
        self._require_free(shown)
        found = next(Reconciler(self._service).fixes(shown.connection.name, self._together(shown)), None)
        return None if found is None else ShownFix(fix=found, mark=plan_mark(found.plan))

    def carry_out(
        self, shown: ShownFinding, mark: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> tuple[StoredFinding, ...] | None:
        """Put a finding right by the plan that was shown; return what is open of the contract after it.

        None comes back when it takes longer than `patience_seconds`; it goes on by itself then.

        Raises:
            ConflictError: the plan is another one by now (code `plan_changed`); nothing was done.
            CpqbridgeError: what stopped the sync; the finding stays open.
        """
        planned = self.fix_of(shown)
        if planned is None:
            raise ConfigurationError(
                "There is nothing left to do about this finding.",
                code="finding_not_fixable",
                fix="Look at the list of findings: it may be gone, accepted or for a person by now.",
            )
        fix = replace(planned.fix, task=replace(planned.fix.task, expects=mark))
        return within(
            patience_seconds, lambda: Reconciler(self._service).carry_out(shown.connection.name, fix)
        )

    def _together(self, shown: ShownFinding) -> Iterable[StoredFinding]:
        with self._store.read() as transaction:
            return findings.of_connection(
                transaction,
                connection_id=shown.connection.connection_id,
                states=(FindingState.OPEN,),
                root_id=shown.finding.root_id,
            )

    def _require_free(self, shown: ShownFinding) -> None:
        """Check that nobody works on the contract: a person would wait for minutes."""
        with self._store.read() as transaction:
            lane = lanes.find(
                transaction, connection_id=shown.connection.connection_id, root_id=shown.finding.root_id
            )
        # Leases are about processes and follow the machine's clock.
        if lane is not None and lane.owner and lane.expires_at > SystemClock().now():
            raise ConflictError(
                "The contract is being synced just now.",
                code="contract_busy",
                fix="Try again in a minute: the sync may put it right by itself.",
            )

    def _entry(self, action: str, shown: ShownFinding) -> AuditEntry:
        said = shown.finding.document
        return AuditEntry(
            connection_id=shown.connection.connection_id,
            at=self._service.clock_of(shown.connection).now(),
            action=action,
            subject=str(said["contract"]),
            detail={"finding": shown.finding.finding_id, "kind": shown.finding.kind, "found": said["found"]},
        )
