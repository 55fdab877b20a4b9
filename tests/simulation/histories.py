"""Random contract histories as CPQ would write them, with the policies in force and the times of syncing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import strategies as st
from tests.acceptance.slow_calculator import DAY, DECIMALS, months_later
from tests.simulation.cpq_desk import Desk, Offer, Subscription
from tests.simulation.stories import Payer, Story, Sync

from cpqbridge.domain.order import (
    Order,
    OrderKind,
    RenewedContract,
    RenewedLine,
    Segment,
)
from cpqbridge.mapping.configuration import Configuration, default_configuration
from cpqbridge.mapping.policies import (
    CoterminatePolicy,
    CreditsPolicy,
    CreditTarget,
    EvergreenCredits,
    FrequenciesPolicy,
    ItemsPolicy,
    OverlapPolicy,
    ProratePrecision,
    ProrationPolicy,
    RoundingPolicy,
)

LENGTHS = {1: (12, 12, 24, 6, 15), 3: (12, 24, 36, 9), 6: (12, 24, 36), 12: (12, 24, 36, 60)}

MANY_LINES = 23
"""More lines than one schedule holds."""


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """The dates of the contract as first sold (`end` exclusive), and how often its lines are billed.

    `until` is up to when lines without end are looked at, `kinds` what is sold besides plain lines.
    """

    start: date
    end: date
    months: int
    frequencies: tuple[int, ...]
    until: date
    kinds: frozenset[str]
    trial_ends_on: date | None


def _at(day: date, second: int = 0) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(seconds=second)


SECONDS = st.sampled_from([0, 1, 36_000, 55_800, 86_000, 86_399])


KINDS = st.sampled_from(
    [
        *[()] * 4,
        ("evergreen",),
        ("evergreen",),
        ("custom",),
        ("ramp",),
        ("ramp", "evergreen"),
        ("trial",),
        ("trial", "evergreen", "custom"),
    ]
).map(frozenset)


def _trial_ends(start: date) -> st.SearchStrategy[date]:
    days = st.sampled_from([1, 7, 14, 14, 30, 30, 45]).map(lambda days: start + DAY * days)
    return st.one_of(days, st.just(months_later(start, 1)))


@st.composite
def _terms(draw) -> _Terms:
    months = draw(st.sampled_from([1, 1, 1, 3, 6, 12]))
    start = draw(st.dates(min_value=date(2020, 1, 1), max_value=date(2035, 12, 31)))
    special = draw(st.sampled_from(["any", "any", "first", "month end", "leap day"]))
    if special == "first":
        start = start.replace(day=1)
    elif special == "month end":
        start = months_later(start.replace(day=1), 1) - DAY * draw(st.integers(1, 3))
    elif special == "leap day":
        start = date(start.year - start.year % 4, 2, 29)
    end = months_later(start, draw(st.sampled_from(LENGTHS[months])))
    if draw(st.integers(0, 4)) == 0:
        end = start + DAY * draw(st.integers(2, 700))
    others = draw(st.sampled_from([(), (), (1, 3), (1, 12), (3, 6, 12), (1, 3, 6, 12)]))
    kinds = draw(KINDS)
    if "trial" in kinds:
        others = ()
    return _Terms(
        start=start,
        end=end,
        months=months,
        frequencies=(months, *others),
        until=months_later(start, draw(st.sampled_from([6, 14, 14, 25, 40])))
        + DAY * draw(st.integers(0, 40)),
        kinds=kinds,
        trial_ends_on=draw(_trial_ends(start)) if "trial" in kinds else None,
    )


@st.composite
def _offers(draw, desk: Desk, terms: _Terms, number: int) -> Offer:
    step = Decimal(1).scaleb(-DECIMALS[desk.currency])
    round_price = step * draw(st.sampled_from([5000, 9999, 120_000, 3333, 1]))
    price = draw(st.one_of(st.just(round_price), st.integers(0, 300_000).map(lambda minor: step * minor)))
    return Offer(
        number=number,
        price=price,
        months=draw(st.sampled_from([1, 12])),
        discount=draw(st.sampled_from([0, 0, 0, 10, 33, 100])),
        every=draw(st.sampled_from(terms.frequencies)),
        evergreen="evergreen" in terms.kinds and draw(st.booleans()),
        custom=step * draw(st.integers(0, 300_000))
        if "custom" in terms.kinds and draw(st.booleans())
        else None,
    )


UNITS = st.one_of(st.integers(1, 5), st.integers(1, 40))


@st.composite
def _line_dates(draw, terms: _Terms) -> tuple[date, date]:
    """Most lines run with the contract; some have a start or an end of their own."""
    start, end = terms.start, terms.end
    kind = draw(st.sampled_from(["same", "same", "same", "later", "sooner", "both", "whole"]))
    if kind in ("later", "both"):
        start += DAY * draw(st.integers(0, (end - start).days - 1))
    if kind in ("sooner", "both"):
        end -= DAY * draw(st.integers(0, (end - start).days - 1))
    if kind == "whole":
        start = min(start + DAY * draw(st.integers(0, 60)), end - DAY)
        end = months_later(start, terms.months * draw(st.integers(1, 3)))
    return start, end


def _first_order(draw, desk: Desk, terms: _Terms) -> Order:
    count = draw(st.sampled_from([1, 1, 1, 2, 2, 3, 5, 8] * 5 + [MANY_LINES]))
    for number in range(1, count + 1):
        start, end = draw(_line_dates(terms)) if number > 1 else (terms.start, terms.end)
        again = number > 1 and draw(st.integers(0, 3)) == 0
        offer = desk.subscriptions[-1].offer if again else draw(_offers(desk, terms, number))
        # Only a multiplier tells the connector that a term was typed.
        typed = desk.multipliers != "none" and _is_whole(start, end) and draw(st.booleans())
        typed = typed and not offer.evergreen
        desk.sell(offer, draw(UNITS), start, end, typed_term=typed)
    if "ramp" in terms.kinds:
        _ramp(draw, desk, terms)
    if draw(st.integers(0, 2)) == 0:
        _charge_once(draw, desk, terms.start)
    latest = (terms.end - terms.start).days // 2
    offset = min(draw(st.sampled_from([-40, -3, -1, 0, 0, 1, 17, 33, 100])), latest)
    return desk.activate(
        draw(st.sampled_from([OrderKind.INITIAL] * 9 + [OrderKind.RENEWAL])),
        terms.start,
        _at(terms.start + DAY * offset, draw(SECONDS)),
        days_until_due=draw(st.sampled_from([30, 30, 30, None])),
        trial_ends_on=terms.trial_ends_on,
    )


def _ramp(draw, desk: Desk, terms: _Terms) -> None:
    """Sell a product in segments of a year, a quarter, a month, or of any length, each at its own discount."""
    offer = replace(draw(_offers(desk, terms, 30)), evergreen=False)
    length = draw(st.sampled_from([12, 12, 3, 1, 1, None]))
    days = [terms.start]
    for number in range(1, draw(st.sampled_from([2, 3, 5, 12]))):
        step = DAY * draw(st.integers(5, 250))
        days.append(months_later(terms.start, number * length) if length else days[-1] + step)
    days = [day for day in days if day < terms.end]
    for number, (start, end) in enumerate(pairwise([*days, terms.end]), start=1):
        own = replace(offer, discount=draw(st.sampled_from([0, 10, 25])))
        segment = Segment(key="RAMP", index=number, label=f"Part {number}")
        desk.sell(own, draw(UNITS), start, end, segment=segment)


def _second_order(draw, desk: Desk, terms: _Terms, now: datetime) -> datetime:
    """Activate another order of the original quote (B1.4): lines that come later, or are ordered later."""
    for number in range(1, draw(st.integers(1, 3)) + 1):
        start, end = draw(_line_dates(terms))
        desk.sell(draw(_offers(desk, terms, 60 + number)), draw(UNITS), start, end)
    instant = now + draw(st.sampled_from([timedelta(0), timedelta(seconds=50), timedelta(days=20)]))
    last = _at(max(subscription.end for subscription in desk.subscriptions) - DAY * 2)
    first = desk.orders[0]
    desk.activate(
        OrderKind.INITIAL,
        first.effective_on,
        max(min(instant, last), now),
        days_until_due=first.days_until_due,
        trial_ends_on=first.trial_ends_on,
    )
    return desk.orders[-1].activated_at


def _is_whole(start: date, end: date) -> bool:
    months = (end.year - start.year) * 12 + end.month - start.month
    return months > 0 and months_later(start, months) == end


def _charge_once(draw, desk: Desk, on: date) -> None:
    step = Decimal(1).scaleb(-DECIMALS[desk.currency])
    price = step * draw(st.integers(1, 90_000)) * draw(st.sampled_from([1, 1, 1, 1, -1]))
    desk.charge_once(price, draw(st.integers(1, 3)), on)


@st.composite
def _effective_days(draw, desk: Desk, terms: _Terms, activated_on: date) -> date:
    """Most amendments start near the day they are sold, some on a boundary, the first or the last day."""
    last = max([terms.end, *(subscription.end for subscription in desk.alive)]) - DAY
    usual = ["near"] * 6 + ["boundary"] * 3
    kind = draw(st.sampled_from([*usual, "first", "again", "any", "any", "last"]))
    if kind == "near":
        day = activated_on + DAY * draw(st.sampled_from([0, 0, 1, 3, 14, 30, 60, -1, -5, -20, -45, -100]))
    elif kind == "boundary":
        passed = (activated_on - terms.start).days // 30 // terms.months
        cycle = max(passed + draw(st.integers(-2, 3)), 0)
        day = months_later(terms.start, cycle * terms.months)
    elif kind == "first":
        day = terms.start
    elif kind == "last":
        day = last
    elif kind == "again":
        day = desk.orders[-1].effective_on
    else:
        day = terms.start + DAY * draw(st.integers(0, (last - terms.start).days))
    if draw(st.integers(0, 4)):
        day = max([day, *(order.effective_on for order in desk.orders)])
    if terms.trial_ends_on is not None:
        day = max(day, terms.trial_ends_on)
    return min(max(day, terms.start), last)


def _amend(draw, desk: Desk, terms: _Terms, on: date) -> None:
    """Put one amendment's changes on the quote; at least one line comes out."""
    open_lines = [subscription for subscription in desk.alive if subscription.end > on]
    kinds = ["product"]
    if open_lines:
        kinds += ["more", "more", "fewer", "fewer", "fewer", "swap", "both", "terminate"]
    refundable = [purchase for purchase in desk.purchases if purchase.units and purchase.line.unit_price > 0]
    if refundable and draw(st.integers(0, 9)) == 0:
        purchase = draw(st.sampled_from(refundable))
        desk.give_back(purchase, draw(st.integers(1, purchase.units)), on)
    kind = draw(st.sampled_from(kinds))
    if kind in ("more", "both"):
        raised = draw(st.sampled_from(open_lines))
        desk.sell(raised.offer, draw(UNITS), max(on, raised.start), raised.end, raises=raised)
        # CPQ nets what is changed on one line, so that an order never raises and lowers one lineage.
        open_lines = [line for line in open_lines if line.root_id != raised.root_id]
    if kind in ("fewer", "both") and open_lines:
        for subscription in draw(_some_of(open_lines)):
            _reduce(draw, desk, subscription, draw(st.integers(1, subscription.units)), on)
    if kind == "swap":
        old = draw(st.sampled_from(open_lines))
        end, start = old.end, max(on, old.start)
        for subscription in open_lines:
            if subscription.root_id == old.root_id:
                _reduce(draw, desk, subscription, subscription.units, start)
        desk.sell(draw(_offers(desk, terms, 40 + len(desk.orders))), draw(UNITS), start, end)
    if kind == "product":
        offer = draw(_offers(desk, terms, 20 + len(desk.orders)))
        desk.sell(offer, draw(UNITS), on, draw(_new_ends(terms, on)))
    if kind == "terminate":
        desk.terminate(on)
    if kind != "terminate" and draw(st.integers(0, 7)) == 0:
        _charge_once(draw, desk, on)


