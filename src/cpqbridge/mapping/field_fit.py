"""Whether a Salesforce field's type fits a Stripe parameter (B10.3).

Types: Object Reference for the Salesforce Platform, "Field Types" (read 21 Nov 2026).
"""

from __future__ import annotations

from enum import StrEnum

from cpqbridge.mapping.targets import Kind

_TEXTS = frozenset(
    {"string", "picklist", "combobox", "textarea", "phone", "url", "email", "id", "reference"}
    | {"encryptedstring", "multipicklist"}
)
_NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
_DAYS = frozenset({"date", "datetime"})
# Several values in one, or none that REST returns inside a record.
_UNREADABLE = frozenset({"address", "location", "base64", "anyType", "complexvalue", "json"})


class Fit(StrEnum):
    """How a field's type fits: always, only with some of its values, or never."""

    FITS = "fits"
    DEPENDS = "depends"
    NEVER = "never"


_FITTING: dict[Kind, frozenset[str]] = {
    Kind.TEXT: _TEXTS | _NUMBERS | _DAYS | {"boolean", "time"},
    Kind.CHOICE: frozenset(),
    Kind.TRUE_FALSE: frozenset({"boolean"}),
    Kind.WHOLE_NUMBER: frozenset({"int", "long"}),
    Kind.PERCENT: _NUMBERS,
    Kind.AMOUNT: _NUMBERS,
    Kind.DATE: frozenset({"date"}),
    Kind.PAYMENT_TERM: frozenset({"int"}),
}
_DEPENDING: dict[Kind, frozenset[str]] = {
    Kind.CHOICE: _TEXTS,
    Kind.TRUE_FALSE: _TEXTS,
    Kind.WHOLE_NUMBER: _NUMBERS,
    Kind.DATE: _TEXTS | {"datetime"},
    Kind.PAYMENT_TERM: _TEXTS | _NUMBERS,
}


def fit_of(kind: Kind, field_type: str, *, decimals: int = 0) -> Fit:
    """Return how a field of describe's type `field_type` fits a parameter of `kind`.

    `decimals` is the field's scale: a number without any is a whole number.
    """
    whole = kind is Kind.WHOLE_NUMBER and field_type in _NUMBERS and not decimals
    if whole or field_type in _FITTING[kind]:
        return Fit.FITS
    # A type of a later Salesforce release is tried, not refused.
    known = field_type in _TEXTS | _NUMBERS | _DAYS | _UNREADABLE | {"boolean", "time"}
    return Fit.DEPENDS if field_type in _DEPENDING.get(kind, ()) or not known else Fit.NEVER
