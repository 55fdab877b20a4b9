"""The simulated account over HTTP."""

import asyncio
import base64
import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cpqbridge_sim.faults import HEADER, NO_FAULT, Fault, LostAnswerError, fault_of_header
from cpqbridge_sim.stripe.account import Account, Answer
from cpqbridge_sim.stripe.controls import Controls
from cpqbridge_sim.stripe.errors import StripeApiError, invalid
from cpqbridge_sim.stripe.form import decode
from cpqbridge_sim.stripe.webhooks import post_over_loopback
from cpqbridge_sim.wire import lose_answer, remember_transport

_BODY_BYTES_MAX = 1024 * 1024
_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


class StripeApp(Starlette):
    """Starlette that lets a fault break the connection it came in on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remember the connection's transport before anything wraps `send`."""
        remember_transport(scope, send)
        await super().__call__(scope, receive, send)


def create_app(account: Account) -> StripeApp:
    """The ASGI application of one account: `/v1/...` is the API, `/_sim/...` the simulator's own controls."""
    postman = Postman(account)
    api = _Api(account, postman)
    return StripeApp(
        routes=[
            *Controls(account, postman.deliver).routes(),
            Route("/{path:path}", api.answer, methods=_METHODS),
        ]
    )


class Postman:
    """Posts what is due to webhook endpoints while the server goes on to answer requests."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._running: asyncio.Task[None] | None = None

    def deliver(self) -> "asyncio.Task[None]":
        """Start to post what is due, if that does not happen already; the task ends when nothing is due."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._post())
        return self._running

    async def _post(self) -> None:
        webhooks = self._account.webhooks
        while batch := webhooks.take():
            for outgoing in batch:
                status = await asyncio.to_thread(
                    post_over_loopback, outgoing.url, outgoing.headers, outgoing.body
                )
                webhooks.answered(outgoing, status)


class _NoAnswer(Response):
    """What is sent when the answer of the API is lost."""

    def __init__(self, lost: LostAnswerError) -> None:
        super().__init__()
        self._lost = lost

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        answer = self._lost.answer or {"object": "nothing"}
        await lose_answer(scope, send, self._lost, json.dumps(answer, ensure_ascii=False).encode())


class _Api:
    def __init__(self, account: Account, postman: Postman) -> None:
        self._account = account
        self._postman = postman

    async def answer(self, request: Request) -> Response:
        content = await request.body()
        params: dict[str, Any] | StripeApiError
        fault: Fault | None = None
        try:
            fault = self._fault(request)
            params = self._parameters(request, content)
        except StripeApiError as error:
            params = error
        if fault is None:
            account = self._account
            fault = account.faults.take(request.method, request.url.path, now=account.now) or NO_FAULT
        fault = await self._delayed(request, fault)
        try:
            answer = self._respond(request, params, fault)
        except LostAnswerError as lost:
            return _NoAnswer(lost)
        finally:
            if self._account.state.outbox.waiting:
                self._postman.deliver()
        return JSONResponse(answer.body, status_code=answer.status, headers=answer.headers)

    def _respond(self, request: Request, params: dict[str, Any] | StripeApiError, fault: Fault) -> Answer:
        return self._account.respond(
            request.method,
            request.url.path,
            params,
            idempotency_key=request.headers.get("idempotency-key"),
            api_key=_bearer(request),
            stripe_version=request.headers.get("stripe-version"),
            stripe_account=request.headers.get("stripe-account"),
            fault=fault,
        )

    async def _delayed(self, request: Request, fault: Fault) -> Fault:
        """Let other requests be answered while a slow one holds its key and object; returns what is left."""
        if fault.kind != "latency":
            return fault
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        try:
            with self._account.in_flight.held(key, request.method, request.url.path):
                await asyncio.sleep(self._account.faults.seconds_of(fault))
        except StripeApiError:
            # It has to wait for another request itself, and is told so without delay.
            return NO_FAULT
        return NO_FAULT

    def _fault(self, request: Request) -> Fault | None:
        text = request.headers.get(HEADER)
        if text is None:
            return None
        try:
            return fault_of_header(text, self._account.faults.kinds)
        except ValueError as error:
            raise invalid(f"{HEADER}: {error}") from None

    def _parameters(self, request: Request, content: bytes) -> dict[str, Any]:
        if len(content) > _BODY_BYTES_MAX:
            raise StripeApiError("The request body is too large.", status=413)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise invalid("The request body is not valid UTF-8.") from None
        return {**decode(request.url.query), **decode(text)}


def _bearer(request: Request) -> str | None:
    """The key of `Authorization`: as a bearer, or as the name of basic authentication, which curl sends."""
    header = request.headers.get("authorization", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:
            return None
    return value.strip() if scheme.lower() == "bearer" else None
