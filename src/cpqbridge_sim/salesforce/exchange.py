"""What one REST call is, apart from how it travels: also a part of a composite call is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a resource below `/services/data/vNN.0/`.

    Attributes:
        method: The HTTP method in capitals.
        segments: The path's parts after the version, decoded.
        query: Decoded query parameters; of several equal names the last counts.
        body: The parsed JSON body, numbers as Decimal; None without one.
        headers: Header names in small letters.
        base: `/services/data/vNN.0`, for addresses in answers.
        token: The access token of the session.
    """

    method: str
    segments: tuple[str, ...]
    base: str
    token: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes back: a JSON body (None for an empty one), a status, and headers of its own.

    `content` is text that is no JSON, for the simulator's own pages.
    """

    status: int = 200
    body: Any = None
    content: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True for statuses from 400."""
        return self.status >= 400  # noqa: PLR2004 - the border between success and failure in HTTP


def split_path(raw_path: str) -> tuple[str, ...]:
    """The decoded parts of an encoded path; an encoded slash stays inside its part."""
    return tuple(unquote(part) for part in raw_path.strip("/").split("/") if part)


def parse_query(raw: str) -> dict[str, str]:
    """Decoded query parameters; a plus sign is a space, as in forms."""
    return dict(parse_qsl(raw, keep_blank_values=True))
