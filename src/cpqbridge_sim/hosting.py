"""Runs a simulator's ASGI app on loopback: in a thread for tests and the demo, in front for the sandbox."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from cpqbridge_sim.wire import REFUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
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

    def __init__(self, server: uvicorn.Server, door: _Door, thread: threading.Thread) -> None:
        self._server = server
        self._door = door
        self._thread = thread
        self.port = door.port
        self.url = f"http://{LOOPBACK}:{door.port}"

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections for as long as the block lasts, and break those that are open."""
        self._door.run(self._door.shut())
        try:
            yield
        finally:
            self._door.run(self._door.open())

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


class _Door:
    """The listener of a running server, which can be taken away and put back at the same port."""

    def __init__(self, app: Any, port: int) -> None:
        self.port = port
        self.server: uvicorn.Server | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._app = app
        self._waiting: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the app, and let a fault of it refuse connections for a while."""
        scope[REFUSE] = self.refuse
        await self._app(scope, receive, send)

    async def serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self.server, self.loop = server, asyncio.get_running_loop()
        await server.serve(sockets=[listener])

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so long; called on the loop."""
        task = asyncio.get_running_loop().create_task(self._shut_for(seconds))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for work on the loop, from another thread."""
        if self.loop is None:
            raise RuntimeError("The simulator's web server did not start.")
        asyncio.run_coroutine_threadsafe(work, self.loop).result(START_TIMEOUT_SECONDS)

    async def shut(self) -> None:
        if self.server is None:
            return
        for listening in self.server.servers:
            listening.close()
        for connection in list(self.server.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()

    async def open(self) -> None:
        if self.server is not None and not self.server.should_exit:
            await self.server.startup(sockets=[_listen(self.port)])

    async def _shut_for(self, seconds: float) -> None:
        await self.shut()
        await asyncio.sleep(seconds)
        await self.open()


def host(app: Any, *, port: int = 0) -> Hosted:
    """Serve an ASGI app on 127.0.0.1 in a daemon thread and return once it accepts connections.

    Args:
        app: Any ASGI 3 application; it gets no lifespan events.
        port: The port to use; 0 picks a free one.

    Raises:
        PortTakenError: Another program listens on the port.
    """
    listener = _listen(port)
    door = _Door(app, listener.getsockname()[1])
    config = uvicorn.Config(
        door,
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
        target=lambda: asyncio.run(door.serve(server, listener)), name="simulator", daemon=True
    )
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("The simulator's web server did not start.")
        time.sleep(0.005)
    return Hosted(server, door, thread)


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