def _some_of(lines: Sequence[Subscription]) -> st.SearchStrategy[list[Subscription]]:
    indexes = st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=3, unique=True)
    return indexes.map(lambda chosen: [lines[index] for index in sorted(chosen)])


def _reduce(draw, desk: Desk, subscription: Subscription, units: int, on: date) -> None:
    desk.reduce(subscription, units, on, revises_first=draw(st.booleans()))


@st.composite
def _new_ends(draw, terms: _Terms, on: date) -> date:
    """A new product ends with the contract, on a day of its own, or later than the contract."""
    kind = draw(st.sampled_from(["same", "same", "same", "same", "own", "later", "whole"]))
    days = (terms.end - on).days
    if kind == "same" and days > 0:
        return terms.end
    if kind == "own" and days > 1:
        return on + DAY * draw(st.integers(1, days))
    if kind == "later":
        return max(terms.end, on) + DAY * draw(st.integers(1, 300))
    return months_later(on, terms.months * draw(st.integers(1, 4)))


def _plant(draw, desk: Desk, terms: _Terms, on: date) -> str | None:
    """Put a line on the quote that must be refused; return the code, None where nothing fits."""
    victims = [subscription for subscription in desk.subscriptions if subscription.end > on]
    if not victims:
        return None
    victim = draw(st.sampled_from(victims))
    causes = ["below zero", "unknown line", "half a unit", *(() if victim.offer.evergreen else ("end",))]
    cause = draw(st.sampled_from(causes))
    # Where ends must be the same, an order before that has another one would be refused as well.
    if cause == "end" and all(subscription.end <= terms.end for subscription in desk.subscriptions):
        latest = max(subscription.end for subscription in desk.subscriptions)
        desk.sell(victim.offer, 1, on, latest + DAY * 40)
        return "coterminate_required"
    line = desk.priced(victim, -1, on)
    if cause == "half a unit":
        half = Decimal("-0.5")
        desk.write(replace(line, quantity=half, total_price=line.unit_price * half))
        return "quantity_not_whole"
    sold = [
        line for order in desk.orders for line in order.lines if line.product_id == victim.line.product_id
    ]
    ever = sum(line.quantity for line in sold if line.quantity > 0)
    units = ever + draw(st.integers(1, 3))
    line = replace(line, quantity=-units, total_price=-units * line.unit_price)
    desk.write(replace(line, revises="802NOBODY") if cause == "unknown line" else line)
    return "reduction_below_zero"


