"""What a dry run found: what would be billed and when, why the rest would not be, and all of it as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from cpqbridge.domain.billing import ForecastInvoice, OrderOutcome, Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import CpqbridgeError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.sync.adoption import TAKEOVER
from cpqbridge.sync.spreadsheet import as_text, csv_bytes

NAMED_AT_MOST = 10
"""How many orders a cause names."""

_NEXT_INVOICES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedContract:
    """What planning a contract came to: a plan, or the error that kept it from being planned.

    `notices` are its orders that were asked for.
    """

    notices: tuple[OrderNotice, ...]
    plan: Plan | None = None
    error: CpqbridgeError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunOrder:
    """One order: what a sync would make of it now, and why.

    `billed_minor` is what all invoices of its lines come to (minor units of `currency`); `first_on` the UTC
    date of its contract's next invoice, None when there is none.
    """

    order_id: str
    order_number: str
    account: str
    state: OrderState
    code: str = ""
    message: str = ""
    fix: str = ""
    currency: str = ""
    billed_minor: int = 0
    first_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunInvoice:
    """An invoice that the plans would make from now on; minor units, negative for a credit."""

    on: date
    order_number: str
    account: str
    currency: str
    total_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSum:
    """What would be invoiced in one calendar month (UTC), `YYYY-MM`, in one currency (minor units)."""

    month: str
    currency: str
    invoices: int
    total_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Orders that would not be billed for one reason: an example of the text, what to do, some numbers."""

    state: OrderState
    code: str
    message: str
    fix: str
    count: int
    order_numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunResult:
    """What a sync of these orders would do.

    `invoices` are the next ones, oldest first; `months` sum up all of them.
    """

    orders: tuple[DryRunOrder, ...]
    months: tuple[MonthSum, ...]
    invoices: tuple[DryRunInvoice, ...]

    @property
    def counts(self) -> Mapping[OrderState, int]:
        """Return how many orders there are of each state, in the order of the states."""
        found = Counter(each.state for each in self.orders)
        return {state: found[state] for state in OrderState if found[state]}

    @property
    def totals(self) -> Mapping[str, int]:
        """Return what all invoices come to, in minor units by currency."""
        found: Counter[str] = Counter()
        for month in self.months:
            found[month.currency] += month.total_minor
        return dict(sorted(found.items()))

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Return why orders would not be billed, the most frequent cause first; take-overs stand apart."""
        return _causes(each for each in self.orders if each.code and each.code != TAKEOVER)

    @property
    def take_overs(self) -> tuple[DryRunOrder, ...]:
        """Return the orders of contracts that are billed elsewhere and would be taken over."""
        return tuple(each for each in self.orders if each.code == TAKEOVER)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON values, from which `from_document` makes it again."""
        return {
            "orders": [
                {**asdict(each), "first_on": each.first_on.isoformat() if each.first_on else None}
                for each in self.orders
            ],
            "months": [asdict(each) for each in self.months],
            "invoices": [{**asdict(each), "on": each.on.isoformat()} for each in self.invoices],
        }

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> DryRunResult:
        """Return the result that `as_document` made."""
        return cls(
            orders=tuple(
                DryRunOrder(
                    **{
                        **each,
                        "state": OrderState(each["state"]),
                        "first_on": date.fromisoformat(each["first_on"]) if each["first_on"] else None,
                    }
                )
                for each in stored["orders"]
            ),
            months=tuple(MonthSum(**each) for each in stored["months"]),
            invoices=tuple(
                DryRunInvoice(**{**each, "on": date.fromisoformat(each["on"])}) for each in stored["invoices"]
            ),
        )

    def as_csv(self) -> bytes:
        """Return one line for each order, for a spreadsheet."""
        head = (
            "order",
            "account",
            "result",
            "billed",
            "currency",
            "next invoice",
            "code",
            "why",
            "what to do",
        )
        rows = (
            (
                as_text(each.order_number),
                as_text(each.account),
                each.state.value,
                major_text(each.billed_minor, each.currency) if each.currency else "",
                each.currency.upper(),
                each.first_on.isoformat() if each.first_on else "",
                each.code,
                as_text(each.message),
                as_text(each.fix),
            )
            for each in self.orders
        )
        return csv_bytes((head, *rows))


