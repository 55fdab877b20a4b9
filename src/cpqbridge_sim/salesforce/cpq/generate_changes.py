"""Changes of a contract made by chance: amendments, a termination, a renewal."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from cpqbridge_sim.salesforce.cpq.amending import product_changes
from cpqbridge_sim.salesforce.cpq.dates import ONE_DAY, add_months
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Change, Changes, Contract, Line, Order, OrderLine
from cpqbridge_sim.salesforce.cpq.ordering import OrderOptions

LAST_RENEWAL: Final = date(2038, 12, 31)
_UNTIL_CONTRACTED: Final = timedelta(minutes=2)
_LATEST_ADDITION: Final = timedelta(days=20)
_RENEWAL_TERMS: Final = (1, 6, 12, 24)

NewLine = Callable[[date, date], Line]
"""Makes a line to sell that starts on the first day and ends by the second."""


class RandomChanges:
    """Amends, ends and renews contracts; every change is one that CPQ would accept."""

    def __init__(self, chance: Random, cpq: Cpq, new_line: NewLine) -> None:
        self._chance = chance
        self._cpq = cpq
        self._new_line = new_line
        self._count = 0

    def change(self, contract: Contract, *, after: datetime, most: int) -> None:
        """Make up to `most` amendments after an instant, then perhaps end the contract or renew it."""
        end = contract.end
        if end is None or most < 1:
            return
        starts = sorted(self._day(contract.start, end) for _ in range(self._chance.randint(0, most)))
        if self._happens(1, 4):
            # A change that was signed first may take effect last.
            self._chance.shuffle(starts)
        moment = after
        for start in starts:
            signed = self._moment(start, moment)
            changes = self._amendment(contract, start, may_add=signed.date() <= start + _LATEST_ADDITION)
            if changes:
                moment = signed
                self._close(self._cpq.amend(contract, start=start, changes=changes, **self._name()), moment)
        if self._happens(1, 5):
            self._end(contract, moment)
        elif self._happens(1, 5):
            self._renew(contract, end + ONE_DAY, moment)

    def _renew(self, contract: Contract, start: date, moment: datetime) -> None:
        """Renew what runs to the end, unless that would be signed so late that a person has to agree."""
        moment = self._moment(start, moment)
        runs_to_the_end = any(
            units and self._is_recurring(line) and line.lineage.priced.end == contract.end
            for line, units in contract.remaining().items()
        )
        if runs_to_the_end and start <= LAST_RENEWAL and moment.date() <= start + _LATEST_ADDITION:
            term = self._chance.choice(_RENEWAL_TERMS)
            self._close(self._cpq.renew(contract, term=term, **self._name()), moment)

    def _end(self, contract: Contract, moment: datetime) -> None:
        """Bring everything to zero from a day on; one in five comes back with another line."""
        left = [line for line, units in contract.remaining().items() if units and self._is_recurring(line)]
        last = min((line.priced.end for line in left if line.priced.end), default=None)
        if last is None:
            return
        start = self._day(contract.start, last)
        moment = self._moment(start, moment)
        self._close(self._cpq.terminate(contract, at=start, **self._name()), moment)
        end = contract.end or last
        if start < end and self._happens(1, 5):
            again = self._day(start + ONE_DAY, end)
            moment = self._moment(again, moment)
            if moment.date() <= again + _LATEST_ADDITION:
                line = self._new_line(again, end)
                order = self._cpq.amend(contract, start=again, changes=[line], **self._name())
                self._close(order, moment)

    def _amendment(self, contract: Contract, start: date, *, may_add: bool) -> Changes:
        """Return more units, fewer units, a new line or a swap; nothing when nothing can be changed.

        What is added long after it began waits for a person, so then there are fewer units only.
        """
        end = contract.end or start
        running = [
            line
            for line, units in contract.remaining().items()
            if units and self._is_recurring(line) and (line.priced.end or start) >= start
        ]
        kind = self._chance.choice(("more", "fewer", "fewer", "new", "swap")) if may_add else "fewer"
        if kind == "new" or not running:
            return [self._new_line(start, end)] if may_add else []
        line = self._chance.choice(running)
        if kind == "more":
            return [Change(line=line, by=self._chance.choice((1, 2, 5, self._chance.randint(1, 40))))]
        product = line.priced.line.product.record_id
        left = contract.remaining()
        of_product = [left[each] for each in running if each.priced.line.product.record_id == product]
        total = sum(of_product, Decimal(0))
        units = total if kind == "swap" else Decimal(self._chance.randint(1, int(total)))
        fewer = product_changes(contract, product, -units, start)
        return [*fewer, self._new_line(start, end)] if kind == "swap" else fewer

    def _is_recurring(self, line: OrderLine) -> bool:
        return line.priced.line.product.is_recurring

    def _moment(self, start: date, after: datetime) -> datetime:
        """Return when a change that takes effect on a day is activated: around it, after what came before."""
        moment = datetime.combine(start, time(0, 0, tzinfo=UTC))
        moment += timedelta(days=self._chance.randint(-40, 10), minutes=self._chance.randint(0, 1439))
        return max(moment, after + timedelta(hours=self._chance.randint(1, 48)))

    def _close(self, order: Order, moment: datetime) -> None:
        self._cpq.activate(order, at=moment)
        self._cpq.contracts(order, at=moment + _UNTIL_CONTRACTED)

    def _name(self) -> OrderOptions:
        self._count += 1
        return {"name": f"Random change {self._count}"}

    def _happens(self, times: int, of: int) -> bool:
        return self._chance.randrange(of) < times

    def _day(self, first: date, last: date) -> date:
        """Return a day from first to last, one in three whole months after the first."""
        days = max((last - first).days, 0)
        if self._happens(2, 3):
            return first + self._chance.randint(0, days) * ONE_DAY
        return min(add_months(first, self._chance.randint(0, days // 31)), last)
