"""Which processes of a home are alive: each holds a lock on a file of its own for as long as it lives.

The operating system lets go of the lock when the process ends, however it ends, so there is no waiting for a
time-out and no mistaking of a reused process id.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_FOLDER = "running"
_SUFFIX = ".lock"
_WORKER = "worker-"
_WORKER_SLOTS = 64


class ProcessMark:
    """The lock of this process under a name; `host` tells the machine it runs on.

    `identity` is the name and what sets this process apart from an earlier one of the same name.
    """

    def __init__(self, home: Path, name: str, descriptor: int, *, keeps_file: bool) -> None:
        """Keep an open, locked file."""
        self.name = name
        self.identity = f"{name}#{secrets.token_hex(4)}"
        self.host = socket.gethostname()
        self.process_id = os.getpid()
        self._path = _path(home, name)
        self._home = home
        self._descriptor = descriptor
        self._keeps_file = keeps_file

    def is_dead(self, identity: str, host: str) -> bool:
        """Return whether a process, by identity or name, has ended; never so for one of another machine."""
        name = identity.partition("#")[0]
        if host != self.host:
            return False
        if name == self.name:
            # Whoever had our name before had the lock that we hold now.
            return identity not in {name, self.identity}
        descriptor = _lock(_path(self._home, name), create=False)
        if descriptor is None:
            return not _path(self._home, name).exists()
        if not name.startswith(_WORKER):
            # Its name never comes back, so nobody needs the file any more.
            _path(self._home, name).unlink(missing_ok=True)
        os.close(descriptor)
        return True

    def turn(self) -> None:
        """Show other processes that this one still does its work; see `workers`."""
        if self._descriptor >= 0:
            os.utime(self._descriptor)

    def release(self) -> None:
        """Let go of the lock; a second call does nothing."""
        if self._descriptor < 0:
            return
        if not self._keeps_file:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1


def mark_worker(home: Path) -> ProcessMark:
    """Mark this process as a worker under the first free name `worker-<n>`, the same after a restart."""
    for number in range(1, _WORKER_SLOTS + 1):
        name = f"{_WORKER}{number}"
        descriptor = _lock(_path(home, name), create=True)
        if descriptor is not None:
            return ProcessMark(home, name, descriptor, keeps_file=True)
    raise RuntimeError(f"more than {_WORKER_SLOTS} workers on one home")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker of this machine: whether it lives, and when its loop last turned (aware UTC)."""

    name: str
    alive: bool
    turned_at: datetime


def workers(home: Path) -> tuple[SeenWorker, ...]:
    """Return every worker that ever ran on a home on this machine, by name."""
    found = []
    for path in sorted((home / _FOLDER).glob(f"{_WORKER}*{_SUFFIX}")):
        descriptor = _lock(path, create=False)
        if descriptor is not None:
            os.close(descriptor)
        turned_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        found.append(
            SeenWorker(name=path.name.removesuffix(_SUFFIX), alive=descriptor is None, turned_at=turned_at)
        )
    return tuple(found)


def is_alive(home: Path, name: str) -> bool:
    """Return whether a process of this machine holds the mark of this name now."""
    if _path(home, name).exists():
        descriptor = _lock(_path(home, name), create=False)
        if descriptor is None:
            return _path(home, name).exists()
        os.close(descriptor)
    return False


def mark_once(home: Path) -> ProcessMark:
    """Mark this process under a name of its own, for one command."""
    while True:
        name = f"once-{os.getpid()}-{secrets.token_hex(4)}"
        descriptor = _lock(_path(home, name), create=True)
        if descriptor is not None:
            return ProcessMark(home, name, descriptor, keeps_file=False)


def mark_alone(home: Path, name: str) -> ProcessMark | None:
    """Mark this process under a name that one at a time may have, None while another one has it."""
    descriptor = _lock(_path(home, name), create=True)
    return None if descriptor is None else ProcessMark(home, name, descriptor, keeps_file=True)


def is_marked(home: Path, name: str) -> bool:
    """Return whether some process has that name now."""
    descriptor = _lock(_path(home, name), create=False)
    if descriptor is not None:
        os.close(descriptor)
        return False
    return _path(home, name).exists()


def _path(home: Path, name: str) -> Path:
    return home / _FOLDER / (name + _SUFFIX)


def _lock(path: Path, *, create: bool) -> int | None:
    """Return the descriptor of the locked file, None when somebody else has it or it does not exist."""
    if create:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
