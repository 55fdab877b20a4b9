"""How often somebody may try to sign in: blocks that grow, by name and by address."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from cpqbridge.store import sign_in_failures
from cpqbridge.store.sign_in_failures import Failures
from cpqbridge.store.users import name_key

FORGOTTEN_AFTER = timedelta(hours=24)
_NETWORK_BITS = 64
"""What one household or server has of the newer addresses, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Tries in a row that may fail, how long the block after them lasts, and how long one does at most.

    Each failure after a block doubles the next one.
    """

    free: int
    first_block: timedelta
    longest_block: timedelta

    def block(self, failures: int) -> timedelta | None:
        """Return how long nobody may try after so many failures in a row, None when at once."""
        if failures < self.free:
            return None
        doubled = min(failures - self.free, 16)
        return min(self.first_block * (1 << doubled), self.longest_block)


BY_NAME = Limit(free=5, first_block=timedelta(seconds=30), longest_block=timedelta(minutes=15))
"""Short, since somebody else's tries block the person of the name too."""

BY_ADDRESS = Limit(free=20, first_block=timedelta(minutes=1), longest_block=timedelta(hours=1))
"""Many, since a whole office may share an address."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try to sign in, by the scopes it counts in."""

    scopes: tuple[tuple[str, Limit], ...]

    @classmethod
    def of(cls, name: str, address: str) -> Try:
        """Return a try for a name from an address; an address that is none does not count.

        Names are kept as hashes: people type passwords into the wrong field.
        """
        hashed = hashlib.sha256(name_key(name).encode()).hexdigest()
        network = _network(address)
        scopes = ((f"name:{hashed}", BY_NAME), (f"address:{network}", BY_ADDRESS))
        return cls(scopes if network else scopes[:1])

    def begin(self, transaction: Transaction, now: datetime) -> timedelta | None:
        """Count the try as failed until it succeeds; return the wait when it may not be made now.

        It is counted before it is checked, so that many at once count too. One that may not be made does not
        count: a block ends.
        """
        known = {scope: sign_in_failures.find(transaction, scope) for scope, _ in self.scopes}
        ends = [found.blocked_until for found in known.values() if found and found.blocked_until]
        if ends and max(ends) > now:
            return max(ends) - now
        for scope, limit in self.scopes:
            found = known[scope]
            is_recent = found is not None and now - found.last_at < FORGOTTEN_AFTER
            count = (found.count if found and is_recent else 0) + 1
            block = limit.block(count)
            until = None if block is None else now + block
            sign_in_failures.put(transaction, scope, Failures(count=count, last_at=now, blocked_until=until))
        sign_in_failures.prune(transaction, before=now - FORGOTTEN_AFTER)
        return None

    def blocked_until(self, transaction: Transaction) -> datetime | None:
        """Return until when the name is blocked, None when it is not."""
        found = sign_in_failures.find(transaction, self.scopes[0][0])
        return found.blocked_until if found else None

    def succeeded(self, transaction: Transaction) -> None:
        """Forget the failures of the name, and of the address this try only.

        Else somebody with an account could try others from the same address without end.
        """
        (name_scope, _), *others = self.scopes
        sign_in_failures.forget(transaction, name_scope)
        for scope, limit in others:
            found = sign_in_failures.find(transaction, scope)
            if found is not None:
                count = max(found.count - 1, 0)
                until = found.blocked_until if limit.block(count) else None
                left = Failures(count=count, last_at=found.last_at, blocked_until=until)
                sign_in_failures.put(transaction, scope, left)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
    return str(found)
