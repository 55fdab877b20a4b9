"""What a page is asked and what it answers: a request with its person, and a page, a redirect or bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from cpqbridge.store.users import User
from cpqbridge.sync.service import SyncService

if TYPE_CHECKING:
    from cpqbridge.web.site import Site


class Fields(Mapping[str, str]):
    """The fields of a form or a query by name; of several values of a name the last one counts."""

    def __init__(self, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        """Hold names and values in the order they were sent."""
        self._pairs = pairs
        self._last = dict(pairs)

    @classmethod
    def parsed(cls, text: str) -> Fields:
        """Return the fields of a query string or of an urlencoded body; empty values count.

        Raises:
            ValueError: there are more than 5,000 of them.
        """
        return cls(tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=5000)))

    def __getitem__(self, name: str) -> str:
        """Return the last value of a name."""
        return self._last[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._last)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._last)

    def many(self, name: str) -> tuple[str, ...]:
        """Return every value of a name, in the order sent."""
        return tuple(value for key, value in self._pairs if key == name)

    def text(self, name: str) -> str:
        """Return a value without the blanks around it, empty when it was not sent."""
        return self._last.get(name, "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to a page.

    Attributes:
        site: The app, with what it shows beside the stored data.
        user: Who is signed in; None only on pages that are open to all.
        method: GET or POST.
        path: The values of the address's placeholders by name.
        address: The path of the request, without its query.
        query: The fields of the query.
        form: The fields of the form that was sent; empty on GET.
        cookies: The request's cookies by name.
        client: The address of whoever asks.
        origin: Scheme and host under which this app was asked.
        now: The instant by the app's clock (aware UTC).
        is_fragment: Whether HTMX asks, for a part of the page only.
    """

    site: Site
    user: User | None
    method: str
    path: Mapping[str, str]
    address: str
    query: Fields
    now: datetime
    origin: str
    form: Fields = field(default_factory=Fields)
    cookies: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    is_fragment: bool = False

    @property
    def service(self) -> SyncService:
        """Return everything a page can ask for."""
        return self.site.service

    @property
    def actor(self) -> str:
        """Return the name of whoever acts, for the audit log."""
        return self.user.name if self.user is not None else ""

    def query_many(self, name: str) -> tuple[str, ...]:
        """Return every value of a field of the query."""
        return self.query.many(name)

    def form_many(self, name: str) -> tuple[str, ...]:
        """Return every value of a field of the form."""
        return self.form.many(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie to set; `seconds` 0 removes it, None keeps it until the browser is closed."""

    name: str
    value: str = field(repr=False, default="")
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page made by a template. `fragment` names the template that answers HTMX where it is another one."""

    template: str
    context: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    fragment: str = ""
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go on at another address of this app (303); `notice` is shown there once."""

    to: str
    notice: str = ""
    cookies: tuple[Cookie, ...] = ()
