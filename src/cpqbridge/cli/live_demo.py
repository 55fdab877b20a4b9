"""The demo's living half: the sample org on its day, a CPQ desk, and a worker that syncs what is sold."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpqbridge.cli.output import note
from cpqbridge.cli.sandbox_cpq import DEFAULT_ORG_PORT
from cpqbridge.clock import SettableClock
from cpqbridge.errors import CpqbridgeError
from cpqbridge.mapping.configuration import default_configuration

if TYPE_CHECKING:
    from cpqbridge.mapping.configuration import Configuration
    from cpqbridge.sync.rehearse import Rehearsal
    from cpqbridge.sync.report import Calls
    from cpqbridge.sync.service import SyncService
    from cpqbridge.sync.setup_book import SimulatedSides
    from cpqbridge_sim.hosting import Hosted
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.stripe.account import Account

CONNECTION = "demo"
POLL_SECONDS = 2
_KEY = "sk_test_demo"
_TOKEN = "demo"  # noqa: S105 - the simulated org accepts any

Records = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDemo:
    """A running demo: its service with a worker, its clock, the simulators, and the CPQ desk's address."""

    service: SyncService
    clock: SettableClock
    desk_url: str
    simulated: SimulatedSides


@contextmanager
def live_demo(records: Records, *, now: datetime, pages_url: str, log_level: str) -> Iterator[LiveDemo]:
    """Sync the records as they were activated up to `now`, aware, and go on living from there.

    Time stands still until somebody moves it at the desk. `pages_url` is where the orders are shown.
    """
    from cpqbridge.bootstrap import open_throwaway_service  # noqa: PLC0415 - it loads the database
    from cpqbridge.cli.exported_orders import exported_orders  # noqa: PLC0415
    from cpqbridge.logs import configure_logging  # noqa: PLC0415
    from cpqbridge.sync.activity import recording  # noqa: PLC0415
    from cpqbridge.sync.alerting import watching_over  # noqa: PLC0415
    from cpqbridge.sync.rehearse import Rehearsal, play  # noqa: PLC0415

    # The home is gone at the end; an unexpected error starts a log in the real one.
    configure_logging(None, level=log_level)
    orders = exported_orders(records)
    start = min((order.activated_at for order in orders if order.activated_at), default=now)
    clock = SettableClock(start)
    time_asked_for: queue.SimpleQueue[datetime | None] = queue.SimpleQueue()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cpqbridge-")))
        systems = _hosted(stack, records, start, pages_url=pages_url, asked=time_asked_for)
        service = stack.enter_context(open_throwaway_service(home, clock=clock))
        stack.enter_context(recording(service))
        service.become_worker()
        configuration = _configuration()
        service.add_connection(
            name=CONNECTION,
            salesforce_url=systems.salesforce_url,
            salesforce_token=_TOKEN,
            stripe_key=_KEY,
            stripe_api_base=systems.stripe_url,
            configuration=configuration,
        )
        rehearsal = Rehearsal(
            service=service,
            connection=CONNECTION,
            stripe_key=_KEY,
            systems=systems,
            clock=clock,
            orders=orders,
            currency="usd",
        )
        play(rehearsal, until=now)
        live = replace(configuration.sync, live=True, poll_seconds=POLL_SECONDS)
        service.apply_configuration(CONNECTION, replace(configuration, sync=live))
        service.start_worker()
        stack.enter_context(watching_over(service))
        stack.enter_context(_moving_time(rehearsal, time_asked_for))
        yield LiveDemo(
            service=service,
            clock=clock,
            desk_url=f"{systems.salesforce_url}/_sim/cpq",
            simulated=_simulated(systems),
        )


def _simulated(systems: _LiveSystems) -> SimulatedSides:
    """Return what the pages of a set-up say of the simulators, so that people can copy it."""
    from cpqbridge.sync.setup_book import SimulatedSides  # noqa: PLC0415 - it loads the database
    from cpqbridge_sim.salesforce.oauth_settings import CLIENT_ID, CLIENT_SECRET  # noqa: PLC0415

    return SimulatedSides(
        salesforce_url=systems.salesforce_url,
        stripe_url=systems.stripe_url,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        stripe_key=_KEY,
    )


class _LiveSystems:
    """Both simulated systems, moved over HTTP: their own threads may be answering when time moves."""

    def __init__(self, org: Org, account: Account, hosted: tuple[Hosted, Hosted], org_log: Any) -> None:
        self._org = org
        self._account = account
        self._org_log = org_log
        self.salesforce_url, self.stripe_url = (each.url for each in hosted)

    def set_clock(self, instant: datetime) -> None:
        """Move both clocks forward; an instant that has passed changes nothing."""
        import httpx2  # noqa: PLC0415 - commands that only print their help do without it

        for url, present in ((self.salesforce_url, self._org.now), (self.stripe_url, self._account.now)):
            if instant > present:
                body = {"now": instant.isoformat()}
                httpx2.post(f"{url}/_sim/clock", json=body, timeout=None, trust_env=False).raise_for_status()

    def calls(self) -> Calls:
        """Return how many API requests both have answered."""
        from cpqbridge.sync.report import Calls  # noqa: PLC0415

        return Calls(salesforce=self._org_log.count, stripe=self._account.log.count)


def _hosted(
    stack: ExitStack,
    records: Records,
    start: datetime,
    *,
    pages_url: str,
    asked: queue.SimpleQueue[datetime | None],
) -> _LiveSystems:
    from cpqbridge_sim.hosting import PortTakenError, host  # noqa: PLC0415
    from cpqbridge_sim.salesforce.desk.resource import DeskOptions  # noqa: PLC0415
    from cpqbridge_sim.salesforce.org import Org  # noqa: PLC0415
    from cpqbridge_sim.salesforce.server import create_app as create_org_app  # noqa: PLC0415
    from cpqbridge_sim.stripe.account import Account  # noqa: PLC0415
    from cpqbridge_sim.stripe.server import create_app as create_account_app  # noqa: PLC0415

    org, account = Org(start, replay=True), Account(start)
    org.load(records)
    org_app = create_org_app(org, DeskOptions(connector_url=pages_url, move_clock=asked.put))
    stripe = stack.enter_context(host(create_account_app(account)))
    try:
        salesforce = stack.enter_context(host(org_app, port=DEFAULT_ORG_PORT))
    except PortTakenError:
        # `sandbox cpq` looks there by default, so the demo says where else its org is.
        salesforce = stack.enter_context(host(org_app))
        note(f"Port {DEFAULT_ORG_PORT} is taken, so sandbox cpq needs --org-url {salesforce.url}")
    return _LiveSystems(org, account, (salesforce, stripe), org_app.log)


def _configuration() -> Configuration:
    """The default configuration, with the prorate precision of the sample org confirmed."""
    configuration = default_configuration()
    return replace(configuration, policy=replace(configuration.policy, prorate_precision_confirmed=True))


@contextmanager
def _moving_time(rehearsal: Rehearsal, asked: queue.SimpleQueue[datetime | None]) -> Iterator[None]:
    """Move both clocks in a thread of its own whenever the desk asks for it, until the block ends."""
    from cpqbridge.sync.rehearse import go_on  # noqa: PLC0415

    def run() -> None:
        while (until := asked.get()) is not None:
            try:
                go_on(rehearsal, until=until)
            except CpqbridgeError as error:
                note(f"Time stands still at {rehearsal.clock.now():%Y-%m-%d}: {error.message}")

    thread = threading.Thread(target=run, name="demo-time", daemon=True)
    thread.start()
    try:
        yield
    finally:
        asked.put(None)
        thread.join()
