"""The calls for what billing needs first: customer, products, prices.

Each step is one call. Whatever is linked already with the same fingerprint needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from cpqbridge.domain.billing import BillingState, Ref, Step, StepAction
from cpqbridge.domain.money import currency_decimals, rounded_minor
from cpqbridge.domain.order import Account, Coupon, CouponDuration, OrderHistory, Product
from cpqbridge.domain.parameters import fingerprint, merged, nested
from cpqbridge.planning.prices import PeriodPrice
from cpqbridge.planning.proration import scale_of

LOOKUP_PREFIX = "cpqbridge"
METER_PARAMETER = "recurring.meter"
METER_NAME_LIMIT = 250
COUPON_NAME_LIMIT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceWanted:
    """A Stripe price some line needs, every `interval_count` months.

    `slot` is 1 for the first line of a contract that needs this very price, 2 and up for duplicates (B3.6).
    """

    price: PeriodPrice
    product_id: str
    currency: str
    interval_count: int
    slot: int
    metered: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def usage_type(self) -> str:
        """Return what Stripe calls the way it is billed."""
        return "metered" if self.metered else "licensed"

    @property
    def first_key(self) -> str:
        """Return the link key of these terms without the slot at its end."""
        terms = f"{self.currency}:{self.price.words}:month:{self.interval_count}:{self.usage_type}"
        return f"price:{LOOKUP_PREFIX}:{self.price.owner_id}:{terms}"

    @property
    def lookup_key(self) -> str:
        """Return the lookup key that finds this price again; it ends in the slot."""
        return self.key.removeprefix("price:")

    @property
    def key(self) -> str:
        """Return the key of the price's link."""
        return f"{self.first_key}:{self.slot}"


def owner_of_price(price_key: str) -> str:
    """Return whose price a link key names: a price book entry's or an order line's id."""
    return price_key.split(":")[2]


def record_metadata(history: OrderHistory, kind: str, record_id: str) -> dict[str, str]:
    """Return the metadata that leads from a Stripe object back to its Salesforce record (B4.3)."""
    metadata = {f"salesforce_{kind}_id": record_id}
    if history.org_url:
        metadata[f"salesforce_{kind}_link"] = f"{history.org_url}/{record_id}"
    return metadata


def _without_empty(body: Mapping[str, object]) -> dict[str, object]:
    """Return the body of a create: what is empty in Salesforce is not mentioned."""
    return {
        name: _without_empty(value) if isinstance(value, Mapping) else value
        for name, value in body.items()
        if value is not None
    }


def _with_cleared(body: Mapping[str, object]) -> dict[str, object]:
    """Return the body of an update: an empty text clears what is empty in Salesforce (B10.3)."""
    return {
        name: _with_cleared(value) if isinstance(value, Mapping) else "" if value is None else value
        for name, value in body.items()
    }


def _write_or_nothing(
    state: BillingState,
    key: str,
    displayed_id: str | None,
    body: Mapping[str, object],
    *,
    actions: tuple[StepAction, StepAction],
    what: str,
    displayed_wins: bool = False,
) -> Iterator[Step]:
    """Yield the create or update of a customer or product, nothing when it stands in Stripe like this."""
    create, update = actions
    link = state.links.get(key)
    mark = fingerprint(body)
    target = displayed_id if link is None or (displayed_wins and displayed_id) else link.stripe_id
    if link is not None and link.fingerprint == mark and link.stripe_id == target:
        return
    yield Step(
        key=key,
        action=create if target is None else update,
        parameters=_without_empty(body) if target is None else _with_cleared(body),
        fingerprint=mark,
        summary=f"{'Create' if target is None else 'Update'} {what}",
        target=target,
    )


def customer_steps(history: OrderHistory, state: BillingState) -> Iterator[Step]:
    """Yield what the account's customer needs. `Stripe_ID__c` on the account wins, also over ours (B4.1)."""
    account: Account = history.account
    metadata = record_metadata(history, "account", account.account_id)
    body = merged({"metadata": metadata}, nested(account.parameters))
    yield from _write_or_nothing(
        state,
        f"customer:{account.account_id}",
        account.displayed_customer_id,
        body,
        actions=(StepAction.CREATE_CUSTOMER, StepAction.UPDATE_CUSTOMER),
        what=f"customer {body.get('name') or account.account_id}",
        displayed_wins=True,
    )


def product_steps(history: OrderHistory, state: BillingState, product: Product) -> Iterator[Step]:
    """Yield what a product needs; a new one gets an id made from the Salesforce id, so a repeat finds it."""
    metadata = record_metadata(history, "product2", product.product_id)
    body = merged({"name": product.name, "metadata": metadata}, nested(product.parameters))
    for step in _write_or_nothing(
        state,
        f"product:{product.product_id}",
        product.displayed_product_id,
        body,
        actions=(StepAction.CREATE_PRODUCT, StepAction.UPDATE_PRODUCT),
        what=f"product {product.name}",
    ):
        if step.action is StepAction.CREATE_PRODUCT:
            own_id = {"id": f"{LOOKUP_PREFIX}_{product.product_id}"}
            yield Step(
                key=step.key,
                action=step.action,
                parameters=merged(own_id, step.parameters),
                fingerprint=step.fingerprint,
                summary=step.summary,
            )
        else:
            yield step


