"""A plan carried out against the simulated Stripe account without HTTP, and what it then billed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any

from cpqbridge.domain.billing import BillingState, Link, Plan, Ref, StepAction
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.parameters import json_form
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.planning.plan import plan_contract
from cpqbridge.stripe_billing.billed import contract_invoices
from cpqbridge.stripe_billing.reader import schedule_standing
from cpqbridge_sim.stripe.account import Account

_PATHS = {
    StepAction.CREATE_CUSTOMER: "/v1/customers",
    StepAction.UPDATE_CUSTOMER: "/v1/customers/{target}",
    StepAction.CREATE_PRODUCT: "/v1/products",
    StepAction.UPDATE_PRODUCT: "/v1/products/{target}",
    StepAction.CREATE_METER: "/v1/billing/meters",
    StepAction.CREATE_COUPON: "/v1/coupons",
    StepAction.CREATE_PRICE: "/v1/prices",
    StepAction.CREATE_SCHEDULE: "/v1/subscription_schedules",
    StepAction.UPDATE_SCHEDULE: "/v1/subscription_schedules/{target}",
    StepAction.CANCEL_SCHEDULE: "/v1/subscription_schedules/{target}/cancel",
    StepAction.CREATE_INVOICE: "/v1/invoices",
    StepAction.ADD_INVOICE_LINES: "/v1/invoices/{target}/add_lines",
    StepAction.FINALIZE_INVOICE: "/v1/invoices/{target}/finalize",
    StepAction.CREATE_CREDIT_NOTE: "/v1/credit_notes",
    StepAction.CREDIT_BALANCE: "/v1/customers/{target}/balance_transactions",
}
PATIENCE = timedelta(seconds=5)
"""How long after it is due a timer is carried out."""


def filled(value, ids):
    """Return parameters with every reference replaced by the id it stands for."""
    if isinstance(value, Ref):
        return ids[value.key]
    if isinstance(value, dict):
        return {name: filled(inner, ids) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(inner, ids) for inner in value]
    return value


def carry_out(plan: Plan, account: Account, known: BillingState | None = None) -> BillingState:
    """Send every step of a plan; return the state the connector would know afterwards."""
    known = known or BillingState()
    links: dict[str, Link] = dict(known.links)
    objects = dict(known.objects)
    wanted = {each.key: each for each in plan.objects}
    ids = {key: link.stripe_id for key, link in links.items()}
    for step in plan.steps:
        target = ids[step.target.key] if isinstance(step.target, Ref) else step.target
        path = _PATHS[step.action].format(target=target)
        status, body = account.request("POST", path, filled(step.parameters, ids))
        assert status == 200, (step.summary, json_form(step.parameters), body)
        ids[step.key] = body["id"]
        links[step.key] = Link(key=step.key, stripe_id=body["id"], fingerprint=step.fingerprint)
        if step.object_key is not None:
            objects[step.object_key] = wanted[step.object_key]
    return BillingState(links=links, objects=objects, record=plan.record or known.record)


class Life:
    """A contract with its simulated account over time: synced when told, and whenever a plan asks for it.

    `options` are handed to every plan as they are.
    """

    def __init__(self, account: Account, configuration: Configuration, **options: Any) -> None:
        self.account = account
        self.configuration = configuration
        self.options = options
        self.state = BillingState()
        self.history: OrderHistory | None = None
        self.plan: Plan | None = None
        self.released: frozenset[str] = frozenset()

    def sync(self, history: OrderHistory, instant: datetime, released=frozenset()) -> Plan:
        """Plan the contract at `instant` and carry the plan out; return it."""
        self.history, self.released = history, self.released | frozenset(released)
        if instant > self.account.now:
            self.account.advance(instant)
        plan = self._planned(self.state)
        known = replace(self.state, discounts=dict(self._discounts(plan)))
        if known.discounts:
            plan = self._planned(known)
        if plan.needs_invoices:
            plan = self._planned(replace(known, invoices=self.invoices()))
        self.state = carry_out(plan, self.account, self.state)
        self.plan = plan
        return plan

    def run_until(self, instant: datetime) -> None:
        """Let time pass, syncing again at every instant a plan asked for."""
        while self.plan is not None and self.plan.wake_at is not None and self.plan.wake_at <= instant:
            assert self.history is not None
            self.sync(self.history, max(self.plan.wake_at + PATIENCE, self.account.now))
        if instant > self.account.now:
            self.account.advance(instant)

    def invoices(self):
        """Return the contract's invoices as the connector reads them."""
        assert self.history is not None
        customer = self.state.links[f"customer:{self.history.account.account_id}"]
        lines = {line.order_item_id for order in self.history.orders for line in order.lines}
        return contract_invoices(_Listing(self.account), customer_id=customer.stripe_id, order_item_ids=lines)

    def _discounts(self, plan: Plan):
        """Yield the discounts that run on schedules which are to be changed, as the connector reads them."""
        for step in plan.steps:
            if step.action is StepAction.UPDATE_SCHEDULE:
                expand = ["subscription", "subscription.discounts", "subscription.items.data.discounts"]
                status, found = self.account.request(
                    "GET", f"/v1/subscription_schedules/{step.target}", {"expand": expand}
                )
                assert status == 200, found
                standing = schedule_standing(str(step.target), found)
                if standing.discounts:
                    yield step.key, standing.discounts

    def _planned(self, state: BillingState) -> Plan:
        return plan_contract(
            self.history,
            state,
            self.configuration,
            as_of=self.account.now,
            released=self.released,
            **self.options,
        )


