"""The calls that bring Stripe from what it holds to what it should hold, in order.

Each step is one call. Whatever is linked already with the same fingerprint needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cpqbridge.domain.billing import (
    BillingObject,
    BillingState,
    OneTimeItem,
    Phase,
    PhaseItem,
    Ref,
    Step,
    StepAction,
)
from cpqbridge.domain.dates import midnight, timestamp
from cpqbridge.domain.order import Account, Order, OrderHistory, OrderLine, Product
from cpqbridge.domain.parameters import fingerprint, merged, nested

LOOKUP_PREFIX = "cpqbridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceWanted:
    """A Stripe price some line needs. `owner_id` is the price book entry's or the order line's id.

    `slot` is 1 for the first line of a contract that needs this very price, 2 and up for duplicates (B3.6).
    """

    owner_id: str
    from_entry: bool
    product_id: str
    currency: str
    unit_amount_decimal: str
    interval_count: int
    slot: int
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def lookup_key(self) -> str:
        """Return the lookup key that finds this price again; it ends in the slot."""
        terms = f"{self.currency}:{self.unit_amount_decimal}:month:{self.interval_count}:licensed"
        return f"{LOOKUP_PREFIX}:{self.owner_id}:{terms}:{self.slot}"

    @property
    def key(self) -> str:
        """Return the key of the price's link."""
        return f"price:{self.lookup_key}"


def record_metadata(history: OrderHistory, kind: str, record_id: str) -> dict[str, str]:
    """Return the metadata that leads from a Stripe object back to its Salesforce record (B4.3)."""
    metadata = {f"salesforce_{kind}_id": record_id}
    if history.org_url:
        metadata[f"salesforce_{kind}_link"] = f"{history.org_url}/{record_id}"
    return metadata


def _write_or_nothing(
    state: BillingState,
    key: str,
    displayed_id: str | None,
    body: Mapping[str, object],
    *,
    actions: tuple[StepAction, StepAction],
    what: str,
) -> Iterator[Step]:
    """Yield the create or update of a customer or product, nothing when it stands in Stripe like this."""
    create, update = actions
    link = state.links.get(key)
    mark = fingerprint(body)
    if link is not None and link.fingerprint == mark:
        return
    target = link.stripe_id if link is not None else displayed_id
    yield Step(
        key=key,
        action=create if target is None else update,
        parameters=body,
        fingerprint=mark,
        summary=f"{'Create' if target is None else 'Update'} {what}",
        target=target,
    )


def customer_steps(history: OrderHistory, state: BillingState) -> Iterator[Step]:
    """Yield what the account's customer needs. `Stripe_ID__c` on the account wins over a new one (B4.1)."""
    account: Account = history.account
    metadata = record_metadata(history, "account", account.account_id)
    body = merged({"metadata": metadata}, nested(account.parameters))
    yield from _write_or_nothing(
        state,
        f"customer:{account.account_id}",
        account.displayed_customer_id,
        body,
        actions=(StepAction.CREATE_CUSTOMER, StepAction.UPDATE_CUSTOMER),
        what=f"customer {body.get('name') or account.account_id}",
    )


def product_steps(history: OrderHistory, state: BillingState, product: Product) -> Iterator[Step]:
    """Yield what a product needs; a new one gets an id made from the Salesforce id, so a repeat finds it."""
    metadata = record_metadata(history, "product2", product.product_id)
    body = merged({"name": product.name, "metadata": metadata}, nested(product.parameters))
    for step in _write_or_nothing(
        state,
        f"product:{product.product_id}",
        product.displayed_product_id,
        body,
        actions=(StepAction.CREATE_PRODUCT, StepAction.UPDATE_PRODUCT),
        what=f"product {product.name}",
    ):
        if step.action is StepAction.CREATE_PRODUCT:
            own_id = {"id": f"{LOOKUP_PREFIX}_{product.product_id}"}
            yield Step(
                key=step.key,
                action=step.action,
                parameters=merged(own_id, body),
                fingerprint=step.fingerprint,
                summary=step.summary,
            )
        else:
            yield step


