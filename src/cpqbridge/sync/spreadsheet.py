"""Tables that spreadsheets open: RFC 4180, UTF-8, and no text that is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

Row = Sequence[str | None]
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_BYTE_ORDER_MARK = "\ufeff"
"""Makes Excel read UTF-8."""


def csv_bytes(rows: Iterable[Row]) -> bytes:
    """Return rows, the first one the head, as a table in UTF-8 with a byte order mark."""
    return (_BYTE_ORDER_MARK + _written(rows)).encode()


def csv_chunks(rows: Iterable[Row], *, rows_at_once: int = 500) -> Iterator[bytes]:
    """Yield the same table piece by piece, so that a long one is never held as a whole."""
    mark = _BYTE_ORDER_MARK
    remaining = iter(rows)
    while some := list(islice(remaining, rows_at_once)):
        yield (mark + _written(some)).encode()
        mark = ""


def _written(rows: Iterable[Row]) -> str:
    table = io.StringIO(newline="")
    csv.writer(table).writerows([cell or "" for cell in row] for row in rows)
    return table.getvalue()


def as_text(value: str | None) -> str | None:
    """Return a text that no spreadsheet takes for a formula; amounts and dates need none of this."""
    return f"'{value}" if value and value.startswith(_FORMULA_STARTS) else value
