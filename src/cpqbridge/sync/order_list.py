"""The orders of a connection with what came of them: state, what to do, amounts, where they are in Stripe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cpqbridge.domain.billing import Link, Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.connections import Connection
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.views import OrderDetail
from cpqbridge.sync.dashboard import dashboard_address
from cpqbridge.sync.plan_rows import sight_texts
from cpqbridge.sync.spreadsheet import Row, as_text
from cpqbridge.sync.standings import CREDIT_REFUSED, FIRST_INVOICE_DIFFERS, NOT_WRITTEN

_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})
_BILLED_ALL_THE_SAME = frozenset({CREDIT_REFUSED, FIRST_INVOICE_DIFFERS, NOT_WRITTEN})
COLUMNS = (
    "order_number",
    "order_id",
    "contract",
    "account",
    "kind",
    "state",
    "code",
    "message",
    "fix",
    "currency",
    "sold",
    "billed_so_far",
    "to_come",
    "on_no_invoice",
    "difference",
    "alert",
    "remarks",
    "stripe_ids",
    "stripe_links",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAmounts:
    """What an order was sold for and how it is billed, in minor units; credits are negative.

    `billed_so_far` is on invoices and credits dated up to now, `to_come` on later ones, by the plan that was
    carried out last. `on_no_invoice` is what its lines take from other lines, or others from them.
    """

    currency: str
    sold_minor: int
    billed_so_far_minor: int
    to_come_minor: int
    on_no_invoice_minor: int

    @property
    def difference_minor(self) -> int:
        """Return all that counts as billed less what was sold."""
        billed = self.billed_so_far_minor + self.to_come_minor + self.on_no_invoice_minor
        return billed - self.sold_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOrder:
    """One order of the list; what only a plan tells is empty for an order that was never synced.

    `kind` is initial, amendment or renewal; `alert` says what its contract lacks in Stripe. `amounts` is None
    where nothing of the order is billed, `stripe_ids` are its schedules, else its own invoices, and
    `stripe_links` their Dashboard pages.
    """

    standing: OrderStanding
    account: str = ""
    kind: str = ""
    amounts: OrderAmounts | None = None
    alert: str = ""
    remarks: tuple[str, ...] = ()
    stripe_ids: tuple[str, ...] = ()
    stripe_links: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Return it as it stands in `orders` of the list's JSON document."""
        standing = self.standing
        return {
            "order_id": standing.order_id,
            "order_number": standing.order_number,
            "contract": standing.contract_key,
            "account": self.account or None,
            "kind": self.kind or None,
            "state": standing.state.value,
            "code": standing.code or None,
            "message": standing.message or None,
            "record": standing.record_id or None,
            "field": standing.field or None,
            "fix": standing.fix or None,
            "request_link": standing.request_link,
            "amounts": _amounts_document(self.amounts) if self.amounts else None,
            "alert": self.alert or None,
            "remarks": list(self.remarks),
            "stripe_ids": list(self.stripe_ids),
            "stripe_links": list(self.stripe_links),
        }


def listed_order(
    standing: OrderStanding,
    detail: OrderDetail | None,
    *,
    connection: Connection,
    now: datetime,
    alert: str = "",
) -> ListedOrder:
    """Return one order of the list.

    Args:
        standing: Where the order stands.
        detail: What is known of its contract, None when it was never synced.
        connection: The connection it belongs to.
        now: The present instant, aware UTC.
        alert: What is wrong with the contract in Stripe, empty when nothing is.
    """
    plan = detail.view.plan if detail is not None else None
    if detail is None or plan is None:
        return ListedOrder(standing=standing)
    order_id = standing.order_id
    own = _own_links(plan, order_id, detail.links)
    is_billed = standing.state in _BILLED or standing.code in _BILLED_ALL_THE_SAME
    addresses = (dashboard_address(link, connection.facts) for link in own)
    return ListedOrder(
        standing=standing,
        account=plan.account_name or plan.account_id,
        kind=next((each.kind.value for each in plan.outcomes if each.order_id == order_id and each.kind), ""),
        amounts=_amounts(plan, order_id, now) if is_billed else None,
        alert=alert,
        remarks=sight_texts(plan, order_id=order_id) if is_billed else (),
        stripe_ids=tuple(link.stripe_id for link in own),
        stripe_links=tuple(address for address in addresses if address is not None),
    )


def order_rows(orders: Iterable[ListedOrder]) -> Iterator[Row]:
    """Yield the list as rows of a table, its head first; amounts are in major units with a point."""
    yield COLUMNS
    for order in orders:
        standing = order.standing
        texts = (standing.state.value, standing.code, standing.message, standing.fix)
        yield (
            as_text(standing.order_number),
            standing.order_id,
            standing.contract_key,
            as_text(order.account),
            order.kind,
            *(as_text(text) for text in texts),
            *(_amount_texts(order.amounts) if order.amounts else [""] * 6),
            order.alert,
            " ".join(order.remarks),
            " ".join(order.stripe_ids),
            " ".join(order.stripe_links),
        )


def _own_links(plan: Plan, order_id: str, links: Iterable[Link]) -> list[Link]:
    known = {link.key: link for link in links}
    made = [each for each in plan.objects if order_id in each.order_ids and each.key in known]
    schedules = [known[each.key] for each in made if each.kind == "schedule"]
    return schedules or [known[each.key] for each in made]


def _amounts(plan: Plan, order_id: str, now: datetime) -> OrderAmounts | None:
    proofs = [proof for proof in plan.proof if proof.order_id == order_id]
    if not proofs:
        return None
    own = {proof.order_item_id for proof in proofs}
    billed, to_come = (
        sum(
            amount
            for invoice in plan.forecast
            if (invoice.at <= now) == is_past
            for line in invoice.lines
            for order_item_id, amount in line.shares
            if order_item_id in own
        )
        for is_past in (True, False)
    )
    return OrderAmounts(
        currency=proofs[0].currency,
        sold_minor=sum(proof.sold_minor for proof in proofs),
        billed_so_far_minor=billed,
        to_come_minor=to_come,
        on_no_invoice_minor=_taken(plan, own),
    )


def _taken(plan: Plan, own: Collection[str]) -> int:
    added = sum(each.amount_minor for each in plan.taken if each.reduced_id in own)
    return added - sum(each.amount_minor for each in plan.taken if each.reducing_id in own)


def _amount_texts(amounts: OrderAmounts) -> list[str]:
    return [amounts.currency.upper(), *_amounts_by_name(amounts).values()]


def _amounts_document(amounts: OrderAmounts) -> dict[str, str]:
    return {"currency": amounts.currency, **_amounts_by_name(amounts)}


def _amounts_by_name(amounts: OrderAmounts) -> dict[str, str]:
    minor = {
        "sold": amounts.sold_minor,
        "billed_so_far": amounts.billed_so_far_minor,
        "to_come": amounts.to_come_minor,
        "on_no_invoice": amounts.on_no_invoice_minor,
        "difference": amounts.difference_minor,
    }
    return {name: major_text(amount, amounts.currency) for name, amount in minor.items()}
