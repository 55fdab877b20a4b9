"""The frame around each step of a set-up: where one is, what is done, what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from cpqbridge.store.users import Role
from cpqbridge.sync.setup_progress import Progress, SetupProgress, Step
from cpqbridge.web.ask import Ask

LABELS = {
    Step.SALESFORCE: "Salesforce",
    Step.STRIPE: "Stripe",
    Step.FIELDS: "Fields",
    Step.MAPPING: "Mapping",
    Step.PREFERENCES: "Preferences",
    Step.DRY_RUN: "Dry run",
    Step.GO_LIVE: "Go live",
}
_TITLES = {
    Step.SALESFORCE: "Connect Salesforce",
    Step.STRIPE: "Connect Stripe",
    Step.FIELDS: "Check the org's fields",
    Step.MAPPING: "Map data",
    Step.PREFERENCES: "Set preferences",
    Step.DRY_RUN: "Try a dry run",
    Step.GO_LIVE: "Go live",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupFrame:
    """What `setup_frame.html` shows around a step's own content.

    `places` are (label, address, state) of every step; the address is empty where it is not for the reader.
    `pass_address` is where the button to the next step posts to, empty where there is none; `next_label`
    names that step. `back` is the step before, the list of connections where that is not for the reader.
    """

    name: str
    title: str
    places: tuple[tuple[str, str, str], ...]
    back: str
    pass_address: str
    next_label: str


def setup_address(name: str, step: Step) -> str:
    """Return the address of a step."""
    return f"/connections/{quote(name, safe='')}/setup/{step.value}"


def connection_address(name: str) -> str:
    """Return the address of a connection's own page."""
    return f"/connections/{quote(name, safe='')}"


def setup_frame(ask: Ask, step: Step | str, *, name: str = "") -> SetupFrame:
    """Return the frame of a step of a connection, the one that the address names unless one is given.

    Raises:
        ConfigurationError: there is no such connection or set-up (code `connection_unknown`).
    """
    here = Step(step)
    progress = SetupProgress(ask.service).of(name or ask.path["name"])
    steps = list(Step)
    place = steps.index(here)
    following = steps[place + 1] if place + 1 < len(steps) else None
    is_admin = ask.user is not None and ask.user.role.covers(Role.ADMIN)
    goes_on = following is not None and is_admin and progress.is_open(following)
    address = setup_address(progress.name, here)
    before = steps[place - 1] if place and _is_for_reader(ask, steps[place - 1]) else None
    return SetupFrame(
        name=progress.name,
        title=_TITLES[here],
        places=tuple(_place(ask, progress, each, here) for each in steps),
        back=setup_address(progress.name, before) if before is not None else "/connections",
        pass_address=f"{address}/done" if goes_on else "",
        next_label=LABELS[following] if following is not None else "",
    )


def _place(ask: Ask, progress: Progress, step: Step, here: Step) -> tuple[str, str, str]:
    state = "open"
    if step is here:
        state = "here"
    elif step in progress.done:
        state = "done"
    elif not progress.is_open(step):
        state = "locked"
    return LABELS[step], setup_address(progress.name, step) if _is_for_reader(ask, step) else "", state


def _is_for_reader(ask: Ask, step: Step) -> bool:
    """Return whether the reader's role may open a step, by what its page declares."""
    path = f"/connections/{{name}}/setup/{step.value}"
    roles = [each.role for each in ask.site.routes if each.method == "GET" and each.path == path]
    return ask.user is not None and all(role is None or ask.user.role.covers(role) for role in roles)