class Gathering:
    """Collects what planned contracts come to, one after the other; no plan is kept."""

    def __init__(self, *, as_of: datetime) -> None:
        """Begin with nothing; only invoices made at or after `as_of` (aware) count."""
        self._as_of = as_of
        self._orders: list[DryRunOrder] = []
        self._invoices: list[DryRunInvoice] = []
        self._sums: dict[tuple[str, str], Counter[str]] = {}

    def add(self, contract: PlannedContract) -> None:
        """Take a contract in. One for which nothing is to be done bills nothing new: it counts no invoice."""
        coming = _coming(contract.plan, self._as_of)
        self._orders += _orders(contract, coming)
        self._invoices = _first([*self._invoices, *_invoices(contract, coming)])
        for invoice in coming:
            month = self._sums.setdefault((f"{invoice.on:%Y-%m}", invoice.currency), Counter())
            month.update(invoices=1, total_minor=invoice.total_minor)

    def result(self) -> DryRunResult:
        """Return what was found so far."""
        return DryRunResult(
            orders=tuple(sorted(self._orders, key=lambda each: (each.order_number, each.order_id))),
            months=tuple(
                MonthSum(
                    month=month,
                    currency=currency,
                    invoices=found["invoices"],
                    total_minor=found["total_minor"],
                )
                for (month, currency), found in sorted(self._sums.items())
            ),
            invoices=tuple(self._invoices),
        )


def _first(invoices: list[DryRunInvoice]) -> list[DryRunInvoice]:
    return sorted(invoices, key=lambda each: (each.on, each.order_number))[:_NEXT_INVOICES]


def _coming(plan: Plan | None, as_of: datetime) -> tuple[ForecastInvoice, ...]:
    """Return the invoices that a plan adds from now on, oldest first."""
    if plan is None or not plan.steps:
        return ()
    return tuple(sorted((each for each in plan.forecast if each.at >= as_of), key=lambda each: each.at))


def _orders(contract: PlannedContract, coming: Sequence[ForecastInvoice]) -> Iterator[DryRunOrder]:
    outcomes = {each.order_id: each for each in contract.plan.outcomes} if contract.plan else {}
    for notice in contract.notices:
        outcome = outcomes.get(notice.order_id)
        if contract.plan is None or outcome is None:
            yield _not_planned(notice, contract.error)
        else:
            yield _planned(notice, outcome, contract.plan, coming)


def _planned(
    notice: OrderNotice, outcome: OrderOutcome, plan: Plan, coming: Sequence[ForecastInvoice]
) -> DryRunOrder:
    proof = [each for each in plan.proof if each.order_id == notice.order_id]
    why = outcome.refusals[0] if outcome.refusals else None
    is_billed = outcome.state in {OrderState.SYNCED, OrderState.UNCHANGED}
    return DryRunOrder(
        order_id=notice.order_id,
        order_number=notice.order_number,
        account=plan.account_name,
        state=outcome.state,
        code=why.code if why else "",
        message=why.message if why else "",
        fix=why.fix if why else "",
        currency=proof[0].currency if proof and is_billed else "",
        billed_minor=sum(each.billed_minor for each in proof) if is_billed else 0,
        first_on=coming[0].on if coming and is_billed else None,
    )


def _not_planned(notice: OrderNotice, error: CpqbridgeError | None) -> DryRunOrder:
    return DryRunOrder(
        order_id=notice.order_id,
        order_number=notice.order_number,
        account="",
        state=OrderState.FAILED if error else OrderState.SKIPPED,
        code=error.code if error else "",
        message=error.message if error else "",
        fix=error.fix if error else "",
    )


def _invoices(contract: PlannedContract, coming: Sequence[ForecastInvoice]) -> Iterator[DryRunInvoice]:
    for invoice in coming:
        yield DryRunInvoice(
            on=invoice.on,
            order_number=contract.notices[0].order_number,
            account=contract.plan.account_name if contract.plan else "",
            currency=invoice.currency,
            total_minor=invoice.total_minor,
        )


def _causes(orders: Iterable[DryRunOrder]) -> tuple[Cause, ...]:
    grouped: dict[tuple[OrderState, str], list[DryRunOrder]] = {}
    for each in orders:
        grouped.setdefault((each.state, each.code), []).append(each)
    found = [
        Cause(
            state=state,
            code=code,
            message=group[0].message,
            fix=group[0].fix,
            count=len(group),
            order_numbers=tuple(each.order_number for each in group[:NAMED_AT_MOST]),
        )
        for (state, code), group in grouped.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.code)))
