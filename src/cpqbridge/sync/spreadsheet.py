"""Tables that spreadsheets open: RFC 4180, UTF-8, and no text that is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

Row = Sequence[str | None]
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_BYTE_ORDER_MARK = "\ufeff"
"""Makes Excel read UTF-8."""


def csv_bytes(rows: Iterable[Row]) -> bytes:
    """Return rows, the first one the head, as a table in UTF-8 with a byte order mark."""
    table = io.StringIO(newline="")
    csv.writer(table).writerows([cell or "" for cell in row] for row in rows)
    return (_BYTE_ORDER_MARK + table.getvalue()).encode()


def as_text(value: str | None) -> str | None:
    """Return a text that no spreadsheet takes for a formula; amounts and dates need none of this."""
    return f"'{value}" if value and value.startswith(_FORMULA_STARTS) else value
