"""Breaks the connection a request came in on, the way networks, proxies and crashing servers do.

Needs a server of this package or another uvicorn: the transport of a connection is found beside `send`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.faults import LostAnswerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# What `hosting` puts into the scope: a function that refuses connections for so many seconds.
REFUSE = "cpqbridge_sim.refuse"
_TRANSPORT = "cpqbridge_sim.transport"
# Closing without lingering makes the machine send a reset instead of an orderly end.
_NO_LINGER = struct.pack("ii", 1, 0)
_ROUNDS = 3
_PAGE = (
    "<!DOCTYPE html><html><head><title>Service unavailable</title></head>"
    "<body><h1>We are down for maintenance</h1><p>Sorry for the inconvenience.</p></body></html>"
)


def remember_transport(scope: Scope, send: Send) -> None:
    """Keep the connection's transport, which uvicorn has beside its own `send`, for `lose_answer`."""
    scope[_TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)


async def lose_answer(scope: Scope, send: Send, lost: LostAnswerError, content: bytes) -> None:
    """Do to the connection what the fault says; `content` is the true answer, of which `cut` sends half.

    Raises:
        LostAnswerError: this server's connections cannot be broken.
    """
    fault = lost.fault
    if fault.kind == "html":
        await _send_page(send, fault.answer_status)
        return
    transport = scope.get(_TRANSPORT)
    if transport is None:
        raise lost
    if fault.kind == "cut":
        await _send_part(send, fault.answer_status, content or b"{}")
        transport.close()
    else:
        if fault.kind == "timeout":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "refused" and fault.seconds and REFUSE in scope:
            scope[REFUSE](fault.seconds)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    # The server takes notice of the end in a later round of its loop, and then misses no answer.
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


async def _send_page(send: Send, status: int) -> None:
    body = _PAGE.encode()
    headers = [
        (b"content-type", b"text/html; charset=UTF-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_part(send: Send, status: int, content: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
