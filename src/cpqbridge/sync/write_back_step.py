"""What is to be written back to Salesforce: ids, links, states and sync records, where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cpqbridge.domain.billing import Link, Plan
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.raw import RawContract, WriteBackRecord
from cpqbridge.mapping.stripe_objects import StripeObjects, dashboard_base, keys_by_order
from cpqbridge.mapping.write_back import OrderResult, write_back_records
from cpqbridge.planning.discounts import coupon_key
from cpqbridge.planning.plan import line_price_keys
from cpqbridge.store import links
from cpqbridge.store.database import Store
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.ports import OpenConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBackRequest:
    """A contract as it was read, its plan, and where its orders stand."""

    store: Store
    opened: OpenConnection
    raw: RawContract
    history: OrderHistory
    plan: Plan
    standings: Sequence[OrderStanding]


def write_back_records_for(request: WriteBackRequest) -> tuple[WriteBackRecord, ...]:
    """Return the records whose values differ from what was read; none when Salesforce shows everything."""
    opened = request.opened
    billed = _billed(request)
    lines = {line.order_item_id for order in billed for line in order.lines}
    # The lines of other orders have no price yet.
    price_keys = {line_id: key for line_id, key in line_price_keys(request.plan).items() if line_id in lines}
    coupon_keys = {
        coupon.coupon_id: coupon_key(coupon)
        for order in billed
        for coupon in (*order.coupons, *(coupon for line in order.lines for coupon in line.coupons))
    }
    return write_back_records(
        request.raw,
        request.history,
        [_result(standing) for standing in request.standings],
        StripeObjects(
            links=_known_links(request, {*price_keys.values(), *coupon_keys.values()}),
            links_base=dashboard_base(live_mode=opened.connection.facts.live_mode),
            price_keys=price_keys,
            coupon_keys=coupon_keys,
            object_keys=keys_by_order(request.plan.objects),
        ),
        fields=OurFields(opened.configuration.mapping.salesforce_prefix),
        writable=opened.salesforce.writable(),
    )


def _billed(request: WriteBackRequest) -> list[Order]:
    synced = {each.order_id for each in request.standings if each.state is OrderState.SYNCED}
    return [order for order in request.history.orders if order.order_id in synced]


def _known_links(request: WriteBackRequest, used: Iterable[str]) -> dict[str, Link]:
    history = request.history
    keys = {f"customer:{history.account.account_id}", *used}
    keys |= {f"product:{product_id}" for product_id in history.products}
    connection_id = request.opened.connection_id
    with request.store.read() as transaction:
        found = links.load(transaction, connection_id=connection_id, keys=keys)
        found |= links.of_contract(transaction, connection_id=connection_id, root_id=history.root_id)
    return found


def _result(standing: OrderStanding) -> OrderResult:
    return OrderResult(
        order_id=standing.order_id,
        state=standing.state,
        message=standing.message,
        fix=standing.fix,
        code=standing.code,
        request_link=standing.request_link,
        record_id=standing.record_id,
    )
