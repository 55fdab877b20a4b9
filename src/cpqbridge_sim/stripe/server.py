"""The simulated account over HTTP."""

from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cpqbridge_sim.stripe.account import Account, Answer
from cpqbridge_sim.stripe.errors import StripeApiError, invalid
from cpqbridge_sim.stripe.form import decode

_BODY_BYTES_MAX = 1024 * 1024
_BAD_REQUEST = 400
_NUMBER_DIGITS_MAX = 9


def create_app(account: Account) -> Starlette:
    """The ASGI application of one account: `/v1/...` is the API, `/_sim/...` the simulator's own controls."""
    api = _Api(account)
    controls = _Controls(account)
    return Starlette(
        routes=[
            Route("/_sim/requests", controls.requests, methods=["GET"]),
            Route("/_sim/clock", controls.clock, methods=["GET"]),
            Route("/_sim/clock", controls.set_clock, methods=["POST"]),
            Route("/_sim/state", controls.state, methods=["GET"]),
            Route("/_sim/{path:path}", controls.unknown, methods=["GET", "POST", "DELETE", "PUT", "PATCH"]),
            Route("/{path:path}", api.answer, methods=["GET", "POST", "DELETE", "PUT", "PATCH"]),
        ]
    )


class _Api:
    def __init__(self, account: Account) -> None:
        self._account = account

    async def answer(self, request: Request) -> Response:
        content = await request.body()
        params: dict[str, Any] = {}
        unreadable: StripeApiError | None = None
        try:
            params = self._parameters(request, content)
        except StripeApiError as error:
            unreadable = error
        answer: Answer = self._account.respond(
            request.method,
            request.url.path,
            params,
            idempotency_key=request.headers.get("idempotency-key"),
            api_key=_bearer(request),
            stripe_version=request.headers.get("stripe-version"),
            stripe_account=request.headers.get("stripe-account"),
            unreadable=unreadable,
        )
        return JSONResponse(answer.body, status_code=answer.status, headers=answer.headers)

    def _parameters(self, request: Request, content: bytes) -> dict[str, Any]:
        if len(content) > _BODY_BYTES_MAX:
            raise StripeApiError("The request body is too large.", status=413)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise invalid("The request body is not valid UTF-8.") from None
        return {**decode(request.url.query), **decode(text)}


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


class _Controls:
    """Simulator controls; they are not part of the API and are never counted."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def requests(self, request: Request) -> Response:
        if request.query_params.get("counts") == "1":
            return JSONResponse({"count": self._account.log.count})
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > _NUMBER_DIGITS_MAX:
            return _refused("`after` must be the number of a request.")
        return JSONResponse({"requests": self._account.log.after(int(after))})

    async def clock(self, _request: Request) -> Response:
        return JSONResponse({"now": self._account.now.isoformat().replace("+00:00", "Z")})

    async def set_clock(self, request: Request) -> Response:
        try:
            content = await request.json()
            target = datetime.fromisoformat(content["now"])
        except (ValueError, KeyError, TypeError):
            return _refused('Send {"now": "2026-01-31T00:00:00Z"}.')
        try:
            self._account.advance(target if target.tzinfo else target.replace(tzinfo=UTC))
        except ValueError as error:
            return _refused(str(error))
        return await self.clock(request)

    async def unknown(self, request: Request) -> Response:
        return _refused(f"There is no control {request.method} {request.url.path}.", status=404)

    async def state(self, _request: Request) -> Response:
        return JSONResponse(self._account.all_objects())


def _refused(message: str, *, status: int = _BAD_REQUEST) -> Response:
    return JSONResponse({"error": {"message": message}}, status_code=status)
