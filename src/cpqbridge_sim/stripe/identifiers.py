"""Ids that look like the vendor's and are the same in every run."""

import hashlib
import string

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH = 14
# Each byte's letter, so that a digest becomes text in one step.
_LETTERS = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))


class Identifiers:
    """A source of ids: `prefix_1S` and 14 characters that depend on the seed and a counter only."""

    def __init__(self, seed: str = "cpqbridge") -> None:
        self._seed = seed
        self._count = 0

    def new(self, prefix: str) -> str:
        """The next id with this prefix."""
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}:{self._count}".encode()).digest()
        return f"{prefix}_1S{digest[:_LENGTH].translate(_LETTERS).decode()}"

    def fork(self) -> "Identifiers":
        """A source that continues here without moving this one; used for previews."""
        other = Identifiers(f"{self._seed}:preview")
        other._count = self._count
        return other
