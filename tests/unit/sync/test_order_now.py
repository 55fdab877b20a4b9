"""Planned and real invoices beside each other: paired by day and total, and what is missing stands out."""

from __future__ import annotations

from datetime import UTC, date, datetime

from tests.unit.web.a_plan import a_bill

from cpqbridge.sync.order_now import beside_each_other
from cpqbridge.sync.report_invoices import BilledDocument

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def a_document(on: str, total_minor: int, *, kind: str = "invoice", number: str = "A-1") -> BilledDocument:
    return BilledDocument(
        contract="800A",
        kind=kind,
        stripe_id="in_1",
        number=number,
        on=date.fromisoformat(on),
        currency="usd",
        total_minor=total_minor,
        status="open",
        lines=(),
    )


def rows(planned, billed, *, sent=True):
    keys = {each.object_key for each in planned} if sent else set()
    found = beside_each_other(planned, billed, now=NOW, sent=keys)
    return [
        (each.on.isoformat(), each.planned_minor, each.billed and each.billed.total_minor, each.differs)
        for each in found
    ]


def test_invoices_of_one_day_are_paired_by_their_totals():
    planned = (a_bill("2026-05-01", 100), a_bill("2026-05-01", 300))
    billed = (a_document("2026-05-01", 300), a_document("2026-05-01", 100))
    assert rows(planned, billed) == [("2026-05-01", 300, 300, False), ("2026-05-01", 100, 100, False)]


def test_what_is_due_and_missing_differs_and_what_is_to_come_does_not():
    planned = (a_bill("2026-05-20", 100), a_bill("2026-05-21", 100))
    assert rows(planned, ()) == [("2026-05-20", 100, None, True), ("2026-05-21", 100, None, False)]


def test_what_was_never_sent_is_not_missing():
    assert rows((a_bill("2026-05-01", 100),), (), sent=False) == [("2026-05-01", 100, None, False)]


def test_another_amount_and_an_invoice_nobody_planned_differ():
    assert rows((a_bill("2026-05-01", 100),), (a_document("2026-05-01", 90),)) == [
        ("2026-05-01", 100, 90, True)
    ]
    assert rows((), (a_document("2026-05-01", 90),)) == [("2026-05-01", None, 90, True)]


def test_a_credit_on_several_notes_adds_up_and_nothing_is_made_of_nothing():
    planned = (a_bill("2026-05-01", -500), a_bill("2026-05-01", 0))
    notes = (
        a_document("2026-05-01", -200, kind="credit_note"),
        a_document("2026-05-01", -300, kind="credit_note"),
        a_document("2026-05-01", 0),
    )
    assert rows(planned, notes) == [("2026-05-01", -500, -200, False), ("2026-05-01", None, -300, False)]
