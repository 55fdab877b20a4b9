"""The findings of a reconciliation as text for people and as rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cpqbridge.domain.money import major_text
from cpqbridge.sync.findings import StoredFinding, amount_text
from cpqbridge.sync.spreadsheet import Row, as_text

if TYPE_CHECKING:
    from cpqbridge.sync.reconcile import Reconciled

_DETAILS = ("currency", "found_amount", "wanted_amount", "what_to_do", "reason", "first_seen_at")
_HEAD = ("finding", "state", "kind", "contract", "orders", "stripe_id", "link", "found", "wanted", *_DETAILS)


def reconciled_text(found: Reconciled, numbers: Mapping[str, str]) -> str:
    """Return what was found as lines of text; `numbers` are order numbers by id."""
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
    count = len(found.open)
    parts.append(f"{count} finding{'' if count == 1 else 's'}:")
    return "\n\n".join([" ".join(parts), *(_finding_text(each, numbers) for each in found.open)])


def _finding_text(finding: StoredFinding, numbers: Mapping[str, str]) -> str:
    said = finding.document
    orders = ", ".join(numbers.get(order_id, order_id) for order_id in said["orders"])
    where = f"contract {said['contract']}" + (f", orders {orders}" if orders else "")
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


def finding_rows(findings: Iterable[StoredFinding], numbers: Mapping[str, str]) -> Iterator[Row]:
    """Yield findings as rows of a table, the first one the head; amounts are in major units."""
    yield _HEAD
    for each in findings:
        said = each.document
        yield (
            str(each.finding_id),
            each.state.value,
            each.kind,
            said["contract"],
            " ".join(numbers.get(order_id, order_id) for order_id in said["orders"]),
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
