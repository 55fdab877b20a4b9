"""The calls that bill: a subscription schedule with all its phases, or an invoice of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

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
from cpqbridge.domain.order import Order, OrderHistory, OrderLine
from cpqbridge.domain.parameters import fingerprint, merged, nested
from cpqbridge.planning.steps import record_metadata


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


def counted(number: int, word: str) -> str:
    """Return `1 phase` or `2 phases`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


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
        summary=f"Create a subscription schedule with {counted(len(wanted.phases), 'phase')} "
        f"from {wanted.phases[0].starts_at:%Y-%m-%d} to {wanted.phases[-1].ends_at:%Y-%m-%d}",
        expected_total_minor=first_invoice_minor,
    )


def invoice_steps(
    history: OrderHistory, order: Order, wanted: BillingObject, state: BillingState, *, mark: str
) -> Iterator[Step]:
    """Yield what an own invoice without lines lacks: its draft, and its lines.

    The draft takes no other pending items of the customer; Stripe finalises it an hour after it was made.
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
    items = wanted.phases[0].one_time_items
    yield Step(
        key=lines_key,
        action=StepAction.ADD_INVOICE_LINES,
        parameters={"lines": [_line_body(item, wanted.currency, order.order_id) for item in items]},
        fingerprint=mark,
        summary=f"Add {counted(len(items), 'line')} to the invoice",
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
