"""The options with which a person lets through what holds an order; see `cpqbridge.sync.releases`."""

from __future__ import annotations

from typing import Annotated

import typer

TAKEOVER = "takeover"

ReleaseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--release", metavar="CODE", help="Go on although the order is held for this code. Repeat for more."
    ),
]
CutoverOption = Annotated[
    str | None,
    typer.Option("--cutover", metavar="DATE", help="With --release takeover: the first day to bill."),
]
