"""An org with the history of salesforce.md section 5, served over real HTTP."""

import pytest
from tests.contract.salesforce_sim.simulated_org import NOW, Rest, section_5

from cpqbridge_sim.hosting import host
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app


class Stage:
    """An ASGI app that passes every request to the app a test has put on."""

    def __init__(self):
        self.app = None

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage():
    """One web server for all tests: to stop one takes longer than most tests."""
    stage = Stage()
    with host(stage) as hosted:
        stage.url = hosted.url
        yield stage


@pytest.fixture
def org() -> Org:
    org = Org(NOW)
    org.load(section_5())
    return org


@pytest.fixture
def serve(stage):
    """Serves an org, the one before it no longer, and gives a client for it."""
    clients = []

    def start(org: Org, token: str = "token-1") -> Rest:
        stage.app = create_app(org)
        clients.append(Rest(stage.url, token))
        return clients[-1]

    yield start
    for client in clients:
        client.http.close()


@pytest.fixture
def rest(org, serve) -> Rest:
    return serve(org)
