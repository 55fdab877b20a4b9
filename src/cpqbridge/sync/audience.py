"""Who can usually solve a cause: the people a message is for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Audience(StrEnum):
    """Whom to ask; the value is how they are called."""

    SALESFORCE_ADMIN = "Salesforce admin"
    REVOPS = "RevOps"
    FINANCE = "Finance"
    PLATFORM = "Platform"


_CODES: Mapping[Audience, str] = {
    Audience.SALESFORCE_ADMIN: (
        "initial_order_filtered filter_splits_line left_out_after_sync record_unreadable value_type "
        "order_line_not_found order_gone write_back_failed currency_missing required_empty "
        "salesforce_configuration salesforce_refused salesforce_limit api_share_used"
    ),
    Audience.REVOPS: (
        "no_quote several_quotes coterminate_required accounts_differ waiting_for_order "
        "waiting_for_units payment_term_unknown no_email currency_mixed line_not_activated "
        "revises_skipped_line dates_missing dates_disagree term_not_whole frequency_unknown "
        "trial_with_frequencies metered_twice coupon_split frequencies_mixed billing_type_unknown "
        "unit_price_empty price_negative amount_step quantity_not_whole metered_quantity "
        "several_consumption_schedules tier_bound_not_whole tiers_open pricing_method_unknown "
        "reduction_below_zero reduction_unknown_line coupon_amounts coupon_value too_many_items "
        "amount_too_large reduction_across_ends changed_after_sync multiplier_mismatch held_by_person"
    ),
    Audience.FINANCE: (
        "currency_changed customer_currency unbilled_time_taken_back schedule_ended_in_stripe "
        "stripe_refused first_invoice_differs credit_refused remainder_out_of_bounds "
        "reduction_of_block_price credit_needs_person overlap released_schedule "
        "schedule_changed_in_stripe cap_cancels backdated cap_bill_per_order contract_over "
        "too_many_lines takeover proof_mismatch"
    ),
}

AUDIENCES: Mapping[str, Audience] = MappingProxyType(
    {code: audience for audience, codes in _CODES.items() for code in codes.split()}
)
"""Whom each known code is for; any other one is for whoever runs cpqbridge."""


def audience_of(code: str) -> Audience:
    """Return who can usually solve what stands under a code."""
    return AUDIENCES.get(code, Audience.PLATFORM)
