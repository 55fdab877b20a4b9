"""A simulated account in process, and the same over HTTP on loopback for the vendor's own SDK."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import stripe
import uvicorn
from tests.contract.stripe_sim.stripe_driver import Api

from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.assumptions import Assumptions
from cpqbridge_sim.stripe.server import create_app


@pytest.fixture
def account() -> Account:
    return Account(datetime(2026, 1, 1, tzinfo=UTC))


class RunningServer:
    """One account on a port of its own, served from a thread."""

    def __init__(self, account: Account) -> None:
        self.account = account
        # Naming TCP lets asyncio switch off the delay of small packets, which costs 40 ms an answer.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(create_app(account), log_level="warning", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            pass

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    def client(self, key: str = "sk_test_x") -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": self.url})


@pytest.fixture
def server(account: Account) -> Iterator[RunningServer]:
    running = RunningServer(account)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def api(account: Account) -> Api:
    return Api(account)


@pytest.fixture
def api_at():
    """Makes an account whose clock stands at a given day, perhaps with other assumptions."""

    def make(year: int, month: int, day_of_month: int, hour: int = 0, **options) -> Api:
        return Api(Account(datetime(year, month, day_of_month, hour, tzinfo=UTC), **options))

    return make


@pytest.fixture
def both(api_at):
    """Runs a story with a switch as it is and turned round."""

    def run(switch: str, story, start=(2026, 1, 1)) -> tuple:
        usual = getattr(Assumptions(), switch)
        return tuple(
            story(api_at(*start, assumptions=Assumptions(**{switch: value}))) for value in (usual, not usual)
        )

    return run
