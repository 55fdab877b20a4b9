"""`make bench`: speed of planning, rehearsing, live work and pages, and calls of a sync, as tables.

`ARGS=--strict` fails when a figure is missed, `ARGS="--orders 100"` rehearses fewer orders.
"""

import argparse
import sys

import amending
import calls
import live
import pages
import planning
import rehearsing
import table


def main() -> None:
    """Measure and print; end with 1 in strict mode when a figure is missed."""
    arguments = argparse.ArgumentParser(prog="make bench", description=__doc__)
    arguments.add_argument("--strict", action="store_true", help="end with 1 when a figure is missed")
    arguments.add_argument(
        "--orders", type=int, default=rehearsing.ORDERS, help="orders to rehearse (default: %(default)s)"
    )
    arguments.add_argument(
        "--stored",
        type=int,
        default=pages.ORDERS,
        help="stored orders behind the pages (default: %(default)s)",
    )
    given = arguments.parse_args()
    # Amended contracts come first: a child process counts what its parent held when it was started.
    met = [
        table.write("amended contracts", amending.rows()),
        table.write("new orders", planning.rows()),
        table.write("calls of a sync", calls.rows()),
        table.write("a live worker", live.rows()),
        table.write("rehearsals", rehearsing.rows(given.orders)),
        table.write(f"pages at {given.stored:,} orders", pages.rows(given.stored)),
    ]
    if given.strict and not all(met):
        sys.exit(1)


if __name__ == "__main__":
    main()
