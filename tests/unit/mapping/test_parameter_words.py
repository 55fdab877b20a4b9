"""Every parameter that can be mapped has its words, and each default that names a field names one we read."""

from __future__ import annotations

import pytest

from cpqbridge.mapping.accounts import EMAIL_PATHS
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.mapping.field_fit import Fit, fit_of
from cpqbridge.mapping.needs import field_needs
from cpqbridge.mapping.parameter_words import OBJECT_WORDS
from cpqbridge.mapping.rules import STRIPE_OBJECTS, resolve
from cpqbridge.mapping.targets import TARGETS, Kind


def test_every_object_and_parameter_has_words_and_nothing_else_has() -> None:
    assert tuple(OBJECT_WORDS) == STRIPE_OBJECTS
    for name, words in OBJECT_WORDS.items():
        assert words.parameters.keys() == TARGETS[name].keys(), name
        assert all(each.meaning.endswith((".", ")")) for each in words.parameters.values()), name


def test_fields_of_defaults_are_read_with_every_contract() -> None:
    needs = field_needs(default_configuration())
    for name, words in OBJECT_WORDS.items():
        for each in words.parameters.values():
            if each.field is not None:
                source = resolve(name, each.field)
                need = needs.of(source.object_name)
                assert source.text in {*need.required, *need.optional}
    assert OBJECT_WORDS["customer"].parameters["email"].field == f"Order.{EMAIL_PATHS[0]}"


@pytest.mark.parametrize(
    ("kind", "field_type", "decimals", "fit"),
    [
        (Kind.TEXT, "currency", 2, Fit.FITS),
        (Kind.TEXT, "location", 0, Fit.NEVER),
        (Kind.CHOICE, "picklist", 0, Fit.DEPENDS),
        (Kind.CHOICE, "boolean", 0, Fit.NEVER),
        (Kind.TRUE_FALSE, "boolean", 0, Fit.FITS),
        (Kind.TRUE_FALSE, "double", 0, Fit.NEVER),
        (Kind.WHOLE_NUMBER, "double", 0, Fit.FITS),
        (Kind.WHOLE_NUMBER, "double", 2, Fit.DEPENDS),
        (Kind.WHOLE_NUMBER, "string", 0, Fit.NEVER),
        (Kind.AMOUNT, "currency", 2, Fit.FITS),
        (Kind.AMOUNT, "string", 0, Fit.NEVER),
        (Kind.DATE, "date", 0, Fit.FITS),
        (Kind.DATE, "datetime", 0, Fit.DEPENDS),
        (Kind.PAYMENT_TERM, "picklist", 0, Fit.DEPENDS),
        (Kind.TEXT, "a type of a later release", 0, Fit.DEPENDS),
    ],
)
def test_the_type_of_a_field_fits_a_parameter_or_not(kind, field_type, decimals, fit) -> None:
    assert fit_of(kind, field_type, decimals=decimals) is fit
