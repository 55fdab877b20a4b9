"""A simulated Stripe account that answers API requests and moves through time."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cpqbridge_sim.fault_plan import FaultPlan
from cpqbridge_sim.faults import BEFORE, NO_FAULT, Fault, LostAnswerError
from cpqbridge_sim.request_log import RequestLog
from cpqbridge_sim.stripe.assumptions import Assumptions
from cpqbridge_sim.stripe.billing.lifecycle import run_until
from cpqbridge_sim.stripe.billing.settling import settle
from cpqbridge_sim.stripe.collection_settings import CollectionSettings
from cpqbridge_sim.stripe.credentials import Credentials
from cpqbridge_sim.stripe.errors import StripeApiError, invalid
from cpqbridge_sim.stripe.expansion import expand
from cpqbridge_sim.stripe.faults import KINDS, refusal_of, strike_after, strike_before
from cpqbridge_sim.stripe.idempotency import IdempotencyKeys, StoredAnswer, fingerprint_of
from cpqbridge_sim.stripe.in_flight import InFlight
from cpqbridge_sim.stripe.listing import paged
from cpqbridge_sim.stripe.parameter_check import checked
from cpqbridge_sim.stripe.parameter_tree import parameters_named
from cpqbridge_sim.stripe.rate_limits import RateLimiter
from cpqbridge_sim.stripe.resources.account_and_events import shown
from cpqbridge_sim.stripe.resources.call import Call
from cpqbridge_sim.stripe.routes import Route, match
from cpqbridge_sim.stripe.state import API_VERSION, AccountState
from cpqbridge_sim.stripe.store import answered, copied
from cpqbridge_sim.stripe.webhooks import Webhooks

_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One API answer: status, body and the headers beyond the usual."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, Any]
    key: str | None
    api_key: str | None
    stripe_version: str | None
    stripe_account: str | None
    unreadable: StripeApiError | None
    id: str


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
        collection: the settings of the dashboard for retries, reminders and limits of subscriptions.

    Attributes:
        credentials: the keys, which can be restricted and expire.
        faults: troubles planned for coming requests.
        limiter: the rate limits, when they are on.
        in_flight: what requests that are still being worked on hold.
        webhooks: events on their way to endpoints.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings of one account
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
        collection: CollectionSettings | None = None,
    ) -> None:
        self.state = AccountState(
            now=_seconds(now),
            account_id=account_id,
            country=country,
            default_currency=default_currency,
            display_name=display_name,
            livemode=live,
            assumptions=assumptions or Assumptions(),
            collection=collection or CollectionSettings(),
        )
        self.log = RequestLog()
        self.credentials = Credentials(keys, live=live, account_id=account_id)
        self.faults = FaultPlan(KINDS)
        self.limiter: RateLimiter | None = None
        self.in_flight = InFlight()
        self.webhooks = Webhooks(self.state)
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
        self.webhooks.send_due()

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
        params: Mapping[str, Any] | StripeApiError,
        *,
        idempotency_key: str | None = None,
        api_key: str | None = None,
        stripe_version: str | None = None,
        stripe_account: str | None = None,
        fault: Fault | None = None,
    ) -> Answer:
        """The same as `request`, with the headers of the answer.

        `params` may be what was wrong with them before they could be decoded. `fault` is the trouble of this
        request; without it the next planned one that fits strikes.

        Raises:
            LostAnswerError: a fault took the answer away.
        """
        request = _Request(
            method=method,
            path=path,
            params={} if isinstance(params, StripeApiError) else params,
            unreadable=params if isinstance(params, StripeApiError) else None,
            key=idempotency_key if method == "POST" else None,
            api_key=api_key,
            stripe_version=stripe_version,
            stripe_account=stripe_account,
            id=self.state.identifiers.new("req"),
        )
        self.state.current_request_id, self.state.current_idempotency_key = request.id, request.key
        fault = self.faults.take(method, path, now=self.now) if fault is None else fault
        answer: Answer | None = None
        status = 0
        try:
            answer = self._passed(request, fault)
            status = answer.status
        except StripeApiError as error:
            answer = _refusal(error, request.id)
            status = answer.status
        except LostAnswerError as lost:
            status = lost.fault.answer_status
            raise
        finally:
            self._log(request, status, answer, fault)
            self.webhooks.send_due()
        headers = {"Request-Id": request.id, "Stripe-Version": API_VERSION, **answer.headers}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        return Answer(status=answer.status, body=answer.body, headers=headers)

    def _log(self, request: _Request, status: int, answer: Answer | None, fault: Fault | None) -> None:
        """Record a request; one without any answer has the status 0."""
        self.log.record(
            at=self.now.isoformat().replace("+00:00", "Z"),
            method=request.method,
            path=request.path,
            parameters=copied(dict(request.params)),
            idempotency_key=request.key,
            status=status,
            response=None if answer is None else answer.body,
            fault=None if fault is None or fault is NO_FAULT else fault.words,
            retry_after=None if answer is None else answer.headers.get("Retry-After"),
        )

    def _passed(self, request: _Request, fault: Fault | None) -> Answer:
        """Everything that stands before the endpoints, in the vendor's order, then the endpoint."""
        self.credentials.check(request.api_key, request.stripe_account)
        route, path_ids = self._routed(request)
        if fault is not None:
            strike_before(fault, request.key)
        if request.stripe_version not in (None, API_VERSION):
            raise invalid(
                f"Invalid Stripe API version: {request.stripe_version}. This account serves {API_VERSION}."
            )
        if request.unreadable is not None:
            raise request.unreadable
        with self.in_flight.held(request.key, request.method, request.path):
            if fault is not None and fault.kind == "latency":
                time.sleep(self.faults.seconds_of(fault))
            answer = self._answer(request, route, path_ids, fault)
        if fault is not None:
            strike_after(fault, answer.body)
        return answer

    def _routed(self, request: _Request) -> tuple[Route, tuple[str, ...]]:
        found = match(request.method, request.path)
        if found is None:
            raise StripeApiError(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
        self.credentials.check_permission(request.api_key, request.method, request.path)
        if self.limiter is not None:
            self.limiter.check(f"{found[0].method} {found[0].path}")
        return found

    def _answer(
        self, request: _Request, route: Route, path_ids: tuple[str, ...], fault: Fault | None
    ) -> Answer:
        key = request.key
        fingerprint = "" if key is None else fingerprint_of(request.params)
        by_account = self.state.assumptions.idempotency_expires_by_account_time
        now = self.state.now if by_account else int(time.time())
        if key is not None:
            stored = self._idempotency.find(
                key, method=request.method, path=request.path, fingerprint=fingerprint, now=now
            )
            if stored is not None:
                return _replay(stored)
        values = checked(parameters_named(route.params), request.params)
        failure = refusal_of(fault, key) if fault is not None and fault.is_stored else None
        if failure is not None and fault is not None and fault.when == BEFORE:
            # The endpoint began, so that the key replays how it ended, and failed before it did anything.
            answer = _refusal(failure, request.id)
        else:
            answer = self._execute(route, path_ids, values, request_id=request.id)
        if key is None:
            return answer
        kept = answer if failure is None else _refusal(failure, request.id)
        self._idempotency.keep(
            key,
            StoredAnswer(
                method=request.method,
                path=request.path,
                fingerprint=fingerprint,
                status=kept.status,
                body=copied(kept.body),
                request_id=request.id,
                created_at=now,
            ),
        )
        headers = {**answer.headers, "Original-Request": request.id}
        return Answer(status=answer.status, body=answer.body, headers=headers)

    def _execute(
        self, route: Route, path_ids: tuple[str, ...], values: Mapping[str, Any], *, request_id: str
    ) -> Answer:
        self.state.store.begin()
        self.state.outbox.begin()
        try:
            body = route.handler(Call(state=self.state, path_ids=path_ids, params=values))
            settle(self.state)
            if body.get("object") == "list" and "data" in body:
                body = paged(body, values)
                body["data"] = [
                    shown(entry) if entry["object"] == "event" else entry for entry in body["data"]
                ]
            body = answered(body)
            expand(self.state, body, values.get("expand", []))
        except StripeApiError as error:
            if error.happened:
                settle(self.state)
            else:
                self.state.store.undo()
                self.state.outbox.undo()
            return _refusal(error, request_id)
        return Answer(status=200, body=body)

    def all_objects(self) -> dict[str, list[dict[str, Any]]]:
        """Everything the account holds, by type, oldest first."""
        return {
            kind: [copied(shown(body) if kind == "event" else body) for body in bodies.values()]
            for kind, bodies in sorted(self.state.store.by_type.items())
            if bodies
        }


def _refusal(error: StripeApiError, request_id: str) -> Answer:
    return Answer(status=error.status, body=error.envelope(request_id), headers=error.headers)


def _replay(stored: StoredAnswer) -> Answer:
    """A stored answer; a stored error is not worth retrying, as the source of the SDK says."""
    headers = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
    if stored.status >= _SERVER_ERRORS:
        headers["Stripe-Should-Retry"] = "false"
    return Answer(status=stored.status, body=copied(stored.body), headers=headers)


def _seconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError("The account's time must be an aware datetime.")
    return int(moment.timestamp())
