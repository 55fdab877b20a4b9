"""Every place where the vendor's documentation leaves room, as one named switch each.

The defaults are the readings that the project's notes on Stripe label ASSUME. Each can be turned round to
see whether a result rests on it, and each is one request on a real sandbox to confirm.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Readings of undocumented behaviour; see each comment for the alternative."""

    # A negative final invoice of a canceled subscription ends `uncollectible` and grants no balance
    # (otherwise it is `paid` and the customer's balance moves).
    credit_only_final_invoice_is_uncollectible: bool = True
    # Ordinary lines, `unit_amount_decimal` times quantity, round an exact half up (otherwise to even).
    ordinary_line_ties_round_up: bool = True
    # Percent discounts round an exact half up (otherwise to even).
    percent_discount_ties_round_up: bool = True
    # Taxes, each on its line, round an exact half up (otherwise to even).
    tax_ties_round_up: bool = True
    # An item added between boundaries aligns to the anchor (otherwise it starts a fresh period of its own).
    added_item_aligns_to_anchor: bool = True
    # Inline prices of two phases match by position, so the item id survives (otherwise removed and added).
    inline_prices_match_by_position: bool = True
    # Inline prices that matched by position and have equal terms are still credited and billed again,
    # because each is a Price of its own (otherwise they count as unchanged).
    equal_inline_prices_are_prorated: bool = True
    # `always_invoice` also takes up whatever else was pending on the subscription.
    always_invoice_sweeps_pending: bool = True
    # An `end_behavior=cancel` end leaves the schedule `completed` (otherwise `canceled`).
    canceling_end_completes_schedule: bool = True
    # While `end_behavior=cancel` holds, the subscription shows `cancel_at` = end of the last phase.
    schedule_end_shows_as_cancel_at: bool = True
    # A phase without `duration` and `end_date` lasts one interval of its shortest item (otherwise refused).
    open_phase_lasts_one_interval: bool = True
    # A schedule whose first phase lies wholly in the past is refused (otherwise its past is replayed).
    elapsed_first_phase_is_refused: bool = True
    # Invoice lines of subscription items copy the item's metadata when they are made (otherwise they show the
    # subscription's, which is how the SDK's text on a line's `metadata` reads).
    line_metadata_copies_item: bool = True
    # A period cut short by the end of the subscription is an ordinary, discountable line
    # (otherwise it is shown as a proration).
    truncated_period_is_ordinary_line: bool = True
    # A `once` coupon that still waits for its invoice does not also reduce prorations.
    once_coupon_reduces_prorations: bool = False
    # `add_invoice_items` of the running phase that a schedule update sends again are not billed again.
    resent_invoice_items_bill_once: bool = True
    # The same for the discounts of the running phase: sent again unchanged, they are not redeemed again.
    resent_discounts_redeem_once: bool = True
    # An unknown customer in a body parameter answers 404 (otherwise 400 as every other unknown id).
    unknown_customer_is_404: bool = True
    # Idempotency keys expire by the account's simulated time, 24 hours after their first use.
    idempotency_expires_by_account_time: bool = True
    # A `send_invoice` invoice that is overdue makes the subscription `past_due`.
    overdue_invoice_makes_past_due: bool = False
    # The 0-amount invoice of a trial is paid as soon as it is made, that of a schedule too (otherwise it is a
    # draft for an hour as every other one).
    trial_invoice_is_paid_at_once: bool = True
    # Items added or changed in a trial make a 0-amount invoice at once (otherwise their lines wait for the
    # next one).
    trial_changes_are_invoiced_at_once: bool = True
    # The trial of a backdated subscription begins at the backdated start (otherwise the two are refused
    # together).
    backdated_trial_covers_its_past: bool = True
    # A pause that is planned for the instant of a renewal comes first, so that nothing is billed (otherwise
    # the renewal is billed and given back).
    planned_pause_precedes_renewal: bool = True
    # A billing schedule may end inside a period, whose rest the renewal bills (otherwise it is refused).
    prebilling_may_end_inside_a_period: bool = True
    # One customer has one currency, fixed by first use.
    one_currency_per_customer: bool = True
    # `payment_method` of a new customer becomes its default as well (otherwise it is only attached).
    customer_payment_method_becomes_default: bool = True
    # Pending items beyond the lines that one invoice holds wait for the next (otherwise they get one now).
    surplus_items_wait: bool = True
    # The lines of several tiers that bill one charge are credited as one (otherwise each line by itself).
    tiers_are_credited_together: bool = True
    # Usage is reduced by the discounts that held in the period it fell in (otherwise by the invoice's date).
    usage_is_discounted_by_its_period: bool = True
    # Usage reported for the running period before a backdated flexible subscription was made is billed when
    # that period ends (otherwise on the first invoice).
    backdated_usage_waits_for_its_period: bool = True
    # A meter event that names an unknown customer, or a value that is no number, is refused at once
    # (otherwise it is accepted and never counted).
    bad_meter_events_are_refused: bool = True
