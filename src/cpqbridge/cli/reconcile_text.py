"""The findings of a reconciliation as text for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cpqbridge.domain.money import major_text
from cpqbridge.sync.findings import StoredFinding

if TYPE_CHECKING:
    from cpqbridge.sync.reconcile import Reconciled


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
