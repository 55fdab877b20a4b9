"""The pages on the JSON documents name every key that the documents have."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.planning.builders import a_line, a_one_time_line, plan

from cpqbridge.bootstrap import open_throwaway_service
from cpqbridge.clock import SystemClock
from cpqbridge.domain.billing import InvoiceLine
from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.domain.order import Coupon, CouponDuration, Tier, TiersMode, TierTable
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.api_usage import KnownUsage
from cpqbridge.store.findings import FindingState, StoredFinding
from cpqbridge.store.overview import OrderCounts, OrderInNeed
from cpqbridge.store.pauses import Pause
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.polls import PollOutcome
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.durable import QueueDepth
from cpqbridge.sync.explain import explained
from cpqbridge.sync.findings import Finding, FindingKind, Remedy, finding_document
from cpqbridge.sync.liveness import SeenWorker
from cpqbridge.sync.metrics import Metrics
from cpqbridge.sync.order_list import COLUMNS, ListedOrder, OrderAmounts
from cpqbridge.sync.report import Calls, Report, ReportedOrder
from cpqbridge.sync.report_invoices import BilledDocument
from cpqbridge.sync.status import ConnectionStatus, Status
from cpqbridge.sync.status_words import status_document

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reference"


def keys_of(value: Any) -> Iterator[str]:
    """Yield every key at any depth, but for the parameters of Stripe, which are Stripe's own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key != "parameters":
                yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def named_in(page: str) -> set[str]:
    prose = re.sub(r"```.*?```", "", (PAGES / page).read_text(), flags=re.DOTALL)
    quoted = re.findall(r"`([^`]+)`", prose)
    return {word for text in quoted for word in re.findall(r"[a-z_]+", text)}


def test_status_page_when_compared_with_a_status_names_every_key():
    now = datetime(2026, 2, 1, tzinfo=UTC)
    connection = ConnectionStatus(
        name="name",
        at=now,
        live=True,
        orders=OrderCounts(seen=0, open=0, done=0, needs_someone=0, by_state={}),
        in_need=(OrderInNeed(order_number="1", state="held", code="overlap"),),
        pause=Pause(scope="everything", reason="", paused_at=now),
        access_lost=None,
        last_poll=PollOutcome(polled_at=now),
        usage=KnownUsage(used=1, allowed=2, noted_at=now),
        api_share=Decimal("0.6"),
        timers_overdue=0,
        next_timer_at=None,
        events={},
        findings={},
        alerts=(),
        unsettled_calls=0,
        parked=0,
        oldest_queued_at=None,
        lost=(),
    )
    status = Status(
        at=now,
        connections=(connection,),
        queue=QueueDepth(waiting=0, running=0, oldest_at=None, workers=frozenset()),
        workers=(SeenWorker(name="worker-1", alive=True, turned_at=now),),
        dead_with_work=(),
        what_to_do=(),
    )
    assert set(keys_of(status_document(status))) - named_in("status.md") == set()


def test_watching_page_when_compared_with_the_metrics_names_all_and_no_others(tmp_path):
    with open_throwaway_service(tmp_path, clock=SystemClock()) as service:
        metrics = Metrics(service)
        call = Call(side="stripe", method="GET", path="/")
        metrics.call_ended(CallEnd(call=call, status=200, seconds=1), connection_id=1)
        families = list(text_string_to_metric_families(metrics.text().decode()))
    # A name that ends in _bucket, _sum, _count or _created is a part of its family.
    known = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    page = (PAGES.parent / "how-to" / "watch-it-run.md").read_text()
    told = set(re.findall(r"cpqbridge_[a-z_]+[a-z]", page))
    parts = ("_created", "_created_total")
    assert {name for name in known if not name.endswith(parts)} == told - {"cpqbridge_queue"}


