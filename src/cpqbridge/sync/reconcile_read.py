"""Reading one contract for a reconciliation: Salesforce, the store, and what Stripe has of its customers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cpqbridge.domain.billing import BillingObject, Link
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.raw import OrderNotice, RawContract, WriteBackRecord
from cpqbridge.planning.tracks import going_on
from cpqbridge.store import intents, links, objects, plans, timers
from cpqbridge.store.database import Store
from cpqbridge.store.plans import OrderStanding
from cpqbridge.stripe_billing.customer_records import CustomerRecords
from cpqbridge.stripe_billing.reader import schedule_standing
from cpqbridge.sync.findings import Finding
from cpqbridge.sync.planner import PlanMade, PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.reconcile_amounts import BilledContract, BilledRecords
from cpqbridge.sync.reconcile_contract import ContractFacts
from cpqbridge.sync.write_back_step import WriteBackRequest, write_back_records_for

_CUSTOMERS_KEPT = 4
_FRESH = timedelta(minutes=10)
"""How long an order that was just saved is left to the worker of a live connection."""

_SHOWN_KINDS = ("credit_note",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContract:
    """What the store knows of a contract; two equal ones tell that nothing was done in between."""

    standings: tuple[OrderStanding, ...]
    sent: Mapping[str, BillingObject]
    links: Mapping[str, Link]
    executed: frozenset[str]
    under_way: frozenset[str]
    customers: frozenset[str]
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContract:
    """A contract as it was read from Salesforce, with what a sync of it would do now."""

    raw: RawContract
    history: OrderHistory
    made: PlanMade


class ContractReader:
    """Reads contracts of one connection; what bills a customer is read once for contracts that follow."""

    def __init__(self, store: Store, opened: OpenConnection) -> None:
        """Read over `opened`; nothing is read yet."""
        self._store = store
        self._opened = opened
        self._customers: OrderedDict[str, CustomerRecords] = OrderedDict()

    def stored(self, root_id: str) -> StoredContract:
        """Return what the store knows of a contract now."""
        connection_id = self._opened.connection_id
        with self._store.read() as transaction:
            sent = objects.of_contract(transaction, connection_id=connection_id, root_id=root_id)
            record = objects.record(transaction, connection_id=connection_id, root_id=root_id)
            timer = timers.find(transaction, connection_id=connection_id, root_id=root_id)
            unsettled = intents.unsettled(transaction, connection_id=connection_id, root_id=root_id)
            orders = {order_id for each in sent.values() for order_id in each.order_ids}
            return StoredContract(
                standings=plans.standings(transaction, connection_id=connection_id, root_id=root_id),
                sent=sent,
                links=links.of_contract(transaction, connection_id=connection_id, root_id=root_id),
                executed=frozenset(orders | {entry.order_id for entry in record.orders}),
                under_way=frozenset(intent.content.step_key for intent in unsettled),
                customers=intents.customers_of(transaction, connection_id=connection_id, root_id=root_id),
                due_at=timer.due_at if timer is not None else None,
            )

    def read(self, notice: OrderNotice, at: datetime) -> ReadContract | None:
        """Return the contract of an order as Salesforce has it, None where none of its orders is left."""
        raw = self._opened.salesforce.read_contract(notice)
        if not raw.orders:
            return None
        history = self._opened.salesforce.history(raw)
        made = make_plan(self._store, self._opened, PlanRequest(history=history, as_of=at))
        return ReadContract(raw=raw, history=history, made=made)

    def findings(
        self, root_id: str, notice: OrderNotice, stored: StoredContract, *, at: datetime
    ) -> Iterator[Finding]:
        """Yield every finding of one contract, as of `at` (aware UTC)."""
        read = self.read(notice, at)
        account_id = read.history.account.account_id if read is not None else None
        own = self._own_links(stored, account_id)
        records = [self._customer(customer_id) for customer_id in sorted(self._customer_ids(stored, own))]
        facts = self._facts(root_id, stored, read, records=records, own=own, at=at)
        numbers = _numbers(stored, read)
        for each in (*facts.findings(), *self._billed(facts, records).findings()):
            yield replace(each, numbers=numbers)

    def _own_links(self, stored: StoredContract, account_id: str | None) -> dict[str, Link]:
        """Return the contract's links and that of its account's customer."""
        if account_id is None:
            return dict(stored.links)
        with self._store.read() as transaction:
            customer = links.load(
                transaction, connection_id=self._opened.connection_id, keys=[f"customer:{account_id}"]
            )
        return {**stored.links, **customer}

    @staticmethod
    def _customer_ids(stored: StoredContract, own: Mapping[str, Link]) -> set[str]:
        if not stored.sent:
            return set()
        linked = {link.stripe_id for key, link in own.items() if key.startswith("customer:")}
        return set(stored.customers) or linked

    def _customer(self, customer_id: str) -> CustomerRecords:
        found = self._customers.pop(customer_id, None)
        if found is None:
            found = self._opened.stripe.customer_records(customer_id=customer_id)
        self._customers[customer_id] = found
        if len(self._customers) > _CUSTOMERS_KEPT:
            self._customers.popitem(last=False)
        return found

    def forget_customers(self) -> None:
        """Read customers anew from now on."""
        self._customers.clear()

    def _facts(
        self,
        root_id: str,
        stored: StoredContract,
        read: ReadContract | None,
        *,
        records: Sequence[CustomerRecords],
        own: Mapping[str, Link],
        at: datetime,
    ) -> ContractFacts:
        schedules = tuple(schedule for each in records for schedule in each.schedules)
        listed = {str(schedule["id"]): schedule for schedule in schedules}
        sent = {key: going_on(each, at) for key, each in stored.sent.items()}
        facts = ContractFacts(
            root_id=root_id,
            contract_key=_contract_key(root_id, stored, read),
            at=at,
            history=read.history if read is not None else None,
            plan=read.made.plan if read is not None else None,
            sent=sent,
            links=own,
            standings={
                key: self._standing(stored.links[key].stripe_id, listed)
                for key, each in sent.items()
                if each.kind == "schedule" and key in stored.links
            },
            schedules=schedules,
            executed=stored.executed,
            adopted=_adopted(read),
            not_shown=self._not_shown(read, stored),
            numbers=_numbers(stored, read),
            due_since=stored.due_at if stored.due_at is not None and stored.due_at <= at else None,
            under_way=stored.under_way,
            fresh_since=at - _FRESH if self._opened.configuration.sync.live else None,
        )
        return replace(facts, sold_before=self._sold_before(root_id)) if facts.is_frozen else facts

    def _standing(self, schedule_id: str, listed: Mapping[str, Mapping[str, Any]]) -> Any:
        """Return a schedule as it stands; one of another customer, or a missing one, takes a call."""
        if schedule_id in listed:
            return schedule_standing(schedule_id, listed[schedule_id])
        return self._opened.stripe.schedule_standing(schedule_id)

    def _sold_before(self, root_id: str) -> dict[str, dict[str, int]]:
        with self._store.read() as transaction:
            return plans.sold_before(transaction, connection_id=self._opened.connection_id, root_id=root_id)

    def _not_shown(self, read: ReadContract | None, stored: StoredContract) -> tuple[WriteBackRecord, ...]:
        """Return what a write-back would write; nothing while something is still to be done in Stripe."""
        if read is None or not stored.executed or read.made.plan.steps:
            return ()
        return write_back_records_for(
            WriteBackRequest(
                store=self._store,
                opened=self._opened,
                raw=read.raw,
                history=read.history,
                plan=read.made.plan,
                standings=[each for each in stored.standings if each.state is OrderState.SYNCED],
            )
        )

    def _billed(self, facts: ContractFacts, records: Sequence[CustomerRecords]) -> BilledContract:
        names = (
            {key: product.name for key, product in facts.history.products.items()} if facts.history else {}
        )
        used = {
            product_id
            for each in facts.sent.values()
            for phase in each.phases
            for product_id in (
                *(item.product_id for item in phase.items),
                *(item.product_id for item in phase.one_time_items),
            )
        }
        credited = any(key.partition(":")[0] in _SHOWN_KINDS for key in facts.links)
        return BilledContract(
            root_id=facts.root_id,
            contract_key=facts.contract_key,
            sent=tuple(each for _, each in sorted(facts.sent.items())),
            product_names={key: names.get(key, key) for key in used},
            records=BilledRecords(
                invoices=tuple(invoice for each in records for invoice in each.invoices),
                credit_notes=tuple(note for each in records for note in each.credit_notes),
                balance_transactions=tuple(
                    moved
                    for each in records
                    if credited
                    for moved in self._opened.stripe.balance_transactions(customer_id=each.customer_id)
                ),
                pending=tuple(item for each in records for item in each.pending),
            ),
            at=facts.at,
            subscription_ids=frozenset(
                each.subscription_id for each in facts.standings.values() if each.subscription_id
            ),
        )


def _contract_key(root_id: str, stored: StoredContract, read: ReadContract | None) -> str:
    if read is not None:
        return read.history.contract_key
    return next((each.contract_key for each in stored.standings), root_id)


def _numbers(stored: StoredContract, read: ReadContract | None) -> dict[str, str]:
    """Return the order numbers by order id, also of orders that are gone."""
    present = read.history.orders if read is not None else ()
    return {
        **{each.order_id: each.order_number for each in stored.standings},
        **{each.order_id: each.order_number for each in present},
    }


def _adopted(read: ReadContract | None) -> frozenset[str]:
    """Return the orders whose Stripe objects were found again behind the ids they show."""
    if read is None or not read.made.found.links:
        return frozenset()
    found = {link.stripe_id for link in read.made.found.links.values()}
    return frozenset(order.order_id for order in read.history.orders if order.displayed_stripe_id in found)
