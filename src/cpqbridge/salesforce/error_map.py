"""The closed map from Salesforce's answers to our errors. What is not in it stops the record it is about.

Source: Salesforce REST API guide, "Status Codes and Error Responses", and the project's design notes,
section 1.6 (20 Nov 2026).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.salesforce.error_codes import CODES, RECONNECT, Kind

_LONGEST_MESSAGE = 500
_SERVER_ERRORS = 500
_UNAUTHORIZED = 401
_GONE = 410
_TOO_MANY_REQUESTS = 429
_HALTED = frozenset({"PROCESSING_HALTED", "ALL_OR_NONE_OPERATION_ROLLED_BACK"})
# What Salesforce puts between the text of a query it refuses and the reason.
_PLACE_IN_QUERY = re.compile(r"ERROR at Row:\d+:Column:\d+")
_NO_COLUMN = re.compile(r"No such column '([\w.]+)' on (?:entity|sobject of type) '?(\w+)'?")
_TOO_MANY_AT_ONCE = "Concurrent"
_LOOK_AGAIN_SECONDS = 300.0
_BUSY_TEXTS = ("UNABLE_TO_LOCK_ROW", "Too many SOQL", "CPU time limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesforceProblem:
    """One error as Salesforce states it; `fields` are API names, often none."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Return whether the map has an answer for the code."""
        return self.code in CODES

    @property
    def retryable(self) -> bool:
        """Return whether the same write may succeed in a moment."""
        kind = _kind_of(self)
        return kind in {Kind.BUSY, Kind.SERVER}

    @property
    def is_access_lost(self) -> bool:
        """Return whether the token no longer opens the org."""
        return _kind_of(self) is Kind.ACCESS

    @property
    def fix(self) -> str:
        """Return what to do about it, or an empty text when the code is unknown."""
        return CODES.get(self.code, (None, ""))[1]


def parse_json(text: str) -> Any:
    """Return a JSON text with every number that has a decimal point or exponent as Decimal.

    Raises:
        ValueError: It is not JSON, or too deep or too long a number to be an answer of Salesforce.
    """
    try:
        return json.loads(text, parse_float=Decimal)
    except (RecursionError, ArithmeticError) as error:
        raise ValueError("the JSON text is not readable") from error


def problems_in(body: Any) -> tuple[SalesforceProblem, ...]:
    """Return the errors in a parsed answer, victims of others last; none when it has another shape."""
    if not isinstance(body, list):
        return ()
    found = tuple(problem for entry in body if (problem := _problem(entry)) is not None)
    return tuple(sorted(found, key=lambda problem: problem.code in _HALTED))


def error_for(*, status: int, text: str, writes: bool, retry_after_seconds: float | None) -> CpqbridgeError:
    """Return our error for an answer whose HTTP status is not a success.

    Args:
        status: The HTTP status.
        text: The body; JSON is expected, anything else (an HTML page) is survived.
        writes: Whether the request may have changed something.
        retry_after_seconds: The wait the answer asked for, if any.
    """
    try:
        problems = problems_in(parse_json(text))
    except ValueError:
        problems = ()
    if problems and problems[0].known:
        return _known_error(problems[0], writes=writes, retry_after_seconds=retry_after_seconds)
    said = _quote(problems[0].message) if problems else f"HTTP status {status}"
    if status == _UNAUTHORIZED:
        return AccessLostError(
            f"Salesforce does not accept the token ({said}).", code="salesforce_access_lost", fix=RECONNECT
        )
    if status == _GONE:
        return ConfigurationError(
            f"Salesforce has retired the API version cpqbridge uses ({said}).",
            code="salesforce_version",
            fix=CODES["UNSUPPORTED_API_VERSION"][1],
        )
    if status == _TOO_MANY_REQUESTS:
        return _busy(said, code="salesforce_limit", retry_after_seconds=retry_after_seconds, fix="")
    if status >= _SERVER_ERRORS:
        return _server_error(said, writes=writes, retry_after_seconds=retry_after_seconds, fix="")
    name = f" ({problems[0].code})" if problems else ""
    return RecordError(
        f"Salesforce answered in a way cpqbridge does not know: {said}{name}.",
        code="salesforce_unexpected",
        field=_field(problems[0]) if problems else None,
        fix="Nothing was guessed and the record was left alone; report this text.",
    )


