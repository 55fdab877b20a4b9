"""`billing_cycle_anchor_config`: the anchor as a day of the month.

Source: docs.stripe.com/billing/subscriptions/billing-cycle, stored copy of 2026.
"""

import calendar
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.periods import Interval

_NAME = "billing_cycle_anchor_config"
_RANGES = {"day_of_month": (1, 31), "hour": (0, 23), "minute": (0, 59), "month": (1, 12), "second": (0, 59)}
_MONTHS_PER_YEAR = 12
# A day that is missing from some months, such as 29 February, comes within so many years.
_YEARS_AHEAD = 9


def configured_anchor(params: Mapping[str, Any], intervals: Sequence[Interval], *, now: int) -> int | None:
    """The next instant after `now` that the configuration describes, None when there is none."""
    config = params.get(_NAME)
    if config is None:
        return None
    if "billing_cycle_anchor" in params:
        raise invalid(
            f"You may only specify one of these parameters: billing_cycle_anchor, {_NAME}.",
            "billing_cycle_anchor",
        )
    if "backdate_start_date" in params:
        raise invalid(f"`{_NAME}` cannot be combined with a start in the past.", _NAME)
    for name, value in config.items():
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise invalid(f"`{name}` must be between {low} and {high}.", f"{_NAME}[{name}]")
    if not all(interval.months for interval in intervals):
        raise invalid(f"`{_NAME}` is for monthly and yearly prices only.", _NAME)
    return _next(config, min(interval.months for interval in intervals), now=now)


def shown_config(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The configuration as a subscription shows it."""
    config = params.get(_NAME)
    return None if config is None else {name: config.get(name) for name in _RANGES}


def _next(config: Mapping[str, Any], step: int, *, now: int) -> int:
    moment = datetime.fromtimestamp(now, UTC)
    clock = {name: config.get(name, getattr(moment, name)) for name in ("hour", "minute", "second")}
    index = moment.year * _MONTHS_PER_YEAR + moment.month - 1
    if "month" in config:
        index, step = moment.year * _MONTHS_PER_YEAR + config["month"] - 1, _MONTHS_PER_YEAR
    for number in range(_YEARS_AHEAD * _MONTHS_PER_YEAR // step + 2):
        year, month = divmod(index + number * step, _MONTHS_PER_YEAR)
        day = config["day_of_month"]
        if day > calendar.monthrange(year, month + 1)[1]:
            continue
        anchor = int(datetime(year, month + 1, day, **clock, tzinfo=UTC).timestamp())
        if anchor > now:
            return anchor
    raise invalid("This day does not exist in that month.", f"{_NAME}[day_of_month]")
