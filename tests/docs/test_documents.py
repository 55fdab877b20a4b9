"""The pages on the JSON documents name every key that the documents have."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from tests.unit.planning.builders import a_line, a_one_time_line, plan

from cpqbridge.domain.billing import InvoiceLine
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.report import Calls, Report, ReportedOrder
from cpqbridge.sync.report_invoices import BilledDocument

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
    quoted = re.findall(r"`([^`]+)`", (PAGES / page).read_text())
    return {word for text in quoted for word in re.findall(r"[a-z_]+", text)}


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
