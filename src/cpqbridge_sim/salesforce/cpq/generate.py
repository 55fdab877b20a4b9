"""Contracts made by chance, for property tests and benchmarks: the kinds that always go through.

An order has recurring lines of one billing frequency and one-time lines, in one currency, nothing else; its
contract is amended, ended and renewed. The chance is handed in, so that a seed gives the same org for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from cpqbridge_sim.salesforce.cpq.dates import ONE_DAY, add_months, last_day_of_term
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.generate_changes import RandomChanges
from cpqbridge_sim.salesforce.cpq.model import Frequency, Line, Order, Product, Record
from cpqbridge_sim.salesforce.cpq.proration import PRECISIONS, Precision
from cpqbridge_sim.salesforce.cpq.rounding import currency_decimals

_FREQUENCIES: Final[tuple[Frequency, ...]] = ("Monthly", "Quarterly", "Semiannual", "Annual")
_DEFAULT_TERMS: Final[tuple[int | None, ...]] = (1, 3, 12, None)
_FIRST_DAY: Final = date(2020, 1, 1)
_LAST_DAY: Final = date(2037, 12, 31)
_LEAP_DAYS: Final = (date(2020, 2, 29), date(2024, 2, 29), date(2028, 2, 29), date(2032, 2, 29))
_LONGEST_TERM: Final = 36
_LATEST_DAYS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomOrg:
    """The records of a random org by object, and the package setting that made its prices."""

    records: dict[str, list[Record]]
    precision: Precision


def random_org(
    chance: Random,
    *,
    contracts: int,
    precision: Precision | None = None,
    currencies: Sequence[str] = ("USD", "EUR", "JPY"),
    most_lines: int = 8,
    most_changes: int = 4,
) -> RandomOrg:
    """Return an org with so many contracts, each with up to `most_changes` amendments and perhaps an end.

    Starts lie from 2020 to 2037, ends up to 2040, with month ends and leap days more often than chance would
    have them; all is activated and contracted. Renewals make further contracts. Without a precision one of
    the four is drawn. Prices in three-decimal currencies end in a zero only per default term, not after
    proration.
    """
    setting: Precision = chance.choice(PRECISIONS) if precision is None else precision
    cpq = Cpq(precision=setting, multi_currency=len(currencies) > 1, currency=currencies[0])
    maker = _Maker(chance, cpq, currencies)
    changes = RandomChanges(chance, cpq, maker.line_in)
    for number in range(contracts):
        order, moment = maker.sell(number, chance.randint(1, most_lines))
        for contract in order.contracts:
            changes.change(contract, after=moment, most=most_changes)
    return RandomOrg(records=cpq.records(), precision=setting)


class _Maker:
    def __init__(self, chance: Random, cpq: Cpq, currencies: Sequence[str]) -> None:
        self._chance = chance
        self._cpq = cpq
        self._currencies = currencies
        self._frequency: Frequency = "Monthly"
        self._recurring = {
            (frequency, term): self._product(f"{frequency} {term or 'blank'}", frequency, term)
            for frequency in _FREQUENCIES
            for term in _DEFAULT_TERMS
        }
        self._one_time = cpq.product("One-time", pricing=None, default_term=None, charge_type="One-Time")
        self._set_prices(self._one_time)

    def sell(self, number: int, line_count: int) -> tuple[Order, datetime]:
        """Sell one order, activated some days before or after it starts, and return when too."""
        start = self._start()
        term = self._chance.randint(1, _LONGEST_TERM)
        end = last_day_of_term(start, term)
        ends_early = self._happens(1, 4)
        if ends_early:
            end = self._day_between(start, end)
        frequency = self._frequency = self._chance.choice(_FREQUENCIES)
        lines = [self._line(start, end, frequency) for _ in range(line_count)]
        quote = self._cpq.quote(
            self._cpq.account(f"Customer {number}", email=f"customer-{number}@mail.example"),
            start=start,
            end=end if ends_early else None,
            term=None if ends_early else term,
            lines=lines,
            currency=self._chance.choice(self._currencies),
            payment_term=self._chance.choice(("Net 30", "Net 60", None)),
        )
        moment = datetime.combine(start, time(0, 0, tzinfo=UTC))
        # Signed while something is still to come: an order of the past waits for a person.
        last = max((line.end or end for line in lines if line.product.is_recurring), default=end)
        latest = min(_LATEST_DAYS, (last - start).days)
        moment += timedelta(days=self._chance.randint(-30, latest), minutes=self._chance.randint(0, 1439))
        order = self._cpq.activate(self._cpq.order(quote, name=f"Random order {number}"), at=moment)
        moment += timedelta(minutes=2)
        self._cpq.contracts(order, at=moment)
        return order, moment

    def line_in(self, start: date, end: date) -> Line:
        """Return a line for an amendment of the order sold last: its frequency, and sometimes an own end."""
        own_end = self._day_between(start, end) if self._happens(1, 4) else None
        return Line(
            product=self._recurring[self._frequency, self._chance.choice(_DEFAULT_TERMS)],
            quantity=self._chance.choice((1, 2, 10, self._chance.randint(1, 100))),
            end=own_end,
            discount=self._chance.choice((0, 0, 10)),
        )

    def _line(self, start: date, end: date, frequency: Frequency) -> Line:
        if self._happens(1, 7):
            return Line(product=self._one_time, quantity=self._chance.randint(1, 3))
        own_start = self._day_between(start, end) if self._happens(1, 4) else None
        first = own_start or start
        own_end = self._day_between(first, end) if self._happens(1, 4) else None
        if own_start is not None and own_end is None:
            own_end = end
        return Line(
            product=self._recurring[frequency, self._chance.choice(_DEFAULT_TERMS)],
            quantity=self._chance.choice((1, 1, 2, 3, 10, self._chance.randint(1, 500))),
            start=own_start,
            end=own_end,
            discount=self._chance.choice((0, 0, 0, 10, Decimal("12.5"), 33)),
        )

    def _product(self, name: str, frequency: Frequency, term: int | None) -> Product:
        product = self._cpq.product(name, frequency=frequency, default_term=term)
        self._set_prices(product)
        return product

    def _set_prices(self, product: Product) -> None:
        for currency in self._currencies:
            decimals = min(currency_decimals(currency), 2)
            amount = Decimal(self._chance.randint(100, 200_000)).scaleb(-decimals)
            self._cpq.price(product, amount, currency=currency)

    def _happens(self, times: int, of: int) -> bool:
        return self._chance.randrange(of) < times

    def _start(self) -> date:
        any_day = _FIRST_DAY + self._chance.randrange((_LAST_DAY - _FIRST_DAY).days + 1) * ONE_DAY
        first = any_day.replace(day=1)
        kinds = (any_day, any_day, first, add_months(first, 1) - ONE_DAY, self._chance.choice(_LEAP_DAYS))
        return self._chance.choice(kinds)

    def _day_between(self, first: date, last: date) -> date:
        """Return a day from first to last, often one that lies whole months after the first."""
        days = (last - first).days
        if self._happens(1, 2):
            return first + self._chance.randint(0, days) * ONE_DAY
        months = self._chance.randint(0, days // 31)
        return min(add_months(first, months), last)
