"""What orders have in common: causes differ by what is to be done, not by the record it is done to."""

from __future__ import annotations

import pytest

from cpqbridge.domain.causes import cause_of, pattern_of


def a_cause(**changes: str) -> str:
    said = {
        "code": "dates_missing",
        "field": "EndDate",
        "message": "Line 802A has no end.",
        "fix": "Enter it.",
    }
    return cause_of(**{**said, **changes})


def test_orders_with_the_same_advice_have_the_same_cause_whatever_their_message_says() -> None:
    assert a_cause() == a_cause(message="Line 802B has no end.")
    assert a_cause().startswith("dates_missing-")


@pytest.mark.parametrize("other", [{"code": "no_email"}, {"field": "StartDate"}, {"fix": "Leave it out."}])
def test_another_code_field_or_advice_is_another_cause(other: dict[str, str]) -> None:
    assert a_cause() != a_cause(**other)


def test_what_stripe_refused_is_told_apart_by_its_own_words() -> None:
    one = a_cause(code="stripe_refused", message="Stripe refused: No such tax rate: 'txr_1ABC'.")
    assert one == a_cause(code="stripe_refused", message="Stripe refused: No such tax rate: 'txr_9XYZ'.")
    assert one != a_cause(code="stripe_refused", message="Stripe refused: the e-mail is invalid.")


def test_without_a_code_there_is_no_cause() -> None:
    assert cause_of(code="", field="", message="", fix="") == ""


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Solve what stops order 00000123 first.", "Solve what stops order … first."),
        (
            "End that subscription in Stripe on 2026-03-01, then release.",
            "End that subscription in Stripe on … then release.",
        ),
        ("Look at sub_sched_1SZoAb and 801Qy0000000003IAA.", "Look at … and …."),
        (
            "Fill Skip_Past_Initial_Invoices__c on the order.",
            "Fill Skip_Past_Initial_Invoices__c on the order.",
        ),
        ("'Net 45 days' is not known.", "… is not known."),
    ],
)
def test_a_pattern_keeps_the_words_and_leaves_out_what_varies(text: str, pattern: str) -> None:
    assert pattern_of(text) == pattern
