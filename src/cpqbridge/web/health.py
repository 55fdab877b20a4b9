"""What a supervisor and Prometheus ask: is it alive, can it work, what are the numbers. No order is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Answers for a process: whether it can work, with what was looked at, and its numbers for Prometheus."""

    ready: Callable[[], tuple[bool, Mapping[str, str]]]
    metrics: Callable[[], bytes]


def create_health_app(health: Health) -> FastAPI:
    """Return an app that has nothing but these addresses."""
    app = FastAPI(title="cpqbridge", docs_url=None, redoc_url=None, openapi_url=None)
    add_health(app, health)
    return app


def add_health(app: FastAPI, health: Health | None) -> None:
    """Add `/healthz`, and where somebody answers for them `/readyz` and `/metrics`."""

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        # Answered on the event loop itself: no thread, file or database is needed to say "alive".
        return JSONResponse({"status": "alive"})

    if health is None:
        return

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        is_ready, checks = health.ready()
        status = "ready" if is_ready else "not ready"
        return JSONResponse({"status": status, "checks": dict(checks)}, status_code=200 if is_ready else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(health.metrics(), media_type=CONTENT_TYPE)
