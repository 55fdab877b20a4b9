"""Paging of list answers: newest first, cursors by id (docs.stripe.com/api/pagination, read 20 Nov 2026)."""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import invalid, not_simulated
from cpqbridge_sim.stripe.store import Body

_LIMIT_DEFAULT = 10
_LIMIT_MAX = 100
_UNSUPPORTED = (
    "automatic_tax",
    "current_period_end",
    "current_period_start",
    "customer_account",
    "plan",
)
_COMPARISONS = ("gt", "gte", "lt", "lte")
# Lines stand in the order of their invoice, everything else newest first.
_OLDEST_FIRST = ("/lines", "subscription_items")


def paged(answer: Body, params: Mapping[str, Any]) -> Body:
    """One page of a list answer whose `data` holds every match, oldest first."""
    for name in _UNSUPPORTED:
        if name in params:
            raise not_simulated(f"The filter `{name}`", name)
    limit = params.get("limit", _LIMIT_DEFAULT)
    if not 1 <= limit <= _LIMIT_MAX:
        raise invalid(
            f"Invalid limit: must be between 1 and {_LIMIT_MAX}.", "limit", "parameter_invalid_integer"
        )
    if "starting_after" in params and "ending_before" in params:
        raise invalid(
            "You may only specify one of these parameters: starting_after, ending_before.", "starting_after"
        )
    data = [body for body in answer["data"] if _in_range(body, params)]
    if not answer["url"].endswith(_OLDEST_FIRST):
        data.reverse()
    page, more = _cut(data, params, limit)
    return {**answer, "data": page, "has_more": more}


def _cut(data: list[Body], params: Mapping[str, Any], limit: int) -> tuple[list[Body], bool]:
    if "ending_before" in params:
        before = data[: _position(data, params["ending_before"], "ending_before")]
        return before[-limit:], len(before) > limit
    if "starting_after" in params:
        data = data[_position(data, params["starting_after"], "starting_after") + 1 :]
    return data[:limit], len(data) > limit


def _position(data: list[Body], identifier: str, param: str) -> int:
    for index, body in enumerate(data):
        if body["id"] == identifier:
            return index
    raise invalid(f"No such object: '{identifier}'", param, "resource_missing")


def _in_range(body: Body, params: Mapping[str, Any]) -> bool:
    for name in ("created", "due_date", "canceled_at", "completed_at", "released_at"):
        wanted = params.get(name)
        if wanted is None or wanted == "":
            continue
        value = body.get(name, body.get("date") if name == "created" else None)
        if value is None:
            return False
        if isinstance(wanted, int):
            if value != wanted:
                return False
        elif not all(_compares(value, word, wanted[word]) for word in _COMPARISONS if word in wanted):
            return False
    return True


def _compares(value: int, word: str, bound: int) -> bool:
    return {"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}[word]
