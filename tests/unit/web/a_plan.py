"""The base example with two more seats from 13 May and three fewer from 20 August, as a plan made by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime

from cpqbridge.domain.billing import (
    BillingObject,
    CreditPortion,
    ExecutedOrder,
    ForecastInvoice,
    InvoiceLine,
    OneTimeItem,
    OrderOutcome,
    Phase,
    PhaseItem,
    Plan,
    PlannedLine,
    Proof,
    TakenAmount,
)
from cpqbridge.domain.refusal import OrderState

NEW, MORE, FEWER = "801NEW", "801MORE", "801FEWER"
SEAT, SEAT_MORE, SEAT_FEWER = "802SEAT", "802MORE", "802FEWER"
SCHEDULE, OWN, CREDIT = "schedule:a0q:2026-02-01:1", f"invoice:a0q:{MORE}:2026-05-13", "credit:a0q:801FEWER"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def an_item(*units, ids=(SEAT, SEAT_MORE)):
    return PhaseItem(
        product_id="01tSEAT",
        order_item_ids=ids[: len(units)],
        price_key="price:1",
        unit_amount_decimal="5000",
        interval_count=1,
        quantity=sum(units),
        units=units,
    )


def a_phase(start, end, *items, orders, one_time=()):
    return Phase(
        starts_at=at(start),
        ends_at=at(end),
        proration_behavior="none",
        items=items,
        one_time_items=tuple(one_time),
        order_ids=orders,
    )


def a_charge(line, order, amount, start, end, kind):
    return OneTimeItem(
        order_item_id=line,
        order_id=order,
        product_id="01tSEAT",
        kind=kind,
        amount_minor=amount,
        period_start=date.fromisoformat(start),
        period_end=date.fromisoformat(end),
        description="2 x Seat (first part of a period)" if amount > 0 else "3 x Seat (no longer used)",
    )


def executed(*orders):
    instants = {NEW: at("2026-01-28"), MORE: at("2026-05-12"), FEWER: at("2026-08-19T16:45")}
    return tuple(ExecutedOrder(order_id=each, executed_at=instants[each], fingerprint="f") for each in orders)


def a_schedule(**changes):
    both = (NEW, MORE)
    schedule = BillingObject(
        key=SCHEDULE,
        kind="schedule",
        currency="usd",
        phases=(
            a_phase("2026-02-01", "2026-05-13", an_item(10), orders=(NEW,)),
            a_phase("2026-05-13", "2026-08-20", an_item(10), an_item(2, ids=(SEAT_MORE,)), orders=both),
            a_phase("2026-08-20", "2027-02-01", an_item(9), orders=(*both, FEWER)),
        ),
        end_behavior="cancel",
        collection_method="send_invoice",
        days_until_due=30,
        anchor_at=at("2026-02-01"),
        orders=executed(NEW, MORE, FEWER),
    )
    return replace(schedule, **changes)


def an_own_object(key, kind, item, made_at, order):
    phase = a_phase("2026-05-13", "2026-06-01", orders=(order,), one_time=(item,))
    return BillingObject(
        key=key,
        kind=kind,
        currency="usd",
        phases=(phase,),
        end_behavior="none",
        collection_method="send_invoice",
        days_until_due=30,
        anchor_at=at(made_at),
        orders=executed(order),
    )


def a_bill(on, amount, line=SEAT, kind="cycle", text="10 x Seat"):
    share = InvoiceLine(
        amount_minor=amount,
        period_start=date.fromisoformat(on[:10]),
        period_end=date.fromisoformat(on[:10]),
        description=text,
        shares=((line, amount),),
        kind=kind,
    )
    return ForecastInvoice(
        object_key=SCHEDULE,
        at=at(on),
        currency="usd",
        lines=(share,),
        kind="invoice" if amount >= 0 else "credit_note",
    )


def a_proof(line, order, sold, billed=None, reason=None):
    return Proof(
        order_item_id=line,
        order_id=order,
        currency="usd",
        sold_minor=sold,
        billed_minor=sold if billed is None else billed,
        reason=reason,
    )


PORTIONS = (
    CreditPortion(key="credit_note:1", invoice_id="in_aug", amount_minor=5000, unpaid_minor=3000),
    CreditPortion(key="credit_note:2", invoice_id=None, amount_minor=919),
)


def a_plan(**changes):
    head = a_charge(SEAT_MORE, MORE, 6246, "2026-05-13", "2026-06-01", "head")
    credit = a_charge(SEAT_FEWER, FEWER, -5919, "2026-08-20", "2026-09-01", "credit")
    own = an_own_object(OWN, "invoice", head, "2026-05-13", MORE)
    back = an_own_object(CREDIT, "credit", credit, "2026-08-19T16:45", FEWER)
    plan = Plan(
        root_id="a0q",
        contract_key="800A",
        account_id="001",
        executed_at=at("2026-08-19T16:45"),
        outcomes=tuple(OrderOutcome(order_id=each, state=OrderState.SYNCED) for each in (NEW, MORE, FEWER)),
        objects=(a_schedule(), own, replace(back, portions=PORTIONS)),
        steps=(),
        forecast=(
            a_bill("2026-02-01", 50000),
            a_bill("2026-05-13", 6246, SEAT_MORE, "head", head.description),
            a_bill("2026-06-01", 10000, SEAT_MORE, text="2 x Seat"),
            a_bill("2026-08-19T16:45", -5919, SEAT_FEWER, "credit", credit.description),
            a_bill("2026-09-01", 45000, text="9 x Seat"),
        ),
        proof=(
            a_proof(SEAT, NEW, 600000),
            a_proof(SEAT_MORE, MORE, 86246),
            a_proof(SEAT_FEWER, FEWER, -80919),
        ),
        taken=(
            TakenAmount(reducing_id=SEAT_FEWER, reduced_id=SEAT_MORE, amount_minor=50000),
            TakenAmount(reducing_id=SEAT_FEWER, reduced_id=SEAT, amount_minor=25000),
        ),
        lines=(
            PlannedLine(order_item_id=SEAT, order_id=NEW, name="Seat"),
            PlannedLine(order_item_id=SEAT_MORE, order_id=MORE, name="Seat"),
            PlannedLine(order_item_id=SEAT_FEWER, order_id=FEWER, name="reduction of Seat"),
        ),
        wake_at=at("2026-08-20"),
    )
    return replace(plan, **changes)
