"""Where a credit goes that no coming invoice absorbs: onto invoices that were made, else the balance (B6.6).

The invoices that billed the reduced time come first, newest first; then other lines of the contract; what
they cannot carry becomes a customer balance transaction. Unpaid invoices shrink; what was paid goes where the
policy says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count

from cpqbridge.domain.billing import (
    BilledInvoice,
    BilledLine,
    BillingObject,
    BillingState,
    CreditPortion,
    OneTimeItem,
    Ref,
    Step,
    StepAction,
)
from cpqbridge.domain.money import major_text, round_half_up
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.parameters import fingerprint
from cpqbridge.planning.billing_steps import METADATA_VALUE_LIMIT, contract_metadata

_COUNTED = frozenset({"open", "paid"})
_AFTER_FINAL = timedelta(minutes=1)
_TARGETS = {"balance": "credit_amount", "refund": "out_of_band_amount", "outside": "out_of_band_amount"}


def drafts_final_at(invoices: Sequence[BilledInvoice]) -> datetime | None:
    """Return when the last draft among the invoices will be final; None without drafts.

    Only a final invoice can be credited, so a credit waits for it: an hour at most.
    """
    finals = [
        invoice.final_at + _AFTER_FINAL
        for invoice in invoices
        if invoice.status == "draft" and invoice.final_at is not None and invoice.total_minor > 0
    ]
    return max(finals, default=None)


class Creditable:
    """What the contract's invoices can still carry; each credit shared out leaves less for the next."""

    def __init__(self, invoices: Sequence[BilledInvoice]) -> None:
        """Begin with the invoices as they were read; drafts and what was given up carry nothing."""
        usable = [each for each in invoices if each.status in _COUNTED and each.creditable_minor > 0]
        self._newest = sorted(usable, key=lambda each: (each.created_at, each.invoice_id), reverse=True)
        self._room = {each.invoice_id: each.creditable_minor for each in usable}
        self._unpaid = {each.invoice_id: each.unpaid_minor for each in usable}
        self._lines = {line.line_id: line.creditable_minor for each in usable for line in each.lines}

    def share_out(
        self, wanted: BillingObject, reduced_ids: Collection[str], *, made: Collection[str] = ()
    ) -> BillingObject:
        """Return the credit with its portions; `reduced_ids` are the lines whose time it is for.

        Portions whose keys are in `made` stay as they are; an invoice of another may have been paid or given
        up since it was chosen, so what is left of the credit is shared out anew.
        """
        tail = wanted.key.partition(":")[2]
        portions = [portion for portion in wanted.portions if portion.key in made]
        numbered = (f"credit_note:{tail}:{number}" for number in count(1))
        keys = (key for key in numbered if key not in made)
        missing = -sum(item.amount_minor for item in wanted.phases[0].one_time_items)
        missing -= sum(portion.amount_minor for portion in portions)
        taken: dict[str, list[tuple[BilledLine, int]]] = {}
        for of_the_time in (True, False):
            for invoice in self._newest:
                for line in invoice.lines:
                    amount = min(self._lines[line.line_id], self._room[invoice.invoice_id], missing)
                    if amount > 0 and _is_of(line, reduced_ids) is of_the_time:
                        taken.setdefault(invoice.invoice_id, []).append((line, amount))
                        self._lines[line.line_id] -= amount
                        self._room[invoice.invoice_id] -= amount
                        missing -= amount
        for invoice in self._newest:
            lines = taken.get(invoice.invoice_id)
            if not lines:
                continue
            amount = sum(net for _, net in lines)
            unpaid = min(amount, self._unpaid[invoice.invoice_id])
            self._unpaid[invoice.invoice_id] -= unpaid
            portions.append(
                CreditPortion(
                    key=next(keys),
                    invoice_id=invoice.invoice_id,
                    amount_minor=amount,
                    unpaid_minor=unpaid,
                    lines=tuple((line.line_id, _gross_minor(line, net)) for line, net in lines),
                )
            )
        if missing:
            portions.append(CreditPortion(key=next(keys), invoice_id=None, amount_minor=missing))
        return replace(wanted, portions=tuple(portions))


