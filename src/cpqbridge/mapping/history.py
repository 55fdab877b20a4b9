"""Raw records of one contract become its order history, with everything that stops an order named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cpqbridge.domain.order import Account, Order, OrderHistory, OrderKind, RenewedContract
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.accounts import read_account
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.contract_checks import check_contract
from cpqbridge.mapping.coupons import coupon_links
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.lines import ACTIVATED_BOX
from cpqbridge.mapping.mapper import Mapper
from cpqbridge.mapping.orders import CURRENCY, OrderContext, read_order
from cpqbridge.mapping.products import by_activation, read_products
from cpqbridge.mapping.qualifying import Qualified, qualified_orders
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.mapping.records import record_id_at
from cpqbridge.mapping.renewals import first_renewal, renewed_contract
from cpqbridge.mapping.revisions import revisions_of
from cpqbridge.mapping.tiers import consumption_schedules

_NEVER = datetime.max.replace(tzinfo=UTC)


def order_history(
    raw: RawContract, configuration: Configuration, *, multiplier_decimals: int | None = None
) -> OrderHistory:
    """Return the history of one contract, orders in effective order (B1.5), lines by id.

    Orders that cannot be read in full are in the history too; a refusal in `refusals` names each of them.
    Skipped lines and lines with quantity 0 are left out. `multiplier_decimals` is how many decimals the
    org's field for CPQ's prorate multiplier has, None where that is not known.
    """
    findings = Findings()
    ours = OurFields(configuration.mapping.salesforce_prefix)
    mapper = Mapper(configuration.mapping, findings)
    records = _by_id(raw.orders, findings)
    items = _items_by_order(raw.items)
    context = _context(
        raw,
        configuration,
        multiplier_decimals,
        parts=(ours, mapper, findings),
        qualified=qualified_orders(records, configuration, findings, raw),
    )
    orders = [
        read_order(record, order_id, items.get(order_id, []), context) for order_id, record in records.items()
    ]
    orders.sort(key=lambda order: (order.effective_on, order.activated_at or _NEVER, order.order_id))
    check_contract(orders, records, findings)
    account = _account(orders, records, ours=ours, mapper=mapper, findings=findings)
    products = read_products(orders, records, items, ours=ours, mapper=mapper)
    by_effect = [records[order.order_id] for order in orders]
    renewed = _renewed(raw, by_effect, configuration, findings)
    return OrderHistory(
        root_id=raw.root_id,
        contract_key=_contract_key(raw, orders, records),
        account=account,
        orders=tuple(orders),
        products=products,
        refusals=findings.refusals,
        warnings=findings.warnings,
        org_url=raw.org_url,
        renewed=renewed,
    )


def _by_id(orders: Sequence[RawRecord], findings: Findings) -> dict[str, RawRecord]:
    """Return the orders by id, each once."""
    found: dict[str, RawRecord] = {}
    for record in orders:
        order_id = record_id_at(record, "Id")
        if order_id is None:
            findings.refuse(
                "record_unreadable",
                "An order of the contract has no usable Id.",
                order_id="",
                record_id="",
                field="Order.Id",
            )
        else:
            found.setdefault(order_id, record)
    return found


def _items_by_order(items: Sequence[RawRecord]) -> dict[str, list[RawRecord]]:
    found: dict[str, list[RawRecord]] = defaultdict(list)
    for item in items:
        order_id = record_id_at(item, "OrderId")
        if order_id is not None:
            found[order_id].append(item)
    return found


def _context(
    raw: RawContract,
    configuration: Configuration,
    multiplier_decimals: int | None,
    *,
    parts: tuple[OurFields, Mapper, Findings],
    qualified: dict[str, Qualified],
) -> OrderContext:
    ours, mapper, findings = parts
    return OrderContext(
        configuration=configuration,
        ours=ours,
        mapper=mapper,
        findings=findings,
        multi_currency=any(CURRENCY in record for record in (*raw.orders, *raw.items)),
        qualified=qualified,
        multiplier_decimals=multiplier_decimals,
        schedules=consumption_schedules(raw),
        coupons=coupon_links(raw),
        revisions=revisions_of(raw.items, skip_field=ours.skip_line_item, passing=raw.passing),
        ticks_activated=any(item.get(ACTIVATED_BOX) is True for item in raw.items),
    )


def _account(
    orders: Sequence[Order],
    records: dict[str, RawRecord],
    *,
    ours: OurFields,
    mapper: Mapper,
    findings: Findings,
) -> Account:
    """Return who pays: the account of the first activated order; orders of other accounts are refused.

    The order activated last speaks for the customer: it is the one being synced.
    """
    by_weight = sorted(orders, key=lambda order: not order.activated)
    account_id = next((found for order in by_weight if (found := _account_id(records[order.order_id]))), "")
    own = []
    for order in orders:
        found = _account_id(records[order.order_id])
        if found == account_id and found:
            own.append(order)
            continue
        findings.refuse(
            "accounts_differ" if found else "required_empty",
            f"Order {order.order_number} has account {found}, its contract {account_id}."
            if found
            else f"Order {order.order_number} has no account.",
            order_id=order.order_id,
            record_id=order.order_id,
            field="AccountId",
        )
    speaking = by_activation(order for order in own if order.activated) or own[:1]
    return read_account(
        [records[order.order_id] for order in speaking],
        account_id=account_id,
        order_ids=tuple(order.order_id for order in own),
        ours=ours,
        mapper=mapper,
        findings=findings,
    )


def _renewed(
    raw: RawContract, records: Iterable[RawRecord], configuration: Configuration, findings: Findings
) -> RenewedContract | None:
    """Return the contract that the history renews, None where it renews none.

    What is wrong with the old orders is told where they are billed; here it can only hide an overlap.
    """
    named = first_renewal(records)
    if named is None:
        return None
    old = order_history(raw.renewed, configuration) if raw.renewed is not None else None
    if old is None or any(refusal.state is OrderState.REFUSED for refusal in old.refusals):
        findings.warn(
            f"Contract {named[0]}, which is renewed here, cannot be read in full: whether it still bills the "
            "same products is not known."
        )
    return renewed_contract(named[0], raw.renewed, old)


def _account_id(record: RawRecord) -> str | None:
    return record_id_at(record, "AccountId")


def _contract_key(raw: RawContract, orders: Sequence[Order], records: dict[str, RawRecord]) -> str:
    """Return the smallest contract id that is known for the history, else the first order's id (B1.4)."""
    amended = [
        record_id_at(records[order.order_id], path)
        for order in orders
        if order.kind is OrderKind.AMENDMENT
        for path in ("Opportunity.SBQQ__AmendedContract__c", "SBQQ__Quote__r.SBQQ__MasterContract__c")
    ]
    by_lines = [record_id_at(item, "SBQQ__Contract__c") for item in raw.items]
    own = record_id_at(raw.contract, "Id") if raw.contract is not None else None
    known = sorted(found for found in (own, *amended, *by_lines) if found is not None)
    if known:
        return known[0]
    return orders[0].order_id if orders else raw.root_id
