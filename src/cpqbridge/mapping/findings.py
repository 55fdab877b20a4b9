"""What the mapper found wrong (refusals) or worth saying (warnings) while it read one contract."""

from __future__ import annotations

from cpqbridge.domain.refusal import Refusal
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG


class Findings:
    """Collects refusals and warnings in the order in which they were found, each once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._refusals: dict[tuple[str, str, str, str], Refusal] = {}
        self._warnings: dict[str, None] = {}
        self._calls = 0

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Return all refusals, sorted by order, record, field and code."""
        return tuple(self._refusals[key] for key in sorted(self._refusals))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return all warnings, in the order in which they were found."""
        return tuple(self._warnings)

    def count(self) -> int:
        """Return how often something was refused, repeats included, to see whether a part refused any."""
        return self._calls

    def refuse(
        self, code: str, message: str, *, order_id: str, record_id: str, field: str, fix: str = ""
    ) -> None:
        """Add a refusal; state, and the fix where none is given, are those of the catalogue."""
        cause = REFUSAL_CATALOG[code]
        self._calls += 1
        self._refusals.setdefault(
            (order_id, record_id, field, code),
            Refusal(
                code=code,
                message=message,
                record_id=record_id,
                field=field,
                fix=fix or cause.fix,
                order_id=order_id,
                state=cause.state,
            ),
        )

    def warn(self, message: str) -> None:
        """Add a sentence for people that stops nothing."""
        self._warnings[message] = None
