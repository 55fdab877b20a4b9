"""Lists in pages: which rows a page shows, and what comes before and after it."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """One page of a list of `total` rows, `size` on each; the first page is 1."""

    page: int
    size: int
    total: int

    @property
    def offset(self) -> int:
        """Return how many rows come before this page."""
        return (self.page - 1) * self.size

    @property
    def previous(self) -> int | None:
        """Return the page before this one, None on the first."""
        return self.page - 1 if self.page > 1 else None

    @property
    def following(self) -> int | None:
        """Return the page after this one, None on the last."""
        return self.page + 1 if self.page * self.size < self.total else None

    @property
    def text(self) -> str:
        """Return which rows these are, for people: `51 to 100 of 1,204`."""
        last = min(self.page * self.size, self.total)
        return f"{min(self.offset + 1, last):,} to {last:,} of {self.total:,}"


def paging(asked: str, *, total: int, size: int) -> Paging:
    """Return the page asked for by a text; what is no page is the first, what is behind the last the last."""
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < len(str(_MOST_PAGES)) else 1
    pages = max(1, -(-total // size))
    return Paging(page=min(max(number, 1), pages), size=size, total=total)
