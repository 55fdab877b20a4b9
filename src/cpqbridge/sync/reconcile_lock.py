"""One reconciliation of a whole connection at a time, whichever process of the home does it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpqbridge.errors import ConflictError
from cpqbridge.sync.liveness import ProcessMark, is_marked, mark_alone

_TRIES = 5
_BETWEEN_SECONDS = 0.02


@contextmanager
def alone(home: Path, connection_id: int) -> Iterator[None]:
    """Be the only one who compares all of a connection for the block.

    Raises:
        ConflictError: somebody else does so just now.
    """
    mark = _taken(home, connection_id)
    if mark is None:
        raise ConflictError(
            "All contracts of this connection are being compared just now.",
            code="reconciliation_running",
            fix="Wait for its end; the page Reconcile shows how far it is. One contract can be compared: "
            "`cpqbridge reconcile --order` and its number.",
        )
    try:
        yield
    finally:
        mark.release()


def is_running(home: Path, connection_id: int) -> bool:
    """Return whether somebody compares all of a connection just now."""
    return is_marked(home, _name(connection_id))


def _taken(home: Path, connection_id: int) -> ProcessMark | None:
    # Whoever asks whether it is taken has it for an instant.
    for _ in range(_TRIES):
        mark = mark_alone(home, _name(connection_id))
        if mark is not None:
            return mark
        threading.Event().wait(_BETWEEN_SECONDS)
    return None


def _name(connection_id: int) -> str:
    return f"reconcile-{connection_id}"
