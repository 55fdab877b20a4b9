"""Preferences of a connection: which orders, how they are billed, how fast, how long things are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from zoneinfo import available_timezones

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import EventsWay
from cpqbridge.mapping.policy_words import POLICY_WORDS, PolicyWords
from cpqbridge.planning.proration import InferredPrecision
from cpqbridge.store.users import Role
from cpqbridge.sync.configure import Configured
from cpqbridge.sync.filter_check import FilterChecked
from cpqbridge.sync.preferences import Effects, Preferences
from cpqbridge.sync.setup_progress import Step
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.pages.versions import ChangeRow, change_rows
from cpqbridge.web.preference_form import FIELDS, PreferenceForm, read_form, shown_form
from cpqbridge.web.set_up_frame import setup_frame
from cpqbridge.web.site import Site

_PATH = "/connections/{name}/preferences"
_STEP_PATH = "/connections/{name}/setup/preferences"
_PRECISION = "prorate_precision"
_ZONE = "policy.time_zone"
_MOST_DIGITS = 9
_EVENTS = (
    (EventsWay.WEBHOOK.value, "Stripe posts them", "And those that never arrived are listed once an hour."),
    (EventsWay.POLL.value, "The worker lists them", "Where Stripe cannot reach this app."),
    (
        EventsWay.OFF.value,
        "They are not used",
        "What changes in Stripe is found by the nightly reconciliation.",
    ),
)
_OBJECTS = {
    "Account": "account",
    "Order": "order",
    "PricebookEntry": "price book entry",
    "Product2": "product",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the org was asked beside the form: its answers on filters and on the precision of its lines."""

    filters: Mapping[str, FilterChecked]
    precision: InferredPrecision | None = None
    was_precision_asked: bool = False
    trouble: CpqbridgeError | None = None

    def matching(self, setting: str) -> str:
        """Return how many records meet a filter, in words; empty where that was not asked."""
        checked = self.filters.get(setting)
        if checked is None or checked.count is None:
            return ""
        noun, number = _OBJECTS[checked.count.object_name], checked.count.matching
        plural = "price book entries" if noun.endswith("entry") else f"{noun}s"
        return f"1 {noun} matches now." if number == 1 else f"{number:,} {plural} match now."

    def error(self, setting: str) -> str:
        """Return what is wrong with a filter and what to do; empty where nothing is known to be."""
        checked = self.filters.get(setting)
        if checked is None or checked.error is None:
            return ""
        return f"{checked.error.message} {checked.error.fix or ''}".strip()


_NOT_ASKED = Asked(filters={})


def add(site: Site) -> None:
    """Register the pages."""
    preferences = Preferences(site.service)

    @site.get(_PATH, role=Role.VIEWER)
    @site.get(_STEP_PATH, role=Role.ADMIN)
    def show(ask: Ask) -> Page:
        current = preferences.current(ask.path["name"])
        return _page(ask, current, shown_form(current.configuration))

    @site.post(_PATH, role=Role.ADMIN)
    @site.post(_STEP_PATH, role=Role.ADMIN)
    def change(ask: Ask) -> Page | Redirect:
        current = preferences.current(ask.path["name"])
        form = read_form(ask.form, current.configuration)
        action = ask.form.text("action")
        if form.configuration is None:
            return _page(ask, current, form)
        if action in {"check", "precision"}:
            return _page(ask, current, form, _asked(preferences, ask, form.configuration, action))
        if action == "zone":
            values = {**form.values, _ZONE: current.connection.facts.time_zone}
            return _page(ask, current, replace(form, values=values))
        if action == "edit":
            return _page(ask, current, form)
        return _saved(preferences, ask, current, form=form, wanted=form.configuration)


def _asked(preferences: Preferences, ask: Ask, configuration: Configuration, action: str) -> Asked:
    """Return the org's answers; that it cannot be asked at all is one as well."""
    name = ask.path["name"]
    try:
        if action == "precision":
            found = preferences.infer_precision(name)
            return Asked(filters={}, precision=found, was_precision_asked=True)
        checked = preferences.check_filters(name, configuration.filters)
    except CpqbridgeError as error:
        return Asked(filters={}, trouble=error)
    return Asked(filters={each.setting: each for each in checked})


