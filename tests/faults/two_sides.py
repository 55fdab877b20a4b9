"""A simulated org with one-line orders and a simulated account, hosted on loopback."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from cpqbridge.clock import SettableClock
from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.store.database import open_store
from cpqbridge.sync.durable import queue_depth
from cpqbridge.sync.service import ServiceOptions, SyncService
from cpqbridge_sim.hosting import Hosted, host
from cpqbridge_sim.request_log import RequestLog
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.desk.requests import amend_request
from cpqbridge_sim.salesforce.desk.sales import SalesDesk
from cpqbridge_sim.salesforce.oauth import OAuthDesk
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app as create_org_app
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app as create_account_app

NOW = datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
TOKEN = "token-of-the-simulated-org"
KEY = "sk_test_simulated"


@dataclass(frozen=True)
class TwoSides:
    org: Org
    account: Account
    salesforce_url: str
    stripe_url: str
    org_log: RequestLog
    order_ids: tuple[str, ...]
    hosted_salesforce: Hosted | None = None
    hosted_stripe: Hosted | None = None
    org_oauth: OAuthDesk | None = None

    @property
    def order_id(self) -> str:
        return self.order_ids[0]

    def stripe_writes(self) -> list[tuple[str, str, int]]:
        return [
            (entry["method"], entry["path"], entry["status"])
            for entry in self.account.log.after()
            if entry["method"] == "POST"
        ]

    def salesforce_writes(self) -> list[dict]:
        return [
            part
            for entry in self.org_log.after()
            if entry["path"].endswith("/composite")
            for part in entry["parameters"]["compositeRequest"]
            if part["method"] == "PATCH"
        ]

    def amend(self, changes: list[tuple[int, str]], *, start: date, activate: bool = True) -> str:
        """Amend the first order's contract at the desk: units by the place of its lines; return the order."""
        lines = [item["Id"] for item in self.org.records("OrderItem") if item["OrderId"] == self.order_id]
        document = {
            "contract": self.org.records("Contract")[0]["Id"],
            "lines": [{"line": lines[place], "by": by} for place, by in changes],
            "start": start.isoformat(),
            "activate": activate,
        }
        return SalesDesk(self.org).amend(amend_request(document)).order_id

    def objects(self, kind: str) -> list[dict]:
        """Return what the account holds, as its server says it: it may be in the middle of a request."""
        with urllib.request.urlopen(f"{self.stripe_url}/_sim/state") as answer:
            return json.load(answer).get(kind, [])

    def order(self, order_id: str | None = None) -> dict:
        return self.org.record("Order", order_id or self.order_id)


def one_line_orders(
    count: int = 1, *, drafts: bool = False, contracted: bool = False
) -> tuple[dict, tuple[str, ...]]:
    """Records of an org with orders of one line each: 10 seats at 50.00 a month, 1 Feb 2026 to 31 Jan 2027."""
    cpq = Cpq(clock=lambda: NOW)
    product = cpq.product("Seat", frequency="Monthly", default_term=1)
    cpq.price(product, Decimal(50))
    ids = []
    for number in range(count):
        account = cpq.account(f"Customer {number}", email=f"billing{number}@customer.example")
        quote = cpq.quote(
            account, start=date(2026, 2, 1), lines=[Line(product=product, quantity=10)], term=12
        )
        order = cpq.order(quote, name=f"Order {number}")
        if not drafts:
            cpq.activate(order, at=NOW)
        if contracted:
            cpq.contract(order, at=NOW)
        ids.append(order.record_id)
    return cpq.records(), tuple(ids)


@contextmanager
def two_sides(
    count: int = 1, *, drafts: bool = False, records: tuple[dict, tuple[str, ...]] | None = None
) -> Iterator[TwoSides]:
    """Host both sides; `records` are what the org holds, with the ids of its orders, where given."""
    held, ids = records or one_line_orders(count, drafts=drafts)
    org = Org(NOW)
    org.prorate_precision = "monthly_daily"
    org.load(held)
    account = Account(NOW)
    org_app = create_org_app(org)
    with host(org_app) as salesforce, host(create_account_app(account)) as stripe:
        yield TwoSides(
            org=org,
            account=account,
            salesforce_url=salesforce.url,
            stripe_url=stripe.url,
            org_log=org_app.log,
            order_ids=ids,
            hosted_salesforce=salesforce,
            hosted_stripe=stripe,
            org_oauth=org_app.oauth,
        )


@contextmanager
def service(home: Path, *, clock: SettableClock | None = None, **options: object) -> Iterator[SyncService]:
    store = open_store(home)
    options.setdefault("sleep", lambda _seconds: None)
    opened = SyncService(store, ServiceOptions(clock=clock or SettableClock(NOW), **options))
    try:
        yield opened
    finally:
        opened.close()
        store.close()


def is_idle(opened: SyncService) -> bool:
    """Whether no run waits and none is under way: also none that was begun and holds no lane yet."""
    depth = queue_depth(opened.store.home)
    return depth.waiting == 0 and depth.running == 0


def move_everything_to(instant: datetime, sides: TwoSides, clock: SettableClock) -> None:
    clock.set(instant)
    sides.org.set_clock(instant)
    sides.account.advance(instant)


def connect(
    opened: SyncService,
    sides: TwoSides,
    *,
    live_sync: bool = False,
    mapping: Mapping[str, object] | None = None,
    **policy: str,
) -> None:
    """Connect both sides; `policy` are policies that differ from the default."""
    settings = parse_configuration({"version": 1, "policy": policy, "mapping": mapping or {}})
    opened.add_connection(
        name="test",
        salesforce_url=sides.salesforce_url,
        salesforce_token=TOKEN,
        stripe_key=KEY,
        stripe_api_base=sides.stripe_url,
        configuration=replace(settings, currency="usd", sync=replace(settings.sync, live=live_sync)),
    )
