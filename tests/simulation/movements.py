"""What really moved in the simulated account, read as a client reads it: invoice lines and credits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from tests.simulation import in_process
from tests.simulation.daily_checks import Movement

from cpqbridge_sim.stripe.account import Account

WITHOUT_EFFECT = ("void", "uncollectible")


def movements(account: Account) -> list[Movement]:
    """Return every charge and credit that counts, in the order it was made.

    A void or uncollectible invoice does not count, nor what was credited on it. Stripe's own balance
    transactions repeat the paid part of a credit note, so only those that name order lines are read.
    """
    invoices = in_process.invoices_of(account)
    dead = {invoice["id"] for invoice in invoices if invoice["status"] in WITHOUT_EFFECT}
    found = [
        _charge(invoice, line)
        for invoice in invoices
        if invoice["id"] not in dead
        for line in invoice["all_lines"]
    ]
    for note in _listed(account, "/v1/credit_notes"):
        if note["status"] != "void" and note["invoice"] not in dead:
            found += _credits(note, -note["amount"])
    for customer in _listed(account, "/v1/customers"):
        for transaction in _listed(account, f"/v1/customers/{customer['id']}/balance_transactions"):
            if _stated(transaction):
                found += _credits(transaction, transaction["amount"])
    return sorted(found, key=lambda movement: movement.at)


def settled_invoices(account: Account) -> dict[str, list[tuple[str, int]]]:
    """Return the lines (id, amount) of every invoice that is final, which nothing may change any more."""
    return {
        invoice["id"]: [(line["id"], in_process.net_amount(line)) for line in invoice["all_lines"]]
        for invoice in in_process.invoices_of(account)
        if invoice["status"] != "draft"
    }


def prorations(account: Account) -> list[str]:
    """Return the lines with a proration that is not the elapsed time of a new schedule's first invoice.

    A line of nothing costs nothing: Stripe says of a placeholder that it is prorated where a contract's end
    moved after its last period had begun.
    """
    return [
        line["id"]
        for invoice in in_process.invoices_of(account)
        if invoice["billing_reason"] != "subscription_create"
        for line in invoice["all_lines"]
        if line["amount"] and (line["parent"].get("subscription_item_details") or {}).get("proration")
    ]


def _charge(invoice: Mapping[str, Any], line: Mapping[str, Any]) -> Movement:
    named = line["metadata"].get("salesforce_order_item_id", "")
    return Movement(
        at=datetime.fromtimestamp(invoice["created"], UTC),
        amount=in_process.net_amount(line),
        order_item_ids=tuple(filter(None, named.split(","))),
        kind=line["metadata"].get("salesforce_kind", "cycle"),
        period_start=_day(line["period"]["start"]),
        period_end=_day(line["period"]["end"]),
    )


def _credits(made: Mapping[str, Any], amount: int) -> list[Movement]:
    """Return a credit by the order lines it states; one that names none, or less than it gives, stands out."""
    at = datetime.fromtimestamp(made["created"], UTC)
    stated = _stated(made)
    if sum(stated.values()) != amount:
        stated = {"": amount}
    return [
        Movement(
            at=at,
            amount=part,
            order_item_ids=(order_item_id,) if order_item_id else (),
            kind="credit",
            period_start=None,
            period_end=None,
        )
        for order_item_id, part in stated.items()
    ]


def _stated(made: Mapping[str, Any]) -> dict[str, int]:
    stated: dict[str, int] = {}
    for name, value in sorted((made.get("metadata") or {}).items()):
        if name.startswith("salesforce_credits"):
            for entry in value.split(","):
                order_item_id, _, amount = entry.partition(":")
                stated[order_item_id] = stated.get(order_item_id, 0) + int(amount)
    return stated


def _listed(account: Account, path: str) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        status, page = account.request("GET", path, {"limit": 100, **after})
        assert status == 200, page
        yield from page["data"]
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
