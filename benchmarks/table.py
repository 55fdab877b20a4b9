"""The table that `make bench` prints."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured, and what is wanted at most; an empty `wanted` is only shown."""

    what: str
    measured: str
    wanted: str = ""
    met: bool = True


def write(title: str, rows: Iterable[Row]) -> bool:
    """Print the rows under a title and return whether all were met."""
    found = list(rows)
    cells = [(title, "measured", "at most", "")]
    cells += [(row.what, row.measured, row.wanted, "" if row.met else "MISSED") for row in found]
    widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
    for cell in cells:
        print("  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True)).rstrip())
    print(flush=True)
    return all(row.met for row in found)
