"""What ran when, how long it took, who called whom how often; and stopping everything, and going on."""

from __future__ import annotations

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.alert_kinds import WORDS
from cpqbridge.sync.home_view import HomeNow, look_at_home
from cpqbridge.sync.pausing import Pausing
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.charts import hour_bars, seconds_words
from cpqbridge.web.navigation import mode_of
from cpqbridge.web.site import Site

HOURS = 72
_LONGEST_REASON = 500


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/activity")
    def activity(ask: Ask) -> Page:
        home = look_at_home(ask.service, hours=HOURS)
        return Page(
            "activity.html",
            {
                "home": home,
                "hours": HOURS,
                "charts": {each.connection.name: hour_bars(each.hours) for each in home.connections},
                "words": seconds_words,
                "trouble_words": WORDS,
                "mode_of": mode_of,
                "may_operate": ask.user is not None and ask.user.role.covers(Role.OPERATOR),
            },
            fragment="fragments/activity.html",
        )

    _add_pausing(site)


def _add_pausing(site: Site) -> None:
    pausing = Pausing(site.service)

    @site.get("/activity/pause", role=Role.OPERATOR)
    def ask_to_pause(ask: Ask) -> Page:
        return _asking(ask, "activity_pause.html", ask.query.text("connection"))

    @site.post("/activity/pause", role=Role.OPERATOR)
    def pause(ask: Ask) -> Page | Redirect:
        name, reason = ask.form.text("connection"), ask.form.text("reason")
        if not reason or len(reason) > _LONGEST_REASON:
            return _asking(ask, "activity_pause.html", name, reason=reason, error="Say why, in a few words.")
        pausing.pause(name or None, reason=reason)
        return Redirect("/activity", notice=f"{name or 'Everything'} is paused; calls under way end first.")

    @site.get("/activity/resume", role=Role.OPERATOR)
    def ask_to_resume(ask: Ask) -> Page:
        return _asking(ask, "activity_resume.html", ask.query.text("connection"))

    @site.post("/activity/resume", role=Role.OPERATOR)
    def resume(ask: Ask) -> Redirect:
        name = ask.form.text("connection")
        was_paused = pausing.resume(name or None)
        what = name or "Everything"
        return Redirect("/activity", notice=f"{what} goes on." if was_paused else f"{what} was not paused.")


def _asking(ask: Ask, template: str, name: str, *, reason: str = "", error: str = "") -> Page:
    """Return the page that says what a pause or its end does, and asks."""
    home = look_at_home(ask.service, hours=1)
    _require_known(home, name)
    touched = [each for each in home.connections if name in {"", each.connection.name}]
    return Page(
        template,
        {"name": name, "touched": touched, "queue": home.queue, "reason": reason, "error": error},
        status=422 if error else 200,
    )


def _require_known(home: HomeNow, name: str) -> None:
    if name and name not in {each.connection.name for each in home.connections}:
        raise ConfigurationError(
            f"There is no connection named {name!r}.",
            code="connection_unknown",
            field="connection",
            fix="Go back to the activity page; it may have been renamed or removed.",
        )
