"""When a line's service starts and ends (B5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

from cpqbridge.domain.dates import add_months, day_after
from cpqbridge.mapping.records import RecordReader
from cpqbridge.mapping.values import FIRST_YEAR, LAST_YEAR

MAX_TERM_MONTHS = (LAST_YEAR - FIRST_YEAR + 1) * 12

SERVICE_DATE = "ServiceDate"
END_DATE = "EndDate"
LINE_TERM = "SBQQ__SubscriptionTerm__c"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDates:
    """What order and quote say about dates; `effective_on` is the order's own start.

    `amends` tells that the order is an amendment: terms of its lines may still be the first order's.
    """

    quote_starts_on: date | None
    quote_ends_on: date | None
    quote_term: Decimal | None
    effective_on: date | None
    amends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """First and last day of service, both included; no last day on lines that have none."""

    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class _Source:
    """One possible date and where it comes from; `from_start` tells that it was counted from the start."""

    field: str
    day: date
    from_start: bool = False


def recurring_span(line: RecordReader, dates: OrderDates, *, months: int, open_ended: bool) -> Span | None:
    """Return the span of a recurring line, None (with a refusal) where the sources do not give one.

    The line's own dates win; then the quote's start (else the order's), the quote's end, and start plus term.
    Where the line leaves the choice and two sources would give another number of charges of `months` each,
    the line is refused. `open_ended` lines (evergreen) have no end, whatever dates or terms say (B2.3).
    """
    starts = _starts(line, dates)
    if not starts:
        line.refuse(
            "dates_missing", "has no start date, and neither have its quote and order.", field=SERVICE_DATE
        )
        return None
    starts_on = starts[0].day
    before = line.findings.count()
    if open_ended:
        unused = line.day(END_DATE)
        if unused is not None:
            line.findings.warn(f"{line.name} is evergreen: its end on {unused} is not used.")
        return Span(starts_on=starts_on, ends_on=None)
    ends = _ends(line, dates, starts_on)
    if line.findings.count() > before:
        return None
    if not ends:
        line.refuse(
            "dates_missing", "has no end date, and its quote has neither end nor term.", field=END_DATE
        )
        return None
    ends_on = ends[0].day
    if day_after(ends_on) <= starts_on:
        line.refuse("dates_disagree", f"starts on {starts_on} but ends on {ends_on}.", field=END_DATE)
        return None
    if _agree(line, starts, ends, months=months):
        return Span(starts_on=starts_on, ends_on=ends_on)
    return None


def one_time_span(line: RecordReader, dates: OrderDates) -> Span | None:
    """Return the span of a one-time line: its own dates; the start falls back to the quote's or order's."""
    starts = _starts(line, dates)
    ends_on = line.day(END_DATE)
    if not starts:
        line.refuse("dates_missing", "has no date, and neither have its quote and order.", field=SERVICE_DATE)
        return None
    starts_on = starts[0].day
    if ends_on is not None and ends_on < starts_on:
        line.refuse("dates_disagree", f"starts on {starts_on} but ends on {ends_on}.", field=END_DATE)
        return None
    return Span(starts_on=starts_on, ends_on=ends_on)


def _starts(line: RecordReader, dates: OrderDates) -> list[_Source]:
    own = line.day(SERVICE_DATE)
    if own is not None:
        return [_Source(SERVICE_DATE, own)]
    others = (
        ("SBQQ__Quote__r.SBQQ__StartDate__c", dates.quote_starts_on),
        ("Order.EffectiveDate", dates.effective_on),
    )
    return [_Source(field, day) for field, day in others if day is not None]


def _ends(line: RecordReader, dates: OrderDates, starts_on: date) -> list[_Source]:
    own = line.day(END_DATE)
    if own is not None:
        return [_Source(END_DATE, own)]
    found = []
    if dates.quote_ends_on is not None:
        found.append(_Source("SBQQ__Quote__r.SBQQ__EndDate__c", dates.quote_ends_on))
    own_term = line.number(LINE_TERM)
    term = own_term if own_term is not None else dates.quote_term
    if term is None or (dates.amends and found):
        return found
    whole = _whole_term(line, term, has_end=bool(found))
    if whole is not None:
        field = LINE_TERM if own_term is not None else "SBQQ__Quote__r.SBQQ__SubscriptionTerm__c"
        found.append(_Source(field, add_months(starts_on, whole) - timedelta(days=1), from_start=True))
    return found


def _whole_term(line: RecordReader, term: Decimal, *, has_end: bool) -> int | None:
    """Return a term as whole months; one that is not usable is refused unless there is an end date anyway."""
    if term == term.to_integral_value() and 0 < term <= MAX_TERM_MONTHS:
        return int(term)
    if not has_end:
        line.refuse(
            "term_not_whole",
            f"has no end date, and its term of {term:f} months is not a whole number from 1.",
            field=LINE_TERM,
        )
    return None


def _agree(line: RecordReader, starts: list[_Source], ends: list[_Source], *, months: int) -> bool:
    """Return whether all sources give the same number of charges, with a refusal where they do not."""
    first, last = starts[0], ends[0]
    wanted = _charges(first.day, last.day, months)
    for start, end in product(starts, ends):
        if end.from_start and start is not first:
            continue
        found = _charges(start.day, end.day, months)
        if found != wanted:
            line.refuse(
                "dates_disagree",
                f"has dates that disagree: {first.field} {first.day} to {last.field} {last.day} make "
                f"{wanted} charges, {start.field} {start.day} to {end.field} {end.day} make {found}.",
                field=end.field if start is first else start.field,
            )
            return False
    return True


def _charges(starts_on: date, ends_on: date, months: int) -> int:
    """Return how many billing periods of `months` begin from `starts_on` up to `ends_on`, both included."""
    count = max(((ends_on.year - starts_on.year) * 12 + ends_on.month - starts_on.month) // months, 0)
    while add_months(starts_on, count * months) <= ends_on:
        count += 1
    return count
