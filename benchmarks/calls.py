"""How many calls a sync makes to both sides, counted by simulators that it reaches over HTTP."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cpqbridge.bootstrap import open_throwaway_service
from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.sync.service import SyncService
from cpqbridge_sim.hosting import host
from cpqbridge_sim.request_log import RequestLog
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.desk.requests import amend_request, terminate_request
from cpqbridge_sim.salesforce.desk.sales import SalesDesk
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app as create_org_app
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app as create_account_app
from table import Row

SOLD_AT = datetime(2026, 1, 28, 15, tzinfo=UTC)
LOOKED_AT = datetime(2026, 8, 20, 10, tzinfo=UTC)
STARTS, AT_BOUNDARY, INSIDE_A_MONTH = date(2026, 2, 1), "2026-09-01", "2026-08-13"
PRODUCTS = ("Seat", "Archive", "Reports")

STRIPE_CALLS = 3
SALESFORCE_READS = 2
WRITE_BACKS = 1
BILLING_APART = ("/v1/invoices", "/v1/invoiceitems", "/v1/credit_notes")
"""What belongs to an invoice or credit of its own, which is counted apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one sync; `prices` are those of `stripe` that made a price."""

    stripe: int
    prices: int
    invoicing: int
    reads: int
    write_backs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A contract of three products, synced as a new order, and everything around it in August."""

    org: Org
    account: Account
    org_log: RequestLog
    service: SyncService
    order_id: str

    def amend(self, by: dict[str, str], *, start: str) -> str:
        """Amend the contract at the desk: units by product; return the order."""
        document = {
            "contract": self._contract_id,
            "products": [{"product": name, "by": units} for name, units in by.items()],
            "start": start,
            "activate": True,
        }
        return SalesDesk(self.org).amend(amend_request(document)).order_id

    def terminate(self, *, start: str) -> str:
        """End everything on the contract; `start` is the first day without it."""
        document = {"contract": self._contract_id, "start": start, "activate": True}
        return SalesDesk(self.org).terminate(terminate_request(document)).order_id

    def sync(self, order_id: str) -> Calls:
        """Sync the order's contract as a worker does and return the calls it took.

        The poll that finds the order is not counted: one serves all orders that changed.
        """
        before = self.account.log.count, self.org_log.count
        report = self.service.sync(None, order_id)
        stopped = [each for each in report.standings if each.state not in _GOES_ON]
        if stopped:
            raise SystemExit(f"The bench's order is {stopped[0].state}: {stopped[0].message}")
        # The first request only finds the order by its id.
        return _counted(self.account.log.after(before[0]), self.org_log.after(before[1])[1:])

    @property
    def _contract_id(self) -> str:
        return str(self.org.records("Contract")[0]["Id"])


_GOES_ON = {OrderState.SYNCED, OrderState.UNCHANGED}


def _counted(stripe: list[dict[str, Any]], salesforce: list[dict[str, Any]]) -> Calls:
    invoicing = [
        each for each in stripe if each["path"].startswith(BILLING_APART) or "balance" in each["path"]
    ]
    prices = [each for each in stripe if (each["method"], each["path"]) == ("POST", "/v1/prices")]
    writes = [each for each in salesforce if _writes(each)]
    return Calls(
        stripe=len(stripe) - len(invoicing),
        prices=len(prices),
        invoicing=len(invoicing),
        reads=len(salesforce) - len(writes),
        write_backs=len(writes),
    )


def _writes(request: dict[str, Any]) -> bool:
    parts = request["parameters"].get("compositeRequest") or [request]
    return any(part["method"] not in {"GET", "HEAD"} for part in parts)


