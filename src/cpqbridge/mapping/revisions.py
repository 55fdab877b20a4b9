"""Which line changes which (B2.6), over all order products of one contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from cpqbridge.domain.order import OrderKind
from cpqbridge.mapping.filter_names import LINE_FILTERS
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.mapping.records import RecordReader, record_id_at
from cpqbridge.mapping.values import UnreadableValueError, as_decimal

REVISED_LINE = "SBQQ__RevisedOrderProduct__c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The lines of a contract: `revised` is what each of them names, by id, None for one that names none.

    `skipped` are left out on purpose, by what says so: the check box, or the setting of a filter. `empty_ids`
    are lines with quantity 0, which change nothing.
    """

    revised: Mapping[str, str | None] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    empty_ids: frozenset[str] = frozenset()

    def is_circular(self, order_item_id: str) -> bool:
        """Return whether the way from a line over the lines that each of them changes comes back to it."""
        seen: set[str] = set()
        place = self.revised.get(order_item_id)
        while place is not None and place not in seen:
            seen.add(place)
            place = self.revised.get(place)
        return order_item_id in seen

    def revised_by(self, order_item_id: str) -> str | None:
        """Return the nearest line that a line changes, over those with quantity 0, None where there is none.

        It need not be a line of the contract, and may be a skipped one; not for circular lines.
        """
        place = self.revised.get(order_item_id)
        while place is not None and place in self.empty_ids and not self.is_circular(place):
            place = self.revised.get(place)
        return place


def revisions_of(
    items: Iterable[RawRecord], *, skip_field: str, passing: Mapping[str, frozenset[str]]
) -> Revisions:
    """Return which line changes which.

    `skip_field` is the check box that leaves a line out, `passing` are the lines that meet each filter.
    """
    revised: dict[str, str | None] = {}
    skipped: dict[str, str] = {}
    empty = set()
    asked = [(setting, passing[setting]) for setting in LINE_FILTERS if setting in passing]
    for item in items:
        order_item_id = record_id_at(item, "Id")
        if order_item_id is None:
            continue
        revised.setdefault(order_item_id, record_id_at(item, REVISED_LINE))
        missed = next((setting for setting, ids in asked if order_item_id not in ids), None)
        if item.get(skip_field) is True:
            skipped[order_item_id] = skip_field
        elif _is_zero(item.get("Quantity")):
            empty.add(order_item_id)
        elif missed is not None:
            skipped[order_item_id] = missed
    return Revisions(revised=revised, skipped=skipped, empty_ids=frozenset(empty))


def revised_line(
    reader: RecordReader, revisions: Revisions, *, kind: OrderKind, quantity: Decimal | None, recurs: bool
) -> str | None:
    """Return the line that a line changes, None (with a refusal where something is wrong) without one.

    Units of a renewal that name a line of another contract begin anew: it is the renewed one (B6.12). A
    recurring reduction needs a line in an amendment only; in other orders it is a negative price.
    """
    reduces = quantity is not None and quantity < 0
    named = reader.record_id_at(REVISED_LINE)
    if named is None:
        if reduces and recurs and kind is OrderKind.AMENDMENT:
            _refuse_unknown(reader, "takes away units but does not name the line it changes.")
        return None
    if revisions.is_circular(reader.record_id):
        _refuse_unknown(reader, f"changes line {named}, which leads back to this one.")
        return None
    found = revisions.revised_by(reader.record_id)
    if found is not None and found in revisions.skipped:
        by = revisions.skipped[found]
        message = f"changes line {found}, which {by} leaves out."
        reader.refuse("revises_skipped_line", message, field=REVISED_LINE)
    elif found is None or found in revisions.empty_ids:
        if reduces:
            message = f"takes away units of line {named}, which has none."
            reader.refuse("reduction_below_zero", message, field=REVISED_LINE)
        return None
    elif found not in revisions.revised:
        if kind is not OrderKind.RENEWAL or reduces:
            _refuse_unknown(reader, f"changes line {found}, which is not among the lines of its contract.")
        return None
    return found


def check_left_out(reader: RecordReader, revisions: Revisions) -> None:
    """Refuse a line that a filter leaves out although the line it changes is billed.

    It would go on being billed as if nothing had changed. A check box is set by somebody who means that line.
    """
    by = revisions.skipped[reader.record_id]
    found = None if revisions.is_circular(reader.record_id) else revisions.revised_by(reader.record_id)
    if by in LINE_FILTERS and found in revisions.revised and found not in revisions.skipped:
        message = f"changes line {found}, which is billed, but {by} leaves it out."
        reader.refuse("filter_splits_line", message, field=REVISED_LINE)


def _refuse_unknown(reader: RecordReader, message: str) -> None:
    reader.refuse("reduction_unknown_line", message, field=REVISED_LINE)


def _is_zero(value: object) -> bool:
    try:
        return as_decimal(value) == 0
    except UnreadableValueError:
        return False
