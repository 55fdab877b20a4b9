"""How the amounts of an order line came about: its price and where that is from, then every charge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cpqbridge.domain.billing import BilledOrderLine, InvoiceLine, PhaseItem, Plan, PlannedLine, Proof
from cpqbridge.domain.money import major_text
from cpqbridge.planning.items import KIND_WORDS
from cpqbridge.planning.steps import owner_of_price
from cpqbridge.sync.plan_rows import labelled_names
from cpqbridge.sync.plan_words import discount_text, interval_text, price_text, tiers_texts
from cpqbridge.sync.proof_words import reason_fix, reason_text

_CYCLE = "cycle"
_WORDS = {**KIND_WORDS, _CYCLE: "whole periods", "one_time": "once"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """Charges or credits of one kind and amount that follow each other: `count` times `each_minor`.

    They are for `start` up to, without, `end`. A credit is negative; what is taken from or by `other`, the id
    of another order line, is on no invoice.
    """

    kind: str
    start: date | None
    end: date | None
    count: int
    each_minor: int
    other: str = ""

    @property
    def sum_minor(self) -> int:
        """Return all of them together, in minor units."""
        return self.count * self.each_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedLine:
    """One order line: `price` are sentences, `charges` sum to what the proof counts as billed."""

    line: PlannedLine
    proof: Proof
    price: tuple[str, ...]
    charges: tuple[Charges, ...]
    names: Mapping[str, str]

    def as_document(self) -> dict[str, Any]:
        """Return it as it stands in `lines` of the explanation's JSON document."""
        currency = self.proof.currency
        return {
            "order_item_id": self.line.order_item_id,
            "name": self.names[self.line.order_item_id],
            "currency": currency,
            "price": list(self.price),
            "charges": [
                {
                    "kind": each.kind,
                    "period_start": each.start.isoformat() if each.start else None,
                    "period_end": each.end.isoformat() if each.end else None,
                    "count": each.count,
                    "each": major_text(each.each_minor, currency),
                    "sum": major_text(each.sum_minor, currency),
                    "other_line": each.other or None,
                }
                for each in self.charges
            ],
            "sold": major_text(self.proof.sold_minor, currency),
            "billed": major_text(self.proof.billed_minor, currency),
            "difference": major_text(self.proof.difference_minor, currency),
            "reason": self.proof.reason,
            "meaning": reason_text(self.proof.reason) or None,
            "fix": reason_fix(self.proof.reason) or None,
        }

    @property
    def nothing_text(self) -> str:
        """Return what to say where there are no charges."""
        return "What is used is not known before." if self.line.metered else "Nothing of it is billed."

    def words_of(self, charges: Charges) -> str:
        """Return what the charges are, in words."""
        if charges.other:
            other = f"{self.names.get(charges.other, charges.other)} ({charges.other})"
            return f"taken {'away by' if charges.each_minor > 0 else 'from'} {other}, on no invoice"
        return _WORDS.get(charges.kind, charges.kind)


def explained(plan: Plan, *, order_id: str) -> tuple[ExplainedLine, ...]:
    """Return how every line of an order that the plan bills came to its amount, by order line id."""
    lines = {line.order_item_id: line for line in plan.lines}
    names = labelled_names(plan)
    return tuple(
        ExplainedLine(
            line=lines[proof.order_item_id],
            proof=proof,
            price=tuple(_price_texts(plan, lines[proof.order_item_id], proof.currency)),
            charges=(*_grouped(_billed(plan, proof.order_item_id)), *_taken(plan, proof.order_item_id)),
            names=names,
        )
        for proof in sorted(plan.proof, key=lambda proof: proof.order_item_id)
        if proof.order_id == order_id and proof.order_item_id in lines
    )


def _billed(plan: Plan, order_item_id: str) -> Iterator[Charges]:
    """Yield each charge of a line, in order of its time."""
    found: list[tuple[InvoiceLine, int]] = [
        (line, amount_minor)
        for invoice in plan.forecast
        for line in invoice.lines
        for owner, amount_minor in line.shares
        if owner == order_item_id
    ]
    for line, amount_minor in sorted(found, key=lambda each: (each[0].period_start, each[0].kind != _CYCLE)):
        yield Charges(
            kind=line.kind, start=line.period_start, end=line.period_end, count=1, each_minor=amount_minor
        )


def _grouped(charges: Iterable[Charges]) -> list[Charges]:
    """Return whole periods of one amount that follow each other as one."""
    found: list[Charges] = []
    for each in charges:
        last = found[-1] if found else None
        alike = last is not None and (last.kind, last.each_minor) == (each.kind, each.each_minor)
        if last is not None and alike and each.kind == _CYCLE and last.end == each.start:
            found[-1] = Charges(
                kind=each.kind,
                start=last.start,
                end=each.end,
                count=last.count + 1,
                each_minor=each.each_minor,
            )
        else:
            found.append(each)
    return found


def _taken(plan: Plan, order_item_id: str) -> Iterator[Charges]:
    for each in plan.taken:
        amounts = {
            each.reducing_id: (-each.amount_minor, each.reduced_id),
            each.reduced_id: (each.amount_minor, each.reducing_id),
        }
        amount_minor, other = amounts.get(order_item_id, (0, ""))
        if amount_minor:
            yield Charges(kind="taken", start=None, end=None, count=1, each_minor=amount_minor, other=other)


def _price_texts(plan: Plan, line: PlannedLine, currency: str) -> Iterator[str]:
    item = next((each for each in _items(plan) if line.order_item_id in each.order_item_ids), None)
    billed = next(
        (
            each
            for wanted in plan.objects
            for each in wanted.lines
            if each.order_item_id == line.order_item_id
        ),
        None,
    )
    if billed is None:
        return
    every = f" every {interval_text(item.interval_count)}" if item is not None else ""
    used = " used, billed after each period" if line.metered else ""
    if billed.tiers is not None:
        yield f"By tiers{every}{used}: " + "; ".join(tiers_texts(billed.tiers, currency)) + "."
    else:
        price = price_text(billed.unit_amount_decimal, currency)
        yield f"{price} {currency.upper()}{every} for one unit{used}."
    yield _source(billed, line)
    if line.evergreen:
        yield "It goes on until it is ended; its charges are counted as far as they are planned."
    if line.free_until is not None:
        yield f"Free until {line.free_until}, the first day that is billed."
    for terms in dict.fromkeys(
        terms for each in _items(plan, line.order_item_id) for terms in each.discounts
    ):
        yield f"Reduced by a {discount_text(terms, currency)}."


def _items(plan: Plan, order_item_id: str | None = None) -> Iterator[PhaseItem]:
    """Yield the recurring items that have a price, of one order line where it is given."""
    for wanted in plan.objects:
        for phase in wanted.lived:
            for item in phase.items:
                is_wanted = order_item_id is None or order_item_id in item.order_item_ids
                if is_wanted and item.price_key is not None:
                    yield item


def _source(billed: BilledOrderLine, line: PlannedLine) -> str:
    if line.custom_price:
        return "The price is from a field of its own; the line's total is not used."
    if billed.tiers is not None:
        return "The tiers are those of its consumption schedule; the line's total is not used."
    if billed.price_key is None:
        return "Nothing of it is billed by a recurring price."
    owner = owner_of_price(billed.price_key)
    if owner == line.order_item_id:
        return "The price is the line's own, because no price it could share gives its total."
    return f"The price is that of the price book entry {owner}, which lines at this price share."