class _Listing:
    """The listings of the real client, over the account without HTTP."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def list_invoices(self, *, customer_id: str, drafts: bool) -> Iterator[dict]:
        assert drafts
        for invoice in listed(self._account, "/v1/invoices", customer=customer_id):
            yield invoice | {"lines": {"data": lines_of(self._account, invoice)}}

    def list_schedules(self, *, customer_id: str) -> Iterator[dict]:
        return listed(self._account, "/v1/subscription_schedules", customer=customer_id)

    def list_credit_notes(self, *, customer_id: str) -> Iterator[dict]:
        return listed(self._account, "/v1/credit_notes", customer=customer_id)


def listed(account: Account, path: str, **filters: str) -> Iterator[dict]:
    """Yield every object of a list, newest first as Stripe lists them."""
    after: dict[str, str] = {}
    while True:
        status, page = account.request("GET", path, {"limit": 100, **filters, **after})
        assert status == 200, page
        yield from page["data"]
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


def run_to_the_end(plan: Plan, account: Account) -> None:
    """Advance the account past the end of every schedule and the finalisation of its last invoice."""
    ends = [phase.ends_at for wanted in plan.objects for phase in wanted.phases]
    account.advance(max([*ends, account.now]) + timedelta(days=1))


def invoices_of(account: Account) -> list[dict]:
    """Return every invoice with its lines, oldest first, read as a client reads them."""
    found = reversed(list(listed(account, "/v1/invoices")))
    return [invoice | {"all_lines": lines_of(account, invoice)} for invoice in found]


def lines_of(account: Account, invoice: dict) -> list[dict]:
    lines = invoice["lines"]["data"]
    while invoice["lines"]["has_more"]:
        path = f"/v1/invoices/{invoice['id']}/lines"
        _, page = account.request("GET", path, {"limit": 100, "starting_after": lines[-1]["id"]})
        lines = lines + page["data"]
        if not page["has_more"]:
            break
    return lines


def net_amount(line: dict) -> int:
    """Return what an invoice line comes to, in minor units, less its discounts."""
    return line["amount"] - sum(each["amount"] for each in line["discount_amounts"])


def documents_of(account: Account) -> Iterator[tuple[str, str, int]]:
    """Yield (UTC creation date, order line, minor units) of every invoice line and credit that counts."""
    for invoice in invoices_of(account):
        if invoice["status"] in ("void", "uncollectible"):
            continue
        for line in invoice["all_lines"]:
            net = net_amount(line)
            named = line["metadata"].get("salesforce_order_item_id", "nobody").split(",")
            units = line["metadata"].get("salesforce_units", "1").split(",")
            counted = [0, *accumulate(map(int, units))]
            bounds = [net * below // counted[-1] for below in counted]
            for name, (lower, upper) in zip(named, pairwise(bounds), strict=True):
                yield day_of(invoice), name, upper - lower
    for credit in credits_of(account):
        for name, value in credit["metadata"].items():
            if name.startswith("salesforce_credits"):
                for entry in value.split(","):
                    order_item_id, _, amount = entry.partition(":")
                    yield day_of(credit), order_item_id, int(amount)


def credits_of(account: Account) -> list[dict]:
    """Return our credit notes and balance transactions; those that Stripe made for a note are left out."""
    found = [*listed(account, "/v1/credit_notes")]
    for customer in listed(account, "/v1/customers"):
        found += listed(account, f"/v1/customers/{customer['id']}/balance_transactions")
    return [each for each in found if "salesforce_credits" in each["metadata"]]


def day_of(made: dict) -> str:
    """Return the UTC date on which something was made."""
    return datetime.fromtimestamp(made["created"], UTC).date().isoformat()


def billed_by_line(account: Account) -> Counter[str]:
    """Return what all invoices and credits bill per order line, in minor units, zero sums left out."""
    billed: Counter[str] = Counter()
    for _, order_item_id, amount in documents_of(account):
        billed[order_item_id] += amount
    return Counter({key: value for key, value in billed.items() if value})


def billed_by_day(account: Account) -> Counter[tuple[str, str]]:
    """Return what is billed per UTC creation date and order line, zero sums left out."""
    billed: Counter[tuple[str, str]] = Counter()
    for day, order_item_id, amount in documents_of(account):
        billed[day, order_item_id] += amount
    return Counter({key: value for key, value in billed.items() if value})


def forecast_by_day(plan: Plan, until: date | None = None) -> Counter[tuple[str, str]]:
    """Return what the forecast says per date and order line, up to `until`; zero sums left out."""
    billed: Counter[tuple[str, str]] = Counter()
    for invoice in plan.forecast:
        if until is not None and invoice.on > until:
            continue
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
