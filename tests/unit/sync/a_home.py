"""A home with one connection that reaches nobody, and what tests put into its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.configuration import configuration_document, default_configuration
from cpqbridge.store import connections, plans, polls
from cpqbridge.store.connections import Connection, ConnectionFacts, ConnectionSecrets
from cpqbridge.store.database import open_store
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.service import ServiceOptions, SyncService

TOKEN, KEY = "00D!token-of-the-org", "sk_test_key_of_the_account"
FACTS = ConnectionFacts(
    org_id="00D000000000001AAA",
    org_name="Org",
    time_zone="Europe/Berlin",
    multi_currency=False,
    salesforce_url="http://127.0.0.1:1",
    stripe_account_id="acct_1",
    stripe_account_name="Account",
    stripe_api_base="http://127.0.0.1:1",
    live_mode=False,
    simulated=True,
)


@dataclass(frozen=True, kw_only=True)
class Home:
    service: SyncService
    clock: SettableClock

    def connection(self) -> Connection:
        return self.service.connections()[0]

    def go_live(self, *, poll_seconds: int = 60) -> None:
        settings = default_configuration()
        sync = replace(settings.sync, live=True, poll_seconds=poll_seconds)
        self.service.apply_configuration("test", replace(settings, sync=sync))

    def polled(self) -> None:
        with self.service.store.write() as transaction:
            polls.keep_good(transaction, connection_id=1, configuration="", at=self.clock.now())

    def order(
        self, order_id: str, number: str, state: OrderState, *, code: str = "", retryable: bool = False
    ) -> None:
        standing = OrderStanding(
            order_id=order_id,
            order_number=number,
            root_id=f"root-{order_id}",
            contract_key=order_id,
            state=state,
            code=code,
            retryable=retryable,
            modified_at="",
            updated_at=self.clock.now(),
        )
        with self.service.store.write() as transaction:
            plans.save_standing(transaction, connection_id=1, standing=standing)


@contextmanager
def a_home(folder: Path, *, now: datetime, simulated: bool = True) -> Iterator[Home]:
    store = open_store(folder, synchronous="OFF")
    clock = SettableClock(now)
    secrets = ConnectionSecrets(salesforce_token=TOKEN, stripe_key=KEY)
    with store.write() as transaction:
        facts = replace(FACTS, simulated=simulated)
        made = connections.add(store, transaction, name="test", facts=facts, secrets=secrets, at=now)
        connections.save_configuration(
            transaction,
            connection_id=made.connection_id,
            document=configuration_document(default_configuration()),
            at=now,
        )
    service = SyncService(store, ServiceOptions(clock=clock, simulated_clock=clock))
    try:
        yield Home(service=service, clock=clock)
    finally:
        service.close()
        store.close()
