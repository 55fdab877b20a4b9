"""`cpqbridge rehearse` on strangers' exports of every kind of order: every invoice is worked out again, slowly."""

from collections import Counter
from datetime import date
from fractions import Fraction

import pytest
from tests.acceptance.slow_calculator import DECIMALS
from tests.acceptance.strange_kinds import CONFIGURATION, KINDS, StrangerOfKinds, billed_kinds, months_between
from tests.acceptance.strangers import Habits

from cpqbridge.domain.ids import salesforce_id

STRANGERS = {
    "dollars by the month and day": Habits(seed=3, precision="monthly_daily", currencies=("usd",)),
    "several currencies by the day": Habits(
        seed=11, precision="day", currencies=("usd", "eur"), has_currency_field=True
    ),
    "euros by the calendar": Habits(
        seed=29, precision="calendar_monthly_daily", currencies=("eur",), answer_of_the_cli=False
    ),
}
ENDLESS_MONTHS = 24


@pytest.mark.parametrize("name", STRANGERS)
def test_every_kind_of_a_strangers_order_is_billed_as_the_rules_say(shell, tmp_path, name):
    habits = STRANGERS[name]
    stranger = StrangerOfKinds(habits, orders=len(KINDS))
    folder = stranger.write(tmp_path / "export")
    config = tmp_path / "config.yaml"
    policy = f"policy: {{prorate_precision: {habits.precision}}}\n"
    config.write_text(CONFIGURATION + policy)
    currency = () if habits.has_currency_field else ("--currency", habits.currencies[0])
    ended = shell.run("rehearse", folder, "--json", "--config", config, *currency)
    assert ended.code == 0, ended.err
    sold = {salesforce_id(order_id): each for order_id, each in stranger.kinds.items()}
    orders = ended.document["orders"]
    assert {order["order_id"] for order in orders} == sold.keys()
    wrong = [
        (sold[order["order_id"]].kind, order["state"], order["code"], order["message"])
        for order in orders
        if order["state"] != "synced"
    ]
    assert wrong == []
    for order in orders:
        own = [each for each in ended.document["invoices"] if each["contract"] == order["contract"]]
        check(order, sold[order["order_id"]], own, precision=habits.precision)


def check(order, sold, invoices, *, precision):
    """Compare one order with the slow calculator: by line where coupons do not join lines, and by day."""
    minor = 10 ** DECIMALS[sold.currency]
    found: Counter[date] = Counter()
    for invoice in invoices:
        found[date.fromisoformat(invoice["date"])] += int(Fraction(invoice["total"]) * minor)
    last = max(found)
    by_line, by_day = billed_kinds(sold, precision, last)
    if any(each.endless for each in sold.lines):
        assert months_between([sold.first, last]) >= ENDLESS_MONTHS - max(each.months for each in sold.lines)
    assert {day: total for day, total in found.items() if total} == {
        day: total for day, total in by_day.items() if total
    }, sold
    proofs = {proof["order_item_id"]: proof for proof in order["proof"]}
    assert proofs.keys() == {salesforce_id(each.line.item_id) for each in sold.lines}
    if not any(coupon.amount for coupon in sold.coupons):
        lines = {line_id: int(Fraction(proof["billed"]) * minor) for line_id, proof in proofs.items()}
        assert lines == {salesforce_id(each.line.item_id): by_line[each.line.item_id] for each in sold.lines}
    reasons = {proof["reason"] for proof in proofs.values() if Fraction(proof["difference"])}
    expected = {
        "endless": {"evergreen", "rounding"},
        "usage": {"metered", "rounding"},
        "tiers": {"custom_price", "rounding"},
        "percent": {"discount", "rounding"},
        "amount": {"discount", "rounding"},
        "trial": {"trial", "rounding"},
    }
    assert reasons <= expected.get(sold.kind, {"rounding"})