def price_step(history: OrderHistory, wanted: PriceWanted) -> Step:
    """Return the call that creates a price; duplicates say whose they are."""
    kind = "pricebookentry" if wanted.from_entry else "orderitem"
    metadata: dict[str, object] = dict(record_metadata(history, kind, wanted.owner_id))
    if wanted.slot > 1:
        first = wanted.key.rpartition(":")[0] + ":1"
        metadata |= {
            "salesforce_duplicate": "true",
            "salesforce_auto_archive": "true",
            "salesforce_original_stripe_price_id": Ref(key=first),
        }
    body = merged(
        nested(wanted.parameters),
        {
            "product": Ref(key=f"product:{wanted.product_id}"),
            "currency": wanted.currency,
            "unit_amount_decimal": wanted.unit_amount_decimal,
            "recurring": {
                "interval": "month",
                "interval_count": wanted.interval_count,
                "usage_type": "licensed",
            },
            "lookup_key": wanted.lookup_key,
            "metadata": metadata,
        },
    )
    return Step(
        key=wanted.key,
        action=StepAction.CREATE_PRICE,
        parameters=body,
        fingerprint=fingerprint(body),
        summary=f"Create price {wanted.unit_amount_decimal} {wanted.currency} minor units "
        f"every {wanted.interval_count} month(s) for product {wanted.product_id}",
    )


def matches_verified(wanted: PriceWanted, state: BillingState, price_id: str | None) -> bool:
    """Return whether the price a Salesforce record displays is, in Stripe, exactly the wanted one (B3.3)."""
    found = state.verified_prices.get(price_id or "")
    product = state.links.get(f"product:{wanted.product_id}")
    if found is None or wanted.slot != 1 or product is None:
        return False
    return found == {
        "product": product.stripe_id,
        "currency": wanted.currency,
        "unit_amount_decimal": wanted.unit_amount_decimal,
        "interval": "month",
        "interval_count": wanted.interval_count,
        "usage_type": "licensed",
        "active": True,
    }


def facts_fingerprint(order: Order, lines: Iterable[OrderLine]) -> str:
    """Return the hash of what was sold, without what may change around it (list prices, names, mappings)."""
    return fingerprint(
        {
            "currency": order.currency,
            "days_until_due": order.days_until_due,
            "lines": [
                {
                    "id": line.order_item_id,
                    "kind": line.kind.value,
                    "product": line.product_id,
                    "quantity": f"{line.quantity.normalize():f}",
                    "unit_price": f"{line.unit_price.normalize():f}",
                    "total_price": f"{line.total_price.normalize():f}",
                    "starts_on": line.starts_on.isoformat(),
                    "ends_on": line.ends_on.isoformat() if line.ends_on else None,
                    "frequency_months": line.frequency_months,
                }
                for line in sorted(lines, key=lambda line: line.order_item_id)
            ],
        }
    )


def _one_time_period(item: OneTimeItem) -> tuple[int, int]:
    return timestamp(midnight(item.period_start)), timestamp(midnight(item.period_end))


def _one_time_metadata(item: OneTimeItem, order_id: str) -> dict[str, str]:
    """Return the identity of a one-time charge: order line, kind, period start (B6.2)."""
    return {
        "salesforce_order_item_id": item.order_item_id,
        "salesforce_order_id": order_id,
        "salesforce_kind": item.kind,
        "salesforce_period_start": item.period_start.isoformat(),
    }


def _item_body(
    item: PhaseItem, currency: str, resolved: Mapping[str, str], order_id: str
) -> dict[str, object]:
    metadata: dict[str, object] = {"salesforce_order_id": order_id}
    if item.order_item_ids:
        metadata["salesforce_order_item_id"] = ",".join(item.order_item_ids)
    else:
        metadata["salesforce_kind"] = "placeholder"
    body: dict[str, object] = {"quantity": item.quantity, "metadata": metadata}
    if item.price_key is not None:
        body["price"] = resolved.get(item.price_key) or Ref(key=item.price_key)
    else:
        body["price_data"] = {
            "currency": currency,
            "product": Ref(key=f"product:{item.product_id}"),
            "unit_amount_decimal": item.unit_amount_decimal,
            "recurring": {"interval": item.interval, "interval_count": item.interval_count},
        }
    return merged(nested(item.parameters), body)


def _rider_body(item: OneTimeItem, currency: str, order_id: str) -> dict[str, object]:
    start, end = _one_time_period(item)
    return {
        "price_data": {
            "currency": currency,
            "product": Ref(key=f"product:{item.product_id}"),
            "unit_amount": item.amount_minor,
        },
        "quantity": 1,
        "discountable": False,
        "period": {
            "start": {"type": "timestamp", "timestamp": start},
            "end": {"type": "timestamp", "timestamp": end},
        },
        "metadata": _one_time_metadata(item, order_id),
    }


