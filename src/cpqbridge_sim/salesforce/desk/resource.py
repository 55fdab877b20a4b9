"""`/_sim/cpq`: the desk over HTTP, JSON for programs, and pages with plain forms for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.cpq.model import CpqError
from cpqbridge_sim.salesforce.desk import documents, requests
from cpqbridge_sim.salesforce.desk.forms import document_of_form
from cpqbridge_sim.salesforce.desk.lookups import live_records, record_at
from cpqbridge_sim.salesforce.desk.pages import render
from cpqbridge_sim.salesforce.desk.sales import SalesDesk
from cpqbridge_sim.salesforce.errors import ApiError, not_found
from cpqbridge_sim.salesforce.exchange import Answer, parse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cpqbridge_sim.salesforce.desk.sales import Outcome
    from cpqbridge_sim.salesforce.org import Org

ROOT: Final = "/_sim/cpq"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
REFUSED: Final = "CPQ_REFUSED"
SECONDS_TO_NEXT_LOOK: Final = 2
_CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOptions:
    """How the desk is embedded: who syncs the org, if anybody, and what moves when its clock is moved.

    `connector_url` is the address of the pages that show an order under `/orders/<id>`; `move_clock` None
    moves this org's clock alone.
    """

    connector_url: str | None = None
    move_clock: Callable[[datetime], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCall:
    """One request to the desk; `segments` are the parts of the path after `/_sim/cpq`."""

    method: str
    segments: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_form(self) -> bool:
        """Whether a page's form was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks."""
        return self.is_form or "text/html" in self.headers.get("accept", "")


class DeskResource:
    """Answers everything below `/_sim/cpq`."""

    def __init__(self, org: Org, options: DeskOptions) -> None:
        self._org = org
        self._options = options

    def answer(self, call: DeskCall) -> Answer:
        """Answer one request.

        Raises:
            ApiError: The request cannot be carried out, and a program asked.
        """
        try:
            return self._answer(call)
        except CpqError as error:
            if not call.wants_page:
                raise ApiError(400, REFUSED, str(error)) from None
            return self._page("refused.html", status=400, message=str(error), back=_back(call))

    def _answer(self, call: DeskCall) -> Answer:
        match (call.method, call.segments):
            case ("GET", ()):
                return (
                    self._index() if call.wants_page else Answer(body=documents.contract_documents(self._org))
                )
            case ("GET", ("desk.css",)):
                return Answer(content=_style_sheet(), headers={"Content-Type": "text/css; charset=utf-8"})
            case ("GET", ("contracts", contract_id)):
                return self._contract(contract_id, call)
            case ("GET", ("orders", order_id)):
                return self._order(order_id, call)
            case ("POST", (verb,)):
                return self._do(verb, call)
        raise not_found()

    def _do(self, verb: str, call: DeskCall) -> Answer:
        document = self._document(call)
        if verb == "clock":
            return self._move_clock(document)
        # The desk sees what it saves although others may see it later.
        with self._org.commits.transaction():
            outcome = self._outcome(verb, document)
            return self._shown(outcome, call)

    def _shown(self, outcome: Outcome, call: DeskCall) -> Answer:
        if call.is_form:
            return Answer(status=303, headers={"Location": f"{ROOT}/orders/{outcome.order_id}"})
        order = record_at(self._org, "Order", outcome.order_id) or {}
        contracts = (record_at(self._org, "Contract", each) for each in outcome.contract_ids)
        return Answer(
            body={
                "order": documents.order_document(self._org, order),
                "contracts": [documents.contract_document(self._org, each) for each in contracts if each],
            }
        )

    def _outcome(self, verb: str, document: Mapping[str, Any]) -> Outcome:
        desk = SalesDesk(self._org)
        match verb:
            case "quote":
                return desk.quote(requests.quote_request(document))
            case "activate":
                return desk.activate(requests.activate_request(document))
            case "amend":
                return desk.amend(requests.amend_request(document))
            case "terminate":
                return desk.terminate(requests.terminate_request(document))
            case "renew":
                return desk.renew(requests.renew_request(document))
        raise not_found()

    def _document(self, call: DeskCall) -> Mapping[str, Any]:
        origin = call.headers.get("origin")
        if origin is not None and origin != f"http://{call.headers.get('host')}":
            raise ApiError(403, "CROSS_ORIGIN", "Another site's page may not work at this desk.")
        if call.is_form:
            return document_of_form(parse_query(call.body.decode("utf-8", "replace")))
        try:
            document = values.parse_json(call.body or b"{}")
        except ValueError as error:
            raise ApiError(400, "JSON_PARSER_ERROR", f"The request body is no valid JSON: {error}") from None
        if not isinstance(document, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "The request body must be one JSON object.")
        return document

    def _move_clock(self, document: Mapping[str, Any]) -> Answer:
        day = requests.day_of(document)
        moment = max(datetime.combine(day, time(9), tzinfo=UTC), self._org.now)
        if moment.date() != day:
            raise CpqError(f"It is {self._org.now.date()} already, and time does not go back to {day}.")
        (self._options.move_clock or self._org.set_clock)(moment)
        return Answer(status=303, headers={"Location": ROOT})

    def _index(self) -> Answer:
        return self._page(
            "index.html",
            contracts=documents.contract_documents(self._org),
            drafts=documents.draft_documents(self._org),
            accounts=sorted(live_records(self._org, "Account"), key=lambda each: str(each.get("Name"))),
            products=self._products(),
        )

    def _contract(self, contract_id: str, call: DeskCall) -> Answer:
        record = record_at(self._org, "Contract", contract_id)
        document = documents.contract_document(self._org, record) if record else None
        if document is None:
            raise not_found()
        if not call.wants_page:
            return Answer(body=document)
        return self._page("contract.html", contract=document, products=self._products())

    def _order(self, order_id: str, call: DeskCall) -> Answer:
        record = record_at(self._org, "Order", order_id)
        if record is None:
            raise not_found()
        document = documents.order_document(self._org, record)
        if not call.wants_page:
            return Answer(body=document)
        is_awaited = bool(
            self._options.connector_url and not document["is_draft"] and not document["sync_status"]
        )
        headers = {"Refresh": str(SECONDS_TO_NEXT_LOOK)} if is_awaited else {}
        return self._page("order.html", headers=headers, order=document, is_awaited=is_awaited)

    def _products(self) -> list[Mapping[str, Any]]:
        products = [
            product
            for product in live_records(self._org, "Product2")
            if product.get("IsActive") is not False and product.get("SBQQ__ChargeType__c") != "Usage"
        ]
        return sorted(products, key=lambda each: str(each.get("Name")))

    def _page(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> Answer:
        organization = self._org.store.table("Organization").records[self._org.organization_id]
        text = render(
            template,
            root=ROOT,
            org_name=organization.get("Name"),
            now=self._org.now,
            connector_url=self._options.connector_url,
            **context,
        )
        return Answer(status=status, content=text, headers={**_PAGE_HEADERS, **(headers or {})})


def _back(call: DeskCall) -> str:
    """The address of the page that a form was sent from."""
    fields = parse_query(call.body.decode("utf-8", "replace")) if call.is_form else {}
    contract = fields.get("contract", "")
    return f"{ROOT}/contracts/{contract}" if contract.isalnum() else ROOT


def _style_sheet() -> str:
    folder = resources.files("cpqbridge_sim.salesforce.desk")
    return folder.joinpath("templates", "desk.css").read_text(encoding="utf-8")
