"""The org over HTTP: versions, sessions, limits, routes, and the simulator's own controls."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.fault_plan import Target
from cpqbridge_sim.faults import AFTER, BEFORE, HEADER, NO_FAULT, LostAnswerError, fault_of_header
from cpqbridge_sim.request_log import RequestLog
from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.composite import CompositeResource
from cpqbridge_sim.salesforce.controls import Controls
from cpqbridge_sim.salesforce.desk.resource import FORM_TYPE, DeskCall, DeskOptions, DeskResource
from cpqbridge_sim.salesforce.desk.resource import ROOT as DESK
from cpqbridge_sim.salesforce.errors import ApiError, not_found
from cpqbridge_sim.salesforce.exchange import Answer, Call, parse_query, split_path
from cpqbridge_sim.salesforce.faults import headers_of, strike
from cpqbridge_sim.salesforce.oauth import ROOT as OAUTH
from cpqbridge_sim.salesforce.oauth import OAuthCall, OAuthDesk
from cpqbridge_sim.salesforce.org import USER_ID
from cpqbridge_sim.salesforce.record_collections import CollectionResource
from cpqbridge_sim.salesforce.resources import (
    QueryResource,
    RecordResource,
    http_date,
    limits,
    method_not_allowed,
)
from cpqbridge_sim.wire import lose_answer, remember_transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from cpqbridge_sim.faults import Fault
    from cpqbridge_sim.salesforce.org import Org

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

CURRENT_VERSION = 68
OLDEST_VERSION = 31
MAX_URI_BYTES = 16_000
MAX_JSON_LEVELS = 50
_VERSION = re.compile(r"v(\d{1,3})\.0")
_SEASONS = ("Summer", "Winter", "Spring")
_RESOURCES = ("sobjects", "query", "queryAll", "limits", "composite")


def create_app(org: Org, desk: DeskOptions | None = None) -> OrgServer:
    """The ASGI app that serves one org and its sales desk; each has its own request log and query cursors."""
    return OrgServer(org, desk or DeskOptions())


class OrgServer:
    """ASGI application of one org.

    Attributes:
        org: The org it serves.
        log: Every API request it answered, the simulator's own controls left out.
        oauth: Its sign-in.
    """

    def __init__(self, org: Org, desk: DeskOptions) -> None:
        self.org = org
        self.log = RequestLog()
        self.oauth = OAuthDesk(org)
        self._controls = Controls(org, self.log, self.oauth)
        self._queries = QueryResource(org)
        self._records = RecordResource(org)
        self._collections = CollectionResource(org)
        self._composite = CompositeResource(org, self._dispatch)
        self._desk = DeskResource(org, desk)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; other kinds of connection are not served."""
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope.get("query_string", b"").decode("latin-1")
        method = str(scope["method"])
        try:
            fault = self._fault(method, raw_path, headers)
            if fault.kind == "latency":
                await asyncio.sleep(self.org.faults.seconds_of(fault))
            answer = self.handle(method, raw_path, query=query, headers=headers, body=body, fault=fault)
        except ApiError as error:
            answer = Answer(status=error.status, body=error.body())
        except LostAnswerError as lost:
            remember_transport(scope, send)
            whole = lost.answer if isinstance(lost.answer, Answer) else Answer(body={})
            await lose_answer(scope, send, lost, _content(whole))
            return
        content = _content(answer)
        sent = {"content-length": str(len(content))}
        if content:
            sent["content-type"] = "application/json;charset=UTF-8"
        sent |= {name.lower(): value for name, value in answer.headers.items()}
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await send({"type": "http.response.body", "body": content})

    def handle(
        self,
        method: str,
        raw_path: str,
        *,
        query: str,
        headers: dict[str, str],
        body: bytes,
        fault: Fault = NO_FAULT,
    ) -> Answer:
        """Answer one request; raises nothing for anything a client can send.

        Args:
            method: The HTTP method.
            raw_path: The encoded path, without the query string.
            query: The encoded query string.
            headers: Header names in small letters.
            body: The request's bytes.
            fault: The trouble that strikes it.

        Raises:
            LostAnswerError: The fault took the answer away.
        """
        if raw_path == DESK or raw_path.startswith(f"{DESK}/"):
            return self._at_desk(method, raw_path, headers=headers, body=body)
        with self.org.lock:
            parameters: dict[str, Any] = parse_query(query)
            parsed = _parse_body(method, raw_path, headers, body)
            if isinstance(parsed, dict):
                parameters |= parsed
            if raw_path.startswith("/_sim/"):
                return self._marked(self._controlled(method, raw_path, parameters, parsed))
            answer: Answer | None = None
            status = 0
            try:
                answer = self._struck(
                    method, raw_path, query=query, headers=headers, body=parsed, fault=fault
                )
                status = answer.status
            except LostAnswerError:
                status = fault.answer_status
                raise
            finally:
                self.log.record(
                    at=values.datetime_text(self.org.now),
                    method=method,
                    path=raw_path,
                    parameters=parameters,
                    idempotency_key=None,
                    status=status,
                    response=None if answer is None else answer.body,
                    fault=None if fault is NO_FAULT else fault.words,
                    retry_after=None if answer is None else answer.headers.get("Retry-After"),
                )
            return self._marked(answer)

    def _fault(self, method: str, raw_path: str, headers: dict[str, str]) -> Fault:
        """The trouble of a request: the one its header asks for, else the next planned one that fits."""
        if raw_path.startswith("/_sim/"):
            return NO_FAULT
        asked = headers.get(HEADER.lower())
        try:
            if asked is not None:
                return fault_of_header(asked, self.org.faults.kinds)
        except ValueError as error:
            raise ApiError(400, "INVALID_FAULT", f"{HEADER}: {error}") from None
        return self.org.faults.take(method, raw_path, now=self.org.now) or NO_FAULT

    def _marked(self, answer: Answer) -> Answer:
        """The answer with the headers that every answer has."""
        own = {
            "Date": http_date(self.org.now),
            "Sforce-Limit-Info": f"api-usage={self.org.usage()}/{self.org.daily_limit}",
        }
        return replace(answer, headers={**answer.headers, **own})

    def _controlled(self, method: str, raw_path: str, parameters: dict[str, Any], body: Any) -> Answer:
        try:
            return self._controls.answer(method, raw_path, parameters, body)
        except ApiError as error:
            return Answer(status=error.status, body=error.body())

    def _struck(
        self, method: str, raw_path: str, *, query: str, headers: dict[str, str], body: Any, fault: Fault
    ) -> Answer:
        """The answer of the API, or of the fault before or after it.

        Raises:
            LostAnswerError: The fault took the answer away.
        """
        self.org.request = Target(method=method, path=raw_path, now=self.org.now)
        self.org.page_rows = fault.rows if fault.kind == "short_pages" else None
        try:
            strike(fault, when=BEFORE)
            answer = self._answered(method, raw_path, query=query, headers=headers, body=body)
            strike(fault, when=AFTER, answer=answer)
        except ApiError as error:
            return Answer(status=error.status, body=error.body(), headers=headers_of(fault))
        return answer

    def _answered(
        self, method: str, raw_path: str, *, query: str, headers: dict[str, str], body: Any
    ) -> Answer:
        try:
            return self._api(method, raw_path, query=query, headers=headers, body=body)
        except ApiError as error:
            return Answer(status=error.status, body=error.body())

    def _at_desk(self, method: str, raw_path: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """The desk needs no token, and its requests are not counted, like the other controls."""
        call = DeskCall(method=method, segments=split_path(raw_path)[2:], headers=headers, body=body)
        with self.org.lock:
            try:
                return self._desk.answer(call)
            except ApiError as error:
                return Answer(status=error.status, body=error.body())

    def _api(self, method: str, raw_path: str, *, query: str, headers: dict[str, str], body: Any) -> Answer:
        if len(raw_path) + len(query) + 1 > MAX_URI_BYTES:
            raise ApiError(414, "URI_TOO_LONG", "The URI of the request is too long.")
        segments = split_path(raw_path)
        if segments == ("services", "data"):
            return Answer(body=[_version(number) for number in range(OLDEST_VERSION, CURRENT_VERSION + 1)])
        if segments == (*OAUTH, "userinfo") or segments[:1] == ("id",):
            self._session(headers)
            return Answer(body=_userinfo(self.org))
        if segments[:2] == OAUTH:
            given = parse_query(query) | (body if isinstance(body, dict) else {})
            host = headers.get("host", "")
            return self.oauth.answer(OAuthCall(method=method, names=segments[2:], given=given, host=host))
        if segments[:2] != ("services", "data"):
            raise not_found()
        number = _known_version(segments[2])
        token = self._session(headers)
        if self.org.usage() >= self.org.daily_limit:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.org.count_calls(1)
        # Who calls, and whether there is such a resource, comes before what is said.
        if isinstance(body, ApiError):
            raise body
        call = Call(
            method=method,
            segments=segments[3:],
            query=parse_query(query),
            body=body,
            headers=headers,
            base=f"/services/data/v{number}.0",
            token=token,
        )
        with self.org.store.savepoint() as whole:
            try:
                return self._dispatch(call)
            except ApiError:
                whole.undo()
                raise

    def _session(self, headers: dict[str, str]) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        known = (
            self.oauth.tokens.is_open(token)
            if token in self.oauth.tokens.sessions
            else self.org.tokens is None or token in self.org.tokens
        )
        if scheme.lower() not in {"bearer", "oauth"} or not token or not known:
            raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return token

    def _dispatch(self, call: Call) -> Answer:
        match call.segments:
            case ():
                _only_get(call)
                return Answer(body={name: f"{call.base}/{name}" for name in _RESOURCES})
            case ("query" | "queryAll", *_):
                return self._queries.answer(call)
            case ("sobjects", *_):
                return self._records.answer(call)
            case ("limits",):
                _only_get(call)
                return Answer(body=limits(self.org))
            case ("composite",):
                return self._composite.composite(call)
            case ("composite", "batch"):
                return self._composite.batch(call)
            case ("composite", "sobjects", *_):
                return self._collections.answer(call)
        raise not_found()


def _content(answer: Answer) -> bytes:
    if answer.content is not None:
        return answer.content.encode()
    return b"" if answer.body is None else values.dump_json(answer.body).encode()


def _parse_body(method: str, raw_path: str, headers: dict[str, str], body: bytes) -> Any:
    """The JSON of a request, or the form of a sign-in; None without one.

    The error to answer with comes back when it cannot be read.
    """
    if method not in {"POST", "PATCH", "PUT"} or not body:
        return None
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if split_path(raw_path)[:2] == OAUTH:
        is_form = content_type == FORM_TYPE
        return parse_query(body.decode("latin-1")) if is_form else None
    if content_type != "application/json":
        return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content type '{content_type}' not supported")
    try:
        parsed = values.parse_json(body)
    except ValueError as error:
        return ApiError(400, "JSON_PARSER_ERROR", f"The request body is no valid JSON: {error}")
    if values.nested_deeper_than(parsed, MAX_JSON_LEVELS):
        return ApiError(400, "JSON_PARSER_ERROR", "The request body is nested too deeply.")
    return parsed


def _only_get(call: Call) -> None:
    if call.method != "GET":
        raise method_not_allowed(call, "GET", "HEAD")


def _known_version(segment: str) -> int:
    match = _VERSION.fullmatch(segment)
    if match is None or int(match[1]) > CURRENT_VERSION:
        raise not_found()
    if int(match[1]) < OLDEST_VERSION:
        raise ApiError(410, "UNSUPPORTED_API_VERSION", f"Version {match[1]}.0 is retired.")
    return int(match[1])


def _version(number: int) -> dict[str, str]:
    # 31.0 was Summer '14; three releases a year, and the winter release is named after the next year.
    season = _SEASONS[(number - OLDEST_VERSION) % 3]
    year = 14 + (number - OLDEST_VERSION + 2) // 3
    return {"label": f"{season} '{year}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}


def _userinfo(org: Org) -> dict[str, Any]:
    return {
        "sub": f"https://login.salesforce.com/id/{org.organization_id}/{USER_ID}",
        "user_id": USER_ID,
        "organization_id": org.organization_id,
        "preferred_username": "connector@simulated.example",
        "name": "Integration User",
        "email": "connector@simulated.example",
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "zoneinfo": "Europe/Berlin",
        "active": True,
        "urls": {"rest": "/services/data/v{version}/", "query": "/services/data/v{version}/query/"},
    }
