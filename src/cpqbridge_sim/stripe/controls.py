"""The simulator's own controls over HTTP under `/_sim/`: no part of the API, and never counted."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.rate_limits import RateLimiter

_BAD_REQUEST = 400
_NUMBER_DIGITS_MAX = 9
_WEBHOOK_SWITCHES = frozenset({"shuffled", "duplicated", "lost", "forged"})
_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]

Deliver = Callable[[], "asyncio.Task[None]"]


class Controls:
    """The controls of one account; `deliver` starts to post what is due to webhook endpoints."""

    def __init__(self, account: Account, deliver: Deliver) -> None:
        self._account = account
        self._deliver = deliver

    def routes(self) -> list[Route]:
        """All controls, and a refusal for everything else under `/_sim/`."""
        return [
            Route("/_sim/requests", self.requests, methods=["GET"]),
            Route("/_sim/clock", self.clock, methods=["GET"]),
            Route("/_sim/clock", self.set_clock, methods=["POST"]),
            Route("/_sim/state", self.state, methods=["GET"]),
            Route("/_sim/faults", self.faults, methods=["GET"]),
            Route("/_sim/faults", self.plan_faults, methods=["POST"]),
            Route("/_sim/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_sim/settings", self.settings, methods=["POST"]),
            Route("/_sim/keys", self.keys, methods=["POST"]),
            Route("/_sim/webhooks", self.webhooks, methods=["GET"]),
            Route("/_sim/webhooks/deliver", self.deliver, methods=["POST"]),
            Route("/_sim/webhooks/{endpoint}/roll", self.roll, methods=["POST"]),
            Route("/_sim/{path:path}", self.unknown, methods=_METHODS),
        ]

    async def requests(self, request: Request) -> Response:
        """The log of API requests: all, those `after` a number, or with `counts=1` how many."""
        if request.query_params.get("counts") == "1":
            return JSONResponse({"count": self._account.log.count})
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > _NUMBER_DIGITS_MAX:
            return _refused("`after` must be the number of a request.")
        return JSONResponse({"requests": self._account.log.after(int(after))})

    async def clock(self, _request: Request) -> Response:
        """The account's time."""
        return JSONResponse({"now": self._account.now.isoformat().replace("+00:00", "Z")})

    async def set_clock(self, request: Request) -> Response:
        """Move the account's clock forward; events of it go out afterwards."""
        try:
            content = await request.json()
            target = datetime.fromisoformat(content["now"])
        except (ValueError, KeyError, TypeError):
            return _refused('Send {"now": "2026-01-31T00:00:00Z"}.')
        try:
            self._account.advance(target if target.tzinfo else target.replace(tzinfo=UTC))
        except ValueError as error:
            return _refused(str(error))
        self._deliver()
        return await self.clock(request)

    async def state(self, _request: Request) -> Response:
        """Everything the account holds."""
        return JSONResponse(self._account.all_objects())

    async def faults(self, _request: Request) -> Response:
        """The troubles that wait, and those that struck."""
        return JSONResponse(self._account.faults.told())

    async def plan_faults(self, request: Request) -> Response:
        """Plan troubles: `{"faults": [{"kind": "server_error", "when": "after", "path": "/v1/prices"}]}`."""
        try:
            waiting = self._account.faults.read(await request.json())
        except (ValueError, TypeError) as error:
            return _refused(f'Send {{"faults": [{{"kind": "server_error", "when": "after"}}]}}: {error}')
        return JSONResponse(waiting)

    async def clear_faults(self, _request: Request) -> Response:
        """Forget planned troubles."""
        self._account.faults.clear()
        return JSONResponse({"waiting": 0})

    async def settings(self, request: Request) -> Response:
        """Switch `rate_limits`, or `shuffled`, `duplicated`, `lost`, `forged` webhooks, on or off."""
        content = await _object(request)
        names = {"rate_limits", *_WEBHOOK_SWITCHES}
        if not content or not set(content) <= names or not all(isinstance(v, bool) for v in content.values()):
            return _refused(f"Send true or false for {', '.join(sorted(names))}.")
        if "rate_limits" in content:
            on = content["rate_limits"]
            self._account.limiter = RateLimiter(live=self._account.state.livemode) if on else None
        for name in _WEBHOOK_SWITCHES & set(content):
            setattr(self._account.webhooks, name, content[name])
        return JSONResponse(content)

    async def keys(self, request: Request) -> Response:
        """Restrict a key to `permissions`, or let it expire: `{"key": "rk_test_x", "permissions": []}`."""
        content = await _object(request)
        key, permissions = content.get("key"), content.get("permissions")
        if not isinstance(key, str) or not (content.get("expired") is True or isinstance(permissions, list)):
            return _refused('Send {"key": "rk_test_x", "permissions": []} or {"key": …, "expired": true}.')
        if content.get("expired") is True:
            self._account.credentials.expire(key)
        if isinstance(permissions, list):
            self._account.credentials.restrict(key, [str(entry) for entry in permissions])
        return JSONResponse({"key": key})

    async def webhooks(self, _request: Request) -> Response:
        """All deliveries with the answer of each attempt, and what forgeries were answered."""
        webhooks = self._account.webhooks
        return JSONResponse({"deliveries": webhooks.told(), "forged_answers": webhooks.forged_answers})

    async def deliver(self, _request: Request) -> Response:
        """Try again now what was not delivered, and answer when everything due has been tried."""
        await asyncio.shield(self._deliver())
        self._account.webhooks.retry()
        await asyncio.shield(self._deliver())
        return await self.webhooks(_request)

    async def roll(self, request: Request) -> Response:
        """A new secret for an endpoint; the old one signs too for `keep_seconds`."""
        content = await _object(request)
        try:
            secret = self._account.webhooks.roll_secret(
                request.path_params["endpoint"], keep_seconds=int(content.get("keep_seconds", 0))
            )
        except KeyError:
            return _refused("There is no such webhook endpoint.", status=404)
        except (ValueError, TypeError) as error:
            return _refused(str(error))
        return JSONResponse({"secret": secret})

    async def unknown(self, request: Request) -> Response:
        """Anything else."""
        return _refused(f"There is no control {request.method} {request.url.path}.", status=404)


async def _object(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request; empty for anything else."""
    try:
        content = await request.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _refused(message: str, *, status: int = _BAD_REQUEST) -> Response:
    return JSONResponse({"error": {"message": message}}, status_code=status)