def _known_error(
    problem: SalesforceProblem, *, writes: bool, retry_after_seconds: float | None
) -> CpqbridgeError:
    said = f"{_quote(problem.message)} ({problem.code})"
    field = _field(problem)
    match _kind_of(problem):
        case Kind.ACCESS:
            return AccessLostError(
                f"Salesforce does not accept the token: {said}.",
                code="salesforce_access_lost",
                fix=problem.fix,
            )
        case Kind.CONFIGURATION:
            return ConfigurationError(
                f"Salesforce refused the request: {said}.",
                code="salesforce_configuration",
                field=field,
                fix=problem.fix,
            )
        case Kind.QUERY:
            return InvariantError(
                f"Salesforce could not read a request of cpqbridge: {said}.",
                code="salesforce_query",
                field=field,
                fix="This is a mistake of cpqbridge; report this text.",
            )
        case Kind.BUSY:
            if problem.code == "REQUEST_LIMIT_EXCEEDED" and _TOO_MANY_AT_ONCE not in problem.message:
                # Salesforce names no wait; it takes an org's calls of a day ago to fall out of the count.
                wait_seconds = retry_after_seconds or _LOOK_AGAIN_SECONDS
                return _busy(said, code="salesforce_limit", retry_after_seconds=wait_seconds, fix=problem.fix)
            if problem.code == "INVALID_QUERY_LOCATOR":
                return TransientError(
                    f"Salesforce gave up a long list in the middle: {said}.",
                    code="salesforce_pages_ended",
                    fix=problem.fix,
                )
            return _busy(
                said, code="salesforce_busy", retry_after_seconds=retry_after_seconds, fix=problem.fix
            )
        case Kind.SERVER:
            return _server_error(
                said, writes=writes, retry_after_seconds=retry_after_seconds, fix=problem.fix
            )
        case _:
            return RecordError(
                f"Salesforce refused the record: {said}.",
                code="salesforce_refused",
                field=field,
                fix=problem.fix,
            )


def _busy(said: str, *, code: str, retry_after_seconds: float | None, fix: str) -> TransientError:
    return TransientError(
        f"Salesforce is busy: {said}.", code=code, retry_after_seconds=retry_after_seconds, fix=fix
    )


def _server_error(said: str, *, writes: bool, retry_after_seconds: float | None, fix: str) -> CpqbridgeError:
    fix = fix or CODES["SERVER_UNAVAILABLE"][1]
    if writes:
        return OutcomeUnknownError(
            f"Salesforce failed while it was writing: {said}.",
            code="salesforce_outcome_unknown",
            retry_after_seconds=retry_after_seconds,
            fix=fix,
        )
    return TransientError(
        f"Salesforce is not available: {said}.",
        code="salesforce_unavailable",
        retry_after_seconds=retry_after_seconds,
        fix=fix,
    )


def _kind_of(problem: SalesforceProblem) -> Kind:
    kind = CODES.get(problem.code, (Kind.RECORD, ""))[0]
    if kind is Kind.RECORD_OR_BUSY:
        return Kind.BUSY if any(text in problem.message for text in _BUSY_TEXTS) else Kind.RECORD
    return kind


def _problem(entry: Any) -> SalesforceProblem | None:
    """Read one error; inside collections the code is called `statusCode`."""
    if not isinstance(entry, Mapping):
        return None
    code = entry.get("errorCode") or entry.get("statusCode")
    if not isinstance(code, str):
        return None
    fields = entry.get("fields")
    named = fields if isinstance(fields, Sequence) and not isinstance(fields, str) else ()
    return SalesforceProblem(
        code=code,
        message=str(entry.get("message") or code),
        fields=tuple(str(name) for name in named),
    )


def _field(problem: SalesforceProblem) -> str | None:
    """Return the field the problem is about, as `Object.Field` where the text names both."""
    if problem.fields:
        return problem.fields[0]
    column = _NO_COLUMN.search(problem.message)
    return f"{column[2]}.{column[1]}" if column else None


def _quote(message: str) -> str:
    """Return the message on one line, without the query it may begin with, cut to a readable length."""
    said = _PLACE_IN_QUERY.split(message)[-1]
    line = " ".join(said.split()).rstrip(".")
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