def _price_text(wanted: PriceWanted) -> str:
    """Return a price as people say it: 50.00 USD every month."""
    period = "month" if wanted.interval_count == 1 else f"{wanted.interval_count} months"
    used = " for what is used" if wanted.metered else ""
    if wanted.price.tiers is not None:
        return f"by {len(wanted.price.tiers.tiers)} tiers in {wanted.currency.upper()} every {period}{used}"
    decimals = currency_decimals(wanted.currency)
    amount = Decimal(wanted.price.text).scaleb(-decimals)
    whole = f"{amount:.{decimals}f}" if scale_of(amount) <= decimals else f"{amount:f}"
    return f"{whole} {wanted.currency.upper()} every {period}{used}"


def _amounts(price: PeriodPrice) -> dict[str, object]:
    """Return the parameters that say what a price comes to."""
    if price.tiers is None:
        return {"unit_amount_decimal": price.text}
    tiers = []
    for tier in price.tiers.tiers:
        body: dict[str, object] = {"up_to": "inf" if tier.up_to is None else tier.up_to}
        amounts = {
            "unit_amount_decimal": tier.unit_amount_decimal,
            "flat_amount_decimal": tier.flat_amount_decimal,
        }
        given = {name: amount for name, amount in amounts.items() if amount != "0"}
        tiers.append(body | (given or {"unit_amount_decimal": "0"}))
    return {"billing_scheme": "tiered", "tiers_mode": price.tiers.mode, "tiers": tiers}


def meter_steps(history: OrderHistory, wanted: PriceWanted, state: BillingState) -> Iterator[Step]:
    """Yield the call for the meter that counts a product's usage, where the mapping names none (B2.2).

    Usage is reported under the event name `cpqbridge_<product id>`, summed up over the period.
    """
    key = f"meter:{wanted.product_id}"
    if not wanted.metered or METER_PARAMETER in wanted.parameters or key in state.links:
        return
    body: dict[str, object] = {
        "display_name": history.products[wanted.product_id].name[:METER_NAME_LIMIT],
        "event_name": f"{LOOKUP_PREFIX}_{wanted.product_id}",
        "default_aggregation": {"formula": "sum"},
    }
    yield Step(
        key=key,
        action=StepAction.CREATE_METER,
        parameters=body,
        fingerprint=fingerprint(body),
        summary=f"Create a meter for the usage of {history.products[wanted.product_id].name}",
    )


def coupon_step(key: str, coupon: Coupon, *, currency: str) -> Step:
    """Return the call that creates a coupon under an id made from what it grants, so that a repeat finds it.

    How often it may be redeemed is not handed over: Stripe counts a redemption for each phase.
    """
    body: dict[str, object] = {
        "id": key.partition(":")[2],
        "name": coupon.name[:COUPON_NAME_LIMIT],
        "duration": coupon.duration.value,
        "metadata": {"salesforce_stripe_coupon_id": coupon.coupon_id},
    }
    if coupon.amount_off is not None:
        body |= {"amount_off": rounded_minor(coupon.amount_off, currency), "currency": currency}
    else:
        body["percent_off"] = coupon.percent_off
    if coupon.duration is CouponDuration.REPEATING:
        body["duration_in_months"] = coupon.duration_in_months
    body = merged(body, nested(coupon.parameters))
    return Step(
        key=key,
        action=StepAction.CREATE_COUPON,
        parameters=body,
        fingerprint=fingerprint(body),
        summary=f"Create the coupon {coupon.name}",
    )


def price_step(history: OrderHistory, wanted: PriceWanted, resolved: Mapping[str, str]) -> Step:
    """Return the call that creates a price; duplicates say whose they are.

    `resolved` are the ids of prices that are used without being linked, by their keys.
    """
    price = wanted.price
    kind = "pricebookentry" if price.from_entry else "orderitem"
    metadata: dict[str, object] = dict(record_metadata(history, kind, price.owner_id))
    if wanted.slot > 1:
        first = wanted.first_key + ":1"
        metadata |= {
            "salesforce_duplicate": "true",
            "salesforce_auto_archive": "true",
            "salesforce_original_stripe_price_id": resolved.get(first) or Ref(key=first),
        }
    recurring: dict[str, object] = {
        "interval": "month",
        "interval_count": wanted.interval_count,
        "usage_type": wanted.usage_type,
    }
    if wanted.metered and METER_PARAMETER not in wanted.parameters:
        recurring["meter"] = Ref(key=f"meter:{wanted.product_id}")
    body = merged(
        nested(wanted.parameters),
        {
            "product": Ref(key=f"product:{wanted.product_id}"),
            "currency": wanted.currency,
            **_amounts(price),
            "recurring": recurring,
            "lookup_key": wanted.lookup_key,
            "metadata": metadata,
        },
    )
    return Step(
        key=wanted.key,
        action=StepAction.CREATE_PRICE,
        parameters=body,
        fingerprint=fingerprint(body),
        summary=f"Create the price {_price_text(wanted)} for {history.products[wanted.product_id].name}",
    )


def matches_verified(wanted: PriceWanted, state: BillingState, price_id: str | None) -> bool:
    """Return whether the price a Salesforce record displays is, in Stripe, exactly the wanted one (B3.3)."""
    found = state.verified_prices.get(price_id or "")
    product = state.links.get(f"product:{wanted.product_id}")
    if (
        found is None
        or wanted.slot != 1
        or product is None
        or wanted.metered
        or wanted.price.tiers is not None
    ):
        return False
    return found == {
        "product": product.stripe_id,
        "currency": wanted.currency,
        "unit_amount_decimal": wanted.price.text,
        "interval": "month",
        "interval_count": wanted.interval_count,
        "usage_type": "licensed",
        "active": True,
    }
