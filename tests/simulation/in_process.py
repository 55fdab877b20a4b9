"""A plan carried out against the simulated Stripe account without HTTP, and what it then billed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cpqbridge.domain.billing import BillingState, Link, Plan, Ref, StepAction
from cpqbridge.domain.parameters import json_form
from cpqbridge_sim.stripe.account import Account

_PATHS = {
    StepAction.CREATE_CUSTOMER: "/v1/customers",
    StepAction.UPDATE_CUSTOMER: "/v1/customers/{target}",
    StepAction.CREATE_PRODUCT: "/v1/products",
    StepAction.UPDATE_PRODUCT: "/v1/products/{target}",
    StepAction.CREATE_PRICE: "/v1/prices",
    StepAction.CREATE_SCHEDULE: "/v1/subscription_schedules",
    StepAction.CREATE_INVOICE: "/v1/invoices",
    StepAction.ADD_INVOICE_LINES: "/v1/invoices/{target}/add_lines",
}


def filled(value, ids):
    """Return parameters with every reference replaced by the id it stands for."""
    if isinstance(value, Ref):
        return ids[value.key]
    if isinstance(value, dict):
        return {name: filled(inner, ids) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(inner, ids) for inner in value]
    return value


def carry_out(plan: Plan, account: Account, known: Mapping[str, Link] | None = None) -> BillingState:
    """Send every step of a plan; return the state the connector would know afterwards.

    `known` are the links of what the account already has.
    """
    links: dict[str, Link] = dict(known or {})
    ids = {key: link.stripe_id for key, link in links.items()}
    for step in plan.steps:
        target = ids[step.target.key] if isinstance(step.target, Ref) else step.target
        path = _PATHS[step.action].format(target=target)
        status, body = account.request("POST", path, filled(step.parameters, ids))
        assert status == 200, (step.summary, json_form(step.parameters), body)
        ids[step.key] = body["id"]
        links[step.key] = Link(key=step.key, stripe_id=body["id"], fingerprint=step.fingerprint)
    executed = {outcome.order_id: plan.executed_at for outcome in plan.outcomes}
    return BillingState(links=links, executed_at=executed)


def run_to_the_end(plan: Plan, account: Account) -> None:
    """Advance the account past the end of every schedule and the finalisation of its last invoice."""
    ends = [phase.ends_at for wanted in plan.objects for phase in wanted.phases]
    account.advance(max([*ends, account.now]) + timedelta(days=1))


def invoices_of(account: Account) -> list[dict]:
    """Return every invoice with its lines, oldest first, read as a client reads them."""
    found, after = [], {}
    while True:
        status, page = account.request("GET", "/v1/invoices", {"limit": 100, **after})
        assert status == 200, page
        found += page["data"]
        if not page["has_more"]:
            return [invoice | {"all_lines": lines_of(account, invoice)} for invoice in reversed(found)]
        after = {"starting_after": found[-1]["id"]}


def lines_of(account: Account, invoice: dict) -> list[dict]:
    lines = invoice["lines"]["data"]
    while invoice["lines"]["has_more"]:
        path = f"/v1/invoices/{invoice['id']}/lines"
        _, page = account.request("GET", path, {"limit": 100, "starting_after": lines[-1]["id"]})
        lines = lines + page["data"]
        if not page["has_more"]:
            break
    return lines


def billed_by_line(account: Account) -> Counter[str]:
    """Return what all invoices bill per order line, in minor units, zero sums left out."""
    billed: Counter[str] = Counter()
    for invoice in invoices_of(account):
        for line in invoice["all_lines"]:
            billed[line["metadata"].get("salesforce_order_item_id", "nobody")] += line["amount"]
    return Counter({key: value for key, value in billed.items() if value})


def billed_by_day(account: Account) -> Counter[tuple[str, str]]:
    """Return what is billed per UTC creation date and order line, zero sums left out."""
    billed: Counter[tuple[str, str]] = Counter()
    for invoice in invoices_of(account):
        day = datetime.fromtimestamp(invoice["created"], UTC).date().isoformat()
        for line in invoice["all_lines"]:
            billed[day, line["metadata"].get("salesforce_order_item_id", "nobody")] += line["amount"]
    return Counter({key: value for key, value in billed.items() if value})


def forecast_by_day(plan: Plan) -> Counter[tuple[str, str]]:
    """Return what the forecast says per date and order line, zero sums left out."""
    billed: Counter[tuple[str, str]] = Counter()
    for invoice in plan.forecast:
        for line in invoice.lines:
            for order_item_id, amount_minor in line.shares:
                billed[invoice.on.isoformat(), order_item_id] += amount_minor
    return Counter({key: value for key, value in billed.items() if value})


def alter_price(account: Account, price_id: str, *, unit_amount: int) -> None:
    """Change what a price says inside the account, as no API call could."""
    price = account.state.store.get("price", price_id)
    assert price is not None
    price["unit_amount"] = unit_amount
    price["unit_amount_decimal"] = str(unit_amount)
