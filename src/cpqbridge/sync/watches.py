"""What stands between each opened connection and the network, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cpqbridge.clock import Clock
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.sync.allowance import OrgAllowance
from cpqbridge.sync.observing import ConnectionWatch, Observer
from cpqbridge.sync.pacing import Pacer, pace_of
from cpqbridge.sync.pausing import PauseGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches:
    """Makes the watch of a connection; `wait` waits for so many seconds of the machine's."""

    store: Store
    gate: PauseGate
    observer: Observer
    clock_of: Callable[[Connection], Clock]
    wait: Callable[[float], object]

    def of(self, connection: Connection, configuration: Configuration) -> ConnectionWatch:
        """Return the watch for a connection as it is configured now."""
        return ConnectionWatch(
            connection_id=connection.connection_id,
            gate=self.gate,
            observer=self.observer,
            allowance=OrgAllowance(
                self.store,
                connection_id=connection.connection_id,
                share=configuration.sync.api_share,
                clock=self.clock_of(connection),
            ),
            pacer=self._pacer(connection, configuration.sync.stripe_rate),
        )

    def _pacer(self, connection: Connection, per_second: int | None) -> Pacer | None:
        """Return the pacer; an API on this machine takes as much as it can unless a rate is asked for."""
        facts = connection.facts
        if facts.stripe_api_base is not None and per_second is None:
            return None
        return Pacer(
            self.store,
            pace_of(facts.stripe_account_id, live=facts.live_mode, per_second=per_second),
            wait=self.wait,
            told=lambda seconds: self.observer.waited(reason="stripe_rate", seconds=seconds),
        )
