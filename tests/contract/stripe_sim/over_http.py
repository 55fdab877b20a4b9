"""Accounts on loopback that answer as accounts in process do, so that a scenario can be told both ways."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import httpx2

from cpqbridge_sim.stripe.account import Account, Answer
from cpqbridge_sim.stripe.server import create_app


class Switchboard:
    """One ASGI application for many accounts: the first part of the path says which."""

    def __init__(self) -> None:
        self._apps: dict[str, Any] = {}

    def connect(self, account: Account) -> str:
        """Serve an account too; returns its part of the path."""
        name = str(len(self._apps))
        self._apps[name] = create_app(account)
        return name

    async def __call__(self, scope: Any, receive: Callable, send: Callable) -> None:
        _, name, rest = scope["path"].split("/", 2)
        await self._apps[name]({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}, receive, send)


class RemoteAccount:
    """Drives an account over HTTP; what it has of an `Account` works as there."""

    def __init__(self, client: httpx2.Client, url: str) -> None:
        self._client = client
        self._url = url

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self._client.get(f"{self._url}/_sim/clock").json()["now"])

    def advance(self, to: datetime) -> None:
        answer = self._client.post(f"{self._url}/_sim/clock", json={"now": to.isoformat()})
        if answer.status_code != 200:
            raise ValueError(answer.json()["error"]["message"])

    def request(self, method: str, path: str, params: Mapping[str, Any] | None = None, **options: Any):
        options.setdefault("api_key", "sk_test_simulated")
        answer = self.respond(method, path, params or {}, **options)
        return answer.status, answer.body

    def respond(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        *,
        api_key: str,
        idempotency_key: str | None = None,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {api_key}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        fields = dict(encoded(params, ""))
        sent = {"data": fields} if method == "POST" else {"params": fields}
        answer = self._client.request(method, f"{self._url}{path}", headers=headers, **sent)
        return Answer(status=answer.status_code, body=answer.json(), headers=Headers(answer.headers))

    def all_objects(self) -> dict[str, list[dict[str, Any]]]:
        return self._client.get(f"{self._url}/_sim/state").json()


class Headers(dict):
    """Headers by their name in any case, as HTTP does not keep it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())


def encoded(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Form fields with bracket paths; an empty list is encoded as nothing, as the SDK does it."""
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from encoded(entry, f"{path}[{name}]" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from encoded(entry, f"{path}[{index}]")
    elif value is not None:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)
