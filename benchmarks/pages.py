"""Server time of every page at 100,000 orders on SQLite, as the app's routes name them."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from statistics import quantiles

from fastapi.testclient import TestClient

from cpqbridge.clock import SystemClock
from cpqbridge.logs import configure_logging
from cpqbridge.store import sessions, users
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import new_token
from cpqbridge.sync.alert_settings import AlertSettings, ChannelInput
from cpqbridge.web.app import create_app
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.site import Site
from many_orders import many_orders
from table import Row

ORDERS = 100_000
ROUNDS = 20
WANTED_SECONDS = 0.150
OWN = "http://127.0.0.1"
BROKEN = 500
MORE = (
    "/orders?page=900",
    "/orders?search=01099",
    "/orders?state=refused",
    "/audit?person=ann",
    "/audit?action=action_3",
    "/inbox?connection=bench",
)
"""Ways of asking for a list that take other roads through the database."""

_WHOLE_TABLES = (".csv",)


def rows(orders: int = ORDERS) -> Iterator[Row]:
    """Yield a row for each page, the slowest first."""
    configure_logging(None, level="error")
    with many_orders(orders) as home:
        site = Site(home.service)
        client = _client(site)
        made = AlertSettings(home.service).add(
            ChannelInput(kind="webhook", name="chat", secret="https://hooks.example.com/x")
        )
        values = {
            "name": "bench",
            "order_id": home.synced_id,
            "cause": "no_email",
            "channel_id": str(made.channel_id),
            "user_id": "1",
            "token": "none",
            "object": "customer",
            "version": "1",
        }
        found = [_measured(client, address) for address in (*_addresses(site, values), *MORE)]
        found.append(_measured(client, f"/orders/{home.refused_id}"))
    for p95, p50, status, address in sorted(found, reverse=True):
        is_table = any(each in address for each in _WHOLE_TABLES)
        yield Row(
            what=f"{address}{'' if status == 200 else f' ({status})'}",
            measured=f"p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms",
            wanted="" if is_table else f"{WANTED_SECONDS * 1000:.0f} ms",
            met=status < BROKEN and (is_table or p95 <= WANTED_SECONDS),
        )


def _addresses(site: Site, values: dict[str, str]) -> list[str]:
    """Return the address of every page with its placeholders filled; 1 where nothing is known."""
    return [
        re.sub(r"{(\w+)(:path)?}", lambda found: values.get(found[1], "1"), route.path)
        for route in site.routes
        if route.method == "GET"
    ]


def _measured(client: TestClient, address: str) -> tuple[float, float, int, str]:
    status = client.get(address).status_code
    rounds = 3 if any(each in address for each in _WHOLE_TABLES) else ROUNDS
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        client.get(address)
        seconds.append(time.perf_counter() - begun)
    parts = quantiles(seconds, n=20, method="inclusive")
    return parts[18], parts[9], status, address


def _client(site: Site) -> TestClient:
    """Return a client that is signed in as an admin."""
    app = create_app(site)
    now, token = SystemClock().now(), new_token()
    with site.service.store.write() as transaction:
        user = users.add(transaction, name="bench", role=Role.ADMIN, at=now)
        ends = now + timedelta(days=1)
        sessions.add(transaction, token=token, user_id=user.user_id, at=now, expires_at=ends)
    client = TestClient(
        app, base_url=OWN, headers={"Origin": OWN}, follow_redirects=False, raise_server_exceptions=False
    )
    client.cookies.set(session_cookie(site), token)
    return client
