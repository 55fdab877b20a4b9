"""Every number of the page on amounts, recomputed by the planner and billed by the simulated account."""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from tests.simulation.in_process import Life, billed_by_day

from cpqbridge.domain.dates import add_months
from cpqbridge.domain.money import major_text
from cpqbridge.domain.order import Account, LineKind, Order, OrderHistory, OrderKind, OrderLine, Product
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge_sim.stripe.account import Account as StripeAccount

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "how-amounts-are-computed.md"
MONTHS = {"month": 1, "quarter": 3, "year": 12}
FORMULA = re.compile(r"`([-\d., +×÷()]+)`\s*=\s*(-?[\d,]+\.\d+)")
NUMBER = re.compile(r"-?\d[\d,]*\.\d\d\b(?!\d)")
PAYS_AT_ONCE = None


@dataclass(frozen=True, kw_only=True)
class Example:
    title: str
    prose: str
    sold: list[dict[str, str]]
    billed: list[dict[str, str]]
    proof: list[dict[str, str]]


def examples() -> list[Example]:
    found = []
    for section in PAGE.read_text().split("\n## Example: ")[1:]:
        title, _, body = section.partition("\n")
        prose = body.partition("**Sold**")[0] + re.sub(
            r"^\|.*$", "", body.partition("**Proof**")[2], flags=re.MULTILINE
        )
        tables = {name: rows_of(body, name) for name in ("Sold", "Billed", "Proof")}
        found.append(
            Example(
                title=title,
                prose=prose,
                sold=tables["Sold"],
                billed=tables["Billed"],
                proof=tables["Proof"],
            )
        )
    return found


def rows_of(body: str, name: str) -> list[dict[str, str]]:
    lines = [
        line for line in body.partition(f"**{name}**")[2].partition("**")[0].splitlines() if line[:1] == "|"
    ]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]


def a_line(row: dict[str, str], order_id: str) -> OrderLine:
    return OrderLine(
        order_item_id=row["Line"],
        order_id=order_id,
        kind=LineKind.RECURRING,
        product_id=row["Product"],
        pricebook_entry_id=f"entry {row['Product']}",
        quantity=Decimal(row["Quantity"]),
        unit_price=Decimal(row["UnitPrice"]),
        total_price=Decimal(row["TotalPrice"]),
        starts_on=date.fromisoformat(row["From"]),
        ends_on=date.fromisoformat(row["To"]) if row["To"] else None,
        evergreen=not row["To"],
        frequency_months=MONTHS[row["Every"]],
        default_term_months=Decimal(1),
        entry_unit_price=Decimal(row["List price"]),
        revises=row["Changes"] or None,
        product_name=row["Product"],
    )


def orders_of(example: Example) -> list[Order]:
    """Return one order for all lines that were synced at the same time and start on the same terms."""
    groups: defaultdict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in example.sold:
        # Lines of the first sync that change nothing are one order; any other order starts on one day.
        is_first = row["Synced"] == example.sold[0]["Synced"] and not row["Changes"]
        groups[row["Synced"], "" if is_first else row["From"]].append(row)
    return [
        Order(
            order_id=f"order {number}",
            order_number=f"0000010{number}",
            kind=OrderKind.INITIAL if number == 1 else OrderKind.AMENDMENT,
            activated=True,
            activated_at=instant(synced),
            effective_on=min(date.fromisoformat(row["From"]) for row in rows),
            lines=tuple(a_line(row, f"order {number}") for row in rows),
            currency="usd",
            days_until_due=PAYS_AT_ONCE,
        )
        for number, ((synced, _), rows) in enumerate(groups.items(), start=1)
    ]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def lived(example: Example) -> Life:
    """Return the contract after all of its orders were synced when the page says and time ran to its end."""
    orders = orders_of(example)
    products = {line.product_id for order in orders for line in order.lines}
    history = OrderHistory(
        root_id="quote",
        contract_key="contract",
        account=Account(
            account_id="customer",
            displayed_customer_id=None,
            email="billing@baden.example",
            parameters={"name": "Baden Trading", "email": "billing@baden.example"},
        ),
        orders=(),
        products={
            each: Product(product_id=each, displayed_product_id=None, name=each, parameters={})
            for each in products
        },
    )
    moments = sorted({order.activated_at for order in orders})
    life = Life(StripeAccount(moments[0]), default_configuration())
    for moment in moments:
        life.run_until(moment)
        known = tuple(order for order in orders if order.activated_at <= moment)
        plan = life.sync(replace(history, orders=known), moment, released={"backdated"})
        assert [outcome.refusals for outcome in plan.outcomes] == [()] * len(known)
    # What has no end is looked at after its first year, before it is planned further.
    last = max(line.ends_on or date(2026, 12, 31) for order in orders for line in order.lines)
    life.run_until(datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=4))
    return life


