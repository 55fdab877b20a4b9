"""Dates, numbers and JSON as the REST API writes and reads them.

Inside the org a value is text, a boolean, an int, a `Decimal` or `None`. Dates are `2026-02-01`, date-times
are `2026-01-28T15:04:05.000+0000` in UTC: both sort as text in order of time.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from json.encoder import encode_basestring_ascii
from typing import Any

Value = str | bool | int | Decimal | None
Record = dict[str, Value]

MAX_WHOLE_DIGITS = 18
MAX_WRITTEN_DIGITS = 10_000
_EXACT = Context(prec=100)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2})?(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


def datetime_text(moment: datetime) -> str:
    """An aware moment in the form REST answers use: UTC, milliseconds cut, offset without a colon."""
    in_utc = moment.astimezone(UTC)
    return f"{in_utc:%Y-%m-%dT%H:%M:%S}.{in_utc.microsecond // 1000:03d}+0000"


def parse_datetime(text: str) -> datetime | None:
    """The moment in UTC, or None when the text is no date-time; without an offset UTC is meant."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    day, minutes, seconds, fraction, offset = match.groups()
    fraction = (fraction or ".0").ljust(7, "0")[:7]
    offset = "+00:00" if offset in (None, "Z") else offset
    if ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        return datetime.fromisoformat(f"{day}T{minutes}{seconds or ':00'}{fraction}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_date(text: str) -> bool:
    """True for a calendar date of the form 2026-02-01."""
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def too_large(number: Decimal) -> bool:
    """True for numbers Salesforce cannot hold: not finite, or more than 18 digits before the point."""
    return not number.is_finite() or number.adjusted() >= MAX_WHOLE_DIGITS


def nested_deeper_than(value: Any, levels: int) -> bool:
    """True when lists and objects lie inside each other more than `levels` deep."""
    if not isinstance(value, (dict, list)):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels <= 0 or any(nested_deeper_than(part, levels - 1) for part in parts)


def shortest(number: Decimal) -> Decimal:
    """The same number without trailing zeros, as the org stores what is written to it."""
    return number.normalize(_EXACT)


def number_text(number: Decimal) -> str:
    """A number with exactly its stored digits; whole numbers get `.0` as REST writes them."""
    if abs(number.adjusted()) > MAX_WRITTEN_DIGITS:
        # Only the request log can hold such a number; written out it would fill the memory.
        return str(number)
    text = format(number, "f")
    return text if "." in text else f"{text}.0"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON with every number as an exact Decimal.

    Raises:
        ValueError: The text is not JSON (also for NaN, Infinity, and nesting without end).
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def json_token(value: Any) -> str:
    """How the API's parser messages name a JSON value; texts and numbers are shown, up to 100 characters."""
    if isinstance(value, bool):
        return "VALUE_TRUE" if value else "VALUE_FALSE"
    if isinstance(value, (dict, list)):
        return "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
    kind = "VALUE_STRING" if isinstance(value, str) else "VALUE_NUMBER"
    return f"{kind} {str(value)[:100]}"


def dump_json(value: Any) -> str:
    """JSON text of an answer; Decimals keep their digits, ints stay ints."""
    parts: list[str] = []
    _dump(value, parts)
    return "".join(parts)


def _dump(value: Any, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(encode_basestring_ascii(value))
    elif value is None:
        parts.append("null")
    elif value is True:
        parts.append("true")
    elif value is False:
        parts.append("false")
    elif isinstance(value, Decimal):
        parts.append(number_text(value))
    elif isinstance(value, int):
        parts.append(str(int(value)))
    elif isinstance(value, dict):
        parts.append("{")
        for position, (key, item) in enumerate(value.items()):
            parts.append(f"{',' if position else ''}{encode_basestring_ascii(key)}:")
            _dump(item, parts)
        parts.append("}")
    else:
        parts.append("[")
        for position, item in enumerate(value):
            if position:
                parts.append(",")
            _dump(item, parts)
        parts.append("]")
