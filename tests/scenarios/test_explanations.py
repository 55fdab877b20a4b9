"""What people are told of every scenario's plan: charges that sum to the proof, reasons in words, no ids."""

import pytest
from tests.scenarios import golden

from cpqbridge.cli.explain_text import explain_text
from cpqbridge.cli.preview_text import preview_text
from cpqbridge.planning.proof import MISMATCH, REASONS
from cpqbridge.sync.explain import explained
from cpqbridge.sync.plan_rows import schedule_rows
from cpqbridge.sync.proof_words import REASON_WORDS

EVERY = pytest.mark.parametrize("name", golden.names())


@EVERY
def test_charges_of_a_line_sum_to_what_its_proof_counts(name):
    plan = golden.load(name).lived.told
    for order in plan.outcomes:
        lines = explained(plan, order_id=order.order_id)
        assert len(lines) == sum(proof.order_id == order.order_id for proof in plan.proof)
        for each in lines:
            assert sum(charges.sum_minor for charges in each.charges) == each.proof.billed_minor
            assert each.line.order_item_id in explain_text([each])


@EVERY
def test_preview_names_every_item_and_says_each_reason_in_words(name):
    scenario = golden.load(name)
    plan = scenario.lived.told
    text = preview_text(plan, order_id=scenario.order_id, order_number="00000100")
    own = [proof for proof in plan.proof if proof.order_id == scenario.order_id]
    assert all(REASON_WORDS[proof.reason].text in text for proof in own if proof.reason)
    rows = [row for each in schedule_rows(plan) for phase in each.phases for row in phase.rows]
    assert not [row.name for row in rows if row.name.startswith(("802", "01t"))]


def test_every_reason_of_the_proof_is_said_in_words_with_what_to_do():
    assert set(REASON_WORDS) == {*REASONS, MISMATCH}
    assert all(words.text and words.fix for words in REASON_WORDS.values())


def kinds_of(name):
    scenario = golden.load(name)
    return preview_text(scenario.lived.told, order_id=scenario.order_id, order_number="00000100")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("evergreen_line", "it goes on until it is ended, planned and shown up to 2028-02-01."),
        ("evergreen_line", "2026-02-01  goes on"),
        ("metered_line", "Usage is billed after each period on top of this"),
        ("metered_line", "by usage"),
        ("tiered_line", "units 1 to 5: 50.00 each"),
        ("ramp", "Seat (segment "),
        ("coupon", "coupon Welcome: 20 % off"),
        ("trial_ahead", "(free trial)"),
        ("custom_price", "price from a field of its own"),
    ],
)
def test_preview_says_what_is_special_about_a_line(name, says):
    assert says in kinds_of(name)
