"""Coupons: from when to when each one reduces what, and by how much (B11).

A coupon of an order lies on the order's schedules, one of a line on the line's item. It stands on every phase
of its time and on none after it, so that Stripe never counts its months anew. What bills recurring time as a
one-time item is billed net of it, and never reduced again by Stripe.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import chain

from cpqbridge.domain.billing import OneTimeItem
from cpqbridge.domain.dates import add_months, midnight
from cpqbridge.domain.money import rounded_minor
from cpqbridge.domain.order import Coupon, CouponDuration, LineKind, Order, OrderLine
from cpqbridge.domain.parameters import fingerprint
from cpqbridge.domain.pricing import DiscountTerms
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.pieces import Piece
from cpqbridge.planning.runs import Run
from cpqbridge.planning.tracks import Track

COUPON_PREFIX = "cpqbridge-"
_ID_LENGTH = 24


def coupon_key(coupon: Coupon) -> str:
    """Return the link key of the Stripe coupon that grants the same; an edited one is another (B11.2)."""
    terms = {
        "name": coupon.name,
        "percent_off": None if coupon.percent_off is None else f"{coupon.percent_off.normalize():f}",
        "amount_off": None if coupon.amount_off is None else f"{coupon.amount_off.normalize():f}",
        "currency": coupon.currency,
        "duration": coupon.duration.value,
        "duration_in_months": coupon.duration_in_months,
        "parameters": dict(coupon.parameters),
    }
    return f"coupon:{COUPON_PREFIX}{fingerprint(terms)[:_ID_LENGTH]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """A coupon in force from `from_on` up to, not including, `terms.until_on`.

    It reduces the item of the line `order_item_id`, else everything on the schedules `track_keys`: whatever
    is billed after `known_at`, the execution of its order (aware UTC).
    """

    coupon: Coupon
    terms: DiscountTerms
    from_on: date
    known_at: datetime
    order_item_id: str | None = None
    track_keys: tuple[str, ...] = ()

    def covers(self, day: date) -> bool:
        """Return whether a period that begins on `day` is reduced."""
        return self.from_on <= day and (self.terms.until_on is None or day < self.terms.until_on)

    def reduces(self, run: Run, day: date) -> bool:
        """Return whether what the run is billed for a period that begins on `day` is reduced.

        What was billed before the coupon was known stays as it was.
        """
        return self.covers(day) and (run.executed_at >= self.known_at or midnight(day) > self.known_at)


@dataclass(slots=True, kw_only=True)
class Discounts:
    """All redemptions of a contract, in order of execution."""

    contract: Contract
    redemptions: list[Redemption] = field(default_factory=list)

    @staticmethod
    def of(contract: Contract) -> Discounts:
        """Return the redemptions of the orders taken in."""
        found = Discounts(contract=contract)
        for order in contract.orders:
            found.redemptions += found._of_lines(order)
            found.redemptions += found._of_order(order)
        return found

    @property
    def coupons(self) -> Mapping[str, Coupon]:
        """Return the coupons in use, by link key."""
        return {each.terms.key: each.coupon for each in self.redemptions}

    def on_item(self, run: Run, day: date) -> tuple[DiscountTerms, ...]:
        """Return what reduces the run's item for a period that begins on `day`."""
        return tuple(
            each.terms
            for each in self.redemptions
            if each.order_item_id == run.line.order_item_id and each.covers(day)
        )

    def on_phase(self, track: Track, day: date) -> tuple[DiscountTerms, ...]:
        """Return what reduces everything on the schedule from `day` on."""
        return tuple(
            each.terms for each in self.redemptions if track.key in each.track_keys and each.covers(day)
        )

    def edges(self, track: Track) -> Iterator[date]:
        """Yield the days on which a coupon begins or ends to reduce something on the schedule."""
        lines = {run.line.order_item_id for run in track.runs}
        for each in self.redemptions:
            if track.key in each.track_keys or each.order_item_id in lines:
                yield each.from_on
                if each.terms.until_on is not None:
                    yield each.terms.until_on

    def off_piece_minor(self, run: Run, piece: Piece, amount_minor: int) -> int:
        """Return what coupons take off the amount of a piece of the run, in minor units.

        Of a fixed amount of the line it is the piece's share of a whole period, by days. A fixed amount of
        the whole order is left out: it was taken off the period's invoice already.
        """
        if not self.redemptions:
            return 0
        left, share = amount_minor, share_of_period(run, piece)
        for terms in self.on_item(run, piece.start):
            left -= terms.off_minor(left, share)
        track = self.contract.track_of(run)
        for each in self.redemptions:
            percent = each.terms.amount_off_minor is None
            if percent and track.key in each.track_keys and each.reduces(run, piece.start):
                left -= each.terms.off_minor(left)
        return amount_minor - left

    def off_tails(self, track: Track, day: date, items: Sequence[OneTimeItem]) -> list[OneTimeItem]:
        """Return the last parts of periods, less the orders' fixed amounts for their share of the period.

        They begin on `day`, where nothing renews that Stripe could reduce.
        """
        left = list(items)
        for terms in self.on_phase(track, day):
            if terms.amount_off_minor is None or not left:
                continue
            whole = (track.boundary_after(day) - day).days
            share = min(Fraction(max((item.period_end - day).days for item in left), whole), Fraction(1))
            off = terms.off_minor(sum(item.amount_minor for item in left), share)
            shares = spread(off, [item.amount_minor for item in left])
            left = [
                replace(item, amount_minor=item.amount_minor - part, off_minor=item.off_minor + part)
                for item, part in zip(left, shares, strict=True)
            ]
        return left

    def off_renewals_minor(
        self, track: Track, day: date, amount_minor: int, share: Fraction = Fraction(1)
    ) -> int:
        """Return what the orders' fixed amounts take off all that is billed for `day` on, in minor units."""
        left = amount_minor
        for terms in self.on_phase(track, day):
            if terms.amount_off_minor is not None:
                left -= terms.off_minor(left, share)
        return amount_minor - left

    def off_one_time_minor(self, line: OrderLine, order: Order, amount_minor: int) -> int:
        """Return what coupons take off a one-time line, in minor units: its own, then those of its order."""
        currency, left = self.contract.rules.currency, amount_minor
        if amount_minor <= 0:
            return 0
        for coupon in line.coupons:
            left -= _terms(coupon, currency, None).off_minor(left)
        for coupon in order.coupons:
            terms = _terms(coupon, currency, None)
            if terms.amount_off_minor is None:
                left -= terms.off_minor(left)
            elif not any(each.order_item_id in self.contract.runs for each in order.lines):
                left -= min(self._spread(order, terms.amount_off_minor).get(line.order_item_id, 0), left)
        return amount_minor - left

    def _spread(self, order: Order, amount_off_minor: int) -> Mapping[str, int]:
        """Return a fixed amount over the lines of an order that has one-time lines only."""
        currency = self.contract.rules.currency
        lines = [line for line in order.lines if line.kind is LineKind.ONE_TIME and line.total_price > 0]
        shares = spread(amount_off_minor, [rounded_minor(line.total_price, currency) for line in lines])
        return {line.order_item_id: share for line, share in zip(lines, shares, strict=True)}

    def _of_lines(self, order: Order) -> Iterator[Redemption]:
        for line in order.lines:
            run = self.contract.runs.get(line.order_item_id)
            if run is None:
                continue
            # Usage has no first part billed apart: its first invoice is for whatever time ran by then.
            first = run.pieces.start if run.line.metered else run.pieces.full_from
            begins = max(first, run.executed_at.date())
            for coupon in line.coupons:
                until = _until(coupon, run.pieces.start, once=run.pieces.cycle.after(begins))
                yield Redemption(
                    coupon=coupon,
                    terms=_terms(coupon, self.contract.rules.currency, until),
                    from_on=run.pieces.start,
                    known_at=run.executed_at,
                    order_item_id=line.order_item_id,
                )

    def _of_order(self, order: Order) -> Iterator[Redemption]:
        runs = self.contract.bearers(order)
        if not runs:
            return
        first = self.contract.track_of(min(runs, key=lambda run: (run.pieces.start, run.line.order_item_id)))
        start = self.contract.coupons_from(order)
        for coupon in order.coupons:
            # A percentage is the same wherever the contract's lines are; an amount is given once.
            tracks = [first] if coupon.amount_off is not None else self.contract.tracks
            for track in tracks:
                until = _until(coupon, start, once=self._after_first_invoice(order, track, start))
                yield Redemption(
                    coupon=coupon,
                    terms=_terms(coupon, self.contract.rules.currency, until),
                    from_on=start,
                    known_at=self.contract.executed_at(order),
                    track_keys=(track.key,),
                )

    def _after_first_invoice(self, order: Order, track: Track, start: date) -> date | None:
        """Return the day of the second invoice of a schedule that could be reduced; None without one.

        What had begun when the order was executed is billed at once, net of its coupons. Usage that ends
        where nothing renews makes an invoice by itself, which uses the coupon up.
        """
        executed_on = self.contract.executed_at(order).date()
        if start <= executed_on:
            found, after, first = track.invoice_after(executed_on), executed_on, None
        else:
            begins = start <= track.starts_on or track.makes_invoice_on(start)
            first, after = start if begins else track.invoice_after(start), start
            found = None if first is None else track.invoice_after(max(first, track.starts_on))
        ends = (run.item_over_at.date() for run in track.runs if run.line.metered)
        return min((day for day in (found, *ends) if day and after < day != first), default=None)

    def splits(self, order: Order) -> Coupon | None:
        """Return a fixed amount of an order whose lines lie on several schedules, or None (B11.3)."""
        runs = [run for run in self.contract.runs.values() if run.order is order]
        if len({self.contract.track_of(run).key for run in runs}) < 2:  # noqa: PLR2004 - more than one
            return None
        return next((coupon for coupon in order.coupons if coupon.amount_off is not None), None)