@st.composite
def _configurations(draw, precision: str) -> Configuration:
    given = default_configuration()
    policy = replace(
        given.policy,
        prorate_precision=ProratePrecision(precision),
        prorate_precision_confirmed=True,
        items=draw(st.sampled_from([ItemsPolicy.SEPARATE, ItemsPolicy.SEPARATE, ItemsPolicy.MERGED])),
        proration=draw(st.sampled_from(list(ProrationPolicy))),
        credits=draw(st.sampled_from(list(CreditsPolicy))),
        rounding=draw(
            st.sampled_from([RoundingPolicy.REPORT, RoundingPolicy.REPORT, RoundingPolicy.TRUE_UP])
        ),
        credit_target=draw(st.sampled_from(list(CreditTarget))),
        overlap=draw(st.sampled_from([OverlapPolicy.BOTH, OverlapPolicy.HOLD])),
        frequencies=draw(st.sampled_from([FrequenciesPolicy.MIXED] * 3 + [FrequenciesPolicy.SPLIT])),
        evergreen_credits=draw(st.sampled_from(list(EvergreenCredits))),
    )
    # How late a backdated order may be without being asked is a safety cap, none of this test's business.
    return replace(given, policy=policy, caps=replace(given.caps, backdated_periods=10_000))


@st.composite
def contract_stories(draw) -> Story:
    """Return random contracts over their whole life."""
    terms = draw(_terms())
    precision = str(draw(st.sampled_from(list(ProratePrecision))))
    desk = Desk(
        precision=precision,
        currency=draw(st.sampled_from(["usd", "usd", "eur", "jpy"])),
        months=terms.months,
        until=terms.until,
        multipliers=draw(st.sampled_from(["full", "full", "short", "none"])),
    )
    configuration = draw(_configurations(precision))
    now = _first_order(draw, desk, terms).activated_at
    if draw(st.integers(0, 11)) == 0:
        now = _second_order(draw, desk, terms, now)
    planted = None
    count = draw(st.sampled_from([0, 1, 1, 2, 2, 3, 4, 6]))
    plant_at = count if count and draw(st.integers(0, 9)) == 0 else 0
    for number in range(1, count + 1):
        now = _next_activation(draw, desk, now)
        if now is None:
            break
        on = draw(_effective_days(desk, terms, now.date()))
        if number == plant_at:
            planted = _plant(draw, desk, terms, on)
        if planted is None:
            _amend(draw, desk, terms, on)
        desk.activate(OrderKind.AMENDMENT, on, now, days_until_due=desk.orders[0].days_until_due)
    if planted == "coterminate_required":
        policy = replace(configuration.policy, coterminate=CoterminatePolicy.REQUIRED)
        configuration = replace(configuration, policy=policy)
    return _finished(draw, desk, terms, configuration, planted)


