"""The people who use the app, and what each of them may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a person may do: each role may do all that the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Return whether a person of this role may do what takes at least the role `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person; who has no password yet was invited and has not come. Times are aware UTC.

    A person who left is not active and keeps the name, since the audit log tells of it.
    """

    user_id: int
    name: str
    role: Role
    is_active: bool
    has_password: bool
    created_at: datetime
    password_changed_at: datetime | None
    signed_in_at: datetime | None