def _gross_minor(line: BilledLine, net_minor: int) -> int:
    """Return the amount of a line that a credit note has to name so that it gives `net_minor` back.

    Stripe takes the line's discount off it in proportion, rounded half up. Source: Stripe API reference,
    "Credit Note Line Item", `amount` and `discount_amount` (read 21 Nov 2026).
    """
    whole = line.amount_minor + line.off_minor
    gross = max(net_minor, (2 * net_minor - 1) * whole // (2 * line.amount_minor))
    while gross < whole and gross - round_half_up(Fraction(line.off_minor * gross, whole)) < net_minor:
        gross += 1
    return gross


def _is_of(line: BilledLine, reduced_ids: Collection[str]) -> bool:
    return not set(line.order_item_ids).isdisjoint(reduced_ids)


def credit_steps(
    history: OrderHistory, order: Order, wanted: BillingObject, state: BillingState
) -> Iterator[Step]:
    """Yield a call for each portion of a credit that was not made yet."""
    shares = _shared_items(wanted)
    for portion, items in zip(wanted.portions, shares, strict=True):
        if portion.key not in state.links:
            metadata = contract_metadata(history, order, portion.key) | _credits_metadata(items)
            text = f"Credit of order {order.order_number}"
            if portion.invoice_id is None:
                target = Ref(key=f"customer:{history.account.account_id}")
                yield _balance_step(wanted, portion, target, {"description": text, "metadata": metadata})
            else:
                yield _credit_note_step(wanted, portion, {"memo": text, "metadata": metadata})


def _balance_step(
    wanted: BillingObject, portion: CreditPortion, target: Ref, words: Mapping[str, object]
) -> Step:
    body = {"amount": -portion.amount_minor, "currency": wanted.currency, **words}
    return Step(
        key=portion.key,
        action=StepAction.CREDIT_BALANCE,
        parameters=body,
        fingerprint=fingerprint(body),
        summary=f"Credit {_amount(wanted, portion)} to the customer's balance",
        target=target,
        object_key=wanted.key,
    )


def _credit_note_step(wanted: BillingObject, portion: CreditPortion, words: Mapping[str, object]) -> Step:
    body: dict[str, object] = {
        "invoice": portion.invoice_id,
        "lines": [
            {"type": "invoice_line_item", "invoice_line_item": line_id, "amount": amount}
            for line_id, amount in portion.lines
        ],
        **words,
    }
    paid = portion.amount_minor - portion.unpaid_minor
    if paid:
        body[_TARGETS[wanted.target]] = paid
    return Step(
        key=portion.key,
        action=StepAction.CREATE_CREDIT_NOTE,
        parameters=body,
        fingerprint=fingerprint(body),
        summary=f"Credit {_amount(wanted, portion)} on invoice {portion.invoice_id}",
        object_key=wanted.key,
    )


def _amount(wanted: BillingObject, portion: CreditPortion) -> str:
    return f"{major_text(portion.amount_minor, wanted.currency)} {wanted.currency.upper()}"


def _shared_items(wanted: BillingObject) -> list[list[tuple[str, int]]]:
    """Return which order lines' amounts each portion stands for; charges netted go with the first."""
    items: list[OneTimeItem] = sorted(
        wanted.phases[0].one_time_items, key=lambda item: (item.amount_minor < 0, item.order_item_id)
    )
    shares: list[list[tuple[str, int]]] = []
    left = [(item.order_item_id, item.amount_minor) for item in items]
    for portion in wanted.portions:
        room, share = -portion.amount_minor, []
        while left and room:
            order_item_id, amount = left.pop(0)
            part = amount if amount > 0 else max(amount, room)
            share.append((order_item_id, part))
            room -= part
            if part != amount:
                left.insert(0, (order_item_id, amount - part))
        shares.append(share)
    return shares


def _credits_metadata(items: Sequence[tuple[str, int]]) -> dict[str, str]:
    """Return whose credit it is, as `order line:minor units` with commas, over as many keys as it takes."""
    values: list[str] = []
    for order_item_id, amount in items:
        text = f"{order_item_id}:{amount}"
        if values and len(f"{values[-1]},{text}") <= METADATA_VALUE_LIMIT:
            values[-1] += f",{text}"
        else:
            values.append(text)
    return {
        "salesforce_credits" + (f"_{number}" if number > 1 else ""): value
        for number, value in enumerate(values, start=1)
    }