def _next_activation(draw, desk: Desk, now: datetime) -> datetime | None:
    """Return when the next amendment is activated: the same day or later, before all service is over."""
    last = max(subscription.end for subscription in desk.subscriptions) - DAY * 2
    gap = draw(st.sampled_from([0, 0, 1, 5, 20, 31, 60, 200]))
    day = min(now.date() + DAY * gap, last)
    instant = max(_at(day, draw(SECONDS)), now + timedelta(seconds=60))
    return instant if instant.date() <= last else None


def _finished(draw, desk: Desk, terms: _Terms, configuration: Configuration, planted: str | None) -> Story:
    drafts = _postponed(draw, desk)
    syncs = _syncs(draw, desk)
    cutover = _before_us(draw, desk, terms, syncs)
    history = desk.history()
    if history.orders[0].kind is OrderKind.RENEWAL:
        history = replace(history, renewed=_renewed(draw, desk, terms))
        overlap = configuration.policy.overlap is OverlapPolicy.HOLD and history.renewed.lines
        planted = "overlap" if overlap else planted
    if planted is None and over_on(desk, syncs[0][1]) <= syncs[0][0].date():
        planted = "contract_over"
    by_card = desk.orders[0].days_until_due is None
    payer: Payer = draw(st.sampled_from(["nobody", "card" if by_card else "transfer"]))
    return Story(
        history=history,
        configuration=configuration,
        syncs=syncs,
        drafts=drafts,
        planted=planted,
        payer=payer,
        cutover=cutover,
        until=max((each.end for each in desk.subscriptions if each.offer.evergreen), default=None),
    )


