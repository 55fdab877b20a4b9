"""Usage that arrives while its invoice is still a draft: it counts until the invoice finalizes.

Source: docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period, read 21 Nov 2026.
"""

from collections.abc import Sequence

from cpqbridge_sim.stripe.billing.discounts import apply_discounts
from cpqbridge_sim.stripe.billing.lines import LineDraft
from cpqbridge_sim.stripe.billing.tier_lines import split_by_tier
from cpqbridge_sim.stripe.billing.usage import counted, usage_line
from cpqbridge_sim.stripe.metering import BilledUsage, ClosedUsage
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def remember_usage(
    state: AccountState,
    invoice: Body,
    lines: Sequence[LineDraft],
    *,
    discounts: Sequence[str],
    used: Sequence[str],
) -> None:
    """Note which lines of a new draft bill which usage, and the discounts that were shared out on it."""
    bodies = invoice["lines"]["data"][-len(lines) :]
    ids: dict[ClosedUsage, list[str]] = {}
    for line, body in zip(lines, bodies, strict=True):
        if line.usage is not None:
            ids.setdefault(line.usage, []).append(body["id"])
    if ids:
        state.usage.drafts[invoice["id"]] = BilledUsage(
            at=invoice["created"],
            discount_ids=tuple(discounts),
            used_ids=tuple(used),
            lines=tuple((closed, counted(state, closed), tuple(found)) for closed, found in ids.items()),
        )


def changed_lines(state: AccountState, invoice: Body) -> list[tuple[LineDraft, Body | None]] | None:
    """The lines of a draft with its usage as it is counted now, discounts shared anew; None without a change.

    Each comes with the body it had, which a line of changed usage does not have any more.
    """
    billed = state.usage.drafts.pop(invoice["id"], None)
    if billed is None or all(counted(state, closed) == units for closed, units, _ in billed.lines):
        return None
    by_line = {identifier: closed for closed, _, found in billed.lines for identifier in found}
    first = {found[0]: closed for closed, _, found in billed.lines}
    result: list[tuple[LineDraft, Body | None]] = []
    for body in invoice["lines"]["data"]:
        if body["id"] in first:
            line = usage_line(state, first[body["id"]])
            line.tax_rates = state.line_tax_rates.get(body["id"], [])
            parts = split_by_tier(state, [line])
            result += [(part, None) for part in parts]
        elif body["id"] not in by_line:
            result.append((_draft_of(state, body), body))
    _share_discounts(state, [line for line, _ in result], billed)
    return result


def _share_discounts(state: AccountState, lines: Sequence[LineDraft], billed: BilledUsage) -> None:
    # A `once` discount ended with this very invoice, and reduces it all the same.
    used = [state.store.get("discount", identifier) or {} for identifier in billed.used_ids]
    ends = [discount.get("end") for discount in used]
    for discount in used:
        discount["end"] = None
    apply_discounts(state, lines, billed.discount_ids, at=billed.at)
    for discount, end in zip(used, ends, strict=True):
        discount["end"] = end


def _draft_of(state: AccountState, body: Body) -> LineDraft:
    details = body["parent"]["subscription_item_details"] or body["parent"]["invoice_item_details"]
    named = (body["pricing"] or {}).get("price_details") or {}
    price = state.store.get("price", named.get("price"))
    return LineDraft(
        amount=body["amount"],
        currency=body["currency"],
        description=body["description"],
        period_start=body["period"]["start"],
        period_end=body["period"]["end"],
        price=price,
        quantity=body["quantity"],
        discountable=body["discountable"],
        metadata=body["metadata"],
        discounts=list(body["discounts"]),
        invoice_item=state.store.get("invoiceitem", details["invoice_item"]),
    )
