"""One of several processes that call the same simulated account at once, as fast as they may."""

from __future__ import annotations

import sys
from pathlib import Path

from cpqbridge.clock import SystemClock
from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.errors import TransientError
from cpqbridge.store.database import open_store
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.pacing import Pacer, pace_of
from cpqbridge.sync.waiting import Waiting


class Paced:
    """Stands between the client and the network with nothing but the pacer."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    def before(self, call: Call) -> None:
        self._pacer.before(call)

    def after(self, end: CallEnd) -> None:
        self._pacer.after(end)


def main(home: str, stripe_url: str, calls: int) -> None:
    store = open_store(Path(home))
    pace = pace_of("acct_simulated", live=False, per_second=None)
    pacer = Pacer(store, pace, wait=Waiting().wait, clock=SystemClock())
    with StripeBilling("sk_test_simulated", api_base=stripe_url, watch=Paced(pacer)) as stripe:
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        sys.stdin.readline()
        for _ in range(calls):
            try:
                stripe.retrieve_product("prod_of_nobody")
            except TransientError:
                continue
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
