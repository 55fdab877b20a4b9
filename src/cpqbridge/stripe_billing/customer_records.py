"""Everything that bills one customer, as Stripe has it, for looking at several contracts at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge.stripe_billing.billed import (
    credited_before,
    identity_of,
    lines_of,
    names_its_order_lines,
)
from cpqbridge.stripe_billing.client import StripeBilling

StripeObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRecords:
    """The schedules (with their prices), invoices, credit notes and pending invoice items of a customer.

    Invoices are there in every status, with all their lines; each line has the metadata that names its order
    lines, where that is told anywhere. `pending` are items that the next invoice takes in.
    """

    customer_id: str
    schedules: tuple[StripeObject, ...] = ()
    invoices: tuple[StripeObject, ...] = ()
    credit_notes: tuple[StripeObject, ...] = ()
    pending: tuple[StripeObject, ...] = ()


def read_customer(client: StripeBilling, customer_id: str) -> CustomerRecords:
    """Return what bills a customer.

    One call for a hundred schedules, one for a hundred invoices, one for a hundred pending items; one more
    for each invoice of more than ten lines, for a hundred credit notes where an invoice has any, and for each
    schedule on which a discount runs.
    """
    schedules = tuple(
        _with_discounts(client, schedule)
        for schedule in client.list_schedules(customer_id=customer_id, with_prices=True)
    )
    invoices = tuple(
        _named(invoice, schedules) for invoice in client.list_invoices(customer_id=customer_id, drafts=True)
    )
    notes: tuple[StripeObject, ...] = ()
    if any(map(credited_before, invoices)):
        notes = tuple(client.list_credit_notes(customer_id=customer_id))
    return CustomerRecords(
        customer_id=customer_id,
        schedules=schedules,
        invoices=invoices,
        credit_notes=notes,
        pending=tuple(client.list_pending_items(customer_id=customer_id)),
    )


def _with_discounts(client: StripeBilling, schedule: StripeObject) -> StripeObject:
    """Return a schedule with the coupons of discounts that run; a list does not reach that deep."""
    reduced = [
        entry
        for phase in schedule.get("phases") or ()
        for each in (phase, *(phase.get("items") or ()))
        for entry in each.get("discounts") or ()
    ]
    if not any(isinstance(entry.get("discount"), str) for entry in reduced):
        return schedule
    return client.retrieve_schedule(str(schedule["id"]), with_prices=True) or schedule


def _named(invoice: StripeObject, schedules: tuple[StripeObject, ...]) -> StripeObject:
    lines = [
        line
        if names_its_order_lines(line)
        else {**line, "metadata": {**(line.get("metadata") or {}), **identity_of(line, schedules)}}
        for line in lines_of(invoice)
    ]
    return {**invoice, "lines": {**(invoice.get("lines") or {}), "data": lines}}