@contextmanager
def connected() -> Iterator[Connected]:
    """Sell a contract of three products, 10 units each at 50.00 a month for a year, sync it, and wait."""
    cpq = Cpq(precision="monthly_daily")
    lines = []
    for name in PRODUCTS:
        product = cpq.product(name, frequency="Monthly", default_term=1)
        cpq.price(product, Decimal(50))
        lines.append(Line(product=product, quantity=10))
    customer = cpq.account("Customer", email="billing@customer.example")
    order = cpq.order(cpq.quote(customer, start=STARTS, lines=lines, term=12))
    cpq.activate(order, at=SOLD_AT)
    cpq.contract(order, at=SOLD_AT)
    org, account, clock = Org(SOLD_AT), Account(SOLD_AT), SettableClock(SOLD_AT)
    org.prorate_precision = "monthly_daily"
    org.load(cpq.records())
    org_app = create_org_app(org)
    with (
        tempfile.TemporaryDirectory() as home,
        host(org_app) as salesforce,
        host(create_account_app(account)) as stripe,
        open_throwaway_service(Path(home), clock=clock) as service,
    ):
        service.add_connection(
            name="bench",
            salesforce_url=salesforce.url,
            salesforce_token="bench",
            stripe_key="sk_test_bench",
            stripe_api_base=stripe.url,
            configuration=parse_configuration({"version": 1, "currency": "usd"}),
        )
        found = Connected(
            org=org, account=account, org_log=org_app.log, service=service, order_id=order.record_id
        )
        found.sync(order.record_id)
        clock.set(LOOKED_AT)
        org.set_clock(LOOKED_AT)
        account.advance(LOOKED_AT)
        yield found


AMENDMENTS: dict[str, Callable[[Connected], str]] = {
    "2 units more from a boundary on": lambda org: org.amend({"Seat": "2"}, start=AT_BOUNDARY),
    "2 units more of three products": lambda org: org.amend(dict.fromkeys(PRODUCTS, "2"), start=AT_BOUNDARY),
    "2 units less from a boundary on": lambda org: org.amend({"Seat": "-2"}, start=AT_BOUNDARY),
    "2 units more inside a month": lambda org: org.amend({"Seat": "2"}, start=INSIDE_A_MONTH),
    "2 units less inside a month": lambda org: org.amend({"Seat": "-2"}, start=INSIDE_A_MONTH),
    "the end of the contract inside a month": lambda org: org.terminate(start=INSIDE_A_MONTH),
}


def rows() -> Iterator[Row]:
    """Yield the rows of the table: what each kind of amendment costs, and a sync after it."""
    for what, amend in AMENDMENTS.items():
        with connected() as org:
            order_id = amend(org)
            calls, again = org.sync(order_id), org.sync(order_id)
        yield from _amendment_rows(what, calls)
        if again.stripe or again.invoicing or again.write_backs:
            yield _unchanged_row(f"{what}: synced again", again)
    with connected() as org:
        yield _unchanged_row("a sync without a change", org.sync(org.order_id))


def _amendment_rows(what: str, calls: Calls) -> Iterator[Row]:
    allowed = STRIPE_CALLS + max(calls.prices - 1, 0)
    apart = f", {calls.invoicing} more for its invoice or credit" if calls.invoicing else ""
    yield Row(
        what=f"{what}: calls to Stripe",
        measured=f"{calls.stripe}{apart}",
        wanted=str(allowed),
        met=calls.stripe <= allowed,
    )
    yield Row(
        what=f"{what}: reads and write-backs of Salesforce",
        measured=f"{calls.reads} and {calls.write_backs}",
        wanted=f"{SALESFORCE_READS} and {WRITE_BACKS}",
        met=calls.reads <= SALESFORCE_READS and calls.write_backs <= WRITE_BACKS,
    )


def _unchanged_row(what: str, calls: Calls) -> Row:
    stripe = calls.stripe + calls.invoicing
    return Row(
        what=f"{what}: calls to Stripe, reads and write-backs of Salesforce",
        measured=f"{stripe}, {calls.reads} and {calls.write_backs}",
        wanted=f"0, {SALESFORCE_READS} and 0",
        met=not stripe and calls.reads <= SALESFORCE_READS and not calls.write_backs,
    )
