"""How fast a rehearsal is, and which part takes how much of it."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cpqbridge_sim.salesforce.cpq.export import write_directory
from cpqbridge_sim.salesforce.cpq.generate import RandomOrg, random_org
from table import Row

ORDERS = 1000
SECONDS_PER_ORDER = 0.18
SEED = 2026
SAMPLING = Path(__file__).with_name("sampling.py")
EXPECTED = {"synced", "unchanged"}
STOPPED_AT_MOST = 0.05
"""Chance now and then makes an order that nobody would carry out unseen; these are to stay few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A rehearsal: its states, how long it took, and the seconds of each part."""

    states: Counter[str]
    invoices: int
    seconds: float
    parts: dict[str, float]

    @property
    def orders(self) -> int:
        """Return how many orders there were."""
        return self.states.total()


def org_of(orders: int) -> RandomOrg:
    """Return an org of at least so many orders: contracts of chance with amendments, ends and renewals."""
    contracts = 1
    while True:
        found = random_org(
            Random(SEED), contracts=contracts, currencies=("USD",), most_lines=4, most_changes=2
        )
        missing = orders - len(found.records["Order"])
        if missing <= 0:
            return found
        # A contract of chance has two orders or a few more.
        contracts += max(missing // 3, 1)


def rehearse(orders: int) -> Rehearsed:
    """Rehearse an export of about so many orders with the command, as a person would."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export, shares, report = folder / "export", folder / "shares.json", folder / "report.json"
        write_directory(org_of(orders).records, export)
        started = time.perf_counter()
        # A pipe would lose what is written while the sampler's timer goes off; a file does not.
        with report.open("w") as output:
            outcome = subprocess.run(
                [sys.executable, SAMPLING, shares, "rehearse", export, "--json", "--currency", "usd"],
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        seconds = time.perf_counter() - started
        if outcome.returncode:
            sys.exit(f"rehearse failed:\n{outcome.stderr}")
        parts = json.loads(shares.read_text())
        document = json.loads(report.read_text())
    return Rehearsed(
        states=Counter(order["state"] for order in document["orders"]),
        invoices=len(document["invoices"]),
        seconds=seconds,
        parts=parts,
    )


def rows(orders: int = ORDERS) -> list[Row]:
    """Return the rows of the table: the whole rehearsal, then the share of each part."""
    found = rehearse(orders)
    stopped = sum(count for state, count in found.states.items() if state not in EXPECTED)
    wanted = found.orders * SECONDS_PER_ORDER
    states = ", ".join(f"{count} {state}" for state, count in found.states.most_common())
    return [
        Row(
            what=f"rehearse {found.orders} orders, {found.invoices} invoices",
            measured=f"{found.seconds:.0f} s, {found.orders / found.seconds:.1f} orders/s",
            wanted=f"{wanted:.0f} s",
            met=found.seconds <= wanted,
        ),
        Row(
            what=f"orders not carried out ({states})",
            measured=str(stopped),
            wanted=f"{found.orders * STOPPED_AT_MOST:.0f}",
            met=stopped <= found.orders * STOPPED_AT_MOST,
        ),
        *(
            Row(
                what=f"of it {part}",
                measured=f"{seconds:.1f} s, {seconds / found.seconds:.0%}",
            )
            for part, seconds in Counter(found.parts).most_common()
        ),
    ]