def share_of_period(run: Run, piece: Piece) -> Fraction:
    """Return which part of a whole period a piece of a run is, by days, at most the whole."""
    cycle = run.pieces.cycle
    whole = (cycle.after(piece.start) - cycle.at_or_before(piece.start)).days
    return min(Fraction((piece.end - piece.start).days, whole), Fraction(1))


def spread(amount_off_minor: int, weights: Sequence[int]) -> list[int]:
    """Return a fixed amount over lines: each share in proportion, rounded down, the last takes the rest.

    Where that is more than there is on it, those before it take what remains.

    Source: Stripe, "Coupons", as restated in the project's design notes, 3.6 (read 20 Nov 2026).
    """
    held = [max(weight, 0) for weight in weights]
    total = sum(held)
    off = min(amount_off_minor, total)
    if not total:
        return [0 for _ in held]
    shares = [off * weight // total for weight in held]
    rest = off - sum(shares)
    for place in reversed(range(len(held))):
        more = min(rest, held[place] - shares[place])
        shares[place] += more
        rest -= more
    return shares


def _terms(coupon: Coupon, currency: str, until: date | None) -> DiscountTerms:
    amount = None if coupon.amount_off is None else rounded_minor(coupon.amount_off, currency)
    percent = coupon.percent_off or Decimal(0)
    return DiscountTerms(
        key=coupon_key(coupon),
        name=coupon.name,
        percent_off=None if amount is not None else f"{percent.normalize():f}",
        amount_off_minor=amount,
        until_on=until,
        once=coupon.duration is CouponDuration.ONCE,
    )


def _until(coupon: Coupon, start: date, *, once: date | None) -> date | None:
    """Return the first day that a coupon from `start` on does not reduce any more, None without an end.

    `once` is the day of the invoice after the first, for a coupon that reduces only that.
    """
    if coupon.duration is CouponDuration.REPEATING:
        return add_months(start, coupon.duration_in_months or 1)
    return once if coupon.duration is CouponDuration.ONCE else None


def reduced(
    amounts: Sequence[int],
    days: Sequence[date],
    *,
    own: Mapping[Hashable, Sequence[DiscountTerms]],
    bearers: Sequence[Hashable],
    shared: Sequence[Sequence[DiscountTerms]],
) -> list[int]:
    """Return what discounts take off each line of one invoice, in minor units.

    `days` are where each line's period begins, `bearers` of which item each line is, `own` the discounts of
    each item, `shared` those of the subscription when each line ran. Stripe takes an item's own first, then
    those of the subscription, each from what is left; a percentage is rounded half up per line, a fixed
    amount is taken once for all the lines it reduces (design notes, 2.3 and 3.6).
    """
    left = list(amounts)
    for bearer, discounts in own.items():
        for terms in discounts:
            _take_off(left, [place for place, each in enumerate(bearers) if each == bearer], days, terms)
    # Equal coupons stack: each one of a line is told from the others by its place among them.
    told = [[(terms, each[:place].count(terms)) for place, terms in enumerate(each)] for each in shared]
    for one in dict.fromkeys(chain.from_iterable(told)):
        _take_off(left, [place for place, each in enumerate(told) if one in each], days, one[0])
    return [amount - rest for amount, rest in zip(amounts, left, strict=True)]


def _take_off(left: list[int], places: Iterable[int], days: Sequence[date], terms: DiscountTerms) -> None:
    eligible = [place for place in places if terms.is_in_force(days[place])]
    if terms.amount_off_minor is None:
        shares = [terms.off_minor(left[place]) for place in eligible]
    else:
        shares = spread(terms.amount_off_minor, [left[place] for place in eligible])
    for place, share in zip(eligible, shares, strict=True):
        left[place] -= share
