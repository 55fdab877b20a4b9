"""How commands speak: documents and answers on standard output, all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else there.")
]

CsvOption = Annotated[
    bool,
    typer.Option(
        "--csv", help="Print one table for a spreadsheet on standard output and nothing else there."
    ),
]

_GAP = "  "


def document(value: Mapping[str, Any]) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def table_bytes(value: bytes) -> None:
    """Print a table for a spreadsheet on standard output, byte for byte."""
    sys.stdout.flush()
    sys.stdout.buffer.write(value)
    sys.stdout.buffer.flush()


def answer(text: str) -> None:
    """Print lines for people on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a remark on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def warn(message: str, *, fix: str = "", request_link: str | None = None) -> None:
    """Print an error for people on standard error: what happened, then what to do."""
    note(f"Error: {message}")
    if fix:
        note(f"What to do: {fix}")
    if request_link:
        note(f"Request: {request_link}")


def table(rows: Sequence[Sequence[str]], *, numbers: frozenset[int] = frozenset()) -> str:
    """Return rows, the first one the head, as aligned columns; those in `numbers` stand to the right."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        _GAP.join(
            cell.rjust(widths[column]) if column in numbers else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, _GAP.join("-" * width for width in widths))
    return "\n".join(lines)
