"""How fast a rehearsal is, and how many calls a new one-line order costs."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from export import write_export

COMMAND = Path(sys.executable).parent / "cpqbridge"


def rehearse(orders: int) -> tuple[dict, float]:
    """Return the document of a rehearsal of so many one-line orders, and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        write_export(Path(folder), orders)
        started = time.perf_counter()
        outcome = subprocess.run(
            [COMMAND, "rehearse", folder, "--json", "--currency", "usd"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if outcome.returncode:
        sys.exit(f"rehearse failed:\n{outcome.stderr}")
    return json.loads(outcome.stdout), seconds


def rows() -> list[tuple[str, str, str]]:
    """Return the rows of the table: what, measured, wanted."""
    first, start_seconds = rehearse(1)
    calls = first["orders"][0]["calls"]
    found = [
        ("one-line order, calls to Stripe", str(calls["stripe"]), "4"),
        ("one-line order, calls to Salesforce", str(calls["salesforce"]), "5"),
        ("rehearse, 1 order, start included", f"{start_seconds:.1f} s", ""),
    ]
    for orders in (20, 100):
        document, seconds = rehearse(orders)
        states = Counter(order["state"] for order in document["orders"])
        if states != {"synced": orders}:
            sys.exit(f"rehearse did not sync everything: {dict(states)}")
        rate = (orders - 1) / max(seconds - start_seconds, 0.001)
        found.append((f"rehearse, {orders} orders to the end", f"{seconds:.1f} s, {rate:.1f} orders/s", ""))
    return found
