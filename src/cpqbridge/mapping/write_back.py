"""What Salesforce is told after a sync: ids, links, status, and one Sync Record per order (B12.1, B12.2).

Only values that differ from what was read are written, so that a repeat writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from cpqbridge.domain.ids import is_salesforce_id
from cpqbridge.domain.order import LineKind, OrderHistory, OrderLine
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.fields import (
    LINE_COUPON_OBJECT,
    ORDER_COUPON_OBJECT,
    SYNC_RECORD_OBJECT,
    CouponFields,
    OurFields,
    SyncRecordFields,
)
from cpqbridge.mapping.line_kinds import FREQUENCIES
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawContract, RawRecord, WriteBackRecord
from cpqbridge.mapping.records import record_id_at
from cpqbridge.mapping.stripe_objects import StripeObject, StripeObjects

ERRORS_PAGE = "https://github.com/cpqbridge/cpqbridge/blob/main/docs/reference/errors.md"
MESSAGE_LIMIT = 32_000
LINK_LIMIT = 255

_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})
_STATUS = MappingProxyType(
    {
        OrderState.SYNCED: "Synced",
        OrderState.UNCHANGED: "Synced",
        OrderState.WAITING: "Waiting",
        OrderState.HELD: "Held",
        OrderState.REFUSED: "Refused",
        OrderState.FAILED: "Failed",
    }
)
_SUCCESS = "Success"
_OBJECTS_BY_PREFIX = MappingProxyType(
    {
        "001": "Account",
        "01t": "Product2",
        "01u": "PricebookEntry",
        "800": "Contract",
        "801": "Order",
        "802": "OrderItem",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """Where one order ended up; texts are empty when nothing is wrong.

    `record_id` is the record the result is about, the order itself where it is empty.
    """

    order_id: str
    state: OrderState
    message: str = ""
    fix: str = ""
    code: str = ""
    request_link: str | None = None
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A record, its values as they were read, and the values it should have."""

    object_name: str
    record_id: str
    present: RawRecord
    fields: Mapping[str, object]
    external_id_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What all parts of a write-back look at."""

    raw: RawContract
    history: OrderHistory
    stripe: StripeObjects
    ours: OurFields

    def shown(self, found: StripeObject | None) -> dict[str, object]:
        """Return the two fields that show a Stripe object, nothing where there is none."""
        if found is None:
            return {}
        address = found.address[:LINK_LIMIT] if found.address else None
        return {self.ours.stripe_id: found.stripe_id, self.ours.stripe_link: address}

    def made(self, order_id: str) -> tuple[StripeObject | None, list[StripeObject]]:
        """Return the object that an order shows, and what else it shaped."""
        order = self.history.order(order_id)
        recurs = order is not None and any(line.kind is not LineKind.ONE_TIME for line in order.lines)
        return self.stripe.of_order(order_id, recurs=recurs)


def write_back_records(
    raw: RawContract,
    history: OrderHistory,
    results: Sequence[OrderResult],
    stripe: StripeObjects,
    *,
    fields: OurFields,
    writable: Mapping[str, frozenset[str]],
) -> tuple[WriteBackRecord, ...]:
    """Return the records to write, sorted by object and id; none when Salesforce shows everything already.

    Args:
        raw: the records as they were read; present values are compared with.
        history: the same records as the mapper understood them.
        results: where each order ended up; skipped and queued orders are not written.
        stripe: what Stripe has.
        fields: the names of our fields.
        writable: the fields that may be written, by object; others are left out.
    """
    source = _Source(raw=raw, history=history, stripe=stripe, ours=fields)
    results = [_told(source, result) for result in results]
    wanted = [
        *_account(source),
        *_products(source),
        *_pricebook_entries(source),
        *_order_items(source),
        *_coupons(source),
        *_orders(source, results),
        *_sync_records(source, results, writable.get("Order", frozenset())),
    ]
    changed = [record for part in wanted if (record := _changed(part, writable)) is not None]
    return tuple(sorted(changed, key=lambda record: (record.object_name, record.record_id)))


def _changed(wanted: _Wanted, writable: Mapping[str, frozenset[str]]) -> WriteBackRecord | None:
    allowed = writable.get(wanted.object_name, frozenset())
    differing = {
        name: value
        for name, value in wanted.fields.items()
        if name in allowed and (wanted.present.get(name) or None) != (value or None)
    }
    if not differing:
        return None
    return WriteBackRecord(
        object_name=wanted.object_name,
        record_id=wanted.record_id,
        fields=differing,
        external_id_field=wanted.external_id_field,
    )


def _related(record: RawRecord, name: str) -> RawRecord:
    """Return the record behind a to-one relationship, an empty one where there is none."""
    found = follow(record, (name,))
    return found if isinstance(found, Mapping) else {}


def _account(source: _Source) -> Iterator[_Wanted]:
    account_id = source.history.account.account_id
    shown = source.shown(source.stripe.at(f"customer:{account_id}", "customers"))
    present = next(
        (order for order in source.raw.orders if record_id_at(order, "AccountId") == account_id), {}
    )
    if shown:
        yield _Wanted("Account", account_id, _related(present, "Account"), shown)


def _items(source: _Source) -> Mapping[str, RawRecord]:
    found = {record_id_at(item, "Id"): item for item in source.raw.items}
    return {item_id: item for item_id, item in found.items() if item_id is not None}


def _lines(source: _Source) -> Iterator[tuple[OrderLine, RawRecord]]:
    items = _items(source)
    for order in source.history.orders:
        for line in order.lines:
            yield line, items.get(line.order_item_id, {})


def _products(source: _Source) -> Iterator[_Wanted]:
    present = {line.product_id: _related(item, "Product2") for line, item in _lines(source)}
    for product_id, record in present.items():
        if shown := source.shown(source.stripe.at(f"product:{product_id}", "products")):
            yield _Wanted("Product2", product_id, record, shown)


def _order_items(source: _Source) -> Iterator[_Wanted]:
    for line, item in _lines(source):
        key = source.stripe.price_keys.get(line.order_item_id)
        if shown := source.shown(source.stripe.at(key, "prices")):
            yield _Wanted("OrderItem", line.order_item_id, item, shown)


def _pricebook_entries(source: _Source) -> Iterator[_Wanted]:
    """Yield the entries whose own price is used; the product's own frequency goes first (B3.3).

    A price of another frequency, or by tiers, which an order may have of its own, is shown only where nothing
    stands yet, or two contracts would overwrite each other for ever.
    """
    best: dict[str, tuple[bool, str, RawRecord]] = {}
    for line, item in _lines(source):
        key = source.stripe.price_keys.get(line.order_item_id, "")
        entry_id = line.pricebook_entry_id
        if f":{entry_id}:" not in key or not key.endswith(":1") or key not in source.stripe.links:
            continue
        own = str(follow(item, ("Product2", "SBQQ__BillingFrequency__c")) or "monthly").lower()
        other = FREQUENCIES.get(own) != line.frequency_months or line.tiers is not None
        found = (other, key, _related(item, "PricebookEntry"))
        if entry_id not in best or found[:2] < best[entry_id][:2]:
            best[entry_id] = found
    for entry_id, (other, key, present) in best.items():
        if not (other and present.get(source.ours.stripe_id)):
            yield _Wanted("PricebookEntry", entry_id, present, source.shown(source.stripe.at(key, "prices")))


def _coupons(source: _Source) -> Iterator[_Wanted]:
    """Yield the coupons that Stripe has; those that grant the same are one there."""
    links = [
        link
        for name in (ORDER_COUPON_OBJECT, LINE_COUPON_OBJECT)
        for link in source.raw.extra.get(name) or ()
    ]
    present = {
        record_id_at(link, CouponFields.LOOKUP): _related(link, CouponFields.RELATIONSHIP) for link in links
    }
    for coupon_id, key in source.stripe.coupon_keys.items():
        found = source.stripe.at(key, "coupons")
        if found is not None:
            values = {CouponFields.STRIPE_ID: found.stripe_id}
            yield _Wanted(CouponFields.OBJECT, coupon_id, present.get(coupon_id, {}), values)


def _told(source: _Source, result: OrderResult) -> OrderResult:
    """Return the result of a billed order with what it shaped beside the one object that its id shows."""
    if result.state not in _BILLED:
        return result
    others = [made.words for made in source.made(result.order_id)[1]]
    if not others:
        return result
    return replace(result, message=f"{result.message} Also in Stripe: {', '.join(others)}".strip())


def _orders(source: _Source, results: Sequence[OrderResult]) -> Iterator[_Wanted]:
    records = {record_id_at(record, "Id"): record for record in source.raw.orders}
    for result in results:
        status, order = _STATUS.get(result.state), source.history.order(result.order_id)
        if status is None or order is None:
            continue
        values: dict[str, object] = {
            source.ours.sync_status: status,
            source.ours.sync_message: _message(result),
        }
        if result.state in _BILLED:
            values |= source.shown(source.made(result.order_id)[0])
        yield _Wanted("Order", result.order_id, records.get(result.order_id, {}), values)


def _message(result: OrderResult) -> str | None:
    text = f"{result.message} {result.fix}".strip()
    return text[:MESSAGE_LIMIT] or None


def _sync_records(
    source: _Source, results: Sequence[OrderResult], writable_on_order: frozenset[str]
) -> Iterator[_Wanted]:
    """Yield one record per order; a success after an error resolves the record of that error.

    Where the records could not be read, an order that shows the same status already needs no new one.
    """
    known = source.raw.extra.get(SYNC_RECORD_OBJECT)
    present = {str(record.get(SyncRecordFields.KEY)): record for record in known or ()}
    orders = {record_id_at(record, "Id"): record for record in source.raw.orders}
    for result in results:
        if result.state not in _STATUS:
            continue
        key = f"{result.order_id}|{result.order_id}"
        order = orders.get(result.order_id, {})
        told = source.ours.sync_status in writable_on_order and _shows(source.ours, order, result)
        if known is None and told:
            continue
        existing = present.get(key, {})
        values = _sync_record(result)
        if not existing:
            values[SyncRecordFields.ORDER] = result.order_id
        yield _Wanted(SYNC_RECORD_OBJECT, key, existing, values, SyncRecordFields.KEY)


def _shows(ours: OurFields, order: RawRecord, result: OrderResult) -> bool:
    same_status = order.get(ours.sync_status) == _STATUS[result.state]
    return same_status and (order.get(ours.sync_message) or None) == _message(result)


def _sync_record(result: OrderResult) -> dict[str, object]:
    success = result.state in _BILLED and not result.code
    about = result.record_id if is_salesforce_id(result.record_id) else result.order_id
    return {
        SyncRecordFields.RECORD_ID: about,
        SyncRecordFields.RECORD_OBJECT: _OBJECTS_BY_PREFIX.get(about[:3]),
        SyncRecordFields.STATUS: _SUCCESS if result.state in _BILLED else _STATUS[result.state],
        SyncRecordFields.MESSAGE: result.message[:MESSAGE_LIMIT] or None,
        SyncRecordFields.ACTION: result.fix[:MESSAGE_LIMIT] or None,
        SyncRecordFields.DOCS_LINK: f"{ERRORS_PAGE}#{result.code}" if result.code else None,
        SyncRecordFields.REQUEST_LINK: _link(result.request_link),
        SyncRecordFields.RESOLVED: success,
    }


def _link(address: str | None) -> str | None:
    return address if address and len(address) <= LINK_LIMIT else None
