"""What both systems say of an order now: its contract's invoices in Stripe, its status in Salesforce.

Everything is read, nothing is changed or kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from cpqbridge.domain.billing import ForecastInvoice, Plan
from cpqbridge.mapping.fields import SYNC_RECORD_OBJECT, OurFields, SyncRecordFields
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.store import intents, objects
from cpqbridge.store.views import OrderDetail
from cpqbridge.sync.dashboard import BALANCE_TRANSACTION
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.report_invoices import BilledDocument, billed_documents
from cpqbridge.sync.wake import contract_notice

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldToSalesforce:
    """What Salesforce shows of an order: status and message on it, and its Sync Record; empty where nothing.

    `action` is what the record says to do, `is_resolved` None where there is no record.
    """

    status: str = ""
    message: str = ""
    stripe_id: str = ""
    record_status: str = ""
    record_message: str = ""
    action: str = ""
    is_resolved: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedInvoice:
    """An invoice or credit of one day: planned, in Stripe, or both; amounts are minor units.

    `is_due` tells that its day has come and that what makes it was sent, so that one that is only planned is
    missing in Stripe. `adds_up` tells that all of its day and kind come to what was planned: a credit may
    stand on several notes.
    """

    on: date
    kind: str
    currency: str
    planned_minor: int | None
    billed: BilledDocument | None
    is_due: bool
    adds_up: bool = False

    @property
    def differs(self) -> bool:
        """Return whether Stripe does not have what was planned, or has what was not."""
        if self.billed is None:
            return self.is_due and not self.adds_up
        return self.planned_minor != self.billed.total_minor and not self.adds_up


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNow:
    """What was read at `at` (aware UTC); `told` is None when Salesforce does not show the order."""

    at: datetime
    invoices: tuple[DatedInvoice, ...]
    told: ToldToSalesforce | None


class OrderNowReader:
    """Asks both systems about single orders."""

    def __init__(self, service: SyncService) -> None:
        """Ask over the connections of the service."""
        self._service = service

    def of(self, detail: OrderDetail) -> OrderNow:
        """Return what both systems say of an order and its contract.

        One call to Salesforce, and those of `customer_records` for each customer the contract was billed to.

        Raises:
            CpqbridgeError: a system could not be asked.
        """
        connection = detail.view.connection
        self._service.gate.require_open(connection.connection_id)
        opened = self._service.open_id(connection.connection_id)
        now = self._service.clock_of(connection).now()
        plan = detail.view.plan
        billed = self._billed(opened, detail, plan) if plan is not None else ()
        return OrderNow(
            at=now,
            invoices=beside_each_other(
                plan.forecast if plan is not None else (),
                billed,
                now=now,
                sent=self._sent(opened.connection_id, detail.view.standing.root_id),
            ),
            told=self._told(opened, detail),
        )

    def _billed(self, opened: OpenConnection, detail: OrderDetail, plan: Plan) -> tuple[BilledDocument, ...]:
        with self._service.store.read() as transaction:
            customers = set(
                intents.customers_of(transaction, connection_id=opened.connection_id, root_id=plan.root_id)
            )
        linked = {link.stripe_id for link in detail.links if link.key.startswith("customer:")}
        on_balance = any(link.stripe_id.startswith(BALANCE_TRANSACTION) for link in detail.links)
        found: list[BilledDocument] = []
        for customer_id in sorted(customers or linked):
            records = opened.stripe.customer_records(customer_id=customer_id)
            moved: Sequence[Mapping[str, Any]] = ()
            if on_balance:
                moved = opened.stripe.balance_transactions(customer_id=customer_id)
            found += billed_documents(
                records.invoices,
                records.credit_notes,
                contract_of_line={line.order_item_id: plan.contract_key for line in plan.lines},
                balance_transactions=moved,
            )
        return tuple(each for each in found if each.contract == plan.contract_key)

    def _sent(self, connection_id: int, root_id: str) -> frozenset[str]:
        """Return the keys of what Stripe was sent of a contract."""
        with self._service.store.read() as transaction:
            found = objects.of_contract(transaction, connection_id=connection_id, root_id=root_id)
        return frozenset(found)

    def _told(self, opened: OpenConnection, detail: OrderDetail) -> ToldToSalesforce | None:
        standing = detail.view.standing
        with self._service.store.read() as transaction:
            notice = contract_notice(
                transaction,
                connection_id=opened.connection_id,
                root_id=standing.root_id,
                order_id=standing.order_id,
            )
        if notice is None:
            return None
        raw = opened.salesforce.read_contract(notice)
        order = next((row for row in raw.orders if row.get("Id") == standing.order_id), None)
        if order is None:
            return None
        key = f"{standing.order_id}|{standing.order_id}"
        records = raw.extra.get(SYNC_RECORD_OBJECT) or ()
        record = next((row for row in records if row.get(SyncRecordFields.KEY) == key), None)
        ours = OurFields(opened.configuration.mapping.salesforce_prefix)
        return _told(order, record, ours)


@dataclass(slots=True)
class _Day:
    """What is planned and what is in Stripe of one day, kind and currency; amounts are minor units."""

    planned: list[int] = field(default_factory=list)
    billed: list[BilledDocument] = field(default_factory=list)
    is_sent: bool = False


def beside_each_other(
    planned: Iterable[ForecastInvoice],
    billed: Iterable[BilledDocument],
    *,
    now: datetime,
    sent: Collection[str],
) -> tuple[DatedInvoice, ...]:
    """Return planned and real invoices by date; those of one day and kind are paired by their totals first.

    Of invoices that come to nothing, Stripe's too, none is shown: Stripe makes some that were not planned,
    and none of some that were. `sent` are the keys of the objects that Stripe was sent; invoices of others
    are not missing there.
    """
    days: defaultdict[tuple[date, str, str], _Day] = defaultdict(_Day)
    for invoice in planned:
        if invoice.total_minor:
            day = days[invoice.on, _side(invoice.total_minor), invoice.currency]
            day.planned.append(invoice.total_minor)
            day.is_sent = day.is_sent or invoice.object_key in sent
    for document in billed:
        if document.total_minor:
            days[document.on, _side(document.total_minor), document.currency].billed.append(document)
    return tuple(
        DatedInvoice(
            on=on,
            kind=kind,
            currency=currency,
            planned_minor=planned_minor,
            billed=document,
            is_due=on <= now.date() and day.is_sent,
            adds_up=sum(day.planned) == sum(each.total_minor for each in day.billed),
        )
        for (on, kind, currency), day in sorted(days.items(), key=lambda item: item[0])
        for planned_minor, document in _pairs(day.planned, day.billed)
    )


def _side(total_minor: int) -> str:
    return "credit" if total_minor < 0 else "invoice"


def _pairs(
    totals: Sequence[int], documents: Sequence[BilledDocument]
) -> list[tuple[int | None, BilledDocument | None]]:
    left = sorted(totals)
    found: list[tuple[int | None, BilledDocument | None]] = []
    odd: list[BilledDocument] = []
    for document in documents:
        if document.total_minor in left:
            left.remove(document.total_minor)
            found.append((document.total_minor, document))
        else:
            odd.append(document)
    return [*found, *zip_longest(left, odd)]


def _told(order: RawRecord, record: RawRecord | None, ours: OurFields) -> ToldToSalesforce:
    shown = record or {}
    return ToldToSalesforce(
        status=_text(order, ours.sync_status),
        message=_text(order, ours.sync_message),
        stripe_id=_text(order, ours.stripe_id),
        record_status=_text(shown, SyncRecordFields.STATUS),
        record_message=_text(shown, SyncRecordFields.MESSAGE),
        action=_text(shown, SyncRecordFields.ACTION),
        is_resolved=None if record is None else bool(record.get(SyncRecordFields.RESOLVED)),
    )


def _text(row: RawRecord, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""