def _before_us(draw, desk: Desk, terms: _Terms, syncs: tuple[Sync, ...]) -> date | None:
    """Let the past be skipped, or be billed by somebody else up to the date that is returned (B5.5, B1.8).

    By somebody else only where nothing that is known late reduces that past: that is for a person.
    """
    kind = draw(st.sampled_from(["ours"] * 14 + ["skipped", "elsewhere"]))
    first_known = syncs[0][0].date()
    if kind == "ours" or first_known <= terms.start:
        return None
    day = first_known
    if kind == "elsewhere":
        passed = (first_known - terms.start).days
        day = terms.start + DAY * draw(st.integers(1, passed))
        if draw(st.booleans()):
            day = months_later(terms.start, terms.months * max(passed // 30 // terms.months, 1))
    reduced = [change.on for change in desk.revisions if change.units < 0]
    if kind == "elsewhere" and any(on < max(day, first_known) for on in reduced):
        return None
    desk.orders[:] = [
        replace(order, before_start_date=kind == "elsewhere" and number == 0)
        if kind == "elsewhere"
        else replace(order, skip_past_initial_invoices=order.kind is not OrderKind.AMENDMENT)
        for number, order in enumerate(desk.orders)
    ]
    return day if kind == "elsewhere" else None


def _renewed(draw, desk: Desk, terms: _Terms) -> RenewedContract:
    """Return the contract before: it ends the day before this one starts, or runs on beside it (B6.12)."""
    before = RenewedContract(contract_id="800BEFORE", root_id=None, ends_on=terms.start - DAY, lines=())
    if draw(st.booleans()):
        return before
    first = desk.subscriptions[0].line
    ends_on = terms.start + DAY * draw(st.integers(0, 60))
    old = RenewedLine(
        order_item_id="802BEFORE",
        product_id=first.product_id,
        product_name=first.product_name,
        quantity=Decimal(3),
        starts_on=months_later(terms.start, -12),
        ends_on=ends_on,
        total=Decimal(1200),
    )
    return replace(before, ends_on=ends_on, lines=(old,))


def _postponed(draw, desk: Desk) -> frozenset[str]:
    """Let an amendment be activated only after later ones, some of them seen as a draft meanwhile.

    An order whose lines another one changes is left, but for reductions that start later: these can wait
    for the draft (B6.1).
    """
    if len(desk.orders) <= 2 or draw(st.integers(0, 4)):
        return frozenset()
    index = draw(st.integers(1, len(desk.orders) - 2))
    late = desk.orders[index]
    own = {line.order_item_id for line in late.lines}
    changing = {change.order_id for change in desk.revisions if change.line_id in own} - {late.order_id}
    dependent = [order for order in desk.orders if order.order_id in changing]
    if any(
        order.effective_on <= late.effective_on or any(line.quantity > 0 for line in order.lines)
        for order in dependent
    ):
        return frozenset()
    after = desk.orders[draw(st.integers(index + 1, len(desk.orders) - 1))].activated_at
    desk.orders[index] = replace(late, activated_at=after + timedelta(seconds=draw(SECONDS) + 30))
    return frozenset({late.order_id}) if dependent or draw(st.booleans()) else frozenset()


def over_on(desk: Desk, order_ids: Collection[str]) -> date:
    """Return the first day without any service, as far as these orders say."""
    left: Counter[str] = Counter()
    ends: dict[str, date] = {}
    for subscription in desk.subscriptions:
        line = subscription.line
        if line.order_id in order_ids:
            left[line.order_item_id] = int(line.quantity)
            ends[line.order_item_id] = subscription.end
    changes = [change for change in desk.revisions if change.order_id in order_ids and change.units < 0]
    for change in sorted(changes, key=lambda change: change.on):
        left[change.line_id] += change.units
        if not left[change.line_id]:
            ends[change.line_id] = change.on
    return max(ends.values())


DELAYS = st.sampled_from(
    [timedelta(seconds=90)] * 6
    + [timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=9)]
    + [timedelta(days=45), timedelta(days=200)]
)


def _syncs(draw, desk: Desk) -> tuple[Sync, ...]:
    """Return when the connector runs: after most activations, at the last for all of them together."""
    activated = {order.order_id: order.activated_at for order in desk.orders}
    instants = sorted(activated.values())
    last_call = _at(max(subscription.end for subscription in desk.subscriptions), -7200)
    found = []
    for number, instant in enumerate(instants):
        if 0 < number < len(instants) - 1 and draw(st.integers(0, 4)) == 0:
            continue
        late = min(instant + draw(DELAYS), max(last_call, instants[-1] + timedelta(seconds=90)))
        found.append(max(late, instant))
    if len(instants) == 1 and draw(st.integers(0, 40)) == 0:
        found = [last_call + timedelta(days=draw(st.integers(1, 90)))]
    syncs: list[Sync] = []
    for instant in sorted({*found, max(instants[-1], *found)}):
        ids = frozenset(order_id for order_id, at in activated.items() if at <= instant)
        if not syncs or syncs[-1][1] != ids:
            syncs.append((instant, ids))
    return tuple(syncs)
