"""Waiting for work as long as a person does; it goes on by itself after that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

import structlog

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class _Work(threading.Thread, Generic[Result]):
    """Work in a thread of its own, in the name of whoever began it."""

    def __init__(self, work: Callable[[], Result]) -> None:
        super().__init__(name="cpqbridge-asked", daemon=True)
        self._work = work
        self._context = copy_context()
        self._is_left = threading.Event()
        self.result: Result | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._context.run(self._work)
        except Exception as error:
            self.error = error
            if self._is_left.is_set():
                log.exception("work_left_alone_failed")

    def leave(self) -> None:
        """Nobody waits for it any more: what goes wrong from now on is told by the log."""
        self._is_left.set()


def within(seconds: float, work: Callable[[], Result]) -> Result | None:
    """Return what `work` does, None when it takes longer than `seconds`: then it goes on.

    Raises:
        Exception: whatever `work` raised in that time.
    """
    begun = _Work(work)
    begun.start()
    begun.join(seconds)
    if begun.is_alive():
        begun.leave()
        return None
    if begun.error is not None:
        raise begun.error
    return begun.result
