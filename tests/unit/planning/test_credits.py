"""Where a credit goes: absorbed by the next invoice, on invoices that were made, on the balance, or nowhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation import in_process
from tests.unit.planning.builders import (
    BEFORE,
    a_history,
    a_life,
    a_line,
    a_one_time_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    differences_of,
    documents_of,
    invoices_of,
    one_time_items_of,
    seats,
    states_of,
)

from cpqbridge.domain.billing import (
    BilledInvoice,
    BilledLine,
    BillingObject,
    Link,
    OneTimeItem,
    Phase,
    StepAction,
)
from cpqbridge.domain.money import round_half_up
from cpqbridge.domain.refusal import OrderState
from cpqbridge.planning.credits import Creditable, credit_steps, drafts_final_at
from cpqbridge.planning.plan import plan_contract

SOLD = at("2026-01-28T09:00:00")
FIRST = an_order([seats(1, 10, "2026-02-01")])
FEWER = an_amendment(seats(2, -3, "2026-08-20", revises=1))
NOW = at("2026-09-25T08:00:00")


def reduced(when, *, order=FEWER, first=FIRST, **policy):
    """Sync the first order in time and the reduction at `when`; return the life and the plan."""
    life = a_life(now=SOLD, configuration=a_policy(**policy))
    life.sync(a_history(first), SOLD)
    life.run_until(when)
    return life, life.sync(a_history(first, order), when)


def test_credit_waits_for_the_next_invoice_where_that_absorbs_it():
    life, found = reduced(at("2026-08-10T09:00:00"))
    assert documents_of(found) == []
    assert invoices_of(found)[7] == ("2026-09-01", 35000 - 5919)
    assert one_time_items_of(found.objects[0].phases[-1]) == [("802LINE002", "credit", -5919)]
    life.run_until(at("2027-02-03"))
    billed = in_process.billed_by_day(life.account)
    assert billed["2026-09-01", "802LINE002"] == -5919
    assert in_process.billed_by_line(life.account)["802LINE001"] == 600000 - 5 * 15000


def test_credit_that_the_next_invoice_cannot_absorb_in_full_is_a_credit_note():
    most = an_amendment(seats(2, -9, "2026-08-02", revises=1))
    _, found = reduced(at("2026-07-10T09:00:00"), order=most)
    assert [kind for kind, _, _ in documents_of(found)] == ["credit_note"]
    (credit,) = [each for each in found.objects if each.kind == "credit"]
    assert credit.anchor_at == at("2026-08-02")
    assert invoices_of(found)[-1] == ("2027-01-01", 5000)


def test_credit_that_would_wait_longer_than_a_month_is_a_credit_note():
    yearly = {"months": 12, "default_term": "12", "entry": "600"}
    first = an_order([a_line(1, unit_price="1200", end="2028-01-31", **yearly)])

    def three_fewer(start, unit_price):
        total = str(-3 * int(unit_price))
        shape = {"quantity": "-3", "unit_price": unit_price, "total_price": total, "start": start}
        return an_amendment(a_line(2, end="2028-01-31", revises="802LINE001", **shape, **yearly))

    far = three_fewer("2026-08-01", "900")
    _, found = reduced(at("2026-07-10T09:00:00"), first=first, order=far)
    assert documents_of(found) == [("credit_note", "2026-08-01", -90000)]
    near = three_fewer("2027-01-01", "650")
    _, found = reduced(at("2026-07-10T09:00:00"), first=first, order=near)
    assert documents_of(found) == []
    assert invoices_of(found)[1] == ("2027-02-01", 420000 - 15000)


def test_policy_credit_note_never_waits():
    life, found = reduced(at("2026-08-10T09:00:00"), credits="credit_note")
    assert documents_of(found) == [("credit_note", "2026-08-20", -5919)]
    assert found.wake_at == at("2026-08-20")
    assert found.objects[-1].portions == ()
    life.run_until(at("2026-08-21"))
    (step,) = life.plan.steps
    assert step.action is StepAction.CREATE_CREDIT_NOTE
    assert step.parameters["memo"] == "Credit of order 00000102"
    assert step.parameters["metadata"]["salesforce_credits"] == "802LINE002:-5919"
    # The invoice of 1 August is not paid yet, so it shrinks and nothing is given back.
    assert "credit_amount" not in step.parameters
    assert life.sync(life.history, at("2026-08-22")).steps == ()


def test_policy_none_drops_the_credit_and_the_proof_says_so():
    life, found = reduced(at("2026-08-10T09:00:00"), credits="none")
    assert documents_of(found) == []
    assert differences_of(found) == {"802LINE002": (5919, "credit_policy")}
    assert [entry.drops_credits for entry in found.objects[0].orders] == [True, True]
    life.configuration = a_policy(credits="next_invoice")
    again = life.sync(life.history, at("2026-08-11T09:00:00"))
    assert again.steps == ()
    assert differences_of(again) == {"802LINE002": (5919, "credit_policy")}


def test_charge_and_credit_of_one_order_are_netted():
    both = an_amendment(seats(2, -3, "2026-08-20", revises=1), seats(3, 1, "2026-08-20", price="100"))
    _, found = reduced(at("2026-08-10T09:00:00"), order=both, credits="credit_note")
    assert documents_of(found) == [("credit_note", "2026-08-20", -5919 + 3945)]
    more = an_amendment(seats(2, -3, "2026-08-20", revises=1), seats(3, 4, "2026-08-20", price="100"))
    _, found = reduced(at("2026-08-10T09:00:00"), order=more, credits="credit_note")
    assert documents_of(found) == [("invoice", "2026-08-20", 4 * 3945 - 5919)]


def test_charge_and_credit_that_cancel_out_are_one_invoice_of_nothing():
    even = an_amendment(seats(2, -3, "2026-08-20", revises=1), seats(3, 3, "2026-08-20", revises=1))
    life, found = reduced(at("2026-08-20T09:00:00"), order=even, credits="credit_note")
    assert differences_of(found) == {}
    assert documents_of(found) == [("invoice", "2026-08-20", 0)]
    life.run_until(at("2027-02-03"))
    assert sum(in_process.billed_by_line(life.account).values()) == 600000


def test_credit_waits_until_drafts_are_final():
    when = at("2026-08-01T00:20:00")
    fewer = an_amendment(seats(2, -3, "2026-07-20", revises=1))
    life, found = reduced(when, order=fewer, credits="credit_note")
    assert [step.action for step in found.steps] == [StepAction.UPDATE_SCHEDULE]
    credit = found.objects[-1]
    assert (credit.kind, credit.portions) == ("credit", ())
    assert found.wake_at is not None
    assert when < found.wake_at <= when + timedelta(hours=1)
    life.run_until(at("2026-08-02"))
    assert [portion.amount_minor for portion in life.plan.objects[-1].portions] == [20919]
    assert in_process.billed_by_line(life.account)["802LINE002"] == -20919


def test_credit_known_before_the_invoices_were_read_asks_for_them():
    life = a_life(now=SOLD)
    life.sync(a_history(FIRST), SOLD)
    life.run_until(at("2026-08-20T10:00:00"))
    gone = an_amendment(seats(2, -10, "2026-08-20", revises=1))
    history = a_history(FIRST, gone)
    found = plan_contract(history, life.state, life.configuration, as_of=life.account.now)
    assert found.needs_invoices
    assert found.objects[-1].portions == ()
    with_none = replace(life.state, invoices=())
    found = plan_contract(history, with_none, life.configuration, as_of=life.account.now)
    assert not found.needs_invoices
    assert [step.action for step in found.steps][-1] is StepAction.CREDIT_BALANCE


def test_credit_not_due_yet_needs_no_invoices():
    life = a_life(now=SOLD)
    life.sync(a_history(FIRST), SOLD)
    history = a_history(FIRST, an_amendment(seats(2, -10, "2026-08-20", revises=1)))
    found = plan_contract(history, life.state, life.configuration, as_of=SOLD)
    assert not found.needs_invoices


def test_negative_one_time_line_beside_recurring_ones_is_netted_on_the_first_invoice():
    first = an_order([seats(1, 10, "2026-02-01"), a_one_time_line(9, total="-100")])
    life = a_life(now=SOLD)
    found = life.sync(a_history(first), SOLD)
    assert invoices_of(found)[0] == ("2026-02-01", 40000)


def test_negative_one_time_line_that_no_invoice_absorbs_goes_to_the_balance():
    first = an_order([seats(1, 10, "2026-02-01"), a_one_time_line(9, total="-700")])
    life = a_life(now=SOLD)
    found = life.sync(a_history(first), SOLD)
    assert documents_of(found) == [("credit_note", "2026-02-01", -70000)]
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account) == {"802LINE001": 600000, "802LINE009": -70000}


def test_order_of_nothing_but_a_credit_goes_to_the_balance():
    life = a_life(now=SOLD)
    found = life.sync(a_history(an_order([a_one_time_line(9, total="-100")])), SOLD)
    step = found.steps[-1]
    assert step.action is StepAction.CREDIT_BALANCE
    assert (step.parameters["amount"], step.parameters["currency"]) == (-10000, "usd")
    assert step.summary == "Credit 100.00 USD to the customer's balance"
    assert states_of(life.sync(life.history, at("2026-01-29"))) == [(OrderState.UNCHANGED, [])]


def a_billed_line(number: int, minor: int, *owners: str, left: int | None = None) -> BilledLine:
    return BilledLine(
        line_id=f"il_{number}",
        order_item_ids=owners,
        kind="cycle",
        period_start=date(2026, 8, 1),
        amount_minor=minor,
        creditable_minor=minor if left is None else left,
    )


@given(st.data())
def test_credit_on_a_discounted_line_names_what_gives_exactly_that_back(data):
    whole = data.draw(st.integers(2, 10**9))
    off = data.draw(st.integers(0, whole - 1))
    net = data.draw(st.integers(1, whole - off))
    line = replace(a_billed_line(1, whole - off, "802LINE001"), off_minor=off)
    credit = Creditable([a_billed_invoice(8, line)]).share_out(a_credit(("802LINE001", -net)), {"802LINE001"})
    (portion,) = credit.portions
    ((line_id, gross),) = portion.lines
    assert (line_id, portion.amount_minor) == ("il_1", net)
    assert 0 < gross <= whole
    assert gross - round_half_up(Fraction(off * gross, whole)) == net


def a_billed_invoice(month: int, *lines: BilledLine, unpaid=0, status="paid", **changes) -> BilledInvoice:
    total = sum(line.amount_minor for line in lines)
    invoice = BilledInvoice(
        invoice_id=f"in_{month}",
        status=status,
        created_at=datetime(2026, month, 1, tzinfo=UTC),
        total_minor=total,
        creditable_minor=sum(line.creditable_minor for line in lines),
        unpaid_minor=unpaid,
        final_at=None,
        lines=lines,
    )
    return replace(invoice, **changes)


def a_credit(*items: tuple[str, int], target="balance") -> BillingObject:
    day = date(2026, 8, 20)
    riders = tuple(
        OneTimeItem(
            order_item_id=order_item_id,
            order_id="801ORDER2",
            product_id="01tSEAT",
            kind="credit" if minor < 0 else "head",
            amount_minor=minor,
            period_start=day,
            period_end=day,
            description="x",
        )
        for order_item_id, minor in items
    )
    phase = Phase(
        starts_at=NOW,
        ends_at=NOW,
        proration_behavior="none",
        items=(),
        one_time_items=riders,
        order_ids=("801ORDER2",),
    )
    return BillingObject(
        key="credit:a0qQUOTE1:801ORDER2:2026-08-20",
        kind="credit",
        currency="usd",
        phases=(phase,),
        end_behavior="none",
        collection_method="send_invoice",
        days_until_due=30,
        anchor_at=NOW,
        target=target,
    )


def shared(minor: int, *invoices: BilledInvoice, reduced_ids=("802A",)):
    """Share out one credit; return (invoice, amount, unpaid part, amounts by line) of each portion."""
    wanted = Creditable(invoices).share_out(a_credit(("802R", -minor)), set(reduced_ids))
    return [
        (portion.invoice_id, portion.amount_minor, portion.unpaid_minor, dict(portion.lines))
        for portion in wanted.portions
    ]


def test_credit_goes_on_the_invoices_that_billed_the_time_newest_first():
    july = a_billed_invoice(7, a_billed_line(1, 500, "802A"), a_billed_line(2, 900, "802B"))
    august = a_billed_invoice(8, a_billed_line(3, 500, "802A"), a_billed_line(4, 900, "802B"))
    assert shared(700, july, august) == [("in_8", 500, 0, {"il_3": 500}), ("in_7", 200, 0, {"il_1": 200})]


def test_credit_goes_on_other_lines_next_and_the_rest_on_the_balance():
    july = a_billed_invoice(7, a_billed_line(1, 500, "802A"), a_billed_line(2, 900, "802B"))
    august = a_billed_invoice(8, a_billed_line(3, 500, "802A"), a_billed_line(4, 900, "802B"))
    assert shared(1500, july, august) == [
        ("in_8", 1000, 0, {"il_3": 500, "il_4": 500}),
        ("in_7", 500, 0, {"il_1": 500}),
    ]
    assert shared(3000, july, august) == [
        ("in_8", 1400, 0, {"il_3": 500, "il_4": 900}),
        ("in_7", 1400, 0, {"il_1": 500, "il_2": 900}),
        (None, 200, 0, {}),
    ]


def test_invoices_carry_only_what_is_left_of_them():
    used = a_billed_invoice(8, a_billed_line(1, 500, "802A", left=120), a_billed_line(2, 900, left=0))
    assert shared(300, used) == [("in_8", 120, 0, {"il_1": 120}), (None, 180, 0, {})]
    tight = replace(used, creditable_minor=50)
    assert shared(300, tight) == [("in_8", 50, 0, {"il_1": 50}), (None, 250, 0, {})]


def test_what_is_unpaid_shrinks_before_anything_is_given_back():
    part = a_billed_invoice(8, a_billed_line(1, 500, "802A"), unpaid=200, status="open")
    assert shared(300, part) == [("in_8", 300, 200, {"il_1": 300})]
    assert shared(150, part) == [("in_8", 150, 150, {"il_1": 150})]


@pytest.mark.parametrize("status", ["draft", "void", "uncollectible"])
def test_invoices_that_do_not_count_carry_nothing(status):
    invoice = a_billed_invoice(8, a_billed_line(1, 500, "802A"), status=status)
    assert shared(300, invoice) == [(None, 300, 0, {})]


def test_credits_shared_out_together_leave_less_for_each_other():
    creditable = Creditable([a_billed_invoice(8, a_billed_line(1, 500, "802A"), unpaid=400)])
    one = creditable.share_out(a_credit(("802R", -300)), {"802A"})
    other = creditable.share_out(a_credit(("802S", -300)), {"802A"})
    assert [(each.amount_minor, each.unpaid_minor) for each in one.portions] == [(300, 300)]
    assert [(each.amount_minor, each.unpaid_minor) for each in other.portions] == [(200, 100), (100, 0)]
    assert [each.key for each in other.portions] == [
        "credit_note:a0qQUOTE1:801ORDER2:2026-08-20:1",
        "credit_note:a0qQUOTE1:801ORDER2:2026-08-20:2",
    ]


@pytest.mark.parametrize(
    ("target", "parameter"),
    [("balance", "credit_amount"), ("refund", "out_of_band_amount"), ("outside", "out_of_band_amount")],
)
def test_paid_part_goes_where_the_policy_says(target, parameter):
    part = a_billed_invoice(8, a_billed_line(1, 500, "802A"), unpaid=200, status="open")
    wanted = Creditable([part]).share_out(a_credit(("802R", -300), target=target), {"802A"})
    (step,) = credit_steps(a_history(FIRST, FEWER), FEWER, wanted, state_of())
    assert step.parameters[parameter] == 100
    assert step.parameters["lines"] == [
        {"type": "invoice_line_item", "invoice_line_item": "il_1", "amount": 300}
    ]
    assert {"credit_amount", "out_of_band_amount", "refund_amount"} & step.parameters.keys() == {parameter}


def state_of(*keys: str):
    life = a_life(now=SOLD)
    links = {key: Link(key=key, stripe_id=f"id_{key}", fingerprint="x") for key in keys}
    return replace(life.state, links=links)


def test_portions_say_whose_credit_they_are_and_made_ones_are_not_made_again():
    july = a_billed_invoice(7, a_billed_line(1, 500, "802A"))
    august = a_billed_invoice(8, a_billed_line(3, 500, "802A"))
    credit = a_credit(("802R", -700), ("802S", -600), ("802T", 200))
    wanted = Creditable([july, august]).share_out(credit, {"802A"})
    steps = list(credit_steps(a_history(FIRST, FEWER), FEWER, wanted, state_of()))
    assert [step.parameters["metadata"]["salesforce_credits"] for step in steps] == [
        "802T:200,802R:-700",
        "802S:-500",
        "802S:-100",
    ]
    assert [step.parameters.get("amount") for step in steps] == [None, None, -100]
    made = state_of(steps[0].key, steps[2].key)
    again = list(credit_steps(a_history(FIRST, FEWER), FEWER, wanted, made))
    assert again == [steps[1]]


def test_credits_of_many_lines_take_several_metadata_values():
    items = [(f"802LINE{number:011}", -100) for number in range(50)]
    wanted = Creditable([]).share_out(a_credit(*items), set())
    (step,) = credit_steps(a_history(FIRST, FEWER), FEWER, wanted, state_of())
    metadata = {
        name: value
        for name, value in step.parameters["metadata"].items()
        if name.startswith("salesforce_credits")
    }
    assert list(metadata) == ["salesforce_credits", "salesforce_credits_2", "salesforce_credits_3"]
    assert all(len(value) <= 500 for value in metadata.values())
    assert ",".join(metadata.values()) == ",".join(f"{name}:{minor}" for name, minor in items)


def test_only_drafts_that_will_bill_something_are_waited_for():
    line = a_billed_line(1, 500, "802A")
    draft = a_billed_invoice(8, line, status="draft", final_at=NOW)
    assert drafts_final_at([draft]) == NOW + timedelta(minutes=1)
    assert drafts_final_at([a_billed_invoice(7, line)]) is None
    assert drafts_final_at([replace(draft, final_at=None)]) is None
    assert drafts_final_at([replace(draft, total_minor=0)]) is None
    later = replace(draft, invoice_id="in_9", final_at=NOW + timedelta(minutes=30))
    assert drafts_final_at([later, draft]) == NOW + timedelta(minutes=31)


def test_credit_of_a_reduction_beside_one_time_lines_goes_on_the_reduced_lines_first():
    first = an_order([seats(1, 10, "2026-02-01"), a_one_time_line(9), a_one_time_line(8)])
    back = a_one_time_line(7, total="-750", start="2026-03-10", revises="802LINE009")
    life, found = reduced(
        at("2026-03-10T09:00:00"),
        first=first,
        order=an_amendment(replace(back, quantity=Decimal(-1))),
        credits="credit_note",
    )
    (portion,) = found.objects[-1].portions
    invoice = next(each for each in life.invoices() if each.invoice_id == portion.invoice_id)
    credited = {line.line_id: line.order_item_ids for line in invoice.lines}
    assert [credited[line_id] for line_id, _ in portion.lines] == [("802LINE009",)]
    assert portion.amount_minor == 75000


@pytest.mark.parametrize("policy", ["next_invoice", "credit_note", "none"])
def test_end_on_the_first_day_is_credited_whatever_the_policy(policy):
    gone = an_amendment(seats(2, -10, "2026-02-01", revises=1))
    _, found = reduced(at("2026-02-10T09:00:00"), order=gone, credits=policy)
    assert documents_of(found) == [("credit_note", "2026-02-10", -50000)]
    assert differences_of(found) == {}


def test_policy_none_drops_the_credit_of_a_contract_without_recurring_lines():
    fees = an_order([a_one_time_line(9)])
    back = a_one_time_line(7, total="-750", start="2026-03-10", revises="802LINE009")
    back = replace(back, quantity=Decimal(-1))
    _, found = reduced(at("2026-03-10T09:00:00"), first=fees, order=an_amendment(back), credits="none")
    assert differences_of(found) == {"802LINE007": (75000, "credit_policy")}
    assert all(kind == "invoice" for kind, _, _ in documents_of(found))


def test_charge_and_credit_on_two_schedules_are_netted_on_an_own_invoice():
    yearly = {"months": 12, "default_term": "12", "entry": "600"}
    first = an_order([a_line(1, unit_price="1200", end="2028-01-31", **yearly)])
    swap = an_amendment(
        a_line(
            2,
            quantity="-2",
            unit_price="900",
            total_price="-1800",
            start="2026-08-01",
            end="2028-01-31",
            revises="802LINE001",
            **yearly,
        ),
        a_line(3, unit_price="600", start="2026-07-15", end="2027-07-14", **yearly),
    )
    when = at("2026-08-10T09:00:00")
    found = a_life(now=when).sync(a_history(first, swap), when, {"backdated"})
    assert documents_of(found) == [("invoice", "2026-08-10", 600000 - 60000)]
    assert ("2026-08-10", 600000) in invoices_of(found)
    assert differences_of(found) == {}


def test_credit_after_the_last_schedule_ended_waits_for_nothing():
    first = an_order([seats(1, 10, "2026-02-01")])
    life = a_life()
    life.sync(a_history(first), BEFORE)
    life.run_until(at("2027-03-10"))
    goodwill = an_amendment(a_one_time_line(total="-50", start="2027-03-01"))
    found = life.sync(a_history(first, goodwill), at("2027-03-10T09:00:00"))
    assert [kind for kind, *_ in documents_of(found)] == ["credit_note"]
    assert found.wake_at is None
