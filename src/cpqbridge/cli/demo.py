"""`cpqbridge demo`: the sample org on simulated systems, synced and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.documents import connection_document
from cpqbridge.cli.output import JsonOption, answer, document, note
from cpqbridge.cli.rehearse import RehearsalRequest, Rehearsed, rehearsed
from cpqbridge.cli.serve import DEFAULT_PORT, PortOption, listen, serve_pages, until_interrupted
from cpqbridge.mapping.configuration import default_configuration

if TYPE_CHECKING:
    from fastapi import FastAPI

_INTRODUCTION = (
    "The sample org of Larkfield Software on simulated systems. Every order was synced when it was "
    "activated; then time ran to the end of every contract, so what is billed here stands on invoices that "
    "the simulated Stripe account really made."
)


def demo(
    context: typer.Context,
    port: PortOption = DEFAULT_PORT,
    once: Annotated[
        bool, typer.Option("--once", help="Sync, report and end, without serving the pages.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sync a sample org on simulated systems and show it at http://127.0.0.1:8080."""
    from cpqbridge_sim.salesforce.cpq.sample import sample_org  # noqa: PLC0415

    # The port is taken first: nobody should wait for the sync to hear that it is not free.
    listener = None if once else listen(port)
    note("Starting a simulated Salesforce org and a simulated Stripe account, and syncing the sample org.")
    request = RehearsalRequest(records=sample_org(), configuration=default_configuration(), connection="demo")
    with until_interrupted(), rehearsed(context, request) as result:
        if as_json:
            connections = [connection_document(each) for each in result.service.connections()]
            document({**result.report.as_document(), "connections": connections})
        elif once:
            from cpqbridge.cli.report_text import report_text  # noqa: PLC0415

            answer(report_text(result.report))
        if listener is not None:
            serve_pages(_pages(result), listener)


def _pages(result: Rehearsed) -> FastAPI:
    from cpqbridge.web.app import Shown, create_app  # noqa: PLC0415 - it loads the web framework
    from cpqbridge.web.order_pages import OrderLabel  # noqa: PLC0415

    labels = {
        order.order_id: OrderLabel(customer=order.customer, purpose=order.purpose) for order in result.orders
    }
    shown = Shown(
        orders=result.service.views, labels=labels, introduction=_INTRODUCTION, report=result.report
    )
    return create_app(shown)
