"""Which orders qualify: the conditions of the configuration in SOQL, and whose mistake a refused query is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.salesforce.soql import admin_condition

_QUOTED_NAME = re.compile(r"'([\w.]+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """Which orders qualify (B1.1): `condition` (empty: every order) and an admin's `filter`, both SOQL."""

    condition: str = ""
    filter: str | None = None

    def conditions(self) -> list[str]:
        """Return both, each in its own parentheses.

        Raises:
            ConfigurationError: Quotes or parentheses do not pair up (code `filter_not_balanced`).
        """
        found = []
        if self.condition.strip():
            found.append(admin_condition(self.condition, setting="filters.activated"))
        if self.filter is not None and self.filter.strip():
            found.append(admin_condition(self.filter, setting="filters.Order"))
        return found


def blamed(error: CpqbridgeError, qualification: Qualification) -> CpqbridgeError:
    """Return an error about the admin's text where that is what Salesforce could not read, else `error`."""
    typed = f"{qualification.condition} {qualification.filter or ''}".strip()
    names = _QUOTED_NAME.findall(error.message)
    is_query = error.code == "salesforce_query"
    is_field = error.code == "salesforce_configuration" and any(name in typed for name in names)
    if not typed or not (is_query or is_field):
        return error
    return ConfigurationError(
        f"Salesforce cannot read the condition {typed!r}. {error.message}",
        code="filter_refused",
        field="filters.Order" if qualification.filter else "filters.activated",
        fix="Correct filters in the configuration; Salesforce's text names the place.",
    )
