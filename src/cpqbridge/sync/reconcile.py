"""Reconciliation: does Stripe bill what was sold? Found, kept, put right by the ordinary road, or accepted.

It reads only; whatever is put right is an ordinary sync of the contract, with the same steps, intents and
lanes. One contract that cannot be read is a finding of its own and does not stop the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from cpqbridge.domain.billing import Plan
from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    ConflictError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    PausedError,
    TransientError,
)
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import audit, findings, intents, plans, reconciliations
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.connections import Connection
from cpqbridge.store.findings import FindingState, StoredFinding
from cpqbridge.store.reconciliations import Reconciliation
from cpqbridge.sync.allowance import Purpose, calling_for
from cpqbridge.sync.dashboard import page_of
from cpqbridge.sync.findings import Finding, FindingKind, Remedy
from cpqbridge.sync.found_order import found_order
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.reconcile_lock import alone
from cpqbridge.sync.reconcile_read import ContractReader
from cpqbridge.sync.task import Task, root_of
from cpqbridge.sync.wake import contract_notice

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

log = structlog.get_logger(__name__)

RESUME_WITHIN = timedelta(hours=24)
"""How long a reconciliation that was cut off is gone on with instead of begun anew."""

_READS_AT_MOST = 3
_STOPPING = (AccessLostError, ConfigurationError, PausedError, TransientError, OutcomeUnknownError)
"""What is no fault of a contract: the run ends here and is gone on with later."""

Progress = Callable[[int, int, str], None]
"""Told how many contracts were looked at, of how many, and the one that is next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a reconciliation found: every open and accepted finding of what was looked at, by number.

    `contracts` were looked at in this run, `earlier` by the run that it went on with. `unsettled` are those
    that kept changing while they were read: they are left as they were.
    """

    connection: str
    findings: tuple[StoredFinding, ...]
    contracts: int
    earlier: int = 0
    unsettled: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[StoredFinding, ...]:
        """Return the findings that nobody accepted."""
        return tuple(each for each in self.findings if each.state is FindingState.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What puts the findings of one contract right, in one sync; `plan` is what that sync would do."""

    task: Task
    plan: Plan
    findings: tuple[StoredFinding, ...]


