"""The findings of a reconciliation as text for people and as rows for a spreadsheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cpqbridge.domain.money import major_text
from cpqbridge.sync.findings import StoredFinding, amount_text
from cpqbridge.sync.spreadsheet import Row, as_text

if TYPE_CHECKING:
    from cpqbridge.sync.reconcile import Reconciled

_DETAILS = ("currency", "found_amount", "wanted_amount", "what_to_do", "reason", "first_seen_at")
_HEAD = ("finding", "state", "kind", "contract", "orders", "stripe_id", "link", "found", "wanted", *_DETAILS)


def reconciled_text(found: Reconciled) -> str:
    """Return what was found as lines of text."""
    contracts = found.contracts + found.earlier
    parts = [f"{contracts} contract{'' if contracts == 1 else 's'} compared."]
    if found.earlier:
        parts.append(f"{found.earlier} of them by the run that was cut off and is gone on with.")
    if found.unsettled:
        parts.append(f"Being synced all the while, so not judged: {', '.join(found.unsettled)}.")
    accepted = len(found.findings) - len(found.open)
    if accepted:
        parts.append(f"{accepted} accepted finding{'' if accepted == 1 else 's'} not shown.")
    if not found.open:
        return " ".join([*parts, "Stripe bills what was sold."])
    kinds = Counter(each.kind for each in found.open)
    parts.append(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) + ":")
    return "\n\n".join([" ".join(parts), *(_finding_text(each) for each in found.open)])


def _finding_text(finding: StoredFinding) -> str:
    said = finding.document
    orders = ", ".join(said["order_numbers"])
    where = f"contract {said['contract']}" + (f", order {orders}" if orders else "")
    lines = [f"{finding.finding_id}  {finding.kind}  {where}", f"   {said['found']}"]
    lines.append(f"   Should be: {said['wanted']}{_difference(finding)}")
    if said["link"]:
        lines.append(f"   Look at: {said['link']}")
    lines.append(f"   What to do: {said['fix']}")
    return "\n".join(lines)


def _difference(finding: StoredFinding) -> str:
    said = finding.document
    if said["found_minor"] is None or not said["currency"]:
        return ""
    difference = major_text(said["found_minor"] - said["wanted_minor"], said["currency"])
    return f" (difference {difference} {said['currency'].upper()})"


def finding_rows(findings: Iterable[StoredFinding]) -> Iterator[Row]:
    """Yield findings as rows of a table, the first one the head; amounts are in major units."""
    yield _HEAD
    for each in findings:
        said = each.document
        yield (
            str(each.finding_id),
            each.state.value,
            each.kind,
            said["contract"],
            " ".join(said["order_numbers"]),
            said["stripe_id"],
            said["link"],
            as_text(said["found"]),
            as_text(said["wanted"]),
            said["currency"],
            amount_text(said, "found_minor"),
            amount_text(said, "wanted_minor"),
            as_text(said["fix"]),
            as_text(each.reason),
            each.first_seen_at.isoformat(),
        )
