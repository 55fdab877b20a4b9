"""Orders of every kind as a stranger exports them, drawn by lot, and what each bills, worked out slowly.

Every line is cut by `slow_calculator`; what comes on top here is written from the rules alone: own frequencies
(B9), ramps (B7), lines without an end (B8), tiers (B3.5), usage (B2.2), coupons (B11) and trials (B5.3).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from tests.acceptance.slow_calculator import (
    DAY,
    DECIMALS,
    SoldLine,
    anchor_of,
    cut,
    half_up,
    months_later,
    rounded,
    term,
    whole_months,
)
from tests.acceptance.strangers import FREQUENCIES, Habits, Record, Stranger

TRIAL_FIELD = "Trial_End__c"
CONFIGURATION = f"""version: 1
mapping:
  phase:
    trial_end: {{field: Order.{TRIAL_FIELD}}}
"""
KINDS = ("frequencies", "ramp", "endless", "usage", "tiers", "percent", "amount", "trial")
_EXTRA = (
    "SBQQ__OrderItemConsumptionSchedule__c",
    "SBQQ__OrderItemConsumptionRate__c",
    "Order_Stripe_Coupon__c",
    "Order_Stripe_Coupon_Association__c",
    "Order_Item_Stripe_Coupon_Association__c",
)


@dataclass(frozen=True, kw_only=True)
class SoldCoupon:
    """A percentage or an amount (minor units) off; `months` None is for ever, 0 the first invoice only."""

    percent: Fraction = Fraction(0)
    amount: int = 0
    months: int | None = None


@dataclass(frozen=True, kw_only=True)
class SoldTier:
    """Units up to `last` (None: all others) at `each` minor units, and `flat` minor units once."""

    last: int | None
    each: Fraction
    flat: Fraction


@dataclass(frozen=True, kw_only=True)
class SoldKind:
    """A line with its own frequency; one without an end has `endless`, usage has `used`."""

    line: SoldLine
    months: int
    endless: bool = False
    used: bool = False
    by_volume: bool = False
    tiers: tuple[SoldTier, ...] = ()
    coupons: tuple[SoldCoupon, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SoldOrder:
    """What one order sold; free up to `free_until`."""

    kind: str
    currency: str
    lines: tuple[SoldKind, ...]
    coupons: tuple[SoldCoupon, ...] = ()
    free_until: date | None = None
    activated_at: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))

    @property
    def first(self) -> date:
        return min(each.line.start for each in self.lines if not each.line.one_time or each.endless)


def tier_price(sold: SoldKind, units: int) -> int:
    """Return what so many units cost for one period, counted one by one.

    The flat amount of the first tier is due without any units, too (Stripe, "Tiered pricing").
    """
    if sold.by_volume:
        reached = next(tier for tier in sold.tiers if tier.last is None or units <= tier.last)
        return half_up(sum((reached.each for _ in range(units)), Fraction(0)) + reached.flat)
    total, below = 0, 0
    for tier in sold.tiers:
        inside = [unit for unit in range(below + 1, units + 1) if tier.last is None or unit <= tier.last]
        if inside or not below:
            total += half_up(len(inside) * tier.each + tier.flat)
        below = tier.last or below
    return total


def periods(order: SoldOrder, sold: SoldKind, precision: str, until: date) -> Iterator[tuple[date, int]]:
    """Yield first day and minor units of every head, cycle and tail, before coupons, up to `until`."""
    line, minor = sold.line, 10 ** DECIMALS[order.currency]
    if order.free_until is not None:
        line = after_trial(line, order, precision)
    if sold.endless:
        monthly = line.unit_price * minor
        bounds = [months_later(order.first, sold.months * n) for n in range(600)]
        bounds = [day for day in bounds if day >= line.start]
        if bounds[0] > line.start:
            share = term(line.start, bounds[0], precision)
            yield line.start, half_up(monthly * line.quantity * share)
        yield from (
            (day, half_up(rounded(monthly * sold.months, 12) * line.quantity))
            for day in bounds
            if day <= until
        )
        return
    anchor = anchor_of(line, order.free_until or order.first, sold.months)
    whole = cut(line, anchor, sold.months, currency=order.currency, precision=precision)
    for piece in whole.pieces:
        if sold.used:
            yield piece.end, tier_price(sold, 0)
        else:
            yield piece.start, tier_price(sold, line.quantity) if sold.tiers else piece.amount


def after_trial(line: SoldLine, order: SoldOrder, precision: str) -> SoldLine:
    """Return what is left of a line: it begins later, and the free time's share by the formula is off."""
    assert line.end is not None
    assert order.free_until is not None
    monthly = line.total / (
        whole_months(line.start, line.end) if line.typed_term else term(line.start, line.end, precision)
    )
    total = line.total - rounded(
        monthly * term(line.start, order.free_until, precision), DECIMALS[order.currency]
    )
    return replace(
        line,
        start=order.free_until,
        total=total,
        unit_price=rounded(total / line.quantity, 12),
        typed_term=False,
    )


