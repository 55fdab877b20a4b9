"""The time line of a contract as a picture: bars for what recurs, dots for invoices, diamonds for credits.

Everything here is geometry and words; the picture itself and the table that says the same are drawn by
`templates/timeline.html`. Amounts stay the texts they came as.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from cpqbridge.domain.billing import PhaseItem, Plan
from cpqbridge.domain.dates import MONTHS_PER_YEAR, add_months, midnight
from cpqbridge.sync.plan_rows import GOES_ON, goes_on, line_names
from cpqbridge.sync.plan_words import interval_text, is_stub, moment_text, price_text
from cpqbridge.web.rendering import counted, money_text

WIDTH = 960
_LEFT, _RIGHT = 190, 20
_TOP, _ROW, _MONEY = 30, 26, 88
_ABOVE = 38
_LABEL_WIDTH = 84
_TICK_WIDTH = 52
_LABEL_LANES = 2
_NAME_LENGTH = 26
_LETTER_WIDTH = 9
_TICKS = 11
_TICK_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_WORDS = {"invoice": "Invoice", "credit_note": "Credit note", "credit_balance": "Credit on the balance"}

_KINDS = ("stub", "trial", "priced")
_PRICELESS = {"stub": "billed once", "trial": "free trial", "priced": ""}

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A product with a constant quantity; `x` and `width` are units of the picture.

    `kind` is `stub` where the last part was billed once, `trial` where nothing is billed, else `priced`.
    """

    x: float
    width: float
    label: str
    start: str
    end: str
    name: str
    quantity: str
    price: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One product with one price interval; `y` is the upper edge, `shown` the name cut to its column."""

    y: int
    shown: str
    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """All invoices, or all credits, of one day; `label` is empty where there is no room for it."""

    x: float
    label: str
    label_y: int
    day: str
    words: str
    amount: str
    is_credit: bool
    to_come: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A first of a month on the axis; `label` is empty where the picture ends before it would."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One picture. `today_x` is None where today is outside of it; `goes_on` tells that a bar has no end."""

    width: int
    height: int
    left: int
    right: int
    axis_y: int
    money_y: int
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    dots: tuple[Dot, ...]
    today: str
    today_x: float | None
    currency: str
    description: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """What recurs in one span, before it has a place in the picture; no quantity for a mere stub.

    `is_metered` tells that usage is billed instead of a quantity, `goes_on` that the span has no end.
    """

    span: Span
    quantity: int
    prices: tuple[str, ...]
    kind: str
    is_metered: bool = False
    goes_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """From instants to places; the picture runs from `start` to `end`."""

    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        """Return the place of an instant, within the picture."""
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)


def timeline(
    plan: Plan, invoices: Sequence[Mapping[str, Any]], *, today: date | None = None
) -> Timeline | None:
    """Return the picture of a contract, None when nothing is planned and nothing was billed.

    Args:
        plan: The plan with the phases to draw.
        invoices: Invoices and credits of the contract as documents (`documents.forecast_document`,
            `BilledDocument.as_document`); those that come to nothing are left out.
        today: The day to mark, UTC; what is dated later counts as still to come.
    """
    stretches = _stretches(plan)
    money = [each for each in invoices if any(digit in "123456789" for digit in str(each["total"]))]
    spans = [each.span for row in stretches.values() for each in row]
    days = [midnight(date.fromisoformat(str(each["date"]))) for each in money]
    instants = [*(instant for span in spans for instant in span), *days]
    if not instants:
        return None
    scale = _Scale(start=min(instants), end=max(*instants, min(instants) + timedelta(days=1)))
    stretches = {key: [_to_the_edge(each, scale.end) for each in row] for key, row in stretches.items()}
    rows = tuple(_rows(stretches, scale))
    money_y = _TOP + _ROW * len(rows) + _ABOVE
    today_at = None if today is None else midnight(today)
    is_inside = today_at is not None and scale.start <= today_at <= scale.end
    return Timeline(
        width=WIDTH,
        height=_TOP + _ROW * len(rows) + _MONEY,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        axis_y=_TOP,
        money_y=money_y,
        ticks=tuple(_ticks(scale)),
        rows=rows,
        dots=_dots(money, scale, money_y=money_y, today=today),
        today=today.isoformat() if today and is_inside else "",
        today_x=scale.x(today_at) if today_at and is_inside else None,
        currency=str(money[0]["currency"]) if money else next(each.currency for each in plan.objects),
        description=_description(rows, money, scale),
        goes_on=any(each.goes_on for row in stretches.values() for each in row),
    )


