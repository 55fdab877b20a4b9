"""Who is told of trouble, through which channel, and what was told."""

from __future__ import annotations

from collections.abc import Mapping

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.alert_kinds import WORDS, AlertKind
from cpqbridge.sync.alert_settings import AlertChannel, AlertSettings, ChannelInput
from cpqbridge.web.ask import Ask, Fields, Page, Redirect
from cpqbridge.web.site import Site

MESSAGES = 50
_MOST_PAGES, _MOST_DIGITS = 100_000, 9
_KINDS_OF_CHANNEL = ("mail", "webhook")
_EMPTY: Mapping[str, object] = {"port": "587", "security": "starttls"}
_SECURITIES = (
    ("starttls", "STARTTLS", "Usual; port 587."),
    ("tls", "TLS", "Port 465."),
    ("none", "None", "Only for a server inside your own network that asks for no password."),
)


def add(site: Site) -> None:
    """Register the pages."""
    settings = AlertSettings(site.service)

    @site.get("/alerts", role=Role.ADMIN)
    def alerts(ask: Ask) -> Page:
        number = min(max(1, _number(ask.query.text("page"))), _MOST_PAGES)
        messages = settings.messages(limit=MESSAGES + 1, offset=(number - 1) * MESSAGES)
        return Page(
            "alerts.html",
            {
                "channels": settings.channels(),
                "troubles": settings.troubles(limit=MESSAGES),
                "messages": messages[:MESSAGES],
                "names": {each.channel_id: each.name for each in settings.channels()},
                "connections": {each.connection_id: each for each in ask.service.connections()},
                "words": WORDS,
                "number": number,
                "has_more": len(messages) > MESSAGES,
            },
        )

    @site.get("/alerts/new", role=Role.ADMIN)
    def new(ask: Ask) -> Page:
        kind = ask.query.text("kind")
        return _form(ask, None, kind if kind in _KINDS_OF_CHANNEL else "mail", _EMPTY)

    @site.post("/alerts", role=Role.ADMIN)
    def create(ask: Ask) -> Page | Redirect:
        try:
            made = settings.add(_input(ask))
        except ConfigurationError as error:
            return _form(ask, None, ask.form.text("kind"), _typed(ask.form), error=error)
        return Redirect(
            f"/alerts/{made.channel_id}", notice=f"{made.name} was added. Send a test through it."
        )

    _add_changing(site, settings)
    _add_doing(site, settings)


def _add_changing(site: Site, settings: AlertSettings) -> None:
    @site.get("/alerts/{channel_id}", role=Role.ADMIN)
    def channel(ask: Ask) -> Page:
        found = settings.channel(_id(ask))
        return _form(ask, found, found.kind, _stored(found))

    @site.post("/alerts/{channel_id}", role=Role.ADMIN)
    def change(ask: Ask) -> Page | Redirect:
        found = settings.channel(_id(ask))
        try:
            made = settings.change(found.channel_id, _input(ask))
        except ConfigurationError as error:
            return _form(ask, found, found.kind, _typed(ask.form), error=error)
        return Redirect("/alerts", notice=f"{made.name} was changed.")


def _add_doing(site: Site, settings: AlertSettings) -> None:
    @site.post("/alerts/{channel_id}/test", role=Role.ADMIN)
    def test(ask: Ask) -> Page | Redirect:
        found = settings.channel(_id(ask))
        outcome = settings.test(found.channel_id)
        if outcome.is_sent:
            return Redirect(f"/alerts/{found.channel_id}", notice=f"The test was sent. {outcome.words}")
        return _form(ask, found, found.kind, _stored(found), problem=outcome.words)

    @site.post("/alerts/{channel_id}/switch", role=Role.ADMIN)
    def switch(ask: Ask) -> Redirect:
        made = settings.switch(_id(ask), is_active=ask.form.text("active") == "yes")
        return Redirect("/alerts", notice=f"{made.name} is switched {'on' if made.is_active else 'off'}.")

    @site.get("/alerts/{channel_id}/delete", role=Role.ADMIN)
    def ask_to_delete(ask: Ask) -> Page:
        return Page("alert_delete.html", {"channel": settings.channel(_id(ask))})

    @site.post("/alerts/{channel_id}/delete", role=Role.ADMIN)
    def delete(ask: Ask) -> Redirect:
        removed = settings.remove(_id(ask))
        return Redirect("/alerts", notice=f"{removed.name} was deleted.")


def _form(
    ask: Ask,
    channel: AlertChannel | None,
    kind: str,
    values: Mapping[str, object],
    *,
    error: ConfigurationError | None = None,
    problem: str = "",
) -> Page:
    return Page(
        "alert_channel.html",
        {
            "channel": channel,
            "kind": kind if kind in _KINDS_OF_CHANNEL else "mail",
            "values": values,
            "securities": _SECURITIES,
            "kinds": [(each.value, WORDS[each].title, WORDS[each].when) for each in AlertKind],
            "connections": ask.service.connections(),
            "error": error,
            "problem": problem,
        },
        status=422 if error or problem else 200,
    )


def _input(ask: Ask) -> ChannelInput:
    form = ask.form
    return ChannelInput(
        kind=form.text("kind"),
        name=form.text("name"),
        secret=form.text("secret"),
        host=form.text("host"),
        port=form.text("port"),
        security=form.text("security"),
        user=form.text("user"),
        sender=form.text("sender"),
        recipients=form.text("recipients"),
        kinds=None if form.text("which") == "all" else form.many("kinds"),
        connection_ids=None
        if form.text("whose") == "all"
        else [_number(each) for each in form.many("connections")],
        app_url=ask.site.public_url or ask.origin,
    )


def _typed(form: Fields) -> Mapping[str, object]:
    """Return what was typed, without the secret: that is typed again."""
    return {
        **{name: value for name, value in form.items() if name != "secret"},
        "kinds": None if form.text("which") == "all" else form.many("kinds"),
        "connections": None
        if form.text("whose") == "all"
        else [_number(each) for each in form.many("connections")],
    }


def _stored(channel: AlertChannel) -> Mapping[str, object]:
    values = dict(channel.settings)
    return {**values, "name": channel.name, "recipients": "\n".join(values.get("recipients", ()))}


def _id(ask: Ask) -> int:
    return _number(ask.path["channel_id"])


def _number(text: str) -> int:
    """Return a number of a page or row; 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0
