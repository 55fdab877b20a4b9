"""Reading the `phases[]` of a schedule request: every check before anything is billed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import check_discounts
from cpqbridge_sim.stripe.billing.payment_methods import named_method
from cpqbridge_sim.stripe.billing.taxes import read_tax_rates
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.errors import interval_mismatch, invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.periods import Interval, add_months, compatible
from cpqbridge_sim.stripe.resources.call import cleared, only
from cpqbridge_sim.stripe.resources.prices import inline_price
from cpqbridge_sim.stripe.resources.trial_params import phase_trial_end
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

ITEMS_MAX = 20
PHASES_MAX = 10
_PHASE = frozenset(
    {
        "add_invoice_items",
        "automatic_tax",
        "billing_cycle_anchor",
        "collection_method",
        "currency",
        "default_payment_method",
        "default_tax_rates",
        "description",
        "discounts",
        "duration",
        "end_date",
        "invoice_settings",
        "items",
        "metadata",
        "proration_behavior",
        "start_date",
        "trial",
        "trial_end",
    }
)
_REFUSED = (
    "application_fee_percent",
    "billing_thresholds",
    "current_trial",
    "on_behalf_of",
    "transfer_data",
)


@dataclass(slots=True, kw_only=True)
class PhaseReader:
    """Turns requested phases into phase bodies; times are Unix seconds."""

    state: AccountState
    customer: Body
    now: int
    flexible: bool
    defaults: Body
    anchor: int
    known_prices: frozenset[str] = frozenset()
    known_trial_ends: frozenset[int] = frozenset()
    known_tax_rates: frozenset[str] = frozenset()
    currency: str | None = None
    phases: list[Body] = field(default_factory=list)

    def read(self, phase: Mapping[str, Any], *, path: str, start: int) -> Body:
        """One phase body that begins at `start`."""
        refuse_unsupported(phase, path)
        only(phase, _PHASE, path=path)
        if self.currency is None and "currency" in phase:
            self.currency = str(phase["currency"]).lower()
        items = self._items(phase, path)
        self._check_discounts(phase, path)
        settings = phase.get("invoice_settings")
        check_collection(
            self.defaults, phase.get("collection_method"), settings, param=f"{path}[invoice_settings]"
        )
        if phase.get("billing_cycle_anchor") == "phase_start":
            self.anchor = start
        end = self._end(phase, path, start, items)
        if end <= start:
            raise invalid("The end date of a phase must be after its start date.", f"{path}[end_date]")
        trial_end = self._trial_end(phase, path, bounds=(start, end))
        body: Body = {
            "add_invoice_items": self.one_time_items(phase, path),
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": phase.get("billing_cycle_anchor"),
            "billing_thresholds": None,
            "collection_method": phase.get("collection_method"),
            "currency": self.currency,
            "default_payment_method": self._payment_method(phase, path),
            "default_tax_rates": self._tax_rates(phase, "default_tax_rates", path),
            "description": cleared(phase.get("description")),
            "discounts": discount_entries(phase.get("discounts")),
            "end_date": end,
            "invoice_settings": None if settings is None else invoice_settings(settings),
            "items": items,
            "metadata": dict(phase.get("metadata") or {}),
            "on_behalf_of": None,
            "proration_behavior": phase.get("proration_behavior", "create_prorations"),
            "start_date": start,
            "transfer_data": None,
            "trial": phase.get("trial"),
            "trial_end": trial_end,
        }
        self.phases.append(body)
        return body

    def read_lists(self, request: Mapping[str, Any]) -> Body:
        """The items and one-time items of a subscription request, and its currency."""
        items = self._items(request, "")
        one_time = self.one_time_items(request, "")
        return {"items": items, "add_invoice_items": one_time, "currency": self.currency}

    def _end(self, phase: Mapping[str, Any], path: str, start: int, items: Sequence[Body]) -> int:
        if "duration" in phase and "end_date" in phase:
            raise invalid(
                "You may only specify one of these parameters: duration, end_date.", f"{path}[duration]"
            )
        end = phase.get("end_date")
        if end is not None:
            return self.now if end == "now" else int(end)
        duration = phase.get("duration")
        if duration is not None:
            length = Interval(unit=duration["interval"], count=duration.get("interval_count", 1))
            if length.count < 1:
                raise invalid("`interval_count` must be at least 1.", f"{path}[duration][interval_count]")
        elif self.state.assumptions.open_phase_lasts_one_interval:
            prices = [self._price_body(entry["price"]) for entry in items]
            length = min((Interval.of_price(price) for price in prices), key=lambda found: found.sort_key)
        else:
            raise missing(f"{path}[end_date]")
        return later(start, length, self.anchor)

    def _trial_end(self, phase: Mapping[str, Any], path: str, *, bounds: tuple[int, int]) -> int | None:
        end = phase_trial_end(phase, path=path, bounds=bounds, now=self.now, known=self.known_trial_ends)
        if end is None:
            return None
        if phase.get("billing_cycle_anchor") == "phase_start":
            raise invalid(
                "`billing_cycle_anchor=phase_start` does not go with a trial.",
                f"{path}[billing_cycle_anchor]",
            )
        if self.defaults.get("billing_cycle_anchor") == "phase_start" and "billing_cycle_anchor" not in phase:
            name = "trial" if phase.get("trial") else "trial_end"
            raise invalid(
                "A trial does not go with `default_settings[billing_cycle_anchor]=phase_start`.",
                f"{path}[{name}]",
            )
        self.anchor = end
        return end

    def _payment_method(self, phase: Mapping[str, Any], path: str) -> str | None:
        name = phase.get("default_payment_method")
        param = f"{path}[default_payment_method]"
        return named_method(self.state, self.customer, name, param=param) if name else None

    def _tax_rates(self, entry: Mapping[str, Any], name: str, path: str) -> list[Body]:
        return read_tax_rates(self.state, entry.get(name), path=f"{path}[{name}]", known=self.known_tax_rates)

    def _price_body(self, identifier: str) -> Body:
        return self.state.store.get("price", identifier) or {}

    def _items(self, phase: Mapping[str, Any], path: str) -> list[Body]:
        requested = phase.get("items") or []
        where = f"{path}[items]" if path else "items"
        if not requested:
            raise missing(where)
        if len(requested) > ITEMS_MAX:
            raise invalid(
                f"Customer {self.customer['id']} already has the maximum {ITEMS_MAX} items per subscription.",
                where,
            )
        items = [self._item(entry, f"{where}[{index}]") for index, entry in enumerate(requested)]
        seen: set[str] = set()
        for entry in items:
            if entry["price"] in seen:
                raise invalid(
                    "Cannot create a Subscription with multiple Subscription Items with the same Price: "
                    f"{entry['price']}",
                    "plan",
                )
            seen.add(entry["price"])
        intervals = [Interval.of_price(self._price_body(entry["price"])) for entry in items]
        if not compatible(intervals, mixed=self.flexible):
            raise interval_mismatch(where, mixed=self.flexible)
        return items

    def _check_discounts(self, entry: Mapping[str, Any], path: str) -> None:
        check_discounts(
            self.state,
            entry.get("discounts") or [],
            param=f"{path}[discounts]",
            at=self.now,
            currency=self.currency,
            customer_id=self.customer["id"],
        )

    def _item(self, entry: Mapping[str, Any], path: str) -> Body:
        refuse_unsupported(entry, path)
        price = self._price(entry, path, one_time=False)
        self._check_discounts(entry, path)
        return {
            "billing_thresholds": None,
            "discounts": discount_entries(entry.get("discounts")),
            "metadata": dict(entry.get("metadata") or {}),
            "plan": price["id"],
            "price": price["id"],
            "quantity": checked_quantity(entry, path, price),
            "tax_rates": self._tax_rates(entry, "tax_rates", path),
        }

    def one_time_items(self, phase: Mapping[str, Any], path: str) -> list[Body]:
        """The `add_invoice_items` of a phase or of a subscription request."""
        requested = phase.get("add_invoice_items") or []
        where = f"{path}[add_invoice_items]" if path else "add_invoice_items"
        if len(requested) > ITEMS_MAX:
            raise invalid(f"You can add at most {ITEMS_MAX} invoice items per phase.", where)
        return [self._one_time(entry, f"{where}[{index}]") for index, entry in enumerate(requested)]

    def _one_time(self, entry: Mapping[str, Any], path: str) -> Body:
        refuse_unsupported(entry, path)
        price = self._price(entry, path, one_time=True)
        self._check_discounts(entry, path)
        period = entry.get("period")
        for side in ("start", "end"):
            bound = (period or {}).get(side)
            if bound and (bound["type"] == "timestamp") != ("timestamp" in bound):
                raise missing(f"{path}[period][{side}][timestamp]")
        bounds = [(period or {}).get(side, {}).get("timestamp") for side in ("start", "end")]
        if None not in bounds and bounds[1] < bounds[0]:
            raise invalid("The period's end must not be before its start.", f"{path}[period][end][timestamp]")
        return {
            "discountable": entry.get("discountable"),
            "discounts": discount_entries(entry.get("discounts")),
            "metadata": dict(entry.get("metadata") or {}),
            "period": {
                "start": (period or {}).get("start") or {"type": "max_item_period_start"},
                "end": (period or {}).get("end") or {"type": "min_item_period_end"},
            },
            "price": price["id"],
            "quantity": checked_quantity(entry, path, price),
            "tax_rates": self._tax_rates(entry, "tax_rates", path),
        }

    def _price(self, entry: Mapping[str, Any], path: str, *, one_time: bool) -> Body:
        price = read_price(self.state, entry, path, one_time=one_time, known=self.known_prices)
        if self.currency is None:
            self.currency = price["currency"]
        if price["currency"] != self.currency:
            raise invalid(
                f"This `price` has `currency={price['currency']}`, but other items use "
                f"`currency={self.currency}`. All items must have pricing in the same currency.",
                f"{path}[price]",
            )
        return price


def read_price(
    state: AccountState,
    entry: Mapping[str, Any],
    path: str,
    *,
    one_time: bool,
    known: frozenset[str] = frozenset(),
) -> Body:
    """The price an entry names or brings along; archived ones only when they are `known` already."""
    if "plan" in entry:
        raise not_simulated("A legacy plan", f"{path}[plan]")
    if "price" in entry and "price_data" in entry:
        raise invalid("You may only specify one of these parameters: price, price_data.", f"{path}[price]")
    if "price_data" in entry:
        return inline_price(state, entry["price_data"], path=f"{path}[price_data]", one_time=one_time)
    if "price" not in entry:
        raise missing(f"{path}[price]")
    price = state.store.get("price", entry["price"])
    if price is None:
        raise no_such("price", entry["price"], param=f"{path}[price]")
    if one_time != (price["type"] == "one_time"):
        wanted = "one_time" if one_time else "recurring"
        raise invalid(
            f"The price specified is set to `type={price['type']}` but this field only accepts prices with "
            f"`type={wanted}`.",
            f"{path}[price]",
        )
    product = state.store.get("product", price["product"]) or {}
    if price["id"] not in known:
        # What `price_data` made belongs to the object it was made for, whether somebody activated it or not.
        if not price["active"] or price["id"] in state.inline_price_ids:
            raise invalid(
                "The price specified is inactive. This field only accepts active prices.", f"{path}[price]"
            )
        if not product.get("active"):
            raise invalid(
                f"The product {price['product']} is not active.", f"{path}[price]", "product_inactive"
            )
    return price


def refuse_unsupported(values: Mapping[str, Any], path: str) -> None:
    """Refuse loudly what the simulator does not model."""
    for name in _REFUSED:
        if values.get(name) not in (None, "", []):
            raise not_simulated(f"`{name}`", f"{path}[{name}]" if path else name)
    if (values.get("automatic_tax") or {}).get("enabled"):
        raise not_simulated("Automatic tax", f"{path}[automatic_tax]" if path else "automatic_tax")


def checked_quantity(entry: Mapping[str, Any], path: str, price: Body) -> int | None:
    """The quantity of an entry; absent is 1, negative is refused; usage alone counts for a metered price."""
    if is_metered(price):
        if "quantity" in entry:
            raise invalid("You cannot set the quantity for metered plans.", f"{path}[quantity]")
        return None
    quantity = int(entry.get("quantity", 1))
    if quantity < 0:
        raise invalid("Invalid non-negative integer", f"{path}[quantity]", "parameter_invalid_integer")
    return quantity


def later(start: int, length: Interval, anchor: int) -> int:
    """The end of a duration; a start that is a month boundary of the anchor keeps the anchor's day."""
    if length.seconds:
        return start + length.seconds
    months = round((start - anchor) / (30.436875 * 86_400))
    if add_months(anchor, months) == start:
        return add_months(anchor, months + length.months)
    return add_months(start, length.months)


