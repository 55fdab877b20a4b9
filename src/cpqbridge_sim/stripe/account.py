"""A simulated Stripe account that answers API requests and moves through time."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cpqbridge_sim.request_log import RequestLog
from cpqbridge_sim.stripe.assumptions import Assumptions
from cpqbridge_sim.stripe.billing.lifecycle import run_until
from cpqbridge_sim.stripe.errors import StripeApiError, invalid
from cpqbridge_sim.stripe.expansion import expand
from cpqbridge_sim.stripe.idempotency import IdempotencyKeys, StoredAnswer, fingerprint_of
from cpqbridge_sim.stripe.listing import paged
from cpqbridge_sim.stripe.parameter_check import checked
from cpqbridge_sim.stripe.parameter_tree import parameters_named
from cpqbridge_sim.stripe.resources.account_and_events import shown
from cpqbridge_sim.stripe.resources.call import Call
from cpqbridge_sim.stripe.routes import Route, match
from cpqbridge_sim.stripe.state import API_VERSION, AccountState
from cpqbridge_sim.stripe.store import answered, copied

_TEST_PREFIXES = ("sk_test_", "rk_test_")
_LIVE_PREFIXES = ("sk_live_", "rk_live_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One API answer: status, body and the headers beyond the usual."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class Account:
    """All state of one simulated account, in test mode unless `live`.

    Args:
        now: the account's time; aware, whole seconds count.
        keys: the API keys that are accepted; any test key when not given.
        live: whether live keys are accepted and objects show `livemode`.
        account_id: the id that `GET /v1/account` shows.
        country: two letters.
        default_currency: three letters, lower case.
        display_name: the account's name in the dashboard.
        assumptions: readings of undocumented behaviour.
    """

    def __init__(
        self,
        now: datetime,
        *,
        keys: Collection[str] | None = None,
        live: bool = False,
        account_id: str = "acct_1SSimulated00",
        country: str = "US",
        default_currency: str = "usd",
        display_name: str = "Simulated account",
        assumptions: Assumptions | None = None,
    ) -> None:
        self.state = AccountState(
            now=_seconds(now),
            account_id=account_id,
            country=country,
            default_currency=default_currency,
            display_name=display_name,
            livemode=live,
            assumptions=assumptions or Assumptions(),
        )
        self.log = RequestLog()
        self._keys = None if keys is None else frozenset(keys)
        self._idempotency = IdempotencyKeys()

    @property
    def now(self) -> datetime:
        """The account's time, aware, in UTC."""
        return datetime.fromtimestamp(self.state.now, UTC)

    def advance(self, to: datetime) -> None:
        """Move the account's clock forward and run everything that falls due on the way.

        Raises:
            ValueError: when `to` lies before the account's time.
        """
        target = _seconds(to)
        if target < self.state.now:
            raise ValueError(f"The clock only moves forward: it is {self.now.isoformat()} already.")
        run_until(self.state, None, target)

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        api_key: str | None = "sk_test_simulated",
        stripe_version: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Answer one API request with nested parameters; returns HTTP status and body."""
        answer = self.respond(
            method,
            path,
            params or {},
            idempotency_key=idempotency_key,
            api_key=api_key,
            stripe_version=stripe_version,
        )
        return answer.status, answer.body

    def respond(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        api_key: str | None = None,
        stripe_version: str | None = None,
        stripe_account: str | None = None,
        unreadable: StripeApiError | None = None,
    ) -> Answer:
        """The same as `request`, with the headers of the answer.

        `unreadable` is what was wrong with the parameters before they could be decoded.
        """
        request_id = self.state.identifiers.new("req")
        self.state.current_request_id = request_id
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        key = idempotency_key if method == "POST" else None
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            self._check_key(api_key)
            self._check_account(stripe_account)
            if stripe_version not in (None, API_VERSION):
                raise invalid(
                    f"Invalid Stripe API version: {stripe_version}. This account serves {API_VERSION}."
                )
            if unreadable is not None:
                raise unreadable
            answer = self._answer(method, path, params, key=key, request_id=request_id)
        except StripeApiError as error:
            answer = Answer(status=error.status, body=error.envelope(request_id))
        self.log.record(
            at=self.now.isoformat().replace("+00:00", "Z"),
            method=method,
            path=path,
            parameters=copied(dict(params)),
            idempotency_key=key,
            status=answer.status,
            response=answer.body,
        )
        return Answer(status=answer.status, body=answer.body, headers={**headers, **answer.headers})

    def _check_key(self, api_key: str | None) -> None:
        if not api_key:
            raise StripeApiError(
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        prefixes = _LIVE_PREFIXES if self.state.livemode else _TEST_PREFIXES
        known = self._keys is None or api_key in self._keys
        if not known or not any(api_key.startswith(prefix) and api_key != prefix for prefix in prefixes):
            raise StripeApiError(
                f"Invalid API Key provided: {api_key[:8]}{'*' * 8}{api_key[-4:]}", status=401
            )

    def _check_account(self, wanted: str | None) -> None:
        if wanted not in (None, self.state.account_id):
            raise StripeApiError(
                f"The provided key does not have access to account '{wanted}' (or that account does not "
                "exist).",
                status=403,
                code="account_invalid",
            )

    def _answer(
        self, method: str, path: str, params: Mapping[str, Any], *, key: str | None, request_id: str
    ) -> Answer:
        found = match(method, path)
        if found is None:
            raise StripeApiError(f"Unrecognized request URL ({method}: {path}).", status=404)
        fingerprint = fingerprint_of(params)
        by_account = self.state.assumptions.idempotency_expires_by_account_time
        now = self.state.now if by_account else int(time.time())
        if key is not None:
            stored = self._idempotency.find(key, method=method, path=path, fingerprint=fingerprint, now=now)
            if stored is not None:
                headers = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
                return Answer(status=stored.status, body=copied(stored.body), headers=headers)
        route, path_ids = found
        values = checked(parameters_named(route.params), params)
        answer = self._execute(route, path_ids, values, request_id=request_id)
        if key is not None:
            kept = StoredAnswer(
                method=method,
                path=path,
                fingerprint=fingerprint,
                status=answer.status,
                body=copied(answer.body),
                request_id=request_id,
                created_at=now,
            )
            self._idempotency.keep(key, kept)
        return answer

    def _execute(
        self, route: Route, path_ids: tuple[str, ...], values: Mapping[str, Any], *, request_id: str
    ) -> Answer:
        self.state.store.begin()
        try:
            body = route.handler(Call(state=self.state, path_ids=path_ids, params=values))
            if body.get("object") == "list" and "data" in body:
                body = paged(body, values)
                body["data"] = [
                    shown(entry) if entry["object"] == "event" else entry for entry in body["data"]
                ]
            body = answered(body)
            expand(self.state, body, values.get("expand", []))
        except StripeApiError as error:
            self.state.store.undo()
            return Answer(status=error.status, body=error.envelope(request_id))
        return Answer(status=200, body=body)

    def all_objects(self) -> dict[str, list[dict[str, Any]]]:
        """Everything the account holds, by type, oldest first."""
        return {
            kind: [copied(shown(body) if kind == "event" else body) for body in bodies.values()]
            for kind, bodies in sorted(self.state.store.by_type.items())
            if bodies
        }


def _seconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError("The account's time must be an aware datetime.")
    return int(moment.timestamp())
