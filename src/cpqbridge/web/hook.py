"""The address that Stripe sends events to."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from cpqbridge.errors import EventRefusedError

HOOK_PATH = "/hooks/stripe"
EVENT_BYTES = 2**20
"""The longest event that is taken in; Stripe's are a few kilobytes."""

TakeEvent = Callable[[bytes, str], None]
_NO_SECRET = "event_no_secret"  # noqa: S105 - the code of an error


def add_stripe_hook(app: FastAPI, take_event: TakeEvent | None) -> None:
    """Take events by `take_event`; without it every one is refused."""

    @app.post(HOOK_PATH)
    async def stripe_hook(request: Request) -> JSONResponse:
        if take_event is None:
            return hook_problem(404, "No events are taken here.", "Send them to cpqbridge serve.")
        payload = await _event_body(request)
        if payload is None:
            return hook_problem(
                413, f"The body is longer than {EVENT_BYTES} bytes.", "Send one event of Stripe as it came."
            )
        signature = ",".join(request.headers.getlist("Stripe-Signature"))
        try:
            await run_in_threadpool(take_event, payload, signature)
        except EventRefusedError as error:
            return hook_problem(404 if error.code == _NO_SECRET else 400, error.message, error.fix)
        return JSONResponse({"received": True})


def hook_problem(status: int, message: str, fix: str) -> JSONResponse:
    """Return the answer to an event that was not taken."""
    return JSONResponse({"error": message, "fix": fix}, status_code=status)


async def _event_body(request: Request) -> bytes | None:
    """Return the body, None when it is too long for an event; then it is not read to its end."""
    payload = bytearray()
    async for chunk in request.stream():
        payload += chunk
        if len(payload) > EVENT_BYTES:
            return None
    return bytes(payload)
