"""Findings as rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cpqbridge.sync.findings import StoredFinding, amount_text
from cpqbridge.sync.spreadsheet import Row, as_text

_DETAILS = ("currency", "found_amount", "wanted_amount", "what_to_do", "reason", "first_seen_at")
_HEAD = ("finding", "state", "kind", "contract", "orders", "stripe_id", "link", "found", "wanted", *_DETAILS)


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
