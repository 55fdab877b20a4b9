"""Waiting that ends when the service stops."""

from __future__ import annotations

import threading


class WorkStoppedError(BaseException):
    """The service stops while something waits; its run is continued by the next worker.

    It is no `Exception`, so that nothing takes it for an outcome of the run and records it.
    """


class Waiting:
    """The waits of one service."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._stopped = threading.Event()

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds.

        Raises:
            WorkStoppedError: the service stopped meanwhile, or has stopped.
        """
        if self._stopped.wait(seconds):
            raise WorkStoppedError

    def stop(self) -> None:
        """End all waits, and those to come."""
        self._stopped.set()
