"""A transport that plays an org from a script, and the small org schema of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from cpqbridge.salesforce.client import SalesforceClient

BASE = "https://acme.my.salesforce.com"
TOKEN = "00DQy!secret-token-value"


class FakeOrg:
    """Answers each request with what the test's function returns and keeps the requests."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.requests: list[httpx2.Request] = []
        self._answer = answer

    def client(self) -> SalesforceClient:
        return SalesforceClient(BASE, TOKEN, transport=httpx2.MockTransport(self._handle))

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self._answer(request)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests if request.content]


def answering(status: int, body: Any, **headers: str) -> FakeOrg:
    """An org that always gives the same answer; text is sent as it is."""
    content = body if isinstance(body, str) else json.dumps(body)
    return FakeOrg(lambda _: httpx2.Response(status, text=content, headers=headers))


def failing(error: Exception) -> FakeOrg:
    """An org whose every answer is lost in the same way."""

    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    return FakeOrg(fail)


def refusal(code: str, message: str = "no", fields: list[str] | None = None) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {"message": message, "errorCode": code}
    return [entry | ({"fields": fields} if fields else {})]


def page(*records: dict[str, Any], next_url: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"totalSize": len(records), "done": next_url is None, "records": list(records)}
    return found | ({"nextRecordsUrl": next_url} if next_url else {})


def soql_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["q"][0]


def querying(run: Callable[[str], dict[str, Any]]) -> FakeOrg:
    """An org whose queries, alone or in a composite, are answered by `run`."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json=run(soql_of(str(request.url))))
        parts = json.loads(request.content)["compositeRequest"]
        answered = [
            {
                "body": run(soql_of(part["url"])),
                "httpHeaders": {},
                "httpStatusCode": 200,
                "referenceId": part["referenceId"],
            }
            for part in parts
        ]
        return httpx2.Response(200, json={"compositeResponse": answered})

    return FakeOrg(answer)
