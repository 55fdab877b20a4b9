"""What each policy means, for people: a question, and for each answer a sentence and an example in money.

The page of preferences, the command line and the reference say these same words. Every example is a scenario
under test (`tests/scenarios`), of which it takes dates and amounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cpqbridge.mapping.policies import (
    CoterminatePolicy,
    CreditsPolicy,
    CreditTarget,
    EvergreenCredits,
    FrequenciesPolicy,
    ItemsPolicy,
    MultiplierPolicy,
    OverlapPolicy,
    ProratePrecision,
    ProrationPolicy,
    QuantityPolicy,
    RoundingPolicy,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionWords:
    """One answer: `label` names it, `meaning` and `example` are sentences; `scenario` is the test of it."""

    value: str
    label: str
    meaning: str
    example: str
    scenario: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWords:
    """One policy; the first option is its default.

    `reaches_running` says what a change does to contracts that are billed already, empty where nothing.
    """

    name: str
    title: str
    question: str
    options: tuple[OptionWords, ...]
    reaches_running: str = ""

    def option(self, value: str) -> OptionWords:
        """Return the words of one value."""
        return next(each for each in self.options if each.value == value)


def _option(value: StrEnum, label: str, meaning: str, example: str, *, scenario: str) -> OptionWords:
    return OptionWords(value=value.value, label=label, meaning=meaning, example=example, scenario=scenario)


_PRECISION = PolicyWords(
    name="prorate_precision",
    title="Prorate precision",
    question="How does CPQ turn dates into months? It is the setting Subscription Prorate Precision of the "
    "CPQ package, which cannot be read from outside; your order lines show it.",
    reaches_running="Parts of a period that an amendment adds or credits are counted with it.",
    options=(
        _option(
            ProratePrecision.MONTHLY_DAILY,
            "Monthly + Daily",
            "Whole months, and days beyond them as 12 / 365 of a month each.",
            "Two seats at 50.00 a month from 20 May 2026 to 31 Jan 2028 are 20 months and 12 days: sold for "
            "2,039.46. Twenty months are billed 100.00 each, 20 to 31 May 39.46.",
            scenario="precision_monthly_daily_monthly",
        ),
        _option(
            ProratePrecision.MONTH,
            "Month",
            "Every month that was begun counts whole.",
            "The same seats are 21 months: sold for 2,100.00. 20 to 31 May is billed 100.00.",
            scenario="precision_month_monthly",
        ),
        _option(
            ProratePrecision.DAY,
            "Day",
            "All days count, each as 12 / 365 of a month.",
            "The same seats are 622 days: sold for 2,044.94. 20 to 31 May is billed 44.94.",
            scenario="precision_day_monthly",
        ),
        _option(
            ProratePrecision.CALENDAR_MONTHLY_DAILY,
            "Calendar Monthly + Daily",
            "Each calendar month counts by the share of its own days.",
            "The same seats are 12 of the 31 days of May and 20 months: sold for 2,038.70. 20 to 31 May is "
            "billed 38.70.",
            scenario="precision_calendar_monthly_daily_monthly",
        ),
    ),
)

_ITEMS = PolicyWords(
    name="items",
    title="Order lines as Stripe items",
    question="Is every order line its own item of the subscription?",
    reaches_running="Their items are joined or taken apart when they are synced next; amounts stay.",
    options=(
        _option(
            ItemsPolicy.SEPARATE,
            "One item per order line",
            "Invoices list each order line by itself.",
            "10, 5 and 1 seats of one price are three lines on each invoice of 800.00.",
            scenario="one_product_on_three_lines",
        ),
        _option(
            ItemsPolicy.MERGED,
            "Join lines that change each other",
            "An order line and its additions at the same price are one item with their quantities summed.",
            "Ten seats and two more from June are one line of 12 seats on each invoice of 600.00.",
            scenario="items_merged",
        ),
    ),
)

_PRORATION = PolicyWords(
    name="proration",
    title="First part of a period",
    question="When is the first part of a period invoiced that starts off the billing day?",
    reaches_running="First parts that begin after the change are invoiced by it.",
    options=(
        _option(
            ProrationPolicy.INVOICE_NOW,
            "At once, on an invoice of its own",
            "The part is invoiced on the day it starts.",
            "Two seats more from 13 May are invoiced 62.46 on 13 May; from 1 June invoices are 600.00.",
            scenario="seats_added_mid_cycle",
        ),
        _option(
            ProrationPolicy.NEXT_INVOICE,
            "With the next invoice",
            "The part waits for the next invoice of the subscription.",
            "Two seats more from 13 May: the invoice of 1 June is 662.46, later ones are 600.00.",
            scenario="head_with_the_next_invoice",
        ),
    ),
)

_CREDITS = PolicyWords(
    name="credits",
    title="Credits of reductions",
    question="How is time given back that was billed already and is no longer served?",
    reaches_running="Reductions that are synced after the change are credited by it.",
    options=(
        _option(
            CreditsPolicy.NEXT_INVOICE,
            "On the next invoice, else by credit note",
            "The next invoice is lowered where it comes within 31 days and takes the whole credit; "
            "otherwise, and when everything ends, a credit note is made.",
            "Three of twelve seats less from 20 Aug leave 59.19 to give back: the invoice of 1 Sep is 390.81 "
            "instead of 450.00.",
            scenario="seats_removed_newest_first",
        ),
        _option(
            CreditsPolicy.CREDIT_NOTE,
            "Always by credit note",
            "A credit note is made on the invoice that billed the time.",
            "Three of ten seats less from 20 Aug: a credit note of 59.19 on that day; from 1 Sep invoices "
            "are 350.00.",
            scenario="credit_always_a_credit_note",
        ),
        _option(
            CreditsPolicy.NONE,
            "Not at all",
            "What was billed stays billed; only later invoices are lower.",
            "Three of ten seats less from 20 Aug: the 59.19 for the rest of August are not given back; from "
            "1 Sep invoices are 350.00.",
            scenario="no_credits",
        ),
    ),
)

_TARGET = PolicyWords(
    name="credit_target",
    title="Credits of paid invoices",
    question="Where does a credit go for what the customer has paid already?",
    reaches_running="Credit notes that are made after the change go there.",
    options=(
        _option(
            CreditTarget.BALANCE,
            "To the customer's balance in Stripe",
            "It lowers the next invoices by itself.",
            "A year of 12,000.00 is paid; three of ten seats less from 20 Aug put 1,618.35 on the balance.",
            scenario="credit_of_a_paid_invoice",
        ),
        _option(
            CreditTarget.REFUND,
            "Refund",
            "A credit note is made; a person makes the refund in Stripe.",
            "The same credit of 1,618.35 is left for a refund; the order says so.",
            scenario="credit_to_be_refunded",
        ),
        _option(
            CreditTarget.OUTSIDE,
            "Outside Stripe",
            "A credit note is made; the money is given back elsewhere.",
            "The same 1,618.35 is on the credit note, and the balance in Stripe does not change.",
            scenario="credit_given_outside",
        ),
    ),
)

_EVERGREEN = PolicyWords(
    name="evergreen_credits",
    title="Reductions without an end date",
    question="What does a reduction of an evergreen line give back for the rest of the running period?",
    reaches_running="Evergreen lines that are reduced after the change are credited by it.",
    options=(
        _option(
            EvergreenCredits.NONE,
            "Nothing",
            "The running period stays as it was billed.",
            "Three of ten evergreen seats less from 20 Aug: August stays 500.00, from 1 Sep it is 350.00.",
            scenario="evergreen_partly_removed",
        ),
        _option(
            EvergreenCredits.PRORATE,
            "Its share by days",
            "The days that are left are given back.",
            "The same: 12 days of three seats are 59.18, so the invoice of 1 Sep is 290.82, then 350.00.",
            scenario="evergreen_credits_prorated",
        ),
    ),
)

_ROUNDING = PolicyWords(
    name="rounding",
    title="Rounding",
    question="What happens to the cents that Stripe's rounding of each invoice leaves?",
    reaches_running="The last charge of their lines may change by up to half a cent per charge.",
    options=(
        _option(
            RoundingPolicy.REPORT,
            "Report them",
            "Each charge is rounded; the difference stands in the proof.",
            "100.00 a year billed monthly is twelve times 8.33; the proof names the missing 0.04.",
            scenario="price_that_does_not_divide",
        ),
        _option(
            RoundingPolicy.TRUE_UP,
            "Put them on the last charge",
            "The line's last charge takes the difference, so it bills exactly what was sold.",
            "100.00 a year billed monthly is eleven times 8.33, and 8.37 in the last month.",
            scenario="rounding_trued_up",
        ),
    ),
)

_COTERMINATE = PolicyWords(
    name="coterminate",
    title="End of amendments",
    question="Must the lines of an amendment end with the contract?",
    options=(
        _option(
            CoterminatePolicy.ANY,
            "They may end on any day",
            "Lines are billed to their own end.",
            "Three seats from 13 May to 20 Oct are billed 92.30 for May, then 150.00 a month, and 97.15 for "
            "October.",
            scenario="addition_ends_earlier",
        ),
        _option(
            CoterminatePolicy.REQUIRED,
            "They must end with it",
            "Other amendments are refused, as the vendor's own connector does.",
            "The same amendment is refused; the ten seats are billed on at 500.00 a month.",
            scenario="addition_must_end_with_the_contract",
        ),
    ),
)

_QUANTITY = PolicyWords(
    name="quantity",
    title="Quantities that are not whole",
    question="Stripe bills whole units. What happens to 2.5 of something?",
    options=(
        _option(
            QuantityPolicy.REFUSE,
            "Refuse the order",
            "Somebody corrects the order first.",
            "Two and a half seats are refused, and nothing is billed.",
            scenario="decimal_quantity",
        ),
        _option(
            QuantityPolicy.FOLD,
            "Bill 1 at the whole price",
            "The line is one unit that costs what all of it costs.",
            "2.5 seats at 50.00 are 1 at 125.00 a month.",
            scenario="decimal_quantity_folded",
        ),
    ),
)

_FREQUENCIES = PolicyWords(
    name="frequencies",
    title="Several billing frequencies",
    question="What happens to a contract with monthly and yearly lines?",
    reaches_running="Lines that are added after the change are placed by it; a billed line never moves.",
    options=(
        _option(
            FrequenciesPolicy.MIXED,
            "One subscription for all",
            "Charges that fall on one day are on one invoice.",
            "Ten seats at 50.00 a month and support at 1,200.00 a year: 1,700.00 on 1 Feb, then 500.00 a "
            "month.",
            scenario="mixed_frequencies",
        ),
        _option(
            FrequenciesPolicy.SPLIT,
            "One subscription per frequency",
            "Each frequency has invoices of its own.",
            "The same order has two invoices on 1 Feb, 500.00 and 1,200.00.",
            scenario="frequencies_split",
        ),
        _option(
            FrequenciesPolicy.REFUSE,
            "Refuse the order",
            "Contracts have one frequency only.",
            "The yearly support beside monthly seats is refused.",
            scenario="frequencies_refused",
        ),
    ),
)

_MULTIPLIER = PolicyWords(
    name="multiplier_mismatch",
    title="Dates and CPQ's multiplier disagree",
    question="What happens when the dates of a line and its prorate multiplier say different terms?",
    options=(
        _option(
            MultiplierPolicy.HOLD,
            "Hold the order",
            "A person looks at the line first.",
            "2 seats from 13 May to 31 Jan are 8.6247 months by their dates, but CPQ multiplied by 9: held.",
            scenario="multiplier_contradicts_the_dates",
        ),
        _option(
            MultiplierPolicy.WARN,
            "Bill by the dates and warn",
            "The total is spread over the months of the dates.",
            "The same line is billed 104.35 a month and 65.20 for its last days, and the plan warns.",
            scenario="multiplier_mismatch_only_warns",
        ),
    ),
)

_OVERLAP = PolicyWords(
    name="overlap",
    title="Renewals that begin early",
    question="What happens when a renewal begins while the old contract still bills the same product?",
    options=(
        _option(
            OverlapPolicy.HOLD,
            "Hold the renewal",
            "A person decides whether the old contract ends earlier or both are billed.",
            "A renewal from 1 Jan beside a contract to 31 Jan is held: about 500.00 would be billed twice.",
            scenario="renewal_overlap_is_held",
        ),
        _option(
            OverlapPolicy.BOTH,
            "Bill both",
            "Both contracts are billed for the days they share.",
            "The renewal is billed 500.00 a month from 1 Jan, beside the old contract.",
            scenario="renewal_overlap_both",
        ),
    ),
)

POLICY_WORDS = (
    _PRECISION,
    _ITEMS,
    _PRORATION,
    _CREDITS,
    _TARGET,
    _EVERGREEN,
    _ROUNDING,
    _COTERMINATE,
    _QUANTITY,
    _FREQUENCIES,
    _MULTIPLIER,
    _OVERLAP,
)
"""The words of every policy that is one of several values, in the order of the configuration file."""
