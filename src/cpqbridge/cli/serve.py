"""`cpqbridge serve` and `cpqbridge worker`: the pages on loopback, and the process that syncs by itself."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.output import note
from cpqbridge.cli.runtime import runtime_of, service_of
from cpqbridge.cli.sandbox import port_taken
from cpqbridge.cli.user import welcome_url

if TYPE_CHECKING:
    from fastapi import FastAPI

    from cpqbridge.sync.service import SyncService
    from cpqbridge.web.health import Health
    from cpqbridge.web.hook import TakeEvent
    from cpqbridge.web.site import Site

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8080

PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")
]


def serve(
    context: typer.Context,
    port: PortOption = DEFAULT_PORT,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only show the pages; another process syncs.")
    ] = False,
) -> None:
    """Show the orders at http://127.0.0.1:8080 and sync live connections."""
    listener = listen(port)
    with service_of(context, is_service=True) as service:
        from cpqbridge.sync.alerting import watching_over  # noqa: PLC0415
        from cpqbridge.sync.setup_book import SimulatedSides  # noqa: PLC0415
        from cpqbridge.web.app import Outside, create_app  # noqa: PLC0415
        from cpqbridge.web.site import Demo, Site  # noqa: PLC0415

        with until_interrupted(), watching_over(service):
            if not no_worker:
                service.start_worker()
            outside = Outside(
                take_event=_event_taker(context, service),
                health=_health(service, works=not no_worker),
            )
            settings = runtime_of(context).settings()
            simulated = SimulatedSides(
                salesforce_url=settings.simulated_salesforce, stripe_url=settings.simulated_stripe
            )
            site = Site(service, public_url=settings.public_url, demo=Demo(simulated=simulated))
            note_first_link(site, listener)
            serve_pages(create_app(site, outside), listener)


def _event_taker(context: typer.Context, service: SyncService) -> TakeEvent:
    """Return what takes in Stripe's events, by the connections' secrets and those of the environment."""
    from cpqbridge.sync.hooks import StripeHook  # noqa: PLC0415 - the other commands need none of it

    return StripeHook(service, secrets=runtime_of(context).settings().webhook_secrets()).take


def _health(service: SyncService, *, works: bool) -> Health:
    """Return what answers for this process; from now on it counts what happens."""
    from cpqbridge.sync.metrics import Metrics  # noqa: PLC0415 - the other commands need none of it
    from cpqbridge.sync.readiness import readiness  # noqa: PLC0415
    from cpqbridge.web.health import Health  # noqa: PLC0415

    def ready() -> tuple[bool, Mapping[str, str]]:
        found = readiness(service, works=works)
        return found.is_ready, found.checks

    metrics = Metrics(service)
    service.observers.add(metrics)
    return Health(ready=ready, metrics=metrics.text)


def worker(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Also answer /healthz, /readyz and /metrics there."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address for --port; in a container 0.0.0.0, which shows no orders.")
    ] = LOOPBACK,
) -> None:
    """Sync live connections until interrupted."""
    listener = None if port is None else listen(port, host=host)
    with service_of(context, is_service=True) as service:
        if listener is not None:
            _answer_for(service, listener)
        from cpqbridge.sync.alerting import watching_over  # noqa: PLC0415 - the other commands need none of it

        note("The worker is running. Press Ctrl+C to stop.")
        with until_interrupted(), watching_over(service):
            service.run_worker()


def _answer_for(service: SyncService, listener: socket.socket) -> None:
    """Answer questions about this process in a thread, as long as it lives."""
    import uvicorn  # noqa: PLC0415 - only those who are asked need it

    from cpqbridge.web.health import create_health_app  # noqa: PLC0415

    app = create_health_app(_health(service, works=True))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
    threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="cpqbridge-health", daemon=True
    ).start()
    host, port = listener.getsockname()[:2]
    note(f"http://{host}:{port}/readyz says whether it works.")


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block, so that everything opened around it is closed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        note("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)


def listen(port: int, *, host: str = LOOPBACK) -> socket.socket:
    """Return a socket that listens, on loopback unless told otherwise.

    Raises:
        ConfigurationError: Another program has the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise port_taken(port) from None
    return listener


def note_first_link(site: Site, listener: socket.socket) -> None:
    """Say how the first admin comes in, as long as nobody has."""
    token = site.accounts.first_link()
    if token is not None:
        address = site.public_url or f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        note(
            "Nobody can sign in yet. This link makes the first admin, once, within a day:\n"
            f"  {welcome_url(address, token)}"
        )


def serve_pages(app: FastAPI, listener: socket.socket) -> None:
    """Serve the app on the listener until interrupted; says where."""
    import uvicorn  # noqa: PLC0415

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    port = listener.getsockname()[1]
    note(f"Open http://{LOOPBACK}:{port} in a browser. Press Ctrl+C to stop.")
    server.run(sockets=[listener])