class Reconciler:
    """Compares contracts in Salesforce, the store and Stripe; see the module."""

    def __init__(self, service: SyncService, *, progress: Progress = lambda _done, _all, _next: None) -> None:
        """Work with the service's connections; nothing is read yet."""
        self._service = service
        self._store = service.store
        self._progress = progress

    # Looking.

    def run(self, name: str | None, *, order: str | None = None, contract: str | None = None) -> Reconciled:
        """Look at one contract, or at all of a connection, and keep what is found.

        A run over all that was cut off within a day is gone on with.

        Args:
            name: the connection; None for the only one there is.
            order: id or number of an order of the contract to look at.
            contract: id of the contract to look at, or of its original quote.

        Raises:
            ConfigurationError: there is no such order, contract or connection.
            AccessLostError: a side no longer lets us in.
            PausedError: the connection is paused.
            TransientError: a side is busy or down; the next run goes on where this one stopped.
            ConflictError: another process compares all of the connection just now.
        """
        opened = self._service.open(name)
        reader = ContractReader(self._store, opened)
        if order is None and contract is None:
            with alone(self._store.home, opened.connection_id):
                return self._all(opened, reader)
        notice = self._named(opened, order, contract)
        settled = self._look(opened, reader, root_of(notice), notice)
        return Reconciled(
            connection=opened.connection.name,
            findings=self._stored(opened.connection_id, root_of(notice)),
            contracts=1,
            unsettled=() if settled else (root_of(notice),),
        )

    def nightly(self, opened: OpenConnection) -> int:
        """Look at all contracts of a connection, log each finding that is open, and return how many are."""
        connection = opened.connection
        try:
            with calling_for(Purpose.BACKGROUND):
                result = self.run(connection.name)
        except ConflictError:
            # Whoever compares everything just now finds what this would find.
            return 0
        for each in result.open:
            log.warning(
                "finding_open",
                connection=connection.name,
                finding=each.finding_id,
                kind=each.kind,
                contract=each.document.get("contract"),
                found=each.document.get("found"),
            )
        log.info(
            "reconciled", connection=connection.name, contracts=result.contracts, findings=len(result.open)
        )
        return len(result.open)

    def _all(self, opened: OpenConnection, reader: ContractReader) -> Reconciled:
        connection_id, now = opened.connection_id, self._now(opened)
        with self._store.read() as transaction:
            state = reconciliations.find(transaction, connection_id=connection_id)
        if state is None or state.finished_at is not None or now - state.started_at > RESUME_WITHIN:
            state = Reconciliation(started_at=now, finished_at=None, last_place="", contracts=0)
        state = replace(state, problem="")
        self._keep_state(connection_id, state)
        try:
            return self._go_through(opened, reader, state)
        except CpqbridgeError as error:
            with self._store.read() as transaction:
                state = reconciliations.find(transaction, connection_id=connection_id) or state
            self._keep_state(connection_id, replace(state, problem=str(error)))
            raise

    def _go_through(
        self, opened: OpenConnection, reader: ContractReader, state: Reconciliation
    ) -> Reconciled:
        connection_id, earlier, unsettled = opened.connection_id, state.contracts, []
        places = self._places(opened)
        left = [(place, notice) for place, notice in places if place > state.last_place]
        state = replace(state, total=earlier + len(left))
        self._keep_state(connection_id, state)
        for count, (place, notice) in enumerate(left, start=earlier + 1):
            self._progress(count, earlier + len(left), notice.order_number)
            if not self._look(opened, reader, root_of(notice), notice):
                unsettled.append(root_of(notice))
            state = replace(state, last_place=place, contracts=count)
            self._keep_state(connection_id, state)
        self._look_for_orphans(opened, known={root_of(notice) for _, notice in places})
        self._keep_state(connection_id, replace(state, finished_at=self._now(opened)))
        return Reconciled(
            connection=opened.connection.name,
            findings=self._stored(connection_id),
            contracts=len(left),
            earlier=earlier,
            unsettled=tuple(unsettled),
        )

    def _places(self, opened: OpenConnection) -> list[tuple[str, OrderNotice]]:
        """Return every contract that is known here or qualifies, those of one customer together."""
        connection_id = opened.connection_id
        notices = {root_of(each): each for each in opened.salesforce.qualifying_orders(since=None)}
        with self._store.read() as transaction:
            customers = intents.customer_of_contracts(transaction, connection_id=connection_id)
            for root_id in plans.roots(transaction, connection_id=connection_id):
                known = contract_notice(transaction, connection_id=connection_id, root_id=root_id)
                if known is not None and root_id not in notices:
                    notices[root_id] = known
        return sorted(
            (f"{customers.get(root_id, '')}|{root_id}", notice) for root_id, notice in notices.items()
        )

    def _look(
        self, opened: OpenConnection, reader: ContractReader, root_id: str, notice: OrderNotice
    ) -> bool:
        """Look at one contract and keep what is found; return False where it kept changing meanwhile.

        What was found is only believed when nothing was done to the contract while it was read.
        """
        for _ in range(_READS_AT_MOST):
            before = reader.stored(root_id)
            at = self._now(opened)
            found = self._found(reader, root_id, notice, at=at)
            if not found or reader.stored(root_id) == before:
                self._keep(opened, root_id, found, at=at)
                return True
            reader.forget_customers()
        return False

    def _found(
        self, reader: ContractReader, root_id: str, notice: OrderNotice, *, at: datetime
    ) -> tuple[Finding, ...]:
        try:
            return tuple(reader.findings(root_id, notice, reader.stored(root_id), at=at))
        except _STOPPING:
            raise
        except CpqbridgeError as error:
            return (_unreadable(root_id, notice, error),)
        except Exception as error:
            log.exception("contract_not_reconciled", contract=root_id)
            unexpected = InvariantError(
                f"An unexpected error stopped the comparison: {type(error).__name__}.",
                code="unexpected",
                fix="Look into the log for details and report it.",
            )
            return (_unreadable(root_id, notice, unexpected),)

    def _keep(self, opened: OpenConnection, root_id: str, found: Sequence[Finding], *, at: datetime) -> None:
        connection_id, facts = opened.connection_id, opened.connection.facts
        known = self._stored(connection_id, root_id)
        seen = [
            each.as_seen(link=page_of(each.stripe_id, facts), reason=_accepted_with(each, known, found))
            for each in found
        ]
        if not seen and not known:
            return
        with self._store.write() as transaction:
            findings.keep(
                transaction,
                connection_id=connection_id,
                root_id=root_id,
                seen=seen,
                at=at,
                # What cannot be seen now may still be there.
                closes=all(each.kind is not FindingKind.UNREADABLE for each in found),
            )

    def _look_for_orphans(self, opened: OpenConnection, *, known: set[str]) -> None:
        """Keep a finding for each running schedule of this org whose contract nobody knows."""
        now, connection_id = self._now(opened), opened.connection_id
        by_root: defaultdict[str, list[Finding]] = defaultdict(list)
        for schedule in opened.stripe.running_schedules():
            metadata = schedule.get("metadata") or {}
            root_id = str(metadata.get("salesforce_root_id") or "")
            if root_id and root_id not in known and _is_of_org(metadata, opened.connection):
                by_root[root_id].append(_orphan(root_id, str(schedule["id"]), metadata))
        with self._store.read() as transaction:
            earlier = set(findings.roots(transaction, connection_id=connection_id))
        for root_id in sorted((earlier - known) | by_root.keys()):
            self._keep(opened, root_id, by_root.get(root_id, []), at=now)

    def _named(self, opened: OpenConnection, order: str | None, contract: str | None) -> OrderNotice:
        if order is not None:
            return found_order(opened, order)
        with self._store.read() as transaction:
            known = plans.root_of_contract(
                transaction, connection_id=opened.connection_id, contract=contract or ""
            )
            notice = known and contract_notice(transaction, connection_id=opened.connection_id, root_id=known)
        if not notice:
            raise ConfigurationError(
                f"No contract {contract!r} was seen in {opened.connection.facts.org_name}.",
                code="contract_unknown",
                field="--contract",
                fix="Give the contract's id (800…), or name one of its orders with --order.",
            )
        return notice

    def _stored(self, connection_id: int, root_id: str | None = None) -> tuple[StoredFinding, ...]:
        with self._store.read() as transaction:
            return findings.of_connection(transaction, connection_id=connection_id, root_id=root_id)

    def _keep_state(self, connection_id: int, state: Reconciliation) -> None:
        with self._store.write() as transaction:
            reconciliations.keep(transaction, connection_id=connection_id, state=state)

    def _now(self, opened: OpenConnection) -> datetime:
        return self._service.clock_of(opened.connection).now()

    # Putting right.

    def fixes(self, name: str | None, found: Iterable[StoredFinding]) -> Iterator[Fix]:
        """Yield what can be put right of these findings, contract by contract; nothing is written.

        Accepted findings, and those that only a person can put right, are left out.
        """
        opened = self._service.open(name)
        by_root: defaultdict[str, list[StoredFinding]] = defaultdict(list)
        for each in found:
            if each.state is FindingState.OPEN and each.document["remedy"] != Remedy.BY_HAND.value:
                by_root[each.root_id].append(each)
        for root_id, together in sorted(by_root.items()):
            task = self._task(opened, root_id, together)
            history = opened.salesforce.history(opened.salesforce.read_contract(task.notice))
            request = PlanRequest(
                history=history, as_of=self._now(opened), restores=task.restores, cancels=task.cancels
            )
            plan = make_plan(self._store, opened, request).plan
            yield Fix(task=task, plan=plan, findings=tuple(together))

    def carry_out(self, name: str | None, fix: Fix) -> tuple[StoredFinding, ...]:
        """Sync the contract of a fix, look at it again, and return its findings that are still open.

        Raises:
            CpqbridgeError: what stopped the sync; the findings stay open.
        """
        self._service.sync_task(fix.task)
        opened = self._service.open(name)
        reader, root_id = ContractReader(self._store, opened), fix.task.root_id
        numbers = [each.finding_id for each in fix.findings]
        with self._store.write() as transaction:
            findings.close(transaction, finding_ids=numbers, state=FindingState.FIXED, at=self._now(opened))
            found = [str(each.document["found"]) for each in fix.findings]
            entry = AuditEntry(
                connection_id=opened.connection_id,
                at=self._now(opened),
                action="findings_fixed",
                subject=str(fix.findings[0].document["contract"]),
                detail={"findings": numbers, "found": found},
            )
            audit.record(transaction, entry)
        self._look(opened, reader, root_id, fix.task.notice)
        return tuple(
            each for each in self._stored(opened.connection_id, root_id) if each.state is FindingState.OPEN
        )

    def _task(self, opened: OpenConnection, root_id: str, together: Sequence[StoredFinding]) -> Task:
        remedies: defaultdict[str, list[StoredFinding]] = defaultdict(list)
        for each in together:
            remedies[each.document["remedy"]].append(each)
        order_ids = [order_id for each in together for order_id in each.document["orders"]]
        with self._store.read() as transaction:
            notice = contract_notice(transaction, connection_id=opened.connection_id, root_id=root_id)
        if notice is None:
            notice = found_order(opened, order_ids[0])
        return Task(
            connection_id=opened.connection_id,
            notice=notice,
            restores=frozenset(each.document["key"] for each in remedies[Remedy.RESTORE.value]),
            cancels=frozenset(each.subject for each in remedies[Remedy.CANCEL.value]),
        )


