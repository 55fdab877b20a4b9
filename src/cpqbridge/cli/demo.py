"""`cpqbridge demo`: the sample org on simulated systems, synced, shown, and open for business."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.documents import connection_document
from cpqbridge.cli.output import JsonOption, answer, document, note
from cpqbridge.cli.rehearse import RehearsalRequest, rehearsed
from cpqbridge.cli.runtime import runtime_of
from cpqbridge.cli.serve import DEFAULT_PORT, LOOPBACK, PortOption, listen, serve_pages, until_interrupted
from cpqbridge.errors import InvariantError
from cpqbridge.mapping.configuration import default_configuration

if TYPE_CHECKING:
    import socket
    from multiprocessing.connection import Connection

    from fastapi import FastAPI

    from cpqbridge.cli.live_demo import LiveDemo
    from cpqbridge.settings import Settings
    from cpqbridge.sync.report import Report

_INTRODUCTION = (
    "The sample org of Larkfield Software on simulated systems, on 20 November 2026. Every order was synced "
    "when it was activated. In a second pair of systems time ran to the end of every contract that has one, "
    "so what is billed here stands on invoices that a simulated Stripe account really made."
)


def demo(
    context: typer.Context,
    port: PortOption = DEFAULT_PORT,
    once: Annotated[
        bool, typer.Option("--once", help="Sync, report and end, without serving the pages.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sync a sample org on simulated systems and show it at http://127.0.0.1:8080, with a CPQ desk."""
    # The port is taken first: nobody should wait for the sync to hear that it is not free.
    listener = None if once else listen(port)
    settings = runtime_of(context).settings()
    note("Starting a simulated Salesforce org and a simulated Stripe account, and syncing the sample org.")
    with until_interrupted():
        if listener is None:
            _once(settings, as_json=as_json)
        else:
            _served(settings, listener, as_json=as_json)


def _once(settings: Settings, *, as_json: bool) -> None:
    with rehearsed(settings, _request()) as result:
        if as_json:
            connections = [connection_document(each) for each in result.service.connections()]
            document({**result.report.as_document(), "connections": connections})
        else:
            from cpqbridge.cli.report_text import report_text  # noqa: PLC0415

            answer(report_text(result.report))


def _served(settings: Settings, listener: socket.socket, *, as_json: bool) -> None:
    from cpqbridge.cli.live_demo import live_demo  # noqa: PLC0415 - it loads the simulators
    from cpqbridge_sim.salesforce.cpq.sample import SAMPLE_NOW, sample_org  # noqa: PLC0415

    pages_url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    with (
        _report_made_elsewhere(settings) as coming,
        live_demo(sample_org(), now=SAMPLE_NOW, pages_url=pages_url, log_level=settings.log_level) as live,
    ):
        report = _received(coming)
        if as_json:
            connections = [connection_document(each) for each in live.service.connections()]
            document({**report.as_document(), "connections": connections})
        note(f"Play the sales person: {live.desk_url} or cpqbridge sandbox cpq.")
        serve_pages(_pages(report, live), listener)


def _request() -> RehearsalRequest:
    from cpqbridge_sim.salesforce.cpq.sample import sample_org  # noqa: PLC0415

    return RehearsalRequest(records=sample_org(), configuration=default_configuration(), connection="demo")


@contextmanager
def _report_made_elsewhere(settings: Settings) -> Iterator[Connection]:
    """Rehearse in another process, beside the demo's own sync; what it sends is the report or an error."""
    processes = multiprocessing.get_context("spawn")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_send_report, args=(sender, settings), daemon=True)
    process.start()
    # Only the child holds its end from here on, so its death is seen as the end of the pipe.
    sender.close()
    try:
        yield receiver
    finally:
        process.terminate()
        process.join()


def _send_report(sender: Connection, settings: Settings) -> None:
    # Ctrl+C reaches both processes; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its progress would run through that of the demo; what goes wrong is sent.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        try:
            with rehearsed(settings, _request()) as result:
                sender.send(result.report)
        except Exception as error:  # noqa: BLE001 - the parent raises it
            sender.send(f"{type(error).__name__}: {error}")


def _received(coming: Connection) -> Report:
    try:
        report: Report | str = coming.recv()
    except EOFError:
        report = "its process ended"
    if isinstance(report, str):
        raise InvariantError(f"The sample org could not be rehearsed: {report}.", code="demo_report")
    return report


def _pages(report: Report, live: LiveDemo) -> FastAPI:
    from cpqbridge.web.app import create_app  # noqa: PLC0415 - it loads the web framework
    from cpqbridge.web.site import Demo, OrderLabel, Site  # noqa: PLC0415

    labels = {
        order.order_id: OrderLabel(customer=order.customer, purpose=order.purpose) for order in report.orders
    }
    demo = Demo(
        is_open=True,
        labels=labels,
        introduction=_INTRODUCTION,
        report=report,
        desk_url=live.desk_url,
        simulated=live.simulated,
    )
    return create_app(Site(live.service, clock=live.clock, demo=demo))
