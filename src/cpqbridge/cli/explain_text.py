"""How the amounts of order lines came about, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cpqbridge.cli.output import table
from cpqbridge.domain.money import major_text
from cpqbridge.sync.explain import ExplainedLine
from cpqbridge.sync.proof_words import reason_fix, reason_text


def explain_text(lines: Iterable[ExplainedLine]) -> str:
    """Return every line with its price, its charges and why they differ from what was sold."""
    return "\n\n".join(_line_text(each) for each in lines)


def _line_text(explained: ExplainedLine) -> str:
    proof, currency = explained.proof, explained.proof.currency
    rows: list[Sequence[str]] = [("From", "Until", "What", "Number", "Each", "Sum")]
    rows += [
        (
            each.start.isoformat() if each.start else "",
            each.end.isoformat() if each.end else "",
            explained.words_of(each),
            str(each.count),
            major_text(each.each_minor, currency),
            major_text(each.sum_minor, currency),
        )
        for each in explained.charges
    ]
    billed, sold = (major_text(amount, currency) for amount in (proof.billed_minor, proof.sold_minor))
    parts = [
        f"Order line {explained.line.order_item_id}: {explained.names[explained.line.order_item_id]}",
        *explained.price,
        table(rows, numbers=frozenset({3, 4, 5})) if explained.charges else explained.nothing_text,
        f"Billed {billed} {currency.upper()}, sold for {sold}.",
    ]
    if proof.reason:
        parts.append(
            f"Reason {proof.reason}: {reason_text(proof.reason)}. What to do: {reason_fix(proof.reason)}"
        )
    return "\n".join(parts)
