"""Calendar arithmetic of CPQ terms: whole months, clipped to the length of a month."""

from calendar import monthrange
from datetime import date, timedelta

ONE_DAY = timedelta(days=1)


def add_months(start: date, months: int) -> date:
    """Return the same day so many months later, or the month's last day where it has no such day."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def last_day_of_term(start: date, months: int) -> date:
    """Return the last day, inclusive, of a term of whole months that begins on `start`."""
    return add_months(start, months) - ONE_DAY


def whole_months(start: date, end: date) -> tuple[int, int]:
    """Return the whole months counted from `start` and the days left over, up to and including `end`.

    Raises:
        ValueError: `end` lies before `start`.
    """
    if end < start:
        raise ValueError(f"A span cannot end on {end} before it starts on {start}.")
    first_day_after = end + ONE_DAY
    months = (first_day_after.year - start.year) * 12 + first_day_after.month - start.month
    if add_months(start, months) > first_day_after:
        months -= 1
    return months, (first_day_after - add_months(start, months)).days
