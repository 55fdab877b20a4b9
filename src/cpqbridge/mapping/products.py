"""Products as they should stand in Stripe (B4.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cpqbridge.domain.order import Order, Product
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.mapper import DefaultValue, Mapper, Owner
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.mapping.records import record_id_at

_EVER = datetime.min.replace(tzinfo=UTC)


def read_products(
    orders: Sequence[Order],
    records: dict[str, RawRecord],
    items: dict[str, list[RawRecord]],
    *,
    ours: OurFields,
    mapper: Mapper,
) -> dict[str, Product]:
    """Return the products of all lines by id; of the orders that use one the last activated speaks for it."""
    users: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        for product_id in {line.product_id for line in order.lines}:
            users[product_id].append(order)
    products = {}
    for product_id in sorted(users):
        using = users[product_id]
        speaker = (by_activation(order for order in using if order.activated) or using[:1])[-1]
        own = items.get(speaker.order_id, [])
        item = next(item for item in own if record_id_at(item, "Product2Id") == product_id)
        owner = Owner(
            record_id=product_id,
            name=f"Product {product_id}",
            order_ids=tuple(order.order_id for order in using),
        )
        products[product_id] = _product(
            product_id, item, owner, records[speaker.order_id], parts=(ours, mapper)
        )
    return products


def by_activation(orders: Iterable[Order]) -> list[Order]:
    """Return orders by when they were activated, the latest last; those of which nobody knows when first."""
    return sorted(orders, key=lambda order: order.activated_at or _EVER)


def _product(
    product_id: str, item: RawRecord, owner: Owner, order: RawRecord, *, parts: tuple[OurFields, Mapper]
) -> Product:
    ours, mapper = parts
    defaults = {
        parameter: DefaultValue(f"Product2.{name}", follow(item, ("Product2", name)))
        for parameter, name in (("name", "Name"), ("description", "Description"))
    }
    parameters = mapper.fill("product", defaults, owner, order=order, item=item, keep_empty=True)
    displayed = follow(item, ("Product2", ours.stripe_id))
    return Product(
        product_id=product_id,
        displayed_product_id=displayed.strip() or None if isinstance(displayed, str) else None,
        name=str(parameters.get("name") or product_id),
        parameters=parameters,
    )
