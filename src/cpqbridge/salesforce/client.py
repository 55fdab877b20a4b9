"""One org over REST: one session, one pinned version, time-outs, no redirects, exact numbers, no retries.

Retries have their one home in `cpqbridge.sync.retry`. Only a session that has ended is renewed here, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from cpqbridge.clock import monotonic_seconds
from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.domain.calls import ApiUsage, Call, CallEnd, CallWatch, NoWatch
from cpqbridge.domain.retry_after import asked_wait_seconds
from cpqbridge.errors import (
    ConfigurationError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.salesforce.address import api_address
from cpqbridge.salesforce.error_map import error_for, parse_json, problems_in
from cpqbridge.salesforce.public_hosts import PublicHostsOnly

API_VERSION = "68.0"
"""Winter '27, the one version every request names. Source: design notes, section 1.1 (20 Nov 2026)."""

SUBREQUEST_LIMIT = 25
QUERY_LIMIT = 5
"""Source: REST API guide, "Composite", at most 25 subrequests, 5 of them queries or collections."""

_ROOT = f"/services/data/v{API_VERSION}"
_CONNECT_TIMEOUT_SECONDS = 10.0
# Salesforce cuts off addresses of about 16,000 bytes; longer queries travel in the body of a composite.
_LONGEST_PATH = 12_000
_NEXT_PAGE = re.compile(r"/services/[!-~]*")
# The beginning of the message that comes with REQUEST_LIMIT_EXCEEDED when the day's calls are used up.
_NONE_LEFT = "TotalRequests Limit exceeded"
_SESSION_ENDED = "INVALID_SESSION_ID"
_API_USAGE = re.compile(r"(?:^|[,;\s])api-usage=(\d+)/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subrequest:
    """One part of a composite request. `path` is relative to the version, like `/query/?q=…`."""

    method: str
    path: str
    reference: str
    body: Mapping[str, Any] | None = None

    @property
    def is_limited(self) -> bool:
        """Return whether it is one of the kinds of which a composite takes only five."""
        return self.path.startswith(("/query", "/composite/sobjects"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one part of a composite request was answered with."""

    reference: str
    status: int
    body: Any

    @property
    def is_success(self) -> bool:
        """Return whether the status says that it was done."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP class of successes

    @property
    def problem_codes(self) -> frozenset[str]:
        """Return the Salesforce error codes in it."""
        return frozenset(problem.code for problem in problems_in(self.body))

    def failure(self, *, writes: bool) -> CpqbridgeError:
        """Return our error for a part that was not done."""
        return error_for(
            status=self.status,
            text=json.dumps(self.body, default=str),
            writes=writes,
            retry_after_seconds=None,
        )


def query_path(soql: str, *, with_deleted: bool = False) -> str:
    """Return the path of a query, relative to the version; `with_deleted` finds deleted records too."""
    return f"/{'queryAll' if with_deleted else 'query'}/?q={quote(soql, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where an org's API is (an origin) and the access token that opens it."""

    base_url: str
    token: str = field(repr=False)


Renew = Callable[[Session], Session]
"""Returns a session in place of one that has ended; raises AccessLostError when there is none."""


class SalesforceClient:
    """A session with one org. It may be shared by threads; close it, or use it as a context manager.

    Attributes:
        api_usage: What the last answer said about used API calls, None before the first.
        server_time: The time of the last answer by the org's own clock (aware), None before the first.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        renew: Renew | None = None,
        timeout_seconds: float = 30,
        watch: CallWatch | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Check address and token; nothing is sent yet.

        Args:
            base_url: The org's address; see `cpqbridge.salesforce.address.api_address`.
            token: The access token, sent as a bearer token and shown nowhere.
            renew: Gives a session in place of one that has ended; without it access is lost then.
            timeout_seconds: How long to wait for an answer.
            watch: Is told of every request before and after it, and may keep it from being sent.
            transport: Stands in for the network in tests.

        Raises:
            ConfigurationError: The address is not an org's, or the token has characters no token has.
        """
        self._session = Session(base_url=api_address(base_url), token=_checked_token(token))
        self.api_usage: ApiUsage | None = None
        self.server_time: datetime | None = None
        self._renew = renew
        self._watch = watch or NoWatch()
        self._http = httpx2.Client(
            headers={"Accept": "application/json"},
            timeout=httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, _CONNECT_TIMEOUT_SECONDS)),
            follow_redirects=False,
            # A proxy of the company's stands between us and the internet, never between us and ourselves.
            trust_env=not is_loopback_url(self.base_url),
            transport=transport,
            event_hooks={"request": [PublicHostsOnly()]} if transport is None else None,
        )

    @property
    def base_url(self) -> str:
        """Return the org's API origin, without a trailing slash."""
        return self._session.base_url

    def __repr__(self) -> str:
        """Return the address only."""
        return f"SalesforceClient({self.base_url!r})"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def require_version(self) -> None:
        """Check that the org knows the pinned API version, one call.

        Raises:
            ConfigurationError: It does not (code `salesforce_version`).
        """
        known = self._send("GET", "/services/data/", body=None, writes=False)
        versions = [entry.get("version") for entry in known if isinstance(entry, Mapping)] if known else []
        if API_VERSION not in versions:
            newest = versions[-1] if versions else "none"
            raise ConfigurationError(
                f"The org at {self._host} does not offer API version {API_VERSION}; its newest is {newest}.",
                code="salesforce_version",
                fix="Wait for the org's next release, or update cpqbridge.",
            )

    def username(self) -> str:
        """Return the name of the user whose session it is, one call; empty when Salesforce does not say.

        Source: Salesforce help, "UserInfo Endpoint" (the scope openid), as in the design notes, section 1.4.
        """
        told = self._send("GET", "/services/oauth2/userinfo", body=None, writes=False)
        return str(told.get("preferred_username") or "") if isinstance(told, Mapping) else ""

    def query(self, soql: str, *, with_deleted: bool = False) -> Mapping[str, Any]:
        """Return the first page of a query: `records`, `done` and, when not done, `nextRecordsUrl`.

        `with_deleted` finds records in the recycle bin too.
        Source: REST API guide, "QueryAll", as restated in the design notes (20 Nov 2026).
        """
        path = query_path(soql, with_deleted=with_deleted)
        if len(path) <= _LONGEST_PATH:
            return checked_page(self._send("GET", _ROOT + path, body=None, writes=False))
        (answer,) = self.composite([Subrequest(method="GET", path=path, reference="query")], writes=False)
        if not answer.is_success:
            raise answer.failure(writes=False)
        return checked_page(answer.body)

    def next_page(self, next_records_url: object) -> Mapping[str, Any]:
        """Return a further page of a query.

        Raises:
            RecordError: The address of the page is not one of this org's REST API.
            TransientError: The pages ended, as they do with the session that began them; the query has to
                begin anew (code `salesforce_pages_ended`).
        """
        if not isinstance(next_records_url, str) or not _NEXT_PAGE.fullmatch(next_records_url):
            raise _unexpected("the next page of a query lies outside of the REST API")
        return checked_page(self._send("GET", next_records_url, body=None, writes=False))

    def composite(self, parts: Sequence[Subrequest], *, writes: bool) -> tuple[Answer, ...]:
        """Send up to 25 parts as one API call and return their answers in order.

        The parts are independent: one that fails does not undo the others.

        Raises:
            InvariantError: There are more parts, or more queries among them, than Salesforce takes.
            RecordError: The answer has another shape than the request.
        """
        limited = sum(part.is_limited for part in parts)
        if len(parts) > SUBREQUEST_LIMIT or limited > QUERY_LIMIT:
            raise InvariantError(
                f"A composite request has {len(parts)} parts, {limited} of them queries or collections.",
                code="salesforce_composite_too_large",
                fix="This is a mistake of cpqbridge; report this text.",
            )
        body = {"allOrNone": False, "compositeRequest": [_subrequest(part) for part in parts]}
        answered = self._send("POST", f"{_ROOT}/composite", body=body, writes=writes)
        entries = answered.get("compositeResponse") if isinstance(answered, Mapping) else None
        if not isinstance(entries, list) or len(entries) != len(parts):
            raise _unexpected("a composite request was answered with another number of parts")
        return tuple(_answer(part, entry) for part, entry in zip(parts, entries, strict=True))

    @property
    def _host(self) -> str:
        return self.base_url.split("://", 1)[1]

    def _send(self, method: str, path: str, *, body: Mapping[str, Any] | None, writes: bool) -> Any:
        """Send a request; when the session has ended, once more in a new one, since nothing was done then."""
        session = self._session
        response = self._request(session, method, path, body=body, writes=writes)
        if self._renew is not None and _session_ended(response):
            self._session = self._renew(session)
            response = self._request(self._session, method, path, body=body, writes=writes)
        if not response.is_success:
            raise error_for(
                status=response.status_code,
                text=response.text,
                writes=writes,
                retry_after_seconds=_retry_after_seconds(response),
            )
        try:
            return parse_json(response.text) if response.content else None
        except ValueError as error:
            raise _unexpected("the body of a successful answer is not JSON") from error

    def _request(
        self, session: Session, method: str, path: str, *, body: Mapping[str, Any] | None, writes: bool
    ) -> httpx2.Response:
        content = None if body is None else json.dumps(body, default=_json_value)
        headers = {"Authorization": f"Bearer {session.token}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        call = Call(side="salesforce", method=method, path=path.partition("?")[0])
        self._watch.before(call)
        begun = monotonic_seconds()
        response = None
        try:
            response = self._http.request(method, session.base_url + path, content=content, headers=headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
            raise TransientError(
                f"Salesforce at {self._host} cannot be reached ({type(error).__name__}).",
                code="salesforce_unreachable",
                fix="Check the address and the network, then try again; a worker does so by itself.",
            ) from error
        except httpx2.RequestError as error:
            raise self._lost_answer(error, writes=writes) from error
        finally:
            self._watch.after(_end(call, response, seconds=monotonic_seconds() - begun))
        self._note(response)
        return response

    def _lost_answer(self, error: httpx2.RequestError, *, writes: bool) -> CpqbridgeError:
        what = f"The answer of Salesforce at {self._host} was lost ({type(error).__name__})"
        if writes:
            return OutcomeUnknownError(
                f"{what}; whether it wrote is not known.",
                code="salesforce_outcome_unknown",
                fix="The same values are written again by themselves.",
            )
        return TransientError(
            f"{what}.", code="salesforce_unavailable", fix="Nothing was changed; it is tried again by itself."
        )

    def _note(self, response: httpx2.Response) -> None:
        self.api_usage = _usage(response) or self.api_usage
        try:
            self.server_time = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return


def _end(call: Call, response: httpx2.Response | None, *, seconds: float) -> CallEnd:
    if response is None:
        return CallEnd(call=call, status=None, seconds=seconds)
    # Salesforce documents no request id; some of its edges send this one.
    request_id = response.headers.get("X-Request-Id", "")
    return CallEnd(
        call=call,
        status=response.status_code,
        seconds=seconds,
        request_id=request_id,
        usage=_usage(response),
    )


def _session_ended(response: httpx2.Response) -> bool:
    """Return whether the request was turned away because its session is over; nothing was done then."""
    if response.status_code != HTTPStatus.UNAUTHORIZED:
        return False
    try:
        problems = problems_in(parse_json(response.text))
    except ValueError:
        return False
    return any(problem.code == _SESSION_ENDED for problem in problems)


def _usage(response: httpx2.Response) -> ApiUsage | None:
    """Return what an answer says of the org's API calls; one refused for having none left says just that."""
    said = _API_USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
    used, allowed = (int(said[1]), int(said[2])) if said else (0, 0)
    if response.status_code == HTTPStatus.FORBIDDEN and _NONE_LEFT in response.text:
        allowed = max(1, allowed)
        used = max(used, allowed)
    return ApiUsage(used=used, allowed=allowed) if allowed else None


def _checked_token(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            "The Salesforce token is empty or has spaces, line breaks or other characters no token has.",
            code="salesforce_token",
            field="salesforce_token",
            fix="Copy the access token again, in one line.",
        )
    return token


def _subrequest(part: Subrequest) -> dict[str, Any]:
    entry: dict[str, Any] = {"method": part.method, "url": _ROOT + part.path, "referenceId": part.reference}
    if part.body is not None:
        entry["body"] = part.body
    return entry


def _answer(part: Subrequest, entry: Any) -> Answer:
    status = entry.get("httpStatusCode") if isinstance(entry, Mapping) else None
    if not isinstance(status, int):
        raise _unexpected("a part of a composite request was answered without a status")
    return Answer(reference=part.reference, status=status, body=entry.get("body"))


def checked_page(body: Any) -> Mapping[str, Any]:
    """Return the body of a query's answer after checking its shape.

    Raises:
        RecordError: It has no list of records.
    """
    if (
        not isinstance(body, Mapping)
        or not isinstance(body.get("records"), list)
        or not isinstance(body.get("done"), bool)
    ):
        raise _unexpected("a query was answered without records")
    return body


def _unexpected(what: str) -> RecordError:
    return RecordError(
        f"Salesforce answered in a way cpqbridge does not know: {what}.",
        code="salesforce_unexpected",
        fix="Check that the address is an org's API and that no proxy changes answers, or report this text.",
    )


def _retry_after_seconds(response: httpx2.Response) -> float | None:
    return asked_wait_seconds(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))


def _json_value(value: object) -> str:
    """Return dates and decimals as the text Salesforce accepts for them, exact."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise InvariantError(
        f"A value of type {type(value).__name__} cannot be sent to Salesforce.",
        code="salesforce_value",
        fix="This is a mistake of cpqbridge; report this text.",
    )
