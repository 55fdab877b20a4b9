"""What the account holds: objects, clocks, due work, debits and events; no behaviour of its own."""

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cpqbridge_sim.stripe.assumptions import Assumptions
from cpqbridge_sim.stripe.collection_settings import CollectionSettings
from cpqbridge_sim.stripe.identifiers import Identifiers
from cpqbridge_sim.stripe.metering import UsageBook
from cpqbridge_sim.stripe.outbox import Outbox
from cpqbridge_sim.stripe.store import Body, Store, copied

# What happens to an invoice in these events changes it as well.
_WITH_INVOICE_UPDATED = frozenset(
    {
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
    }
)
# The vendor keeps events for 30 days.
_DAY_SECONDS = 86_400
EVENT_SECONDS = 30 * _DAY_SECONDS
API_VERSION = "2026-10-28.endive"


@dataclass(slots=True, kw_only=True)
class Debit:
    """One billed stretch of a subscription item, from which flexible credits are taken.

    `net_amount` is what was billed for `[start, end)` after discounts, in minor units; `discount_amounts`
    what each discount took off before, in their order.
    """

    item_id: str
    start: int
    end: int
    net_amount: int
    invoice_id: str | None = None
    line_id: str | None = None
    # The lines of further tiers of the same charge.
    other_line_ids: tuple[str, ...] = ()
    invoice_item_id: str | None = None
    discount_amounts: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What a paused subscription becomes when its resumption invoice is settled.

    `periods` are those of its items by id; `on_success` waits for a payment rather than for an attempt.
    """

    subscription_id: str
    at: int
    anchor: int
    periods: dict[str, tuple[int, int]]
    on_success: bool
    expires_at: int


@dataclass(frozen=True, slots=True, order=True)
class Wake:
    """Work that falls due: at equal times a smaller priority goes first, then the older entry."""

    at: int
    priority: int
    number: int
    kind: str = field(compare=False)
    object_id: str = field(compare=False)


@dataclass(slots=True, kw_only=True)
class AccountState:
    """Everything the simulated account knows; times are Unix seconds in UTC."""

    now: int
    account_id: str
    country: str
    default_currency: str
    display_name: str
    livemode: bool
    assumptions: Assumptions
    identifiers: Identifiers = field(default_factory=Identifiers)
    store: Store = field(default_factory=Store)
    wakes: dict[str | None, list[Wake]] = field(default_factory=dict)
    debits: dict[str, list[Debit]] = field(default_factory=dict)
    pending: dict[str, dict[str, Body]] = field(default_factory=dict)
    usage: UsageBook = field(default_factory=UsageBook)
    # Anchors of single items, used only when added items do not align to the subscription's anchor.
    item_anchors: dict[str, int] = field(default_factory=dict)
    inline_price_ids: set[str] = field(default_factory=set)
    lookup_keys: dict[str, str] = field(default_factory=dict)
    deleted_customer_ids: set[str] = field(default_factory=set)
    # Resumptions that wait, by invoice.
    resumptions: dict[str, Resumption] = field(default_factory=dict)
    # What becomes of invoices that are made while collection is paused, once they are finalized.
    uncollected: dict[str, str] = field(default_factory=dict)
    # What was charged for each invoice and not refunded yet, in minor units.
    charged: dict[str, int] = field(default_factory=dict)
    # The invoice payment that each unpaid invoice waits for, by invoice.
    open_payments: dict[str, Body] = field(default_factory=dict)
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    # When the quantities of each subscription were changed, of the last hour.
    quantity_updates: dict[str, list[int]] = field(default_factory=dict)
    # The coupon behind each discount; it outlives the coupon's deletion.
    discount_coupons: dict[str, Body] = field(default_factory=dict)
    # The tax rates that invoice lines have of their own; lines do not show them.
    line_tax_rates: dict[str, list[Body]] = field(default_factory=dict)
    # What events of now are a consequence of; the passing of time is nobody's request.
    current_request_id: str | None = None
    current_idempotency_key: str | None = None
    outbox: Outbox = field(default_factory=Outbox)
    # The text of each object as its last event told it, from which updates say what was before.
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    # For which moments notice was given or waits, by object, so that each is given once.
    notices: dict[str, int] = field(default_factory=dict)
    # Nobody reads the events of a preview or of a long simulation, which is a third quicker without them.
    records_events: bool = True
    _wake_count: int = 0
    _forget_at: int = 0

    def time_of(self, customer_id: str | None) -> int:
        """The current time for objects of this customer: its test clock's, or the account's."""
        return self.clock_time(self.clock_of(customer_id))

    def clock_of(self, customer_id: str | None) -> str | None:
        """The test clock of a customer, if any."""
        customer = self.store.get("customer", customer_id)
        return None if customer is None else customer.get("test_clock")

    def clock_time(self, clock_id: str | None) -> int:
        """The current time of a test clock, or of the account."""
        clock = self.store.get("test_helpers.test_clock", clock_id)
        return self.now if clock is None else int(clock["frozen_time"])

    def wake_at(self, at: int, *, priority: int, kind: str, body: Body) -> None:
        """Have the engine look at this object at that time, on its customer's clock."""
        self._wake_count += 1
        wake = Wake(at, priority, self._wake_count, kind, body["id"])
        heapq.heappush(self.wakes.setdefault(self.clock_of(body["customer"]), []), wake)

    def emit(self, kind: str, body: Body) -> None:
        """Record an event with the object as it is now."""
        self.emit_all((kind,), body)

    def emit_all(self, kinds: Iterable[str], body: Body) -> None:
        """Record several events of the same instant with the object as it is now.

        An update that changed nothing since the object's last event is none.
        """
        if not self.records_events:
            return
        customer_id = body["id"] if body["object"] == "customer" else body.get("customer")
        self._forget_old_events()
        # Kept as text: most events are never read, and text is quick to make.
        data = json.dumps(body)
        about = (body["object"], str(body.get("id")))
        before = self.told.get(about)
        self.told[about] = data
        kinds = tuple(kinds)
        if not _WITH_INVOICE_UPDATED.isdisjoint(kinds):
            kinds += ("invoice.updated",)
        for kind in kinds:
            is_update = kind.endswith(".updated")
            if is_update and before == data:
                continue
            event = {
                "id": self.identifiers.new("evt"),
                "object": "event",
                "api_version": API_VERSION,
                "created": self.time_of(customer_id),
                "data": data,
                "livemode": self.livemode,
                "pending_webhooks": 0,
                "request": {"id": self.current_request_id, "idempotency_key": self.current_idempotency_key},
                "type": kind,
            }
            if is_update and before is not None:
                event["before"] = before
            self.store.add(event)
            endpoints = self.store.by_type.get("webhook_endpoint")
            if endpoints:
                event["pending_webhooks"] = self.outbox.put(event, endpoints.values(), at=self.now)

    def _forget_old_events(self) -> None:
        # Once a day is enough, and spares looking for the oldest event before each new one.
        if self.now < self._forget_at:
            return
        self._forget_at = self.now + _DAY_SECONDS
        oldest = next(self.store.all("event"), None)
        while oldest is not None and oldest["created"] < self.now - EVENT_SECONDS:
            self.store.remove(oldest)
            oldest = next(self.store.all("event"), None)

    def subscription_items(self, subscription: Body) -> list[Body]:
        """The live items of a subscription, in their order."""
        items: list[Body] = subscription["items"]["data"]
        return items

    def pending_items(self, customer_id: str, subscription_id: str | None) -> Iterator[Body]:
        """Invoice items that wait for this subscription's next invoice, or for any of the customer's."""
        waiting = self.pending.get(customer_id, {})
        for identifier in list(waiting):
            body = waiting[identifier]
            if body["invoice"] is not None or self.store.get("invoiceitem", identifier) is None:
                del waiting[identifier]
                continue
            details = (body["parent"] or {}).get("subscription_details") or {}
            owner = details.get("subscription")
            if owner is None or owner == subscription_id:
                yield body

    def fork(self, customer_id: str) -> "AccountState":
        """A copy that holds one customer's objects and the catalogue; changing it leaves this one alone."""
        other = AccountState(
            now=self.now,
            account_id=self.account_id,
            country=self.country,
            default_currency=self.default_currency,
            display_name=self.display_name,
            livemode=self.livemode,
            assumptions=self.assumptions,
            collection=self.collection,
            identifiers=self.identifiers.fork(),
            inline_price_ids=set(self.inline_price_ids),
            item_anchors=dict(self.item_anchors),
            resumptions=dict(self.resumptions),
            uncollected=dict(self.uncollected),
            usage=self.usage.fork(customer_id),
            line_tax_rates=dict(self.line_tax_rates),
            discount_coupons=dict(self.discount_coupons),
            records_events=False,
        )
        for kind, bodies in self.store.by_type.items():
            if kind in ("event", "invoice_payment"):
                continue
            for body in bodies.values():
                owner = body["id"] if kind == "customer" else body.get("customer")
                if owner is None or owner == customer_id or kind == "test_helpers.test_clock":
                    # Prices and products do not change while billing runs, so they need no copy.
                    other.store.add(body if kind in ("price", "product", "billing.meter") else copied(body))
        waiting = other.store.all("invoiceitem")
        other.pending[customer_id] = {body["id"]: body for body in waiting if body["invoice"] is None}
        mine = {item["id"] for sub in other.store.all("subscription") for item in sub["items"]["data"]}
        for item_id in mine:
            other.debits[item_id] = [_copied_debit(debit) for debit in self.debits.get(item_id, [])]
        clock_id = self.clock_of(customer_id)
        other.wakes[clock_id] = list(self.wakes.get(clock_id, []))
        other._wake_count = self._wake_count
        return other


def _copied_debit(debit: Debit) -> Debit:
    values: dict[str, Any] = {name: getattr(debit, name) for name in Debit.__slots__}
    return Debit(**values)
