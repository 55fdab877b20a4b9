"""What Stripe has for a contract, as Salesforce shows it: ids, Dashboard links, and words (B12.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cpqbridge.domain.billing import BillingObject, Link

_SCHEDULE, _INVOICE = "subscription schedule", "invoice"
# What a Stripe id is, by how it begins, and the Dashboard's page of it; a balance entry has none.
_KINDS = (
    ("sub_sched_", _SCHEDULE, "subscription_schedules"),
    ("in_", _INVOICE, "invoices"),
    ("cn_", "credit note", "credit_notes"),
    ("cbtxn_", "credit on the customer's balance", ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeObject:
    """One object; `kind` is a word for it, `address` the Dashboard's page of it, None where it has none."""

    stripe_id: str
    kind: str
    address: str | None

    @property
    def words(self) -> str:
        """Return how a message names it: by its page, else by its id."""
        return f"{self.kind} {self.address or self.stripe_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeObjects:
    """What exists, by link key, and which keys concern what.

    Attributes:
        links: Stripe objects by link key, as far as they exist.
        links_base: What `dashboard_base` returns.
        price_keys: The key of the price of each order line that has one.
        coupon_keys: The key of what Stripe calls a coupon, by the id of the coupon's record.
        object_keys: The keys of what each order shaped (`keys_by_order`).
    """

    links: Mapping[str, Link]
    links_base: str
    price_keys: Mapping[str, str] = field(default_factory=dict)
    coupon_keys: Mapping[str, str] = field(default_factory=dict)
    object_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def at(self, key: str | None, page: str) -> StripeObject | None:
        """Return what stands under a link key, None where nothing does; `page` is the Dashboard's."""
        link = self.links.get(key) if key is not None else None
        if link is None:
            return None
        return StripeObject(stripe_id=link.stripe_id, kind=page, address=self._address(link.stripe_id, page))

    def of_order(self, order_id: str, *, recurs: bool) -> tuple[StripeObject | None, list[StripeObject]]:
        """Return the object that an order shows, None where there is none, and what else it shaped.

        It shows its schedule, else its own invoice; without recurring lines the invoice goes first. A credit
        is never shown alone: an id on an order says that it is billed there.
        """
        found = []
        # A plan names what it makes in another order than one that finds it there, and the answer must stay.
        for key in sorted(self.object_keys.get(order_id, ())):
            stripe_id = self.links[key].stripe_id if key in self.links else ""
            found += [
                StripeObject(stripe_id=stripe_id, kind=kind, address=self._address(stripe_id, page))
                for begin, kind, page in _KINDS
                if stripe_id.startswith(begin)
            ]
        kinds = [_SCHEDULE, _INVOICE] if recurs else [_INVOICE, _SCHEDULE]
        found.sort(key=lambda each: kinds.index(each.kind) if each.kind in kinds else len(kinds))
        if found and found[0].kind in kinds:
            return found[0], found[1:]
        return None, found

    def _address(self, stripe_id: str, page: str) -> str | None:
        return f"{self.links_base.rstrip('/')}/{page}/{stripe_id}" if page else None


def dashboard_base(*, live_mode: bool) -> str:
    """Return the address that links into Stripe's Dashboard begin with, without a slash at the end."""
    return "https://dashboard.stripe.com" if live_mode else "https://dashboard.stripe.com/test"


def keys_by_order(objects: Iterable[BillingObject]) -> dict[str, tuple[str, ...]]:
    """Return the link keys of what each order shaped (schedules, own invoices, credits), sorted.

    Plans list the same objects in other orders from sync to sync, and Salesforce is to show the same of them.
    """
    found: dict[str, dict[str, None]] = {}
    for each in objects:
        for order_id in each.order_ids:
            keys = (each.key, *(portion.key for portion in each.portions))
            found.setdefault(order_id, {}).update(dict.fromkeys(keys))
    return {order_id: tuple(sorted(keys)) for order_id, keys in found.items()}