def charges(example: Example) -> dict[tuple[str, str, str], Decimal]:
    """Return the amounts of the table Billed by day, line and document, ranges spread out."""
    months = {row["Line"]: MONTHS[row["Every"]] for row in example.sold}
    found: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in example.billed:
        first, _, last = row["On"].partition(" to ")
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last or first):
            found[day.isoformat(), row["Line"], row["As"]] += Decimal(row["Amount"])
            day = add_months(day, months[row["Line"]])
    return dict(found)


def forecast(life: Life) -> dict[tuple[str, str, str], Decimal]:
    found: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for invoice in life.plan.forecast:
        for line in invoice.lines:
            for order_item_id, amount_minor in line.shares:
                key = (invoice.on.isoformat(), order_item_id, invoice.kind.replace("_", " "))
                found[key] += Decimal(major_text(amount_minor, "usd"))
    return {key: amount for key, amount in found.items() if amount}


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
class TestExample:
    def test_tables_when_recomputed_say_the_same(self, example):
        life = lived(example)
        wanted = charges(example)
        assert forecast(life) == wanted
        by_day: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        today = life.account.now.date().isoformat()
        for (day, line, _), amount in wanted.items():
            if day <= today:
                by_day[day, line] += amount
        made = {
            key: Decimal(major_text(amount, "usd")) for key, amount in billed_by_day(life.account).items()
        }
        assert made == dict(by_day)
        assert [
            {
                "Line": proof.order_item_id,
                "Sold": major_text(proof.sold_minor, "usd"),
                "Billed": major_text(proof.billed_minor, "usd"),
                "Difference": major_text(proof.difference_minor, "usd"),
                "Reason": proof.reason or "",
            }
            for proof in life.plan.proof
        ] == example.proof

    def test_sold_when_multiplied_is_the_total(self, example):
        for row in example.sold:
            assert Decimal(row["Quantity"]) * Decimal(row["UnitPrice"]) == Decimal(row["TotalPrice"])

    def test_numbers_when_named_in_the_text_stand_in_a_table_or_a_formula(self, example):
        rows = [*example.sold, *example.billed, *example.proof]
        known = {number for row in rows for cell in row.values() for number in NUMBER.findall(cell)}
        for formula, result in FORMULA.findall(example.prose):
            known |= {number.replace(",", "") for number in [*NUMBER.findall(formula), result]}
        known = {number.removeprefix("-") for number in known}
        named = {number.replace(",", "").removeprefix("-") for number in NUMBER.findall(example.prose)}
        assert named - known == set()


def value_of(formula: str) -> Fraction:
    """Return a sum of products and quotients, read from left to right."""
    terms = re.findall(r"([-+]?)\s*((?:[\d.,]+)(?:\s*[×÷]\s*[\d.,]+)*)", formula)
    total = Fraction(0)
    for sign, product in terms:
        first, *rest = re.findall(r"([×÷]?)\s*([\d.,]+)", product)
        value = Fraction(first[1].replace(",", ""))
        for operator, number in rest:
            factor = Fraction(number.replace(",", ""))
            value = value * factor if operator == "×" else value / factor
        total += -value if sign == "-" else value
    return total


def test_formulas_when_computed_give_the_number_beside_them():
    found = FORMULA.findall(PAGE.read_text())
    assert len(found) > 5
    for formula, result in found:
        value = value_of(formula)
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        text = result.replace(",", "")
        assert exact.quantize(Decimal(text), rounding=ROUND_HALF_UP) == Decimal(text), formula


def test_formula_when_written_is_read_from_left_to_right():
    assert value_of("-809.19 + 5 × 150.00") == Fraction("-59.19")
    assert value_of("239.44 × 20 ÷ 37") == Fraction("239.44") * 20 / 37
