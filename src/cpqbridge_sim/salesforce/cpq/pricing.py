"""The price waterfall of a quote line: list, special, discount, prorate multiplier, one rounding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypedDict

from cpqbridge_sim.salesforce.cpq.dates import last_day_of_term
from cpqbridge_sim.salesforce.cpq.model import CpqError, Line, PricedLine, Product
from cpqbridge_sim.salesforce.cpq.proration import Precision, months_in_span, prorate_multiplier
from cpqbridge_sim.salesforce.cpq.rounding import currency_decimals, round_half_up

RevisedLine = Literal["first", "latest"]
AmendmentShows = Literal["subscription", "lineage"]


class PackageOptions(TypedDict, total=False):
    """The settings of `PackageSettings`, each with its default where it is left out."""

    precision: Precision
    unit_price_scale: int | None
    multiplier_scale: int | None
    multi_currency: bool
    currency: str
    revised_line: RevisedLine
    amendment_shows: AmendmentShows
    zero_quantity_lines: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSettings:
    """The package settings that decide amounts; each that is an assumption about CPQ has its own switch.

    `precision` is the Subscription Prorate Precision. `unit_price_scale` None is the currency's own number of
    decimals. `multiplier_scale` None keeps the full double. `revised_line` says which line of a lineage more
    units name. `amendment_shows` says whether an amendment quote has one line per subscription, so that a
    reduction over several additions is one order line each, or one per lineage with the sum.
    `zero_quantity_lines` is "Enable Zero Quantity": unchanged lines come along with quantity 0.
    """

    precision: Precision = "monthly_daily"
    unit_price_scale: int | None = None
    multiplier_scale: int | None = None
    multi_currency: bool = False
    currency: str = "USD"
    revised_line: RevisedLine = "first"
    amendment_shows: AmendmentShows = "subscription"
    zero_quantity_lines: bool = False

    def unit_price(self, value: Fraction, currency: str) -> Decimal:
        """Return a unit price rounded half up to the package's scale."""
        scale = self.unit_price_scale
        return round_half_up(value, currency_decimals(currency) if scale is None else scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSpan:
    """The dates of a quote; an end beats a term."""

    start: date
    end: date | None
    term: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Time:
    start: date
    end: date | None
    term: int | None
    multiplier: Fraction


def price_lines(
    lines: Sequence[Line],
    span: QuoteSpan,
    *,
    currency: str,
    settings: PackageSettings,
    list_price_of: Callable[[Product], Decimal],
    next_id: Callable[[], str],
) -> tuple[PricedLine, ...]:
    """Return the priced lines of a new quote, percent-of-total lines computed from the others.

    Raises:
        CpqError: a line has no price, no length, or ends before it starts.
    """
    priced: dict[int, PricedLine] = {}
    quote_line_ids = [next_id() for _ in lines]
    last = [index for index, line in enumerate(lines) if line.product.pricing == "Percent Of Total"]
    first = [index for index in range(len(lines)) if index not in last]
    for index in first + last:
        line = lines[index]
        if index in last:
            covered = line.covers if line.covers is not None else tuple(first)
            list_price = settings.unit_price(_percent_of(line, [priced[each] for each in covered]), currency)
        else:
            list_price = Decimal(0) if line.bundled else list_price_of(line.product)
        priced[index] = _price_line(
            line,
            list_price,
            _time_of(line, span, settings.precision),
            currency=currency,
            settings=settings,
            quote_line_id=quote_line_ids[index],
        )
    return tuple(priced[index] for index in range(len(lines)))


def price_difference(
    line: PricedLine, by: Decimal, start: date, *, currency: str, settings: PackageSettings
) -> tuple[date, Fraction, Decimal, Decimal]:
    """Return start, multiplier, unit price and total of `by` more or fewer units of a line from a date on.

    A line that starts later keeps its own start. The price of one default term is that of the line: an
    amendment cannot change it.

    Raises:
        CpqError: the line has ended by then, or a block-priced line is changed in part.
    """
    begin = max(start, line.start)
    multiplier = line.multiplier
    if line.line.product.is_recurring and line.end is not None:
        if begin > line.end:
            raise CpqError(f"A line that ends on {line.end} cannot be amended from {begin}.")
        months = months_in_span(settings.precision, begin, line.end)
        multiplier = prorate_multiplier(months, _default_term(line.line.product))
    unit_price = settings.unit_price(line.net_price * multiplier, currency)
    if line.line.block_price is None:
        return begin, multiplier, unit_price, _total(unit_price, by, currency)
    if by not in {0, -line.quantity}:
        raise CpqError("A block-priced line can only be kept or ended by this engine.")
    return begin, multiplier, unit_price, -_total(unit_price, Decimal(1 if by else 0), currency)


def _price_line(
    line: Line,
    list_price: Decimal,
    time: _Time,
    *,
    currency: str,
    settings: PackageSettings,
    quote_line_id: str,
) -> PricedLine:
    quantity = Decimal(line.quantity)
    special = line.block_price if line.block_price is not None else line.price
    base = Decimal(0) if line.bundled else Decimal(special) if special is not None else list_price
    net_price = Fraction(base) * (100 - Fraction(line.discount)) / 100
    unit_price = settings.unit_price(net_price * time.multiplier, currency)
    charged = Decimal(1) if line.block_price is not None else quantity
    return PricedLine(
        line=line,
        quote_line_id=quote_line_id,
        start=time.start,
        end=time.end,
        term=time.term,
        quantity=quantity,
        list_price=list_price,
        net_price=net_price,
        multiplier=time.multiplier,
        unit_price=unit_price,
        total=_total(unit_price, charged, currency),
    )


def _time_of(line: Line, span: QuoteSpan, precision: Precision) -> _Time:
    """Return when a line runs: dates beat terms, and the line's own beat the quote's."""
    start = line.start or span.start
    product = line.product
    if not product.is_recurring:
        return _Time(start=start, end=line.end, term=None, multiplier=Fraction(1))
    default_term = _default_term(product)
    if product.is_evergreen:
        return _Time(start=start, end=None, term=1, multiplier=prorate_multiplier(Fraction(1), default_term))
    end = line.end or span.end
    term = line.term
    if end is None and term is None:
        term = span.term
    if end is not None:
        if end < start:
            raise CpqError(f"The line for {product.name} ends on {end}, before it starts on {start}.")
        months = months_in_span(precision, start, end)
    elif term is not None:
        months, end = Fraction(term), last_day_of_term(start, term)
    else:
        raise CpqError(f"The line for {product.name} has neither an end date nor a term.")
    return _Time(start=start, end=end, term=term, multiplier=prorate_multiplier(months, default_term))


def _percent_of(line: Line, covered: Sequence[PricedLine]) -> Fraction:
    """Return the list price of a percent-of-total line for one default term of its own."""
    if line.product.percent is None:
        raise CpqError(f"{line.product.name} is priced as a percentage of a total but names no percentage.")
    own_months = prorate_multiplier(Fraction(1), _default_term(line.product))
    total = Fraction(0)
    for each in covered:
        if each.line.product.is_recurring:
            per_month = each.net_price * prorate_multiplier(Fraction(1), _default_term(each.line.product))
            units = 1 if each.line.block_price is not None else Fraction(each.quantity)
            total += per_month * units / own_months
    return total * Fraction(line.product.percent) / 100


def _default_term(product: Product) -> Decimal | None:
    return None if product.default_term is None else Decimal(product.default_term)


def _total(unit_price: Decimal, quantity: Decimal, currency: str) -> Decimal:
    return round_half_up(Fraction(unit_price) * Fraction(quantity), currency_decimals(currency))