def reduces(coupon: SoldCoupon, start: date, shortest: int, day: date) -> bool:
    if coupon.months is None:
        return True
    return start <= day < months_later(start, coupon.months or shortest)


def net(order: SoldOrder, sold: SoldKind, day: date, amount: int) -> int:
    """Return an amount less the percentages in force on `day`: the line's own first, then the order's."""
    shortest = min(each.months for each in order.lines if not each.line.one_time or each.endless)
    own = [each for each in sold.coupons if reduces(each, sold.line.start, sold.months, day)]
    whole = [each for each in order.coupons if reduces(each, order.first, shortest, day)]
    for coupon in (*own, *whole):
        amount -= half_up(amount * coupon.percent / 100)
    return amount


def billed_kinds(order: SoldOrder, precision: str, until: date) -> tuple[Counter[str], Counter[date]]:
    """Return minor units by order line and by the day of the invoice, up to `until`."""
    by_line: Counter[str] = Counter()
    by_day: Counter[date] = Counter()
    for sold in order.lines:
        if sold.line.one_time and not sold.endless:
            amount = half_up(sold.line.total * 10 ** DECIMALS[order.currency])
            found = [(order.first, amount)]
        else:
            found = list(periods(order, sold, precision, until))
        for day, amount in found:
            left = net(order, sold, day, amount)
            by_line[sold.line.item_id] += left
            by_day[max(day, order.activated_at.date())] += left
    for coupon in order.coupons:
        for day in by_day:
            if coupon.amount and reduces(coupon, order.first, 1, day):
                by_day[day] -= min(coupon.amount, by_day[day])
    return by_line, by_day