def _stretches(plan: Plan) -> dict[tuple[str, str], list[_Stretch]]:
    """Return what recurs, in order of time, by product name and interval."""
    names = line_names(plan)
    found: defaultdict[tuple[str, str], list[_Stretch]] = defaultdict(list)
    for wanted in plan.objects:
        horizon = wanted.phases[-1].ends_at if goes_on(plan, wanted) else None
        for phase in wanted.lived:
            end = min(phase.ends_at, wanted.ended_at or phase.ends_at)
            if wanted.kind == "schedule" and phase.starts_at < end:
                for item in (each for each in phase.items if each.order_item_ids):
                    name = next(
                        (names[each] for each in item.order_item_ids if each in names), item.product_id
                    )
                    stretch = _item_stretch(item, wanted.currency, (phase.starts_at, end), trial=phase.trial)
                    found[name, interval_text(item.interval_count)].append(
                        replace(stretch, goes_on=end == horizon)
                    )
    return {key: _joined(_summed(found[key])) for key in sorted(found)}


def _item_stretch(item: PhaseItem, currency: str, span: Span, *, trial: bool) -> _Stretch:
    if is_stub(item):
        return _Stretch(span=span, quantity=0, prices=(), kind="stub")
    price = "by tiers" if item.tiers else price_text(item.unit_amount_decimal, currency)
    return _Stretch(
        span=span,
        quantity=0 if item.metered else item.quantity,
        prices=() if trial else (price,),
        kind="trial" if trial else "priced",
        is_metered=item.metered,
    )


def _to_the_edge(stretch: _Stretch, end: datetime) -> _Stretch:
    """Return what has no end up to the edge of the picture, however far it is planned."""
    return replace(stretch, span=(stretch.span[0], end)) if stretch.goes_on else stretch


def _summed(stretches: Sequence[_Stretch]) -> Iterator[_Stretch]:
    """Yield one stretch for each time between two changes; several items of a product count together."""
    for span in pairwise(sorted({instant for each in stretches for instant in each.span})):
        alive = [each for each in stretches if each.span[0] <= span[0] and span[1] <= each.span[1]]
        if alive:
            yield _Stretch(
                span=span,
                quantity=sum(each.quantity for each in alive),
                prices=tuple(dict.fromkeys(price for each in alive for price in each.prices)),
                kind=_KINDS[max(_KINDS.index(each.kind) for each in alive)],
                is_metered=any(each.is_metered for each in alive),
                goes_on=any(each.goes_on and each.span[1] == span[1] for each in alive),
            )


def _joined(stretches: Iterable[_Stretch]) -> list[_Stretch]:
    """Return neighbours that say the same as one."""
    joined: list[_Stretch] = []
    for each in stretches:
        last = joined[-1] if joined else None
        alike = last and replace(last, span=each.span, goes_on=each.goes_on) == each
        if last and alike and last.span[1] == each.span[0]:
            joined[-1] = replace(each, span=(last.span[0], each.span[1]))
        else:
            joined.append(each)
    return joined


def _rows(stretches: Mapping[tuple[str, str], Sequence[_Stretch]], scale: _Scale) -> Iterator[Row]:
    for place, ((name, interval), row) in enumerate(stretches.items()):
        cut = name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
        bars = tuple(_bar(each, name, interval, scale) for each in row)
        yield Row(y=_TOP + _ROW * place, shown=cut, name=name, bars=bars)


def _bar(stretch: _Stretch, name: str, interval: str, scale: _Scale) -> Bar:
    start, end = stretch.span
    width = max(round(scale.x(end) - scale.x(start), 1), 1.0)
    quantity = _quantity_text(stretch)
    prices = " and ".join(money_text(price) for price in stretch.prices)
    return Bar(
        x=scale.x(start),
        width=width,
        label=_fitting(_labels(stretch, quantity, prices, interval), width),
        start=moment_text(start),
        end=GOES_ON if stretch.goes_on else moment_text(end),
        name=name,
        quantity=quantity or "last part",
        price=f"{prices} a {interval}" if prices else _PRICELESS[stretch.kind],
        kind=stretch.kind,
    )


def _labels(stretch: _Stretch, quantity: str, prices: str, interval: str) -> Iterator[str]:
    """Yield what may stand on a bar, most first: quantity and price, or the quantity alone."""
    arrow = " →" if stretch.goes_on else ""
    if quantity and prices:
        yield f"{quantity} × {prices} a {interval}{arrow}"
        yield f"{quantity} × {prices}{arrow}"
    yield f"{quantity}{', free' if stretch.kind == 'trial' else ''}{arrow}"


