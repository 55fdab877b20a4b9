"""What a contract earns per order line and day, told from its history alone.

A third calculator, slow and obvious, that shares nothing with the planner or the simulator. It knows a
history, the policies and when the connector carried out each order; `line_money` knows each line,
`daily_checks` what must then have been billed by the end of each day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from tests.acceptance.slow_calculator import DAY, months_later
from tests.simulation.line_money import (
    Held,
    LineMoney,
    Series,
    Terms,
    executed,
    formula_reduction,
    held_line,
    midnight,
    once,
    ours,
    reduction,
    root_of,
    take,
)
from tests.simulation.tier_money import TierLedger

from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderKind, OrderLine
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import EvergreenCredits

Sync = tuple[datetime, frozenset[str]]
SECOND = timedelta(seconds=1)
MOST_LINES = 20
"""How many lines one schedule holds; which lines share one beyond that is left open here."""


@dataclass(frozen=True, kw_only=True)
class ContractMoney:
    """The money of all lines by id, and the day, and instant, at which each order was carried out.

    `served` tells that anything is there for at least a day, `last_day` up to when all is looked at.
    """

    lines: Mapping[str, LineMoney]
    entered: Mapping[str, date]
    instants: Mapping[str, datetime]
    served: bool
    last_day: date = date.max


def contract_money(
    history: OrderHistory,
    configuration: Configuration,
    syncs: Sequence[Sync],
    *,
    cutover: date | None = None,
    until: date | None = None,
) -> ContractMoney:
    """Return the money of every line of orders that the connector carried out at one of its runs.

    What begins before `cutover` is billed elsewhere, also a period that reaches beyond it (B1.8). A line that
    was taken back whole before anything was billed of it is told again as one that has no cycles: it and its
    reductions come to what their totals differ by.
    """
    told = _Telling(history, configuration, cutover, until)
    told.tell(syncs)
    annulled = frozenset(line_id for line_id, found in told.held.items() if told.is_never_billed(found))
    if annulled:
        told = _Telling(history, configuration, cutover, until, annulled)
        told.tell(syncs)
    entered = {order_id: instant.date() for order_id, instant in told.entered.items()}
    known = {line_id: line for line_id, line in told.money.items() if line.order_id in entered}
    served = any(not found.is_annulled for found in told.held.values() if found.line.order_id in entered)
    last_day = date.max if until is None else max(until, *entered.values())
    return ContractMoney(
        lines=known, entered=entered, instants=told.entered, served=served, last_day=last_day
    )


@dataclass
class _Telling:
    """A history as far as it is told: `entered` is when each order was carried out."""

    history: OrderHistory
    configuration: Configuration
    cutover: date | None
    until: date | None
    annulled: frozenset[str] = frozenset()
    lines: dict[str, OrderLine] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    money: dict[str, LineMoney] = field(default_factory=dict)
    entered: dict[str, datetime] = field(default_factory=dict)
    billed_from: dict[str, date] = field(default_factory=dict)
    tiers: TierLedger = field(init=False)

    def __post_init__(self) -> None:
        orders = self.history.orders
        self.tiers = TierLedger(currency=orders[0].currency)
        self.lines = {line.order_item_id: line for order in orders for line in order.lines}
        firsts = [
            max(line.starts_on, order.trial_ends_on or line.starts_on)
            for order in orders
            if order.kind is not OrderKind.AMENDMENT
            for line in order.lines
            if line.kind is LineKind.RECURRING
        ]
        first = min(firsts, default=orders[0].effective_on)
        self.terms = Terms(
            first=first,
            currency=orders[0].currency,
            configuration=self.configuration,
            annulled=self.annulled,
            until=self.until,
            trials={order.order_id: order.trial_ends_on for order in orders if order.trial_ends_on},
        )
        for line in self.lines.values():
            if line.kind is LineKind.RECURRING and line.quantity > 0:
                self._hold(line)
        self.money = {line_id: found.money for line_id, found in self.held.items()}

    def _hold(self, line: OrderLine) -> Held:
        """Work out a positive line, after the one it revises."""
        if line.order_item_id not in self.held:
            revised = None
            if line.revises is not None and line.revises in self.lines:
                revised = self._hold(self.lines[line.revises]).whole.price
            root_id = root_of(line, self.lines)
            self.held[line.order_item_id] = held_line(line, root_id, self.terms, revised=revised)
        return self.held[line.order_item_id]

    def is_never_billed(self, found: Held) -> bool:
        """Return whether every unit was known to be taken away before any of it was billed."""
        if not found.is_annulled:
            return False
        known_at = self.entered[found.line.order_id] + SECOND
        return all(
            self.entered[taken.order_id] < max(midnight(found.money.start), known_at) for taken in found.taken
        )

    def tell(self, syncs: Sequence[Sync]) -> None:
        """Carry out the orders of each run of the connector."""
        for instant, order_ids in syncs:
            coming = [
                order
                for order in self.history.orders
                if order.order_id in order_ids and order.order_id not in self.entered
            ]
            carried_out = self._carried_out(coming)
            scheduled = {
                found.money.series
                for line_id, found in self.held.items()
                if found.line.order_id in self.entered and line_id not in self.annulled
            }
            self.entered |= {order.order_id: instant for order in carried_out}
            for order in carried_out:
                for line in order.lines:
                    if line.order_item_id in self.held:
                        self.billed_from[line.order_item_id] = self._billed_from(line, order, instant)
            for order in carried_out:
                for line in order.lines:
                    self._settle(line, order, instant, scheduled)

    def _settle(
        self, line: OrderLine, order: Order, instant: datetime, scheduled: Collection[Series]
    ) -> None:
        """Work out a line of an order that is carried out now; `scheduled` have earlier schedules."""
        if line.kind is LineKind.ONE_TIME:
            months = max((each.frequency_months or 1 for each in self.lines.values()), default=1)
            whole = once(line, root_of(line, self.lines), self.terms, months=months)
            whole = ours(whole, self.cutover or whole.start)
            before = order is self.history.orders[0] and line.starts_on < self.terms.first
            if order.trial_ends_on and before and whole.stretches:
                # Before anything that recurs is billed, it is on an invoice of its own (B5.4).
                day = self.entered[order.order_id].date()
                only = replace(whole.stretches[0], start=day, end=day + DAY)
                whole = replace(whole, start=day, end=day + DAY, stretches=(only,))
            self.money[line.order_item_id] = whole
            return
        found = self.held.get(line.order_item_id)
        if found is None:
            targets = [
                held
                for held in self.held.values()
                if any(taken.line_id == line.order_item_id for taken in held.taken)
            ]
            if line.tiers is not None:
                self._reduce_by_tiers(line, targets, instant)
            elif any(target.by_formula for target in targets):
                self._reduce_by_formula(line, targets, instant)
            unbilled_until = max(self.billed_from[held.line.order_item_id] for held in targets)
            self.money[line.order_item_id] = ours(self.money[line.order_item_id], unbilled_until)
            return
        if line.tiers is not None:
            added = int(line.quantity)
            found.money = self.tiers.told(found.money, found.periods, line.tiers, lambda _: added)
        series, billed_from = found.money.series, self.billed_from[line.order_item_id]
        carried = (
            order.kind is not OrderKind.AMENDMENT
            and billed_from <= self._schedule_start(series)
            and series not in scheduled
            and self._service_end(series) >= found.money.next_boundary(instant.date())
        )
        whole = ours(found.money, billed_from)
        beside = sum(1 for held in self.held.values() if held.money.series == series)
        slack = abs(whole.rounding) if beside > MOST_LINES else 0
        self.money[line.order_item_id] = replace(executed(whole, instant, carried=carried), slack=slack)

    def _reduce_by_tiers(self, line: OrderLine, targets: Sequence[Held], instant: datetime) -> None:
        """Take units from whole periods: those to come, and those that had begun without them."""
        back, taken, periods = self._gives_back(line, targets), Counter[date](), {}
        for target in targets:
            units = sum(each.units for each in target.taken if each.line_id == line.order_item_id)
            for period in target.periods:
                if period.start >= line.starts_on and (back or midnight(period.start) > instant):
                    periods[period.start] = period
                    taken[period.start] -= units
        assert line.tiers is not None
        money = self.money[line.order_item_id]
        self.money[line.order_item_id] = self.tiers.told(
            money, periods.values(), line.tiers, taken.__getitem__
        )

    def _reduce_by_formula(self, line: OrderLine, targets: Collection[Held], instant: datetime) -> None:
        self.money[line.order_item_id] = formula_reduction(
            self.money[line.order_item_id],
            targets,
            instant,
            self.terms,
            gives_back=self._gives_back(line, targets),
        )

    def _gives_back(self, line: OrderLine, targets: Collection[Held]) -> bool:
        """Return whether what was billed of units is given back: of lines without end only by policy.

        What was never served is given back whatever the policy, also by reductions before that did not yet.
        """
        if not line.evergreen or self.configuration.policy.evergreen_credits is EvergreenCredits.PRORATE:
            return True
        annulled = all(target.is_annulled for target in targets)
        for target in targets if annulled else ():
            billed = sum(stretch.amount for stretch in target.money.stretches)
            for taken in target.taken:
                if taken.line_id in self.money and taken.line_id != line.order_item_id:
                    self.money[taken.line_id] = replace(self.money[taken.line_id], slack=abs(billed))
        return annulled

    def _carried_out(self, orders: Sequence[Order]) -> list[Order]:
        """Return the orders, which became known together, in the order they are carried out.

        They come in effective order. One that changes a line of a later one, or takes units of it, which a
        line's own start can make (B1.5), is put off until the others are in.
        """
        done: list[Order] = []
        waiting = list(orders)
        while waiting:
            put_off = []
            for order in waiting:
                there = self.entered.keys() | {other.order_id for other in (*done, order)}
                to_come = {line.order_item_id for other in waiting for line in other.lines}
                to_come -= {line_id for line_id in to_come if self.lines[line_id].order_id in there}
                if to_come.isdisjoint(line.revises for line in order.lines) and self._reduce(order, there):
                    done.append(order)
                else:
                    put_off.append(order)
            if len(put_off) == len(waiting):
                # Their units come with an order that is a draft yet (B6.1).
                break
            waiting = put_off
        return done

    def _reduce(self, order: Order, known: Collection[str]) -> bool:
        """Carry out an order's reductions; return False, with nothing taken, where units are missing."""
        for line in order.lines:
            if line.kind is not LineKind.RECURRING or line.quantity > 0:
                continue
            missing, stretches, targets = -int(line.quantity), [], []
            for target in self._newest_first(line, known):
                units = min(missing, target.left)
                if units:
                    stretches += take(target, line, units)
                    missing -= units
                    targets.append(target)
            if missing:
                for held in self.held.values():
                    held.taken[:] = [taken for taken in held.taken if taken.order_id != order.order_id]
                return False
            self.money[line.order_item_id] = reduction(line, targets, stretches, self.terms)
        return True

    def _newest_first(self, line: OrderLine, known: Collection[str]) -> list[Held]:
        root = root_of(line, self.lines)
        able = [
            held
            for held in self.held.values()
            if held.money.root_id == root
            and held.line.order_id in known
            and held.line.starts_on <= line.starts_on
            and held.line.ends_on == line.ends_on
        ]
        activated = {order.order_id: order.activated_at for order in self.history.orders}
        able.sort(key=lambda held: (held.line.starts_on, activated[held.line.order_id], held.line.order_id))
        return able[::-1]

    def _billed_from(self, line: OrderLine, order: Order, instant: datetime) -> date:
        """Return the first day of a line that is ours to bill."""
        money = self.held[line.order_item_id].money
        if self.cutover is not None and money.start < self.cutover:
            return self.cutover
        running = money.last_boundary(instant.date())
        if order.skip_past_initial_invoices and running > money.start and money.line_id not in self.annulled:
            return running
        return self.held[line.order_item_id].line.starts_on

    def _schedule_start(self, series: Series) -> date:
        """Return when a schedule that is made now starts: on the last boundary with the anchor's own day.

        Of lines of several frequencies the longest decides.
        """
        on_it = [line_id for line_id in self.billed_from if self.held[line_id].money.series == series]
        first = min(self.billed_from[line_id] for line_id in on_it)
        months = max(self.held[line_id].money.months for line_id in on_it)
        anchor = series[0]
        starts = [anchor]
        count = 1
        while (day := months_later(anchor, count * months)) <= first:
            starts += [day] if day.day == anchor.day else []
            count += 1
        return starts[-1]

    def _service_end(self, series: Series) -> date:
        """Return the first day without service on a schedule, as far as is known."""
        ends = [series[0]]
        for found in self.held.values():
            known = found.money.order_id in self.entered
            if found.money.series == series and known and not found.is_annulled:
                gone = max((taken.since for taken in found.taken), default=found.money.end)
                ends.append(found.money.end if found.left else min(gone, found.money.end))
        return max(ends)
