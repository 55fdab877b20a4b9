"""The people who use the app, with the hashes of their passwords."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import func, insert, select, update

from cpqbridge.domain.people import Role, User
from cpqbridge.store.app_tables import users

__all__ = [
    "Role",
    "User",
    "add",
    "by_name",
    "count_admins",
    "get",
    "is_anybody_in",
    "list_all",
    "name_key",
    "password_hash",
    "set_active",
    "set_password",
    "set_role",
    "set_signed_in",
]


def name_key(name: str) -> str:
    """Return what all spellings of a name have in common: capitals and the width of letters do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).casefold())


def add(transaction: Transaction, *, name: str, role: Role, at: datetime) -> User:
    """Store a person without a password and return them; the name must be free (see `by_name`)."""
    values = {"name": name, "name_key": name_key(name), "password_hash": "", "created_at": at}
    made = transaction.execute(
        insert(users).values(**values, role=role, is_active=True).returning(users.c.user_id)
    )
    return get(transaction, made.scalar_one())


def get(transaction: Transaction, user_id: int) -> User:
    """Return the person of an id that is known to exist."""
    return _user(transaction.execute(select(users).where(users.c.user_id == user_id)).one())


def by_name(transaction: Transaction, name: str) -> User | None:
    """Return the person of a name in any spelling of it, None when there is none."""
    row = transaction.execute(select(users).where(users.c.name_key == name_key(name))).first()
    return None if row is None else _user(row)


def list_all(transaction: Transaction) -> tuple[User, ...]:
    """Return everybody by name, those who left too."""
    return tuple(_user(row) for row in transaction.execute(select(users).order_by(users.c.name_key)))


def is_anybody_in(transaction: Transaction) -> bool:
    """Return whether anybody, active or not, has chosen a password: then the first start is over."""
    return transaction.execute(select(users.c.user_id).where(users.c.password_hash != "")).first() is not None


def count_admins(transaction: Transaction) -> int:
    """Return how many active admins can sign in."""
    query = select(func.count()).where(
        users.c.role == Role.ADMIN, users.c.is_active.is_(True), users.c.password_hash != ""
    )
    return int(transaction.execute(query).scalar_one())


def password_hash(transaction: Transaction, user_id: int) -> str:
    """Return the stored hash of a person's password; empty when none was chosen yet."""
    return str(
        transaction.execute(select(users.c.password_hash).where(users.c.user_id == user_id)).scalar_one()
    )


def set_password(
    transaction: Transaction, user_id: int, *, password_hash: str, at: datetime | None = None
) -> None:
    """Store the hash of a new password, chosen at `at`; without it, of the same password hashed anew."""
    values: dict[str, Any] = {"password_hash": password_hash}
    if at is not None:
        values["password_changed_at"] = at
    transaction.execute(update(users).where(users.c.user_id == user_id).values(values))


def set_role(transaction: Transaction, user_id: int, role: Role) -> None:
    """Store what a person may do."""
    transaction.execute(update(users).where(users.c.user_id == user_id).values(role=role))


def set_active(transaction: Transaction, user_id: int, *, is_active: bool) -> None:
    """Store whether a person may sign in."""
    transaction.execute(update(users).where(users.c.user_id == user_id).values(is_active=is_active))


def set_signed_in(transaction: Transaction, user_id: int, at: datetime) -> None:
    """Store when a person signed in."""
    transaction.execute(update(users).where(users.c.user_id == user_id).values(signed_in_at=at))


def _user(row: Any) -> User:
    return User(
        user_id=row.user_id,
        name=row.name,
        role=Role(row.role),
        is_active=row.is_active,
        has_password=bool(row.password_hash),
        created_at=row.created_at,
        password_changed_at=row.password_changed_at,
        signed_in_at=row.signed_in_at,
    )