def _fitting(labels: Iterable[str], width: float) -> str:
    """Return the first label that has room on a bar, empty where none has."""
    return next((each for each in labels if width > _LETTER_WIDTH * len(each)), "")


def _quantity_text(stretch: _Stretch) -> str:
    if stretch.kind == "stub":
        return ""
    parts = [str(stretch.quantity)] if stretch.quantity or not stretch.is_metered else []
    return " and ".join([*parts, *(["usage"] if stretch.is_metered else [])])


def _dots(
    money: Iterable[Mapping[str, Any]], scale: _Scale, *, money_y: int, today: date | None
) -> tuple[Dot, ...]:
    days: defaultdict[tuple[str, bool], list[Mapping[str, Any]]] = defaultdict(list)
    for each in money:
        is_credit = each["kind"] != "invoice" or str(each["total"]).startswith("-")
        days[str(each["date"]), is_credit].append(each)
    groups = [(day, is_credit, days[day, is_credit]) for day, is_credit in sorted(days)]
    amounts = [_sum_text([str(each["total"]) for each in group]) for _, _, group in groups]
    places = [scale.x(midnight(date.fromisoformat(day))) for day, _, _ in groups]
    lanes = _lanes(places, amounts, [is_credit for _, is_credit, _ in groups])
    return tuple(
        Dot(
            x=places[index],
            label=amounts[index] if index in lanes else "",
            label_y=money_y + (24 if is_credit else -14 - 13 * lanes.get(index, 0)),
            day=day,
            words=", ".join(_words(each) for each in group),
            amount=amounts[index],
            is_credit=is_credit,
            to_come=today is not None and date.fromisoformat(day) > today,
        )
        for index, (day, is_credit, group) in enumerate(groups)
    )


def _lanes(places: Sequence[float], amounts: Sequence[str], are_credits: Sequence[bool]) -> dict[int, int]:
    """Return the lane of each label that has room; amounts that differ from the one before come first."""
    order = sorted(range(len(amounts)), key=lambda index: index > 0 and amounts[index] == amounts[index - 1])
    found: dict[int, int] = {}
    for index in order:
        for lane in range(1 if are_credits[index] else _LABEL_LANES):
            taken = (
                other for other in found if found[other] == lane and are_credits[other] == are_credits[index]
            )
            if all(abs(places[other] - places[index]) >= _LABEL_WIDTH for other in taken):
                found[index] = lane
                break
    return found


def _words(invoice: Mapping[str, Any]) -> str:
    number = f" {invoice['number']}" if invoice["number"] else ""
    return f"{_WORDS.get(str(invoice['kind']), 'Invoice')}{number}"


def _sum_text(totals: Sequence[str]) -> str:
    """Return the sum of decimal texts with the same decimals, with commas between thousands."""
    decimals = len(totals[0].partition(".")[2])
    minor = sum(int(total.replace(".", "")) for total in totals)
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    whole, rest = (digits[:-decimals], f".{digits[-decimals:]}") if decimals else (digits, "")
    return money_text(f"{'-' if minor < 0 else ''}{whole}{rest}")


def _ticks(scale: _Scale) -> Iterator[Tick]:
    first, last = scale.start.date(), scale.end.date()
    months = (last.year - first.year) * MONTHS_PER_YEAR + last.month - first.month + 1
    step = next((each for each in _TICK_MONTHS if months <= each * _TICKS), _TICK_MONTHS[-1])
    day = first.replace(day=1) if step < MONTHS_PER_YEAR else first.replace(month=1, day=1)
    while day <= last:
        if day >= first:
            x = scale.x(midnight(day))
            label = f"{day:%b %Y}" if step < MONTHS_PER_YEAR else f"{day:%Y}"
            yield Tick(x=x, label=label if x + _TICK_WIDTH <= WIDTH else "")
        day = add_months(day, step)


def _description(rows: Sequence[Row], money: Sequence[Mapping[str, Any]], scale: _Scale) -> str:
    """Return the picture in one sentence, for people who do not see it."""
    products = ", ".join(dict.fromkeys(row.name for row in rows)) or "nothing recurring"
    noted = [each for each in money if each["kind"] != "invoice"]
    credit = f" and {counted(len(noted), 'credit')}" if noted else ""
    return (
        f"From {scale.start:%Y-%m-%d} to {scale.end:%Y-%m-%d}: {products}; "
        f"{counted(len(money) - len(noted), 'invoice')}{credit}. The table below says the same."
    )
