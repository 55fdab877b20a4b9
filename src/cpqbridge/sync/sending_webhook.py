"""One post to a webhook that takes what Slack takes; https to public addresses only, redirects not followed.

The address is looked up here and that very address is talked to, so that a name which means another machine
a moment later leads nowhere inside.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from urllib.parse import SplitResult

from cpqbridge.domain.addresses import (
    is_internet_address,
    is_loopback_host,
    is_loopback_url,
    split_address,
)
from cpqbridge.errors import ConfigurationError, TransientError

TIMEOUT_SECONDS = 15.0
_LONGEST_ANSWER = 1000
_OK_FROM, _OK_TO = 200, 300
_TOO_MANY, _BROKEN = 429, 500
_HTTPS_PORT, _HTTP_PORT = 443, 80

LookUp = Callable[[str, int], list[str]]
"""Host and port -> numeric addresses."""


def require_webhook_address(url: str, *, allows_loopback: bool) -> SplitResult:
    """Return the parts of an address that alerts may be posted to.

    `allows_loopback` lets plain http to this machine through, for homes whose connections are all simulated.

    Raises:
        ConfigurationError: it is no https address.
    """
    parts = split_address(url)
    if parts is not None and (parts.scheme == "https" or (allows_loopback and is_loopback_url(url))):
        return parts
    raise ConfigurationError(
        "This is no address that alerts can be posted to.",
        code="webhook_address",
        field="url",
        fix="Paste the whole https address of the incoming webhook, as Slack or another service shows it.",
    )


def post_text(url: str, text: str, *, allows_loopback: bool, look_up: LookUp | None = None) -> str:
    """Post `{"text": ...}`; return what the service answered, in words for people.

    Raises:
        ConfigurationError: the address leads to a private network, or the service refuses the post.
        TransientError: the service does not answer, or says that it may be tried later.
    """
    parts = require_webhook_address(url, allows_loopback=allows_loopback)
    host = parts.hostname or ""
    port = parts.port or (_HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT)
    try:
        status = _post(parts, _address_of(host, port, allows_loopback, look_up or _look_up), port, text)
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(
            f"{host} cannot be reached ({type(error).__name__}).",
            code="webhook_unreachable",
            fix="It is tried again; check the address and that the firewall lets this machine out.",
        ) from None
    if _OK_FROM <= status < _OK_TO:
        return f"{host} took the message."
    if status == _TOO_MANY or status >= _BROKEN:
        raise TransientError(
            f"{host} answered with {status}.",
            code="webhook_answer",
            fix="It is tried again; if it stays, look into the service that takes the messages.",
        )
    raise ConfigurationError(
        f"{host} refused the message with {status}.",
        code="webhook_refused",
        field="url",
        fix="Paste the address again: it may be incomplete, switched off, or of a deleted app.",
    )


def _look_up(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _address_of(host: str, port: int, allows_loopback: bool, look_up: LookUp) -> str:
    """Return the number to connect to; every number of the name must be a public one."""
    found = look_up(host, port)
    for text in found:
        if not is_internet_address(text) and not (allows_loopback and is_loopback_host(text)):
            raise ConfigurationError(
                f"{host} is inside a private network; alerts are posted to public addresses only.",
                code="webhook_private",
                field="url",
                fix="Use a service on the internet, or mail for servers of your own network.",
            )
    return found[0]


def _post(parts: SplitResult, address: str, port: int, text: str) -> int:
    """Send the post to this very address and return the status."""
    host = parts.hostname or ""
    stream = socket.create_connection((address, port), timeout=TIMEOUT_SECONDS)
    try:
        if parts.scheme == "https":
            stream = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        connection.sock = stream
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json", "Connection": "close", "Host": parts.netloc}
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read(_LONGEST_ANSWER)
        return answer.status
    finally:
        stream.close()