def _phase_body(
    phase: Phase, wanted: BillingObject, order: Order, resolved: Mapping[str, str]
) -> dict[str, object]:
    body: dict[str, object] = {
        "items": [_item_body(item, wanted.currency, resolved, order.order_id) for item in phase.items],
        "end_date": timestamp(phase.ends_at),
        "proration_behavior": phase.proration_behavior,
        "metadata": {"salesforce_order_ids": ",".join(phase.order_ids)},
    }
    if phase.one_time_items:
        body["add_invoice_items"] = [
            _rider_body(item, wanted.currency, order.order_id) for item in phase.one_time_items
        ]
    return merged(nested(order.phase_parameters), body)


def schedule_step(
    history: OrderHistory,
    order: Order,
    wanted: BillingObject,
    *,
    resolved: Mapping[str, str],
    mark: str,
    first_invoice_minor: int | None,
) -> Step:
    """Return the one call that creates a subscription schedule with all its phases.

    `mark` is the fingerprint of what was sold; `first_invoice_minor` what its first invoice must sum to when
    one is made at once.
    """
    settings: dict[str, object] = {
        "billing_cycle_anchor": "automatic",
        "collection_method": wanted.collection_method,
    }
    if wanted.days_until_due is not None:
        settings["invoice_settings"] = {"days_until_due": wanted.days_until_due}
    metadata = record_metadata(history, "order", order.order_id) | {
        "salesforce_order_number": order.order_number,
        "salesforce_contract_key": history.contract_key,
        "salesforce_root_id": history.root_id,
        "cpqbridge_key": wanted.key,
    }
    body = merged(
        nested(order.schedule_parameters),
        {
            "customer": Ref(key=f"customer:{history.account.account_id}"),
            "start_date": timestamp(wanted.phases[0].starts_at),
            "end_behavior": wanted.end_behavior,
            "billing_mode": {"type": wanted.billing_mode},
            "default_settings": settings,
            "metadata": metadata,
            "phases": [_phase_body(phase, wanted, order, resolved) for phase in wanted.phases],
        },
    )
    return Step(
        key=wanted.key,
        action=StepAction.CREATE_SCHEDULE,
        parameters=body,
        fingerprint=mark,
        summary=f"Create a subscription schedule with {len(wanted.phases)} phase(s) "
        f"from {wanted.phases[0].starts_at:%Y-%m-%d} to {wanted.phases[-1].ends_at:%Y-%m-%d}",
        expected_total_minor=first_invoice_minor,
    )


def invoice_steps(
    history: OrderHistory, order: Order, wanted: BillingObject, state: BillingState, *, mark: str
) -> Iterator[Step]:
    """Yield the draft of an own invoice and its lines; Stripe finalises it an hour after it was made.

    The draft takes no other pending items of the customer.
    """
    lines_key = wanted.key.replace("invoice:", "invoice_lines:", 1)
    metadata = record_metadata(history, "order", order.order_id) | {
        "salesforce_order_number": order.order_number,
        "salesforce_contract_key": history.contract_key,
        "salesforce_root_id": history.root_id,
        "cpqbridge_key": wanted.key,
    }
    draft: dict[str, object] = {
        "customer": Ref(key=f"customer:{history.account.account_id}"),
        "currency": wanted.currency,
        "auto_advance": True,
        "collection_method": wanted.collection_method,
        "pending_invoice_items_behavior": "exclude",
        "metadata": metadata,
    }
    if wanted.days_until_due is not None:
        draft["days_until_due"] = wanted.days_until_due
    if wanted.key not in state.links:
        yield Step(
            key=wanted.key,
            action=StepAction.CREATE_INVOICE,
            parameters=merged(nested(order.invoice_parameters), draft),
            fingerprint=mark,
            summary="Create an invoice",
        )
    if lines_key not in state.links:
        items = wanted.phases[0].one_time_items
        yield Step(
            key=lines_key,
            action=StepAction.ADD_INVOICE_LINES,
            parameters={"lines": [_line_body(item, wanted.currency, order.order_id) for item in items]},
            fingerprint=mark,
            summary=f"Add {len(items)} line(s) to the invoice",
            target=Ref(key=wanted.key),
            expected_total_minor=sum(item.amount_minor for item in items),
        )


def _line_body(item: OneTimeItem, currency: str, order_id: str) -> dict[str, object]:
    """Return a line of an own invoice. Only a plain amount may be negative, and it cannot name a product."""
    start, end = _one_time_period(item)
    body: dict[str, object] = {
        "description": item.description,
        "discountable": False,
        "period": {"start": start, "end": end},
        "metadata": _one_time_metadata(item, order_id),
    }
    if item.amount_minor < 0:
        return body | {"amount": item.amount_minor}
    price = {
        "currency": currency,
        "product": Ref(key=f"product:{item.product_id}"),
        "unit_amount": item.amount_minor,
    }
    return body | {"price_data": price, "quantity": 1}
