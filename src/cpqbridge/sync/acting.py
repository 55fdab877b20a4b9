"""Who acts: the name that the audit log shows for what is done inside a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cpqbridge.store.audit import NOBODY, current_actor

__all__ = ["COMMAND_LINE", "NOBODY", "acting_as"]

COMMAND_LINE = "command line"
"""The actor of what somebody does with a command."""


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Let audit entries made inside the block, in this thread, be by `name`.

    A thread that is started inside acts as "cpqbridge": it goes on by itself.
    """
    before = current_actor.set(name)
    try:
        yield
    finally:
        current_actor.reset(before)