class StrangerOfKinds(Stranger):
    """A stranger who sells every kind in turn; what was sold is in `kinds`, by order id."""

    def __init__(self, habits: Habits, orders: int) -> None:
        self.kinds: dict[str, SoldOrder] = {}
        super().__init__(habits, orders)

    def _order(self, number: int) -> tuple[str, Any]:
        for name in _EXTRA:
            self.records.setdefault(name, [])
        chance, currency = self.chance, self.chance.choice(self.habits.currencies)
        kind = KINDS[number % len(KINDS)]
        start = date(2026, chance.randint(1, 12), chance.randint(1, 28))
        activated_at = datetime.combine(start, time(7), UTC) - chance.choice((0, 1, 25)) * timedelta(days=1)
        order_id, quote_id = self.an_id("801"), self.an_id("a0z")
        order = self.add(
            "Order",
            currency,
            **self.habits.status,
            Id=order_id,
            OrderNumber=f"{number:08}",
            ActivatedDate=f"{activated_at:%Y-%m-%dT%H:%M:%S}.000+0000",
            EffectiveDate=start.isoformat(),
            AccountId=self.accounts[currency],
            SBQQ__Quote__c=quote_id,
            SBQQ__PaymentTerm__c=chance.choice(("Net 30", None)),
            BillToContact={"Email": "bills@customer.example"},
        )
        self.add("SBQQ__Quote__c", currency, Id=quote_id, SBQQ__StartDate__c=start.isoformat())
        sold = getattr(self, f"_sell_{kind}")(order, currency, start)
        self.kinds[order_id] = replace(sold, activated_at=activated_at)
        return order_id, None

    def _sell_frequencies(self, order: Record, currency: str, start: date) -> SoldOrder:
        chance = self.chance
        lines = [self.line(order, currency, start, chance.choice((1, 3)))]
        for _ in range(chance.choice((1, 2, 3))):
            later = start + DAY * chance.choice((0, 0, 40, 95))
            lines.append(self.line(order, currency, later, chance.choice((1, 3, 6, 12))))
        lines.append(self.once(order, currency, start + DAY * chance.choice((0, 3))))
        return SoldOrder(kind="frequencies", currency=currency, lines=tuple(lines))

    def _sell_ramp(self, order: Record, currency: str, start: date) -> SoldOrder:
        product, months = self.chance.choice(self.products), self.chance.choice((1, 3, 12))
        key, lines = f"ramp {order['Id']}", []
        for index in range(self.chance.choice((2, 3))):
            begins = months_later(start, 12 * index)
            more = {"SBQQ__SegmentKey__c": key, "SBQQ__SegmentIndex__c": index + 1}
            lines.append(self.line(order, currency, begins, months, product=product, odd=False, **more))
        lines.append(self.line(order, currency, start, 1))
        return SoldOrder(kind="ramp", currency=currency, lines=tuple(lines))

    def _sell_endless(self, order: Record, currency: str, start: date) -> SoldOrder:
        months = self.chance.choice((1, 3, 12))
        endless = self.line(order, currency, start, months, endless=True)
        later = self.line(order, currency, start + DAY * self.chance.choice((0, 11)), 1, endless=True)
        termed = self.line(order, currency, start, self.chance.choice((1, 6)))
        return SoldOrder(kind="endless", currency=currency, lines=(endless, later, termed))

    def _sell_usage(self, order: Record, currency: str, start: date) -> SoldOrder:
        more = {"SBQQ__BillingType__c": "Arrears"}
        used = self._tiers(self.line(order, currency, start, 1, odd=False, quantity=1, **more), currency)
        seats = self.line(order, currency, start, self.chance.choice((1, 3)))
        return SoldOrder(kind="usage", currency=currency, lines=(replace(used, used=True), seats))

    def _sell_tiers(self, order: Record, currency: str, start: date) -> SoldOrder:
        months = self.chance.choice((1, 3))
        tiered = self._tiers(self.line(order, currency, start, months, odd=False), currency)
        return SoldOrder(
            kind="tiers", currency=currency, lines=(tiered, self.line(order, currency, start, months))
        )

    def _sell_percent(self, order: Record, currency: str, start: date) -> SoldOrder:
        chance, lines = self.chance, [self.line(order, currency, start, 1)]
        lines.append(self.line(order, currency, start + DAY * chance.choice((0, 17)), 1))
        lines.append(self.once(order, currency, start))
        on_order = [self.coupon(percent="10", months=chance.choice((None, 3)))]
        on_line = self.coupon(percent=chance.choice(("33.33", "12.5")), months=chance.choice((0, 5, None)))
        if chance.random() < 0.5:
            on_order.append(self.coupon(percent="100", months=2))
        for name, coupon_id, lookup, owner in (
            *(("Order_Stripe_Coupon_Association__c", each[0], "Order__c", order["Id"]) for each in on_order),
            ("Order_Item_Stripe_Coupon_Association__c", on_line[0], "Order_Item__c", lines[0].line.item_id),
        ):
            ties = {"Id": self.an_id("a2G"), lookup: owner, "Order_Stripe_Coupon__c": coupon_id}
            self.add(name, currency, **ties, CreatedDate=f"2026-01-01T00:00:{self.serial % 60:02}.000+0000")
        lines[0] = replace(lines[0], coupons=(on_line[1],))
        sold = tuple(coupon for _, coupon in on_order)
        return SoldOrder(kind="percent", currency=currency, lines=tuple(lines), coupons=sold)

    def _sell_amount(self, order: Record, currency: str, start: date) -> SoldOrder:
        lines = [self.line(order, currency, start, 1, odd=False) for _ in range(self.chance.choice((1, 3)))]
        coupon_id, coupon = self.coupon(
            amount="7", months=self.chance.choice((0, 4, None)), currency=currency
        )
        ties = {"Id": self.an_id("a2G"), "Order__c": order["Id"], "Order_Stripe_Coupon__c": coupon_id}
        self.add("Order_Stripe_Coupon_Association__c", currency, **ties)
        return SoldOrder(kind="amount", currency=currency, lines=tuple(lines), coupons=(coupon,))

    def _sell_trial(self, order: Record, currency: str, start: date) -> SoldOrder:
        free_until = months_later(start, self.chance.choice((1, 2, 6)))
        order[TRIAL_FIELD] = free_until.isoformat()
        lines = [self.line(order, currency, start, 1, odd=False, even=True) for _ in range(2)]
        return SoldOrder(kind="trial", currency=currency, lines=tuple(lines), free_until=free_until)

    def coupon(
        self, *, months: int | None, percent: str | None = None, amount: str = "", currency: str = ""
    ) -> tuple[str, SoldCoupon]:
        """Add a coupon and return its id beside it."""
        coupon_id = self.an_id("a2F")
        duration = "forever" if months is None else "repeating" if months else "once"
        self.add(
            "Order_Stripe_Coupon__c",
            currency or self.habits.currencies[0],
            Id=coupon_id,
            Name=f"Coupon {self.serial}",
            Percent_Off__c=None if percent is None else float(percent),
            Amount_Off__c=float(amount) if amount else None,
            Currency__c=currency.upper() if amount else None,
            Duration__c=duration,
            Duration_In_Months__c=months or None,
            Max_Redemptions__c=None,
        )
        minor = int(amount) * 10 ** DECIMALS[currency] if amount else 0
        return coupon_id, SoldCoupon(percent=Fraction(percent or 0), amount=minor, months=months)

    def once(self, order: Record, currency: str, start: date) -> SoldKind:
        """Add a one-time line."""
        product_id, _, entries = self.chance.choice(self.products)
        entry_id, price = entries[currency]
        item = self._item(order, currency, start, product_id, entry_id, 1, price, price)
        return self._sold(item, start, None, 1, price, price, price, months=1)

    def line(
        self,
        order: Record,
        currency: str,
        start: date,
        months: int,
        *,
        product: Any = None,
        endless: bool = False,
        odd: bool = True,
        even: bool = False,
        quantity: int | None = None,
        **more: Any,
    ) -> SoldKind:
        """Add a line of a year or more; `odd` ones may end inside a period, `even` ones cost a round price."""
        chance = self.chance
        product_id, list_months, entries = product or chance.choice(self.products)
        entry_id, price = entries[currency]
        units = quantity or chance.choice((1, 2, 7, 100))
        end = months_later(start, 12) + (DAY * chance.choice((0, 0, 11, -17)) if odd else 0 * DAY)
        list_months = 1 if endless else list_months
        share = Fraction(1) if endless else term(start, end, self.habits.precision) / list_months
        price = rounded(price, 0) if even else price
        unit_price = rounded(price * share, DECIMALS[currency])
        total = rounded(unit_price * units, DECIMALS[currency])
        item = self._item(order, currency, start, product_id, entry_id, units, unit_price, total)
        item |= {
            "EndDate": None if endless else (end - DAY).isoformat(),
            "SBQQ__SubscriptionPricing__c": "Fixed Price",
            "SBQQ__SubscriptionType__c": "Evergreen" if endless else "Renewable",
            "SBQQ__BillingFrequency__c": FREQUENCIES[months],
            "SBQQ__DefaultSubscriptionTerm__c": list_months,
            "SBQQ__ProrateMultiplier__c": float(rounded(share, self.habits.multiplier_decimals or 15)),
            **more,
        }
        sold = self._sold(
            item, start, None if endless else end, units, unit_price, total, price, months=months
        )
        whole = months_later(start, whole_months(start, end)) == end
        typed = whole and not endless and self._says(share * list_months, start, end, list_months)
        return replace(
            sold, endless=endless, line=replace(sold.line, list_months=list_months, typed_term=typed)
        )

    def _item(self, order: Record, currency: str, start: date, *sold: Any) -> Record:
        product_id, entry_id, units, unit_price, total = sold
        return self.add(
            "OrderItem",
            currency,
            Id=self.an_id("802"),
            OrderId=order["Id"],
            Product2Id=product_id,
            PricebookEntryId=entry_id,
            Quantity=units,
            UnitPrice=float(unit_price),
            TotalPrice=float(total),
            ServiceDate=start.isoformat(),
        )

    def _sold(self, item: Record, start: date, end: date | None, *sold: Any, months: int) -> SoldKind:
        units, unit_price, total, price = sold
        line = SoldLine(
            item_id=item["Id"],
            product_id=item["Product2Id"],
            start=start,
            end=end,
            quantity=units,
            unit_price=unit_price,
            total=total,
            list_price=price,
            list_months=1,
            typed_term=False,
        )
        return SoldKind(line=line, months=months)

    def _tiers(self, sold: SoldKind, currency: str) -> SoldKind:
        """Add a consumption schedule of two or three rates to a line."""
        schedule_id, by_volume = self.an_id("a2T"), self.chance.random() < 0.5
        self.add(
            "SBQQ__OrderItemConsumptionSchedule__c",
            currency,
            Id=schedule_id,
            SBQQ__OrderItem__c=sold.line.item_id,
            SBQQ__Type__c="Range" if by_volume else "Slab",
            SBQQ__RatingMethod__c="Tier",
        )
        tiers, below = [], 0
        for last in self.chance.choice(((10, None), (3, 50, None))):
            price = Fraction(self.chance.choice(("4", "2.50", "0.10", "1.3333")))
            flat = self.chance.random() < 0.3
            self.add(
                "SBQQ__OrderItemConsumptionRate__c",
                currency,
                Id=self.an_id("a2R"),
                SBQQ__OrderItemConsumptionSchedule__c=schedule_id,
                SBQQ__LowerBound__c=below + 1,
                SBQQ__UpperBound__c=last,
                SBQQ__Price__c=float(price),
                SBQQ__PricingMethod__c="FlatFee" if flat else "PerUnit",
            )
            minor = price * 10 ** DECIMALS[currency]
            parts = (Fraction(0), minor) if flat else (minor, Fraction(0))
            tiers.append(SoldTier(last=last, each=parts[0], flat=parts[1]))
            below = last or below
        return replace(sold, tiers=tuple(tiers), by_volume=by_volume)


def months_between(days: Sequence[date]) -> int:
    """Return the whole months between the first and the last day."""
    return whole_months(min(days), max(days))
