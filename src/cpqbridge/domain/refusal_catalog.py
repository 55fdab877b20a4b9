"""Every cause for which an order is not billed by itself (B13): what it means and how to solve it.

The errors reference is generated from this table; a code is stable once released.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cpqbridge.domain.refusal import OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalCause:
    """One cause: `fix` is the general advice; a refusal itself may carry a more exact one."""

    title: str
    meaning: str
    fix: str
    state: OrderState = OrderState.REFUSED


def _refused(title: str, meaning: str, fix: str) -> RefusalCause:
    return RefusalCause(title=title, meaning=meaning, fix=fix)


def _held(title: str, meaning: str, fix: str) -> RefusalCause:
    return RefusalCause(title=title, meaning=meaning, fix=fix, state=OrderState.HELD)


def _waiting(title: str, meaning: str, fix: str) -> RefusalCause:
    return RefusalCause(title=title, meaning=meaning, fix=fix, state=OrderState.WAITING)


def _skipped(title: str, meaning: str, fix: str) -> RefusalCause:
    return RefusalCause(title=title, meaning=meaning, fix=fix, state=OrderState.SKIPPED)


def _failed(title: str, meaning: str, fix: str) -> RefusalCause:
    return RefusalCause(title=title, meaning=meaning, fix=fix, state=OrderState.FAILED)


_ORDERS = {
    "no_quote": _refused(
        "No CPQ quote",
        "The order does not come from a CPQ quote: SBQQ__Quote__c on the order is empty.",
        "Create the order from a primary CPQ quote; orders made by hand are not billed.",
    ),
    "several_quotes": _refused(
        "Several original quotes",
        "The orders of one contract come from different original quotes, so they have no common beginning.",
        "Put the orders under one quote, or contract them separately.",
    ),
    "initial_order_filtered": _refused(
        "Initial order left out",
        "The order amends a contract whose initial order was not found, or does not meet the filter of the "
        "connection.",
        "Change the filter so that it covers the initial order too, and check that it can be seen.",
    ),
    "coterminate_required": _refused(
        "Amendment ends on another day",
        "A line of the amendment does not end with its contract, and `policy.coterminate: required` asks for "
        "it.",
        "Give the line the contract's end date, or set `policy.coterminate: any`.",
    ),
    "accounts_differ": _refused(
        "Orders of different accounts",
        "The orders of one contract name different accounts, so it is not clear which customer pays.",
        "Give all orders of the contract the same account.",
    ),
    "waiting_for_order": _waiting(
        "Waits for another order",
        "An earlier order of the same contract has not been billed yet.",
        "Solve what stops the earlier order; this one follows by itself.",
    ),
    "waiting_for_units": _waiting(
        "Waits for the units it takes away",
        "The order takes away units that no activated order holds, and an earlier amendment of the contract "
        "that may add them is a draft or not read yet.",
        "Activate the earlier amendment; this order follows by itself. Correct the quantity if no amendment "
        "will add the units.",
    ),
    "not_activated": _skipped(
        "Not activated",
        "The order is a draft, or does not meet the connection's condition for activated orders.",
        "Activate the order in Salesforce when it is ready to be billed.",
    ),
    "nothing_to_bill": _skipped(
        "Nothing to bill",
        "The order has no order lines, or all of them have quantity 0.",
        "Check that the order lines can be seen; for an export, export OrderItem again in full.",
    ),
    "before_start_date": _skipped(
        "Activated before the start date",
        "The order was activated before `sync.start_date` of the connection.",
        "Set an earlier start date if the order should be billed from here.",
    ),
    "filtered_out": _skipped(
        "Outside the filter",
        "The order does not meet the filter that an admin set for the connection.",
        "Change `filters.Order` if the order should be billed from here.",
    ),
    "account_filtered_out": _skipped(
        "Account outside the filter",
        "The account of the order does not meet the filter that an admin set for accounts.",
        "Change `filters.Account`, or the account, if its orders should be billed from here; then sync the "
        "order.",
    ),
    "left_out_after_sync": _held(
        "Billed, but left out now",
        "The order is billed by Stripe, but a filter of the connection leaves its account, or one of its "
        "lines, out now. What Stripe bills was left as it was, and later orders of the contract wait.",
        "Let the filter cover it again (a filter may name what is left out from now on only). To end what is "
        "billed, reduce it to zero by an amendment while the filter covers it.",
    ),
    "record_unreadable": _refused(
        "Record cannot be read",
        "A record has no usable id, or lacks what it cannot be without.",
        "Open the record in Salesforce and complete it; for an export, export it again with all fields.",
    ),
    "value_type": _refused(
        "Value of the wrong type",
        "A field holds a value that does not fit its use, for example text where a number is needed.",
        "Correct the value in Salesforce, or map another field.",
    ),
    "required_empty": _refused(
        "Required value is empty",
        "A value that Stripe cannot do without came out empty.",
        "Fill the field in Salesforce, or map the parameter to a field that is filled.",
    ),
    "payment_term_unknown": _refused(
        "Payment term not understood",
        "The payment term is neither `Net 30` with any number of days, nor a number, nor blank or a hyphen.",
        "Choose a payment term like Net 30 on the order, or leave it empty to charge automatically.",
    ),
    "no_email": _refused(
        "No e-mail address",
        "Invoices are to be sent, but no e-mail address is known; Stripe refuses such invoices.",
        "Give the order a bill-to contact, or its quote a primary contact, with an e-mail address.",
    ),
    "currency_missing": _refused(
        "Currency missing",
        "The order has no currency, and the connection names none.",
        "Set the currency on the order, or `currency` in the configuration of a single-currency org.",
    ),
    "currency_mixed": _refused(
        "Mixed currencies",
        "Records of one order or contract are in different currencies; Stripe bills one.",
        "Bring the order, its products and its price book entries to one currency.",
    ),
    "currency_changed": _refused(
        "Currency changed",
        "A later order of the contract is in another currency than the first one.",
        "Sell it as a contract of its own in that currency.",
    ),
    "customer_currency": _refused(
        "Customer is billed in another currency",
        "The Stripe customer already has active billing in another currency.",
        "Use another account for this currency, or end the other billing first.",
    ),
}

_LINES = {
    "line_not_activated": _refused(
        "Order line not activated",
        "The order is activated, but one of its lines is deleted or not activated.",
        "Activate all lines, or tick Skip_Line_Item__c on the line to leave it out on purpose.",
    ),
    "revises_skipped_line": _refused(
        "Changes a skipped line",
        "The line changes a line that is left out, by Skip_Line_Item__c or by a filter of the connection.",
        "Tick Skip_Line_Item__c on this line too, or bill the first line.",
    ),
    "filter_splits_line": _refused(
        "Filter leaves out a change of a billed line",
        "The line changes a line that is billed, but does not meet `filters.Product2` or "
        "`filters.PricebookEntry`: left out, it would change nothing.",
        "Let the filter cover both lines, or neither; Skip_Line_Item__c leaves out this line alone.",
    ),
    "dates_missing": _refused(
        "Dates missing",
        "Neither the line nor its quote says when service starts or ends.",
        "Enter start and end dates on the order line, or start and term on the quote.",
    ),
    "dates_disagree": _refused(
        "Dates disagree",
        "The sources of a line's dates contradict each other: they would give a different number of charges, "
        "or the line ends before it starts.",
        "Correct the dates on order line, quote and order so that they say the same.",
    ),
    "term_not_whole": _refused(
        "Term is not a whole number of months",
        "The line has no end date, and its term is not a whole number of months to compute one from.",
        "Enter the end date on the order line or on the quote.",
    ),
    "frequency_unknown": _refused(
        "Billing frequency not understood",
        "The frequency is not Monthly, Quarterly, Semiannual or Annual. Invoice plans are not billed.",
        "Choose one of the four frequencies; empty means Monthly.",
    ),
    "trial_with_frequencies": _refused(
        "Trial with several billing frequencies",
        "The order has a trial, after which every line of its subscription starts anew, and lines that are "
        "billed at different intervals.",
        "Give the lines one frequency, or empty the field that is mapped to the trial's end.",
    ),
    "metered_twice": _refused(
        "Usage billed twice",
        "Two metered lines of one product, of one customer, run in the same billing period; both would bill "
        "the same usage.",
        "Start one line when the last billing period of the other is over, or sell another product.",
    ),
    "coupon_split": _refused(
        "Coupon over several subscriptions",
        "The order has a coupon for a fixed amount, and its lines need several subscriptions.",
        "Put the coupon on a line, use a percentage, or split the order.",
    ),
    "frequencies_mixed": _refused(
        "Several billing frequencies",
        "The contract's lines are billed at different intervals, and the policy `frequencies: refuse` asks "
        "for one.",
        "Give the lines one frequency, or set `policy.frequencies` to `mixed` or `split`.",
    ),
    "billing_type_unknown": _refused(
        "Billing type not understood",
        "The billing type is neither Advance nor Arrears, or a one-time line is billed in arrears.",
        "Choose Advance, or leave the field empty.",
    ),
    "unit_price_empty": _refused(
        "Price is empty",
        "The order line has no unit price or no total price.",
        "Enter the price; a free line has the price 0.",
    ),
    "price_negative": _refused(
        "Negative recurring price",
        "A recurring line has a negative price or quantity on a new order, or a tier or a custom price is "
        "negative; Stripe has no negative prices.",
        "Give the discount on the line it belongs to, or sell the credit as a one-time line.",
    ),
    "amount_too_large": _refused(
        "Amount too large",
        "One charge is larger than Stripe takes.",
        "Split the line into several.",
    ),
    "amount_step": _refused(
        "Amount with a last digit Stripe does not take",
        "In currencies with three decimals Stripe takes only amounts that end in 0, and a charge does not.",
        "Sell at prices whose charges end in 0 in the last decimal, or bill the order by hand.",
    ),
    "quantity_not_whole": _refused(
        "Quantity is not whole",
        "Stripe bills whole quantities, and the line has decimals.",
        "Sell a whole quantity, or set `policy.quantity: fold` to bill 1 at the line's total.",
    ),
    "metered_quantity": _refused(
        "Metered line with a quantity",
        "A line that is billed in arrears by usage carries no quantity above 1.",
        "Set the quantity to 1.",
    ),
    "several_consumption_schedules": _refused(
        "Several consumption schedules",
        "The order line has more than one consumption schedule; one price can follow only one.",
        "Leave one schedule on the line, or sell the parts as lines of their own.",
    ),
    "tier_bound_not_whole": _refused(
        "Tier bound is not usable",
        "A tier of the consumption schedule ends at a number with decimals, below 1, or where another ends.",
        "Use whole bounds from 1, each once.",
    ),
    "tiers_open": _refused(
        "Open tiers",
        "A consumption schedule needs exactly one tier without an upper bound.",
        "Leave the upper bound of the last tier empty, and of no other.",
    ),
    "pricing_method_unknown": _refused(
        "Pricing method not understood",
        "The pricing method, schedule type or rating method of a consumption schedule is not known.",
        "Use Slab or Range with tiers that are priced per unit or as a flat fee.",
    ),
    "reduction_below_zero": _refused(
        "Reduction below zero",
        "The line takes away more units than the lines it changes hold.",
        "Check the amended quantity, and that no other amendment took the same units away.",
    ),
    "reduction_unknown_line": _refused(
        "Changes an unknown line",
        "The line changes a line that is not among the order lines of its contract, takes away units without "
        "naming a line, or leads over the lines it names back to itself.",
        "Check SBQQ__RevisedOrderProduct__c, and that the order with that line can be seen and belongs to "
        "the same contract; for an export, export Order and OrderItem again in full.",
    ),
    "order_line_not_found": _refused(
        "First order is not there",
        "The order amends a contract of which neither the first order nor its lines were found.",
        "Let the connection's user see the first order of the contract and its quote; for an export, export "
        "Order and OrderItem again in full.",
    ),
    "coupon_amounts": _refused(
        "Coupon with both or neither amount",
        "A coupon needs either a percentage or an amount with a currency.",
        "Fill exactly one of the two; name the currency of an amount.",
    ),
    "coupon_value": _refused(
        "Coupon with a value Stripe does not take",
        "A coupon takes off nothing, less than nothing or more than 100 percent, repeats without a number of "
        "months, or can be redeemed less than once.",
        "Correct the coupon: a percentage above 0 up to 100, an amount above 0, months for a repeating one, "
        "and 1 or more redemptions or none given.",
    ),
    "too_many_items": _refused(
        "Too many items",
        "Stripe holds 20 recurring and 20 one-time items at once, and the lines cannot be spread over "
        "several schedules.",
        "Split the order into several, or join lines of the same product.",
    ),
}

_STRIPE = {
    "order_gone": _held(
        "Gone from Salesforce",
        "Salesforce no longer shows the order: it was deleted, or hidden from the connection's user. What "
        "Stripe bills for it was left as it was; an order that was never billed is skipped.",
        "Restore the order in Salesforce, or end or correct the subscription in Stripe by hand.",
    ),
    "unbilled_time_taken_back": _held(
        "Unbilled time taken back",
        "The order takes back service that Stripe never billed, because somebody ended the schedule before.",
        "Credit by hand what was billed for time after the order's start.",
    ),
    "schedule_ended_in_stripe": _refused(
        "Ended in Stripe",
        "Somebody cancelled or released the schedule or subscription of the contract in Stripe, or an "
        "evergreen schedule was released there since no worker ran for more than a year to plan it further.",
        "Restart: release schedule_ended_in_stripe, and what is left is billed on a new schedule from the "
        "next period on. A released subscription bills on: have it cancelled first, at the end of its "
        "running period. Adopt or ignore what was done: leave the order as it is and bill it by hand.",
    ),
    "stripe_refused": _refused(
        "Stripe refused the request",
        "Stripe did not accept one of the calls; its message and a link to the request are shown.",
        "Solve what Stripe says, then sync the order again.",
    ),
    "access_lost": _refused(
        "Access lost",
        "Salesforce or Stripe no longer lets the connection in.",
        "`cpqbridge connection check` says which side and why, and takes a fresh token or key.",
    ),
    "wrong_account": _refused(
        "Wrong org, account or mode",
        "The credentials belong to another Salesforce org, Stripe account or mode than the connection's.",
        "Use credentials of the org and account that the connection was made with.",
    ),
    "first_invoice_differs": _failed(
        "First invoice differs from the plan",
        "Stripe's first invoice does not come to what the plan said.",
        "Do not send the invoice; compare its lines with the preview and report the difference.",
    ),
    "credit_refused": _failed(
        "Credit refused by Stripe",
        "Stripe did not take a part of a credit, most often because somebody voided or credited the invoice "
        "meanwhile; the message names it. What was credited before stays.",
        "Look at the invoice, then sync again: what it can no longer carry is credited on other invoices of "
        "the contract, or to the customer's balance.",
    ),
    "write_back_failed": _failed(
        "Salesforce could not be told",
        "Stripe is up to date, but Salesforce did not take an id, a status or a Sync Record.",
        "Solve what Salesforce says about the record, then sync the order again; nothing is billed twice.",
    ),
    "proof_mismatch": _failed(
        "Proof does not add up",
        "What is billed for a line differs from what it was sold for, without any of the known reasons.",
        "Compare the line's invoices with the order; correct the difference with an invoice item.",
    ),
}

_HOLDS = {
    "multiplier_mismatch": _held(
        "Multiplier contradicts the dates",
        "CPQ's prorate multiplier and the line's dates give different lengths.",
        "Check dates and `policy.prorate_precision`; `policy.multiplier_mismatch: warn` bills by the dates.",
    ),
    "remainder_out_of_bounds": _held(
        "Partial period or credit far from its share",
        "What is left of the total for a partial period, or what a reduction credits, is far from that "
        "time's share of the price.",
        "Check unit price, total price and dates of the line, then release the order.",
    ),
    "reduction_across_ends": _held(
        "Reduction across end dates",
        "The lines that the reduction changes and that end with it hold too few units; others of the same "
        "lineage, which end on another day, hold more.",
        "Reduce the lines that end on the other days instead, each with an order line that ends on its day.",
    ),
    "reduction_of_block_price": _held(
        "Reduction of a block price",
        "The line that is reduced is billed as one block at its total; what a unit less costs is not in the "
        "data.",
        "Reduce the block in Stripe by hand, and sell the new quantity as a line of its own.",
    ),
    "credit_needs_person": _held(
        "Credit needs a person",
        "A credit is due that nobody can give by itself: a refund of what was paid, or time that was billed "
        "elsewhere.",
        "Give the credit by hand in Stripe, then release the order.",
    ),
    "overlap": _held(
        "Renewal overlaps the old contract",
        "The renewal starts while the contract it renews still bills the same product; the message says what "
        "both bill for that time.",
        "Release the order to bill both, or end the old lines there with an amendment, which credits them. "
        "`policy.overlap: both` never asks.",
    ),
    "released_schedule": _held(
        "Contract renewed itself",
        "The schedule of the contract was released at its end, as `end_behavior` says, and its subscription "
        "bills on.",
        "Decide whether the new order takes that subscription over or ends it where it starts; what was "
        "billed past that day is credited.",
    ),
    "schedule_changed_in_stripe": _held(
        "Changed in Stripe",
        "Somebody changed the schedule or subscription of the contract in Stripe; the plan would undo that.",
        "Look at it in Stripe. Release the order to put it back to what the orders say, or make the change "
        "with an amendment in Salesforce.",
    ),
    "cap_cancels": _held(
        "Cancels more than the cap",
        "More contracts would be ended within an hour than `caps.cancels_per_hour` lets through.",
        "Check that the terminations are meant, then release the order, wait an hour, or raise the cap.",
    ),
    "backdated": _held(
        "Large backdating",
        "More billing periods have passed than `caps.backdated_periods` lets through.",
        "Release the order to bill them at once, or tick Skip_Past_Initial_Invoices__c to leave them out.",
    ),
    "cap_bill_per_order": _held(
        "Bills more than the cap",
        "The order bills more than `caps.bill_per_order`.",
        "Check the order, then release it, or raise the cap.",
    ),
    "contract_over": _held(
        "Contract already over",
        "All service of the order ended before it was synced; nothing is left to schedule.",
        "Release the order to bill it on an invoice of its own, if it was never billed.",
    ),
    "too_many_lines": _held(
        "First invoice too long",
        "Billing all elapsed periods at once would need more lines than an invoice holds.",
        "Tick Skip_Past_Initial_Invoices__c on the order and bill the past by hand.",
    ),
    "held_by_person": _held(
        "Held by a person",
        "Somebody stopped the contract in the app; the message says who, when and why. What Stripe bills "
        "already goes on, and nothing new is sent for it.",
        "Ask whoever holds it, then release the order.",
    ),
    "changed_after_sync": _held(
        "Changed after it was synced",
        "The order was edited, deactivated or activated again in Salesforce; Stripe was left as it was.",
        "Undo the change in Salesforce, or correct the schedule in Stripe by hand.",
    ),
    "takeover": _held(
        "Take-over needed",
        "An order of the contract was activated before the connection's start date, or a subscription made "
        "elsewhere bills it.",
        "Agree on the first day that is billed here, then sync the order with `--release takeover --cutover` "
        "and that day.",
    ),
}

REFUSAL_CATALOG: Mapping[str, RefusalCause] = MappingProxyType(_ORDERS | _LINES | _STRIPE | _HOLDS)
"""Code -> cause, for every refusal, hold, wait and skip that can stand on an order."""
