"""The desk's pages; everything is escaped, and a name that is missing is an error, not a blank."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cpqbridge_sim.salesforce.desk.forms import NEW_LINES


def render(template: str, **context: Any) -> str:
    """Return the page that a template makes of its context."""
    return _environment().get_template(template).render(**context)


def number_text(number: Any) -> str:
    """A number without idle zeros, empty for none."""
    if not isinstance(number, (int, Decimal)):
        return ""
    return format(Decimal(number).normalize(), "f")


def amount_text(number: Any) -> str:
    """An amount with commas and at least two decimals, empty for none."""
    if not isinstance(number, (int, Decimal)):
        return ""
    decimals = max(2, len(number_text(number).partition(".")[2]))
    return f"{Decimal(number):,.{decimals}f}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cpqbridge_sim.salesforce.desk"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number_text, "amount": amount_text}
    environment.globals |= {"new_lines": NEW_LINES}
    return environment
