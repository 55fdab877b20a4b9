"""Every cause that can stop an order (B13) is shown: by a scenario folder, else by a test that is named here.

What the records of a contract say by themselves is told as a story. Named are the causes that need the other
side: a filter that Salesforce answers, something done by hand in Stripe, a refused call, or sheer numbers.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from tests.scenarios import golden

from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "docs" / "reference" / "errors.md"

_OTHERS = "unit/planning/test_what_others_changed.py"
_PLANNER = "unit/planning/test_refusals_and_holds.py"
NAMED = {
    "filtered_out": (
        "unit/mapping/test_history.py",
        "test_order_when_outside_the_filter_is_skipped_and_its_amendments_are_refused",
    ),
    "order_line_not_found": (_OTHERS, "test_amendment_without_its_first_order_is_refused"),
    "too_many_items": (_PLANNER, "test_one_time_lines_fit_twenty_on_a_phase_and_more_on_an_own_invoice"),
    "too_many_lines": (_PLANNER, "test_first_invoice_longer_than_stripe_makes_it_is_held_for_good"),
    "remainder_out_of_bounds": (_PLANNER, "test_remainder_far_from_its_share_is_held_until_released"),
    "cap_cancels": (_OTHERS, "test_cancellations_above_the_cap_are_held"),
    "schedule_changed_in_stripe": (
        _OTHERS,
        "test_schedule_changed_in_stripe_holds_the_order_that_would_write_over_it",
    ),
    "schedule_ended_in_stripe": (
        _OTHERS,
        "test_schedule_ended_in_stripe_refuses_the_order_that_would_change_it",
    ),
    "unbilled_time_taken_back": (
        _OTHERS,
        "test_reduction_of_time_that_an_ended_schedule_never_billed_is_left_to_a_person",
    ),
    "proof_mismatch": (
        "unit/planning/test_plan.py",
        "test_bill_that_does_not_come_to_what_was_sold_fails_the_order",
    ),
    "customer_currency": (
        "unit/stripe_billing/test_error_map.py",
        "test_refusal_of_a_second_currency_has_its_own_code",
    ),
    "stripe_refused": (
        "faults/test_troubled_calls.py",
        "test_a_refusal_ends_the_order_and_a_later_sync_tries_with_a_new_key",
    ),
    "access_lost": (
        "faults/test_troubled_calls.py",
        "test_lost_access_stops_the_connection_until_it_is_checked",
    ),
    "wrong_account": ("faults/test_connections.py", "test_a_check_refuses_another_account"),
    "first_invoice_differs": (
        "faults/test_troubled_calls.py",
        "test_a_first_invoice_that_differs_is_an_alarm_until_a_person_accepts_it",
    ),
    "held_by_person": (
        "faults/test_holds_by_people.py",
        "test_a_held_contract_is_not_carried_out_by_anybody_until_it_is_released",
    ),
    "order_gone": (
        "faults/test_finding.py",
        "test_an_order_that_is_deleted_or_drafted_again_is_found_by_the_sweep_and_billing_stands",
    ),
    "credit_refused": (
        "faults/test_amendments.py",
        "test_a_credit_whose_second_invoice_is_voided_meanwhile_finds_another",
    ),
    "write_back_failed": (
        "faults/test_troubled_calls.py",
        "test_records_salesforce_does_not_take_are_said_and_billing_stands",
    ),
}


@cache
def shown() -> Mapping[str, frozenset[str]]:
    """Return the scenarios that show a cause, by its code."""
    found: dict[str, set[str]] = {}
    for name in golden.names():
        accepted = golden.load(name).accepted()
        for document in (accepted, *accepted.get("earlier", ()), *accepted.get("later", ())):
            for _, *codes in document["orders"].values():
                for code in codes:
                    found.setdefault(code, set()).add(name)
    return {code: frozenset(names) for code, names in found.items()}


@pytest.mark.parametrize("code", sorted(REFUSAL_CATALOG))
def test_cause_is_shown_by_a_scenario_or_by_the_test_named_for_it(code):
    assert (code in shown()) != (code in NAMED), f"{code}: a scenario, else a named test, never both"
    if code in NAMED:
        path, name = NAMED[code]
        source = (ROOT / "tests" / path).read_text(encoding="utf-8")
        tests = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
        assert code in (ast.get_source_segment(source, tests[name]) or "")


@pytest.mark.parametrize("code", sorted(REFUSAL_CATALOG))
def test_cause_has_an_entry_with_its_fix_in_the_docs(code):
    _, heading, rest = ERRORS.read_text(encoding="utf-8").partition(f"### {code}\n")
    assert heading
    assert REFUSAL_CATALOG[code].fix in rest.partition("\n### ")[0]


def test_nothing_is_shown_that_is_not_in_the_catalogue():
    assert shown().keys() | NAMED.keys() == REFUSAL_CATALOG.keys()


@pytest.mark.parametrize("name", golden.names())
def test_what_stops_an_order_says_record_reason_and_fix_and_sends_nothing_of_it(name):
    told = golden.load(name).lived.told
    for outcome in told.outcomes:
        for refusal in outcome.refusals:
            assert refusal.message.endswith(".")
            assert refusal.fix.endswith(".")
            assert refusal.record_id
            assert refusal.order_id == outcome.order_id
        if outcome.refusals and outcome.state is not OrderState.UNCHANGED:
            documents = [each for each in told.steps if each.object_key is not None]
            new = {each.key for each in told.objects if each.order_ids == (outcome.order_id,)}
            assert new.isdisjoint(each.object_key for each in documents)