def _saved(
    preferences: Preferences, ask: Ask, current: Configured, *, form: PreferenceForm, wanted: Configuration
) -> Page | Redirect:
    """Save and go back to the form; ask first where contracts are concerned that are billed already."""
    name, confirmed = ask.path["name"], ask.form.text("confirmed") == "yes"
    goes_live = wanted.sync.live and not current.configuration.sync.live
    if goes_live:
        # That is asked on a page of its own, which shows what would happen.
        wanted = replace(wanted, sync=replace(wanted.sync, live=False))
    try:
        version = preferences.save(
            name,
            wanted,
            based_on=_based_on(ask, current),
            confirmed=confirmed,
            reason=ask.form.text("reason"),
        )
    except ConfigurationError as error:
        if error.code == "preferences_not_confirmed":
            return _question(ask, form, preferences.effects(name, wanted), _based_on(ask, current))
        if error.field in FIELDS:
            checked = FilterChecked(setting=error.field, error=error)
            return _page(ask, current, form, Asked(filters={error.field: checked}))
        return _page(ask, current, form, Asked(filters={}, trouble=error))
    except CpqbridgeError as error:
        return _page(ask, current, form, Asked(filters={}, trouble=error))
    same = version == current.version
    notice = "Nothing was changed." if same else f"The preferences are saved as version {version}."
    if goes_live:
        return Redirect(
            f"{_connection_address(ask)}/setup/go-live",
            notice=f"{notice} Look here at what would happen, then switch live sync on.",
        )
    return Redirect(_own_address(ask), notice=notice)


def _page(ask: Ask, current: Configured, form: PreferenceForm, asked: Asked = _NOT_ASKED) -> Page:
    name = ask.path["name"]
    wrong = bool(form.errors) or asked.trouble is not None or any(asked.error(each) for each in FIELDS)
    facts = current.connection.facts
    in_set_up = _is_in_set_up(ask)
    return Page(
        "setup_preferences.html" if in_set_up else "preferences.html",
        {
            "frame": setup_frame(ask, Step.PREFERENCES) if in_set_up else None,
            "name": name,
            "address": _own_address(ask),
            "connection_address": _connection_address(ask),
            "form": form,
            "asked": asked,
            "version": _based_on(ask, current),
            "can_edit": ask.user is not None and ask.user.role.covers(Role.ADMIN),
            "is_live": current.configuration.sync.live,
            "org_zone": facts.time_zone,
            "multi_currency": facts.multi_currency,
            "zones": _zones(),
            "events": _EVENTS,
            "precision": _precision_rows(form, asked.precision),
            "policies": [_policy_row(words) for words in POLICY_WORDS if words.name != _PRECISION],
            "precision_words": next(words for words in POLICY_WORDS if words.name == _PRECISION),
        },
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
    )


def _question(ask: Ask, form: PreferenceForm, effects: Effects, version: int) -> Page:
    """Return the page that says what a change does to contracts that are billed already, and asks."""
    rows: list[tuple[ChangeRow, str]] = [
        (change_rows([effect.change])[0], effect.text) for effect in effects.reaching
    ]
    return Page(
        "preferences_confirm.html",
        {
            "name": ask.path["name"],
            "address": _own_address(ask),
            "form": form,
            "version": version,
            "effects": effects,
            "rows": rows,
            "others": change_rows(
                [
                    each
                    for each in effects.changes
                    if each not in [effect.change for effect in effects.reaching]
                ]
            ),
            "reason": ask.form.text("reason"),
        },
    )


@cache
def _zones() -> tuple[str, ...]:
    """Return the names of all time zones; they are read from the disk, so once."""
    return tuple(sorted(available_timezones()))


def _policy_row(words: PolicyWords) -> Mapping[str, Any]:
    return {
        "name": f"policy.{words.name}",
        "words": words,
        "options": [
            (option.value, option.label, f"{option.meaning} Example: {option.example}")
            for option in words.options
        ],
    }


def _precision_rows(form: PreferenceForm, found: InferredPrecision | None) -> list[tuple[str, str, str]]:
    """Return the choices of the prorate precision, each with how many lines speak for it."""
    words = next(words for words in POLICY_WORDS if words.name == _PRECISION)
    rows = []
    for option in words.options:
        votes = "" if found is None else f"{found.votes[option.value]} of {found.telling} lines fit. "
        rows.append((option.value, option.label, f"{votes}{option.meaning} Example: {option.example}"))
    if not form.values[f"policy.{_PRECISION}"]:
        default = words.options[0].label
        rows.insert(0, ("", "Not confirmed yet", f"{default} is used until somebody confirms one."))
    return rows


def _based_on(ask: Ask, current: Configured) -> int:
    """Return the version that the form began with; a form that was not sent yet begins with the newest."""
    text = ask.form.text("based_on")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else current.version


def _own_address(ask: Ask) -> str:
    """Return where the form is sent: the page of its own, or the step of the set-up that it is in."""
    return f"{_connection_address(ask)}/{'setup/preferences' if _is_in_set_up(ask) else 'preferences'}"


def _is_in_set_up(ask: Ask) -> bool:
    return ask.address.endswith("/setup/preferences")


def _connection_address(ask: Ask) -> str:
    return f"/connections/{quote(ask.path['name'], safe='')}"
