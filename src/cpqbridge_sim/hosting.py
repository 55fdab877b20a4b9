"""Runs a simulator's ASGI app on loopback: in a thread for tests and the demo, in front for the sandbox."""

from __future__ import annotations

import errno
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 15.0
STOP_TIMEOUT_SECONDS = 5.0


class PortTakenError(Exception):
    """Another program already listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} of {LOOPBACK} is taken. Choose another port, or 0 for any free one.")
        self.port = port


class Hosted:
    """A running app; use it as a context manager or call `stop`.

    Attributes:
        url: Base address without a trailing slash, for example `http://127.0.0.1:40123`.
        port: The port that answers.
    """

    def __init__(self, server: uvicorn.Server, thread: threading.Thread, port: int) -> None:
        self._server = server
        self._thread = thread
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"

    def stop(self) -> None:
        """Close the listener and wait, at most five seconds, until the thread has ended."""
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def host(app: Any, *, port: int = 0) -> Hosted:
    """Serve an ASGI app on 127.0.0.1 in a daemon thread and return once it accepts connections.

    Args:
        app: Any ASGI 3 application; it gets no lifespan events.
        port: The port to use; 0 picks a free one.

    Raises:
        PortTakenError: Another program listens on the port.
    """
    listener = _listen(port)
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True
    )
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("The simulator's web server did not start.")
        time.sleep(0.005)
    return Hosted(server, thread, listener.getsockname()[1])


def serve_forever(app: Any, *, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve an ASGI app until SIGINT or SIGTERM; call this from the main thread.

    Args:
        app: Any ASGI 3 application.
        port: The port to use; 0 picks a free one.
        on_ready: Called once with the base address when connections are accepted.

    Raises:
        PortTakenError: Another program listens on the port.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    with host(app, port=port) as hosted:
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            on_ready(hosted.url)
            stopping.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's delay off only for sockets that name TCP; without it each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        # Without this the port would count as free for a second listener until uvicorn starts.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(port) from error
        raise
    return listener
