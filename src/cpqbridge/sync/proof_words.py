"""Why billed and sold differ, in words, and what there is to do about it (B12.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonWords:
    """One reason of the proof: `text` says why the amounts differ, `fix` what a person can do."""

    text: str
    fix: str


_WORDS = {
    "rounding": ReasonWords(
        text="rounding of single charges",
        fix="Nothing: Stripe rounds each charge by itself. With the policy rounding: true_up the last charge "
        "takes the difference.",
    ),
    "metered": ReasonWords(
        text="billed by usage, after each period",
        fix="Nothing, as long as usage is reported to the meter; Stripe's invoices show what is used.",
    ),
    "evergreen": ReasonWords(
        text="goes on until it is ended; sold is the price of one month, billed is all shown so far",
        fix="Nothing: compare single invoices with the price of the line.",
    ),
    "skipped": ReasonWords(
        text="line not billed, as it asks",
        fix="Nothing, if it is billed elsewhere; else clear Skip_Line_Item__c before the order is activated.",
    ),
    "credit_policy": ReasonWords(
        text="credits are not given, as the policy says",
        fix="Nothing, if it was agreed so; else credit it by hand. The policy `credits` decides later ones.",
    ),
    "past_skipped": ReasonWords(
        text="past periods not billed, as the order asks",
        fix="Nothing, if they were billed elsewhere; else bill them by hand.",
    ),
    "billed_elsewhere": ReasonWords(
        text="billed elsewhere, before the cut-over date",
        fix="Nothing, if the old system billed it; the cut-over date came with the take-over.",
    ),
    "multiplier": ReasonWords(
        text="billed by the dates, not by CPQ's multiplier",
        fix="Look whether the dates or the multiplier are right; correct the order if it is the latter.",
    ),
    "custom_price": ReasonWords(
        text="tiers or a field of its own give the price of a period; the line's total is not used",
        fix="Nothing, if that price is right; compare it with the single invoices.",
    ),
    "trial": ReasonWords(
        text="free until the end of the trial",
        fix="Nothing: the trial is not billed. Correct its end on the order if it is wrong.",
    ),
    "discount": ReasonWords(
        text="reduced by a coupon",
        fix="Nothing: invoices show the coupon's discount.",
    ),
    "proof_mismatch": ReasonWords(
        text="not explained: please report",
        fix="Report this order to the maintainers with its rehearsal; bill it by hand meanwhile.",
    ),
}
REASON_WORDS: Mapping[str, ReasonWords] = MappingProxyType(_WORDS)
"""What is said about every reason of the proof, and about a gap without one."""


def reason_text(reason: str | None) -> str:
    """Return in words why billed and sold differ; empty when they do not."""
    return _WORDS[reason].text if reason else ""


def reason_fix(reason: str | None) -> str:
    """Return what a person can do about the difference; empty when there is none."""
    return _WORDS[reason].fix if reason else ""