def discount_entries(value: Any) -> list[Body]:
    """`discounts[]` as a schedule shows them."""
    return [
        {
            "coupon": entry.get("coupon"),
            "discount": entry.get("discount"),
            "promotion_code": entry.get("promotion_code"),
        }
        for entry in value or []
    ]


def invoice_settings(value: Mapping[str, Any]) -> Body:
    """Invoice settings as a schedule shows them."""
    names = ("account_tax_ids", "custom_fields", "days_until_due", "description", "footer")
    return {
        **{name: cleared(value.get(name)) for name in names},
        "issuer": value.get("issuer") or {"type": "self"},
    }


def check_collection(
    defaults: Body, method: str | None, settings: Mapping[str, Any] | None, *, param: str
) -> None:
    """`send_invoice` needs `days_until_due`, and only it may have it."""
    effective = method or defaults["collection_method"]
    own = (settings or {}).get("days_until_due")
    days = own if own is not None else (defaults["invoice_settings"] or {}).get("days_until_due")
    if effective == "send_invoice" and days is None:
        raise invalid(
            "If invoice collection method is 'send_invoice', you must specify 'days_until_due'.", param
        )
    if effective == "charge_automatically" and own is not None:
        raise invalid(
            "You can only specify 'days_until_due' if invoice collection method is 'send_invoice'.", param
        )


def check_phase_count(phases: Sequence[Body], now: int) -> None:
    """At most ten current and future phases; past ones do not count."""
    live = [phase for phase in phases if phase["end_date"] > now]
    if len(live) > PHASES_MAX:
        raise invalid(
            f"A subscription schedule can have at most {PHASES_MAX} current and future phases.", "phases"
        )
