"""When contracts bill what a customer uses: a meter counts for every price on it, whoever sold it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSpan:
    """A contract bills what `meter` counts from `starts_at` up to, not including, `ends_at` (aware UTC).

    `meter` is the id of the product, or of a meter that is mapped; `contract_key` is what people know the
    contract by. `ends_at` is None where nobody has ended it.
    """

    meter: str
    contract_key: str
    starts_at: datetime
    ends_at: datetime | None

    def overlaps(self, other: UsageSpan) -> bool:
        """Return whether both bill the same usage at some time."""
        begins_before = self.ends_at is None or other.starts_at < self.ends_at
        ends_after = other.ends_at is None or self.starts_at < other.ends_at
        return self.meter == other.meter and begins_before and ends_after
