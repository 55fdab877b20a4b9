"""The data mapper: one tab per Stripe object, its rules edited, tried on an order, and saved.

Everything on the page is one form, so that it works without scripts: whichever button is pressed, what was
typed comes along, and nothing is kept before "Save".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    CpqbridgeError,
    PausedError,
    TransientError,
)
from cpqbridge.mapping.parameter_words import OBJECT_WORDS
from cpqbridge.mapping.targets import METADATA
from cpqbridge.store.users import Role
from cpqbridge.store.views import OrderSearch
from cpqbridge.sync.field_picker import FieldChoice
from cpqbridge.sync.map_fields import MapFields
from cpqbridge.sync.mapping_draft import Draft, DraftRule, How
from cpqbridge.sync.mapping_sheet import MappingSheet
from cpqbridge.sync.setup_progress import SetupProgress, Step
from cpqbridge.web.ask import Ask, Fields, Page, Redirect
from cpqbridge.web.set_up_frame import connection_address, setup_address, setup_frame
from cpqbridge.web.site import Site

HOW, TEXT = "how.", "text."
"""What the inputs of a rule begin with; the parameter follows."""

_FIRST = "customer"


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/setup/mapping", role=Role.VIEWER)
    def step(ask: Ask) -> Page:
        return _step(ask)

    @site.post("/connections/{name}/setup/mapping", role=Role.ADMIN)
    def set_prefix(ask: Ask) -> Page | Redirect:
        mapper = MapFields(ask.service, ask.path["name"])
        try:
            mapper.set_prefix(ask.form.text("prefix"), based_on=_number(ask.form.text("based_on")))
        except ConfigurationError as error:
            return _step(ask, error=error)
        return Redirect(setup_address(ask.path["name"], Step.MAPPING), notice="The prefix was saved.")

    @site.get("/connections/{name}/mapping", role=Role.VIEWER)
    def start(ask: Ask) -> Redirect:
        return Redirect(mapping_address(ask.path["name"], _FIRST))

    @site.get("/connections/{name}/mapping/{object}", role=Role.VIEWER)
    def look(ask: Ask) -> Page:
        return _page(ask, _Edited(order=ask.query.text("order"), sample=_number(ask.query.text("sample"))))

    @site.post("/connections/{name}/mapping/{object}", role=Role.ADMIN)
    def edit(ask: Ask) -> Page | Redirect:
        action, _, detail = ask.form.text("action").partition(":")
        edited = _edited(ask.form)
        match action:
            case "save":
                return _save(ask, edited)
            case "pick":
                return _picker(ask, edited, parameter=detail)
            case "open":
                return _picker(ask, edited, parameter=ask.form.text("for"), at=detail)
            case "search":
                return _picker(
                    ask,
                    edited,
                    parameter=ask.form.text("for"),
                    at=ask.form.text("at"),
                    search=ask.form.text("search"),
                )
            case "choose":
                return _page(ask, edited.with_rule(ask.form.text("for"), DraftRule(How.FIELD, detail)))
            case "remove":
                return _page(ask, edited.without(detail))
            case _:
                return _page(ask, edited)


def mapping_address(name: str, stripe_object: str, order: str = "") -> str:
    """Return the address of one tab of a connection's mapper."""
    asked = f"?{urlencode({'order': order})}" if order else ""
    return f"{connection_address(name)}/mapping/{stripe_object}{asked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edited:
    """What the form holds; without a draft the rules in force are shown."""

    draft: Draft | None = None
    based_on: int | None = None
    order: str = ""
    sample: int = 0
    reason: str = ""

    def with_rule(self, parameter: str, rule: DraftRule) -> _Edited:
        return self._with({**(self.draft or {}), parameter: rule})

    def without(self, parameter: str) -> _Edited:
        return self._with({name: rule for name, rule in (self.draft or {}).items() if name != parameter})

    def _with(self, draft: Draft) -> _Edited:
        return _Edited(
            draft=draft, based_on=self.based_on, order=self.order, sample=self.sample, reason=self.reason
        )


def _edited(form: Fields) -> _Edited:
    draft = {}
    for name in form:
        parameter = name.removeprefix(HOW)
        if name == parameter:
            continue
        rule = DraftRule(_how(form[name]), form.get(TEXT + parameter, ""))
        if rule != DraftRule():
            draft[parameter] = rule
    new_key = form.text("new_key")
    if new_key:
        draft.setdefault(METADATA + new_key.removeprefix(METADATA), DraftRule(How.FIELD, ""))
    version = form.text("based_on")
    return _Edited(
        draft=draft,
        based_on=_number(version),
        order=form.text("order"),
        sample=_number(form.text("sample")),
        reason=form.text("reason"),
    )


