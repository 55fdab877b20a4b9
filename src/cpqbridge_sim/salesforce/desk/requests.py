"""What a sales person asks for, read from JSON with every mistake said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from cpqbridge_sim.salesforce.cpq.model import CpqError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2149
LONGEST_TERM_MONTHS: Final = 240
MOST_UNITS: Final = Decimal(1_000_000)
_MOST_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """A line to sell: a product by id, code or name, and what differs from quote and price book.

    `coupons` are Quote Stripe Coupons by id or name.
    """

    product: str
    quantity: Decimal
    start: date | None = None
    end: date | None = None
    price: Decimal | None = None
    discount: Decimal = Decimal(0)
    frequency: str | None = None
    coupons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """New business. `email` set makes `account` the name of a new customer."""

    account: str
    lines: tuple[NewLine, ...]
    start: date | None
    end: date | None
    term: int | None
    email: str | None
    currency: str | None
    payment_term: str | None
    coupons: tuple[str, ...]
    activate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRequest:
    """Changes of a contract: units by order product id, units by product, and new lines."""

    contract: str
    by_line: tuple[tuple[str, Decimal], ...]
    by_product: tuple[tuple[str, Decimal], ...]
    add: tuple[NewLine, ...]
    start: date | None
    end: date | None
    activate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateRequest:
    """The end of everything on a contract; `start` is the first day no longer served."""

    contract: str
    start: date | None
    refund_assets: bool
    activate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewRequest:
    """A further term of a contract, from the day after its end or another one."""

    contract: str
    start: date | None
    term: int
    activate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateRequest:
    """The activation of a draft order, by id or number."""

    order: str


Request = QuoteRequest | AmendRequest | TerminateRequest | RenewRequest | ActivateRequest


def quote_request(document: Mapping[str, Any]) -> QuoteRequest:
    """Read a quote.

    Raises:
        CpqError: A key is unknown or missing, or a value cannot be.
    """
    fields = _Fields(document)
    request = QuoteRequest(
        account=fields.text("account"),
        lines=tuple(_new_line(each) for each in fields.objects("lines")),
        start=fields.day("start"),
        end=fields.day("end"),
        term=fields.term("term"),
        email=fields.optional_text("email"),
        currency=fields.optional_text("currency"),
        payment_term=fields.optional_text("payment_term"),
        coupons=fields.texts("coupons"),
        activate=fields.flag("activate"),
    )
    fields.finish()
    if not request.lines:
        raise CpqError("lines is empty: a quote needs a product.")
    return request


def amend_request(document: Mapping[str, Any]) -> AmendRequest:
    """Read an amendment, with the same error."""
    fields = _Fields(document)
    request = AmendRequest(
        contract=fields.text("contract"),
        by_line=tuple(_change(each, "line") for each in fields.objects("lines")),
        by_product=tuple(_change(each, "product") for each in fields.objects("products")),
        add=tuple(_new_line(each) for each in fields.objects("add")),
        start=fields.day("start"),
        end=fields.day("end"),
        activate=fields.flag("activate"),
    )
    fields.finish()
    if not (request.by_line or request.by_product or request.add):
        raise CpqError("There is nothing to change: name units in lines or products, or new ones in add.")
    return request


def terminate_request(document: Mapping[str, Any]) -> TerminateRequest:
    """Read a termination, with the same error."""
    fields = _Fields(document)
    request = TerminateRequest(
        contract=fields.text("contract"),
        start=fields.day("start"),
        refund_assets=fields.flag("refund_assets"),
        activate=fields.flag("activate"),
    )
    fields.finish()
    return request


def renew_request(document: Mapping[str, Any]) -> RenewRequest:
    """Read a renewal, with the same error; a term of twelve months unless it says otherwise."""
    fields = _Fields(document)
    request = RenewRequest(
        contract=fields.text("contract"),
        start=fields.day("start"),
        term=fields.term("term") or 12,
        activate=fields.flag("activate"),
    )
    fields.finish()
    return request


def activate_request(document: Mapping[str, Any]) -> ActivateRequest:
    """Read an activation, with the same error."""
    fields = _Fields(document)
    request = ActivateRequest(order=fields.text("order"))
    fields.finish()
    return request


def day_of(document: Mapping[str, Any]) -> date:
    """Read the day a clock is moved to, with the same error."""
    fields = _Fields(document)
    day = fields.day("day")
    fields.finish()
    if day is None:
        raise CpqError("day is missing.")
    return day


def _new_line(document: Mapping[str, Any]) -> NewLine:
    fields = _Fields(document)
    line = NewLine(
        product=fields.text("product"),
        quantity=fields.units("quantity", at_least=Decimal(0)),
        start=fields.day("start"),
        end=fields.day("end"),
        price=fields.number("price"),
        discount=fields.number("discount") or Decimal(0),
        frequency=fields.optional_text("frequency"),
        coupons=fields.texts("coupons"),
    )
    fields.finish()
    return line


def _change(document: Mapping[str, Any], what: str) -> tuple[str, Decimal]:
    fields = _Fields(document)
    change = fields.text(what), fields.units("by", at_least=-MOST_UNITS)
    fields.finish()
    return change


class _Fields:
    """The keys of one JSON object, each read once; `finish` refuses those that nobody asked for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._left = dict(document)
        self._known: list[str] = []

    def finish(self) -> None:
        if self._left:
            unknown = ", ".join(sorted(self._left))
            raise CpqError(f"{unknown}: not known here; known are {', '.join(self._known)}.")

    def optional_text(self, name: str) -> str | None:
        value = self._take(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str):
            raise CpqError(f"{name} must be text.")
        return value.strip()

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        if value is None:
            raise CpqError(f"{name} is missing.")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if value is not None and not isinstance(value, bool):
            raise CpqError(f"{name} must be true or false.")
        return value is True

    def day(self, name: str) -> date | None:
        text = self.optional_text(name)
        if text is None:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise CpqError(f"{name} is {text!r}, which is no date such as 2026-02-01.") from None
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise CpqError(f"{name} is {text}, outside the years {FIRST_YEAR} to {LAST_YEAR}.")
        return day

    def number(self, name: str) -> Decimal | None:
        value = self._take(name)
        if value is None or value == "":
            return None
        try:
            number = Decimal(value) if isinstance(value, (int, Decimal, str)) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if isinstance(value, bool) or not number.is_finite():
            raise CpqError(f"{name} is {value!r}, which is no number.")
        exponent = number.normalize().as_tuple().exponent
        if abs(number) > MOST_UNITS or (isinstance(exponent, int) and exponent < -_MOST_DECIMALS):
            raise CpqError(
                f"{name} is {value}: at most {MOST_UNITS}, with at most {_MOST_DECIMALS} decimals."
            )
        return number

    def units(self, name: str, *, at_least: Decimal) -> Decimal:
        number = self.number(name)
        if not number or number < at_least:
            raise CpqError(
                f"{name} must be a number of units {'above 0' if not at_least else 'other than 0'}."
            )
        return number

    def term(self, name: str) -> int | None:
        number = self.number(name)
        if number is None:
            return None
        if number % 1 or not 1 <= number <= LONGEST_TERM_MONTHS:
            raise CpqError(f"{name} must be whole months from 1 to {LONGEST_TERM_MONTHS}.")
        return int(number)

    def objects(self, name: str) -> Iterator[Mapping[str, Any]]:
        value = self._take(name)
        if value is None:
            return
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise CpqError(f"{name} must be a list of objects.")
        yield from value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            raise CpqError(f"{name} must be a list of texts.")
        return tuple(each.strip() for each in value)

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._left.pop(name, None)