def test_preview_page_when_compared_with_a_preview_names_every_key():
    planned = plan(a_line(), a_one_time_line())
    document = plan_document(planned, order_id=planned.outcomes[0].order_id)
    assert document["schedules"]
    assert document["steps"]
    assert set(keys_of(document)) - named_in("preview.md") - named_in("rehearse.md") == set()
    assert set(document) - named_in("preview.md") == set()


def test_rehearse_page_when_compared_with_a_report_names_every_key():
    planned = plan(a_line())
    line = InvoiceLine(
        amount_minor=50000,
        period_start=date(2026, 2, 1),
        period_end=date(2026, 3, 1),
        description="10 × Seat",
        shares=(("802000000000001AAA", 50000),),
    )
    invoice = BilledDocument(
        contract="800",
        kind="invoice",
        stripe_id="in_1",
        number="A-1",
        on=date(2026, 2, 1),
        currency="usd",
        total_minor=50000,
        status="paid",
        lines=(line,),
    )
    order = ReportedOrder(
        order_id="801",
        order_number="1",
        contract="800",
        state=planned.outcomes[0].state,
        code=None,
        message=None,
        proof=planned.proof,
    )
    document = Report(notes=(), calls=Calls(), orders=(order,), invoices=(invoice,)).as_document()
    assert document["orders"][0]["proof"]
    assert set(keys_of(document)) - named_in("rehearse.md") == set()


def test_preview_page_names_what_only_some_items_have():
    tiers = TierTable(
        mode=TiersMode.GRADUATED,
        tiers=(Tier(up_to=5, unit_price=Decimal(50)), Tier(up_to=None, unit_price=Decimal(40))),
    )
    coupon = Coupon(coupon_id="a1c", name="Welcome", duration=CouponDuration.FOREVER, percent_off=Decimal(10))
    for line in (a_line(tiers=tiers), a_line(metered=True, quantity=1), a_line(coupons=(coupon,))):
        planned = plan(line)
        document = plan_document(planned, order_id=planned.outcomes[0].order_id)
        assert document["schedules"]
        assert set(keys_of(document)) - named_in("preview.md") - named_in("rehearse.md") == set()


def test_preview_page_names_every_key_of_an_explanation():
    planned = plan(a_line())
    (line,) = explained(planned, order_id=planned.outcomes[0].order_id)
    assert set(keys_of(line.as_document())) - named_in("preview.md") == set()


def test_page_on_the_list_of_orders_names_every_column_and_key():
    standing = OrderStanding(
        order_id="801",
        order_number="00000101",
        root_id="a0q",
        contract_key="800",
        state=OrderState.SYNCED,
        modified_at="",
        updated_at=datetime(2026, 2, 1, tzinfo=UTC),
    )
    amounts = OrderAmounts(
        currency="usd", sold_minor=1, billed_so_far_minor=1, to_come_minor=0, on_no_invoice_minor=0
    )
    document = ListedOrder(standing=standing, amounts=amounts).as_document()
    assert {*COLUMNS, *keys_of(document)} - named_in("order-list.md") == set()


def test_reconcile_page_when_compared_with_a_finding_names_every_key_kind_and_state():
    finding = Finding(
        kind=FindingKind.MISSING,
        root_id="Q1",
        contract_key="800",
        subject="801",
        found="",
        wanted="",
        fix="",
        marks=(),
    )
    seen = finding.as_seen(link=None, reason="")
    stored = StoredFinding(
        finding_id=1,
        connection_id=1,
        **{name: getattr(seen, name) for name in ("root_id", "kind", "subject", "fingerprint", "document")},
        state=FindingState.OPEN,
        reason="",
        first_seen_at=datetime(2026, 5, 1, tzinfo=UTC),
        last_seen_at=datetime(2026, 5, 1, tzinfo=UTC),
        closed_at=None,
    )
    named = named_in("reconcile.md")
    assert set(keys_of(finding_document(stored))) - named == set()
    assert {each.value for each in (*FindingKind, *FindingState, *Remedy)} - named == set()