def _step(ask: Ask, *, error: ConfigurationError | None = None) -> Page:
    name = ask.path["name"]
    overview = MapFields(ask.service, name).overview()
    context = {
        "frame": setup_frame(ask, Step.MAPPING),
        "overview": overview,
        "address": setup_address(name, Step.MAPPING),
        "fields_address": setup_address(name, Step.FIELDS),
        "rows": [(each, mapping_address(name, each.stripe_object)) for each in overview.objects],
        "prefix": overview.prefix if error is None else ask.form.text("prefix"),
        "error": error,
        "can_edit": _is_admin(ask),
    }
    return Page("setup_mapping.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY if error else 200)


def _is_admin(ask: Ask) -> bool:
    return ask.user is not None and ask.user.role.covers(Role.ADMIN)


def _save(ask: Ask, edited: _Edited) -> Page | Redirect:
    name, stripe_object = ask.path["name"], ask.path["object"]
    mapper = MapFields(ask.service, name)
    try:
        version = mapper.save(
            stripe_object, edited.draft or {}, based_on=edited.based_on or 0, reason=edited.reason
        )
    except (AccessLostError, ConfigurationError, PausedError, TransientError) as error:
        return _page(ask, edited, error=error, refused=True)
    saved = f"Saved as version {version}. It counts from the next sync; orders in Stripe stay as they are."
    return Redirect(mapping_address(name, stripe_object, edited.order), notice=saved)


def _page(ask: Ask, edited: _Edited, *, error: CpqbridgeError | None = None, refused: bool = False) -> Page:
    name, stripe_object = ask.path["name"], ask.path["object"]
    if stripe_object not in OBJECT_WORDS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    mapper = MapFields(ask.service, name)
    try:
        sheet = mapper.sheet(stripe_object, edited.draft, order=edited.order, sample=edited.sample)
    except ConfigurationError as wrong:
        if wrong.field != "order":
            raise
        error, sheet = wrong, mapper.sheet(stripe_object, edited.draft)
    if error is not None and error.code == "mapping_unfit" and sheet.problems:
        # It stands at its row, with what to do.
        error = None
    context = {
        **_frame(ask, sheet),
        "sheet": sheet,
        "order": edited.order,
        "reason": edited.reason,
        "error": error,
        "refused": refused,
        "can_edit": _is_admin(ask),
        "orders": mapper.recent_orders(),
        "sent_json": [_json(each.body) for each in sheet.objects],
    }
    wrong_now = refused or error is not None
    return Page("mapping.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong_now else 200)


def _picker(ask: Ask, edited: _Edited, *, parameter: str, at: str = "", search: str = "") -> Page:
    name, stripe_object = ask.path["name"], ask.path["object"]
    choice: FieldChoice = MapFields(ask.service, name).fields(stripe_object, parameter, at=at, search=search)
    return Page(
        "mapping_field.html",
        {
            "address": mapping_address(name, stripe_object),
            "words": OBJECT_WORDS[stripe_object],
            "parameter": parameter,
            "draft": edited.draft or {},
            "edited": edited,
            "choice": choice,
            "search": search,
        },
    )


def _frame(ask: Ask, sheet: MappingSheet) -> Mapping[str, object]:
    name = ask.path["name"]
    order = sheet.trial.order_number if sheet.trial else ""
    places = [
        (words.title, mapping_address(name, each, order), each == sheet.stripe_object)
        for each, words in OBJECT_WORDS.items()
    ]
    progress = SetupProgress(ask.service).of(name)
    return {
        "set_up_address": setup_address(name, Step.MAPPING) if progress.next_step is not None else "",
        "name": name,
        "address": mapping_address(name, sheet.stripe_object),
        "connection_address": connection_address(name),
        "places": places,
    }


def _known_orders(ask: Ask, sheet: MappingSheet) -> list[str]:
    """Return numbers of orders that were seen already, for choosing one without typing it whole."""
    connection_id = sheet.configured.connection.connection_id
    found = ask.service.views.search(OrderSearch(connection_id=connection_id, limit=50))
    return [each.order_number for each in found.rows]


def _how(text: str) -> How:
    return How(text) if text in {each.value for each in How} else How.DEFAULT


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len("999999") else 0


def _json(body: Mapping[str, object]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)
