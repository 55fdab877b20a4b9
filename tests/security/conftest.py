"""The app on an empty home and on one that is connected and has synced, asked by people of every role."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.app_people import OWN, session_of
from tests.faults.two_sides import TwoSides, connect, service, two_sides

from cpqbridge.store.database import DATABASE_FILE
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import Accounts
from cpqbridge.sync.passwords import Passwords
from cpqbridge.web.app import Outside, create_app
from cpqbridge.web.health import Health
from cpqbridge.web.site import Route, Site

GOOD = "four plain words here"
WORK_TABLES = {"api_usage", "call_hours", "rate_buckets", "run_hours", "sessions"}
"""What asking the two systems counts, and when a session was seen: no change that anybody made."""


@dataclass
class House:
    """An app with its home; `values` fill placeholders of addresses with what there is."""

    site: Site
    app: FastAPI
    values: Mapping[str, str]
    sides: TwoSides | None = None

    def client(self, role: Role | None, **headers: str) -> TestClient:
        """A browser that is signed in as somebody of this role (None: is not) and sends its origin."""
        client = TestClient(
            self.app,
            base_url=OWN,
            headers={"Origin": OWN} | headers,
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        if role is not None:
            session_of(self.site, role, into=client.cookies.set)
        return client

    def address(self, route: Route) -> str:
        """The route's address with its placeholders filled: by something that there is where we know it."""
        return re.sub(r"{(\w+)(:path)?}", lambda found: self.values.get(found[1], "1"), route.path)

    def contents(self) -> dict[str, list[str]]:
        """Every row of the database by table, but for what only counts work."""
        with closing(sqlite3.connect(self.site.service.store.home / DATABASE_FILE)) as database:
            names = [
                row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {
                name: sorted(map(repr, database.execute(f'SELECT * FROM "{name}"')))
                for name in names
                if name not in WORK_TABLES
            }


def house_of(opened, *, sides: TwoSides | None = None, **values: str) -> House:
    site = Site(opened)
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    site.accounts = Accounts(opened, passwords=Passwords(quick))
    health = Health(ready=lambda: (True, {}), metrics=lambda: b"")
    app = create_app(site, Outside(take_event=None, health=health))
    for role in Role:
        session_of(site, role)
    known = {
        "name": "test",
        "order_id": sides.order_id if sides else "801000000000001AAA",
        "user_id": "1",
        "token": "no-such-token",
        "object": "customer",
        "version": "1",
    }
    return House(site=site, app=app, values=known | values, sides=sides)


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Iterator[House]:
    """The app on a home with people and nothing else."""
    with service(tmp_path_factory.mktemp("empty")) as opened:
        yield house_of(opened)


@pytest.fixture(scope="module")
def connected(tmp_path_factory) -> Iterator[House]:
    """The app connected to both simulators, with one order synced."""
    with two_sides(1) as sides, service(tmp_path_factory.mktemp("connected")) as opened:
        connect(opened, sides)
        opened.sync("test", sides.order_id)
        yield house_of(opened, sides=sides)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[House]:
    """The app on an empty home of this test's own."""
    with service(tmp_path) as opened:
        yield house_of(opened)
