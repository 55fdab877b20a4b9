"""A simulated account in process, and the same over HTTP on loopback for the vendor's own SDK."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx2
import pytest
import stripe
import uvicorn
from tests.contract.stripe_sim.over_http import RemoteAccount, Switchboard
from tests.contract.stripe_sim.stripe_driver import Api

from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.assumptions import Assumptions
from cpqbridge_sim.stripe.server import create_app

SCENARIO = re.compile(r"test_t\d\d_")


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Scenarios of the table of section 7 hold in process and over HTTP."""
    if SCENARIO.match(metafunc.function.__name__) and "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", ["in process", "over http"], indirect=True)


@pytest.fixture(scope="session")
def switchboard() -> Iterator[tuple[Switchboard, str, httpx2.Client]]:
    """One server on loopback for all accounts of this run, and a client for it."""
    board = Switchboard()
    with host(board) as hosted, httpx2.Client() as client:
        yield board, hosted.url, client


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> Callable[[Account], Api]:
    """How an account is driven: in process unless a scenario asks for HTTP."""
    if getattr(request, "param", "in process") == "in process":
        return Api
    board, url, client = request.getfixturevalue("switchboard")
    return lambda account: Api(RemoteAccount(client, f"{url}/{board.connect(account)}"))


@pytest.fixture
def api(account: Account, transport: Callable[[Account], Api]) -> Api:
    return transport(account)


@pytest.fixture
def api_at(transport: Callable[[Account], Api]):
    """Makes an account whose clock stands at a given day, perhaps with other assumptions."""

    def make(year: int, month: int, day_of_month: int, hour: int = 0, **options) -> Api:
        return transport(Account(datetime(year, month, day_of_month, hour, tzinfo=UTC), **options))

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
