"""Names and passwords of people: what is taken, how it is kept, and how a try is checked."""

from __future__ import annotations

import re
import secrets
import threading
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import name_key
from cpqbridge.sync.acting import COMMAND_LINE, NOBODY

NAME_LENGTHS = range(2, 81)
PASSWORD_LENGTHS = range(12, 201)
_OWN_PART = 6
"""Letters of a password that must be left when the name is taken out of it."""

_DISTINCT = 5
_AT_ONCE = 2
"""Passwords hashed at the same time; each takes 64 MiB of memory for a moment."""

_RESERVED_NAMES = frozenset({name_key(COMMAND_LINE), name_key(NOBODY)})
_NAME = re.compile(r"\w(?:[\w .@+'-]*[\w.])?")
_TAIL = re.compile(r"[\d\W_]+$")
_WORST_WORDS = frozenset(
    [
        "admin",
        "administrator",
        "changeme",
        "cpqbridge",
        "iloveyou",
        "letmein",
        "p@ssw0rd",
        "p@ssword",
        "passw0rd",
        "password",
        "passwordpassword",
        "passwort",
        "qwerty",
        "qwertyuiop",
        "qwertzuiop",
        "salesforce",
        "secret",
        "stripe",
        "welcome",
    ]
)
_WORST = frozenset(
    [
        "1q2w3e4r5t6y",
        "1q2w3e4r5t6y7u",
        "1qaz2wsx3edc",
        "1qaz2wsx3edc4rfv",
        "abcd1234efgh",
        "abcdefghijkl",
        "abcdefghijklm",
        "adminadminadmin",
        "correct-horse-battery-staple",
        "correcthorsebatterystaple",
        "qazwsxedcrfv",
        "qwertyuiopas",
        "qwertyuiopasdf",
        "qwertyuiopasdfghjklzxcvbnm",
        "thisisapassword",
        "trustno1trustno1",
        "zaq12wsxcde3",
    ]
)


def clean_name(text: str) -> str:
    """Return a name as it is stored: in one normal form, without spaces around it.

    Raises:
        ConfigurationError: it is too short, too long, has characters that names do not have, or is reserved.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if len(name) not in NAME_LENGTHS or _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            "This cannot be a name.",
            code="user_name",
            field="name",
            fix="Take 2 to 80 letters, digits, spaces or . _ - @ + ', for example a mail address.",
        )
    if name_key(name) in _RESERVED_NAMES:
        raise ConfigurationError(
            f"{name} is what the audit log calls the program itself.",
            code="user_name_reserved",
            field="name",
            fix="Choose another name.",
        )
    return name


def require_good_password(password: str, *, name: str) -> None:
    """Check a new password: long, none of the worst, and not just the name.

    Raises:
        ConfigurationError: it is not good enough; says why.
    """
    if len(password) not in PASSWORD_LENGTHS:
        raise ConfigurationError(
            f"The password must have {PASSWORD_LENGTHS[0]} to {PASSWORD_LENGTHS[-1]} characters.",
            code="password_length",
            field="password",
            fix="Take a sentence of four or more words, or let a password manager make one.",
        )
    plain = name_key(password)
    known = plain in _WORST or _TAIL.sub("", plain) in _WORST_WORDS
    without_name = plain.replace(name_key(name), "")
    is_the_name = without_name != plain and len(without_name) < _OWN_PART
    if known or is_the_name or len(set(plain)) < _DISTINCT:
        raise ConfigurationError(
            "This password is one of the first that somebody would try.",
            code="password_guessed",
            field="password",
            fix="Take a sentence of four or more words that is not your name.",
        )


class Passwords:
    """Hashes and checks passwords by argon2id, with the settings its library recommends."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take the library's own settings, those of RFC 9106 for little memory, unless told otherwise."""
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """Return what is stored of a password: never the password."""
        with self._turns:
            return self._hasher.hash(_normal(password))

    def fits(self, stored: str, password: str) -> bool:
        """Return whether the password is the one of the stored hash; an empty hash fits none.

        It takes as long for a person who does not exist or has no password as for one who has.
        """
        against = stored or self._nobodys
        try:
            with self._turns:
                self._hasher.verify(against, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return bool(stored)

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other settings than those of now."""
        return self._hasher.check_needs_rehash(stored)

    def prepare(self) -> None:
        """Make what a try for an unknown name is checked against, so that the first one takes no longer."""
        _ = self._nobodys

    @cached_property
    def _nobodys(self) -> str:
        return self.hash(secrets.token_urlsafe())


def _normal(password: str) -> str:
    """Return a password as every keyboard types it: composed or not, wide or not."""
    return unicodedata.normalize("NFKC", password)
