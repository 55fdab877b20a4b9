"""The simulator's own controls under `/_sim/`: no part of the API; they need no token and are not counted."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.errors import ApiError, not_found
from cpqbridge_sim.salesforce.exchange import Answer
from cpqbridge_sim.salesforce.resources import MAX_NUMBER_DIGITS

if TYPE_CHECKING:
    from cpqbridge_sim.request_log import RequestLog
    from cpqbridge_sim.salesforce.oauth import OAuthDesk
    from cpqbridge_sim.salesforce.org import Org


class Controls:
    """Clock, request log, state, faults and settings of one org."""

    def __init__(self, org: Org, log: RequestLog, oauth: OAuthDesk) -> None:
        self._org = org
        self._log = log
        self._oauth = oauth

    def answer(self, method: str, path: str, parameters: dict[str, Any], body: Any) -> Answer:
        """Answer one request.

        Raises:
            ApiError: There is no such control, or it was given what it cannot use.
        """
        if isinstance(body, ApiError):
            raise body
        match (method, path):
            case ("GET", "/_sim/requests"):
                return self._requests(parameters)
            case ("GET", "/_sim/clock"):
                return Answer(body={"now": self._org.now.isoformat()})
            case ("POST", "/_sim/clock"):
                self._set_clock(str(parameters.get("now", "")))
                return Answer(body={"now": self._org.now.isoformat()})
            case ("GET", "/_sim/state"):
                return Answer(body=self._org.state())
            case ("GET" | "POST" | "DELETE", "/_sim/faults"):
                return self._faults(method, body)
            case ("POST", "/_sim/settings"):
                return self._settings(body)
            case ("POST", "/_sim/oauth"):
                return self._sign_in(body)
        raise not_found()

    def _requests(self, parameters: dict[str, Any]) -> Answer:
        if parameters.get("counts"):
            return Answer(body={"count": self._log.count})
        after = str(parameters.get("after", "0"))
        if not after.isdecimal() or len(after) > MAX_NUMBER_DIGITS:
            raise ApiError(400, "INVALID_NUMBER", "after must be the number of a request.")
        return Answer(body={"requests": self._log.after(int(after))})

    def _faults(self, method: str, body: Any) -> Answer:
        faults = self._org.faults
        if method == "DELETE":
            faults.clear()
            return Answer(body={"waiting": 0})
        if method == "GET":
            # Numbers with a fraction are floats here, which records never have.
            return Answer(content=json.dumps({**faults.told(), "unseen": self._org.commits.waiting}))
        try:
            return Answer(body=faults.read(_plain(body)))
        except (ValueError, TypeError) as error:
            raise ApiError(
                400, "INVALID_FAULT", f'Send {{"faults": [{{"kind": "reset"}}]}}: {error}'
            ) from None

    def _settings(self, body: Any) -> Answer:
        """Set `daily_limit` to a count, or `tokens` to those that are accepted, null for any."""
        known = {"daily_limit": _is_count, "tokens": _are_tokens}
        if (
            not isinstance(body, dict)
            or not body
            or not all(name in known and known[name](value) for name, value in body.items())
        ):
            raise ApiError(
                400, "INVALID_SETTING", 'Send {"daily_limit": 1000} or {"tokens": ["a token"]} or both.'
            )
        if "daily_limit" in body:
            self._org.daily_limit = int(body["daily_limit"])
        if "tokens" in body:
            self._org.tokens = None if body["tokens"] is None else frozenset(body["tokens"])
        return Answer(body=body)

    def _sign_in(self, body: Any) -> Answer:
        """Set switches of the sign-in, or `end` every session (`sessions`) or every token (`tokens`)."""
        if not isinstance(body, dict) or body.get("end", "tokens") not in {"sessions", "tokens"}:
            raise ApiError(400, "INVALID_SETTING", 'Send {"rotation": true} or {"end": "sessions"}.')
        try:
            self._oauth.settings.take({name: value for name, value in body.items() if name != "end"})
        except ValueError as error:
            raise ApiError(400, "INVALID_SETTING", str(error)) from None
        match body.get("end"):
            case "sessions":
                self._oauth.tokens.end_sessions()
            case "tokens":
                self._oauth.tokens.revoke_all()
        return Answer(body=body)

    def _set_clock(self, text: str) -> None:
        moment = values.parse_datetime(text)
        if moment is None:
            raise ApiError(400, "INVALID_CLOCK", "now must be an ISO time such as 2026-02-01T00:00:00Z.")
        try:
            self._org.set_clock(moment)
        except ValueError as error:
            raise ApiError(400, "INVALID_CLOCK", str(error)) from error


def _plain(value: Any) -> Any:
    """A body whose numbers are those of Python; they come in as Decimal."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _is_count(value: object) -> bool:
    # Numbers of a body are Decimal; a switch is none.
    text = str(value)
    return text.isdecimal() and len(text) <= MAX_NUMBER_DIGITS and not isinstance(value, str)


def _are_tokens(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))
