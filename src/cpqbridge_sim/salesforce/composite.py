"""Several requests in one: `composite` with references between them, and `composite/batch`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from cpqbridge_sim.fault_plan import Target
from cpqbridge_sim.faults import BEFORE
from cpqbridge_sim.salesforce.errors import ApiError
from cpqbridge_sim.salesforce.exchange import Answer, Call, parse_query, split_path
from cpqbridge_sim.salesforce.faults import strike
from cpqbridge_sim.salesforce.resources import fields_of, method_not_allowed
from cpqbridge_sim.salesforce.values import number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cpqbridge_sim.salesforce.org import Org

MAX_SUBREQUESTS = 25
MAX_QUERIES = 5
_REFERENCE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_IN_URL = re.compile(r"(?:@|%40)(?:\{|%7B)(.*?)(?:\}|%7D)", re.IGNORECASE)
_IN_BODY = re.compile(r"@\{(.*?)\}")
_STEP = re.compile(r"\.(\w+)|\[(\d{1,6})\]", re.ASCII)
_ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."


class CompositeResource:
    """Runs parts through the same dispatch as single requests."""

    def __init__(self, org: Org, dispatch: Callable[[Call], Answer]) -> None:
        self._org = org
        self._dispatch = dispatch

    def composite(self, call: Call) -> Answer:
        """Up to 25 requests in order, later ones with values from earlier ones."""
        if call.method != "POST":
            raise method_not_allowed(call, "POST")
        body = fields_of(call.body)
        parts = _parts(body, "compositeRequest")
        _check_references(parts)
        queries = sum(1 for part in parts if _is_heavy(str(part.get("url", ""))))
        if queries > MAX_QUERIES:
            raise ApiError(
                400, "LIMIT_EXCEEDED", f"Limit of {MAX_QUERIES} query or collection operations is exceeded."
            )
        all_or_none = body.get("allOrNone") is True
        answers: dict[str, Answer] = {}
        with self._org.store.savepoint() as whole:
            failed: str | None = None
            for part in parts:
                name = str(part["referenceId"])
                if failed is not None and all_or_none:
                    answers[name] = _halted(_ROLLED_BACK)
                    continue
                answers[name] = self._part(call, part, answers)
                if answers[name].failed and failed is None:
                    failed = name
            if failed is not None and all_or_none:
                whole.undo()
                answers = {
                    name: answer if name == failed else _halted(_ROLLED_BACK)
                    for name, answer in answers.items()
                }
        shown = [
            {
                "body": answer.body,
                "httpHeaders": answer.headers,
                "httpStatusCode": answer.status,
                "referenceId": name,
            }
            for name, answer in answers.items()
        ]
        return Answer(body={"compositeResponse": shown})

    def _part(self, call: Call, part: dict[str, Any], earlier: dict[str, Answer]) -> Answer:
        try:
            url = _IN_URL.sub(
                lambda found: quote(_as_text(_lookup(unquote(found[1]), earlier)), safe=""), part["url"]
            )
            body = _filled(part.get("body"), earlier)
        except LookupError as error:
            return _halted(str(error.args[0]))
        return self._run(call, part, url, body)

    def _run(self, call: Call, part: dict[str, Any], url: str, body: Any) -> Answer:
        """One part as a request of its own; its errors become its answer."""
        with self._org.store.savepoint() as single:
            try:
                self._strike(str(part.get("method", "GET")).upper(), url)
                return self._dispatch(_inner_call(call, part, url, body))
            except ApiError as error:
                single.undo()
                return Answer(status=error.status, body=error.body())

    def _strike(self, method: str, url: str) -> None:
        """Let a planned fault refuse this part."""
        path = url.partition("?")[0]
        target = Target(method=method, path=path, level="part", now=self._org.now)
        strike(self._org.faults.take_for(target), when=BEFORE)

    def batch(self, call: Call) -> Answer:
        """Up to 25 independent requests; each counts as an API call of its own."""
        if call.method != "POST":
            raise method_not_allowed(call, "POST")
        body = fields_of(call.body)
        parts = _parts(body, "batchRequests")
        # One call was counted when the request came in.
        self._org.count_calls(len(parts) - 1)
        halt = body.get("haltOnError") is True
        results: list[dict[str, Any]] = []
        failed = False
        for part in parts:
            if failed and halt:
                answer = Answer(
                    status=412,
                    body=[{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted"}],
                )
            else:
                url = str(part.get("url", ""))
                rooted = url if url.startswith("/") else f"/services/data/{url}"
                answer = self._run(call, part, rooted, part.get("richInput"))
            failed = failed or answer.failed
            results.append({"statusCode": answer.status, "result": answer.body})
        return Answer(body={"hasErrors": failed, "results": results})


def _parts(body: Any, name: str) -> list[dict[str, Any]]:
    parts = body.get(name)
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise ApiError(400, "JSON_PARSER_ERROR", f"{name} must be a list of requests")
    if len(parts) > MAX_SUBREQUESTS:
        raise ApiError(400, "LIMIT_EXCEEDED", f"Limit of {MAX_SUBREQUESTS} subrequests is exceeded.")
    for part in parts:
        if not isinstance(part.get("url"), str) or not isinstance(part.get("httpHeaders", {}), dict):
            raise ApiError(400, "JSON_PARSER_ERROR", f"each of {name} needs a url")
    return parts


def _check_references(parts: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for part in parts:
        name = part.get("referenceId")
        if not isinstance(name, str) or _REFERENCE_ID.fullmatch(name) is None:
            shown = "missing" if name is None else name
            raise ApiError(400, "INVALID_INPUT", f"Provided referenceId ({shown}) is not valid.")
        if name in seen:
            raise ApiError(400, "INVALID_INPUT", f"Provided referenceId ({name}) is used twice.")
        seen.add(name)


def _is_heavy(url: str) -> bool:
    """True for queries and record collections, of which a composite holds at most five."""
    segments = split_path(url.partition("?")[0])[3:]
    return segments[:1] in {("query",), ("queryAll",)} or segments[:2] == ("composite", "sobjects")


def _inner_call(call: Call, part: dict[str, Any], url: str, body: Any) -> Call:
    path, _, query = url.partition("?")
    if not path.startswith(f"{call.base}/"):
        raise ApiError(400, "INVALID_INPUT", f"The url must start with {call.base}/ but is {url[:200]}")
    segments = split_path(path[len(call.base) :])
    if segments[:1] == ("composite",) and segments[1:2] != ("sobjects",):
        raise ApiError(400, "INVALID_INPUT", "A composite request cannot hold another one.")
    headers = part.get("httpHeaders") or {}
    return Call(
        method=str(part.get("method", "")).upper(),
        segments=segments,
        query=parse_query(query),
        body=body,
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        base=call.base,
        token=call.token,
    )


def _halted(message: str) -> Answer:
    return Answer(status=400, body=[{"errorCode": "PROCESSING_HALTED", "message": message}])


def _lookup(expression: str, earlier: dict[str, Answer]) -> Any:
    """The value a reference means.

    Raises:
        LookupError: The named request failed or is not there yet, or the value is missing or null.
    """
    name = re.split(r"[.\[]", expression, maxsplit=1)[0]
    answer = earlier.get(name)
    value = answer.body if answer is not None and not answer.failed else None
    position = len(name)
    while position < len(expression) and value is not None:
        step = _STEP.match(expression, position)
        if step is None:
            value = None
            break
        position = step.end()
        if step[1] is not None:
            value = value.get(step[1]) if isinstance(value, dict) else None
        else:
            inside = isinstance(value, list) and int(step[2]) < len(value)
            value = value[int(step[2])] if inside else None
    if value is None or isinstance(value, (dict, list)):
        raise LookupError(f"Invalid reference specified. No value for {expression} found in {name}")
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, Decimal) else str(value)


def _filled(body: Any, earlier: dict[str, Answer]) -> Any:
    """The body with every reference replaced; a text that is one reference takes its value's type."""
    if isinstance(body, dict):
        return {name: _filled(part, earlier) for name, part in body.items()}
    if isinstance(body, list):
        return [_filled(part, earlier) for part in body]
    if not isinstance(body, str):
        return body
    whole = _IN_BODY.fullmatch(body)
    if whole is not None and "@{" not in whole[1]:
        return _lookup(whole[1], earlier)
    return _IN_BODY.sub(lambda found: _as_text(_lookup(found[1], earlier)), body)