def _accepted_with(finding: Finding, known: Iterable[StoredFinding], found: Sequence[Finding]) -> str:
    """Return why an invoice is accepted that only bills what a schedule bills whose change was accepted.

    Whoever accepts the change accepts what it bills from then on; what it billed before is told by itself.
    """
    changed = {each.subject: each for each in found if each.kind is FindingKind.CHANGED_IN_STRIPE}
    for each in known:
        is_accepted = each.state is FindingState.ACCEPTED and each.subject in changed
        if is_accepted and each.document["key"] == finding.key and finding.billed_on is not None:
            same = set(changed[each.subject].marks) <= set(each.document[findings.MARKS])
            if same and finding.billed_on >= each.first_seen_at.date():
                return f"Follows from finding {each.finding_id}: {each.reason}"
    return ""


def _unreadable(root_id: str, notice: OrderNotice, error: CpqbridgeError) -> Finding:
    return Finding(
        kind=FindingKind.UNREADABLE,
        root_id=root_id,
        contract_key=notice.contract_id or notice.order_id,
        subject=root_id,
        order_ids=(notice.order_id,),
        numbers={notice.order_id: notice.order_number},
        found=f"The contract of order {notice.order_number} could not be compared: {error.message}",
        wanted="readable in Salesforce and Stripe",
        fix=error.fix or "Look at the records it names, then reconcile again.",
        marks=(error.code, error.record_id or ""),
    )


def _orphan(root_id: str, schedule_id: str, metadata: Mapping[str, str]) -> Finding:
    order_id = metadata.get("salesforce_order_id") or root_id
    return Finding(
        kind=FindingKind.EXTRA,
        root_id=root_id,
        contract_key=metadata.get("salesforce_contract_key") or root_id,
        subject=schedule_id,
        order_ids=(order_id,),
        numbers={order_id: metadata.get("salesforce_order_number") or order_id},
        stripe_id=schedule_id,
        found=f"Subscription schedule {schedule_id} bills order {order_id}, which is known "
        "neither in Salesforce nor here",
        wanted="nothing billed that no order sold",
        fix="Look whether the order was deleted or is outside the connection's filter. Cancel the schedule "
        "in Stripe if it should not bill; else accept it.",
        marks=(schedule_id,),
    )


def _is_of_org(metadata: Mapping[str, str], connection: Connection) -> bool:
    """Return whether metadata of ours was written for this connection's org: several may share an account."""
    address = metadata.get("salesforce_order_link") or ""
    own = connection.facts.salesforce_url.rstrip("/")
    return bool(metadata.get("cpqbridge_key")) and address.startswith(f"{own}/")
