"""What people do with an order: preview, sync, release, hold. Each shows its plan first and then asks."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.order_actions import NOTHING, Asked, Look, OrderActions, Outcome
from cpqbridge.sync.releases import TAKEOVER, cutover_of, released_codes
from cpqbridge.web.ask import Ask, Fields, Page, Redirect
from cpqbridge.web.plan_pages import plan_page
from cpqbridge.web.site import Site

_ENDED = {
    OrderState.SYNCED: "Order {number} is synced.",
    OrderState.UNCHANGED: "Order {number} is synced; nothing was to be done.",
    OrderState.HELD: "Order {number} is held; this page says why.",
    OrderState.REFUSED: "Order {number} is refused; this page says what to do.",
    OrderState.FAILED: "Order {number} failed; this page says what to do.",
    OrderState.WAITING: "Order {number} waits for another order of its contract.",
    OrderState.SKIPPED: "Order {number} is not billed; this page says why.",
    OrderState.QUEUED: "Order {number} is on the queue.",
}
_CUTOVER_WORDS = {
    "cutover_missing": "A take-over needs the first day that is billed here. The contract's first day bills "
    "all of it.",
    "cutover_value": "This is no day, or one too far away. Write it like 2026-12-01.",
    "cutover_without_takeover": "A day is for a take-over only: tick it above, or leave the day out.",
}


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/orders/preview", role=Role.VIEWER)
    def preview(ask: Ask) -> Page:
        order, connection = ask.query.text("order"), ask.query.text("connection")
        names = [each.name for each in ask.service.connections()]
        context: dict[str, object] = {
            "asked_for": order,
            "connection": connection if connection in names else "",
            "connections": [("", "Any connection"), *((name, name) for name in names)],
            "error": None,
            "plan": None,
        }
        if not order:
            return Page("order_preview.html", context)
        actions = OrderActions(ask.service)
        try:
            look = actions.preview(order, connection=connection if connection in names else None)
        except ConfigurationError as error:
            return Page("order_preview.html", {**context, "error": error}, status=_UNKNOWN)
        return Page("order_preview.html", {**context, "plan": plan_page(look)})

    @site.get("/orders/{order_id}/sync", role=Role.OPERATOR)
    def look_at_sync(ask: Ask) -> Page:
        look = OrderActions(ask.service).look(_order_id(ask))
        return _step_page("sync", look)

    @site.post("/orders/{order_id}/sync", role=Role.OPERATOR)
    def sync(ask: Ask) -> Page | Redirect:
        order_id = _order_id(ask)
        outcome = OrderActions(ask.service).carry_out(order_id, NOTHING, mark=ask.form.text("mark"))
        return _after("sync", order_id, outcome)

    @site.get("/orders/{order_id}/release", role=Role.OPERATOR)
    def look_at_release(ask: Ask) -> Page:
        return _release_page(ask, ask.query)

    @site.post("/orders/{order_id}/release", role=Role.OPERATOR)
    def release(ask: Ask) -> Page | Redirect:
        order_id = _order_id(ask)
        try:
            asked = _asked(ask.form)
        except ConfigurationError:
            return _release_page(ask, ask.form)
        if not asked.released:
            return _release_page(ask, ask.form)
        outcome = OrderActions(ask.service).carry_out(order_id, asked, mark=ask.form.text("mark"))
        return _after("release", order_id, outcome)

    @site.get("/orders/{order_id}/hold", role=Role.OPERATOR)
    def look_at_hold(ask: Ask) -> Page:
        return _hold_page(ask)

    @site.post("/orders/{order_id}/hold", role=Role.OPERATOR)
    def hold(ask: Ask) -> Page | Redirect:
        order_id, reason = _order_id(ask), ask.form.text("reason")
        try:
            outcome = OrderActions(ask.service).hold(order_id, reason=reason)
        except ConfigurationError as error:
            if error.field != "reason":
                raise
            return _hold_page(ask, reason=reason, error=f"{error.message} {error.fix}")
        if outcome.trouble is not None:
            told = f"Salesforce could not be told yet: {outcome.trouble.message}"
            return Redirect(f"/orders/{order_id}", notice=f"The contract is held. {told}")
        return Redirect(f"/orders/{order_id}", notice="The contract is held; Salesforce shows it.")


_UNKNOWN = HTTPStatus.NOT_FOUND


def _release_page(ask: Ask, fields: Fields) -> Page:
    """Return the page of a release: what can be released, and the plan once something is."""
    codes, day = fields.many("code"), fields.text("cutover")
    problem = ""
    try:
        asked = _asked(fields)
    except ConfigurationError as error:
        if error.code not in _CUTOVER_WORDS:
            raise
        problem, asked = _CUTOVER_WORDS[error.code], Asked(released=frozenset(codes) - {TAKEOVER})
    look = OrderActions(ask.service).look(_order_id(ask), asked)
    context = {"chosen": frozenset(codes), "cutover": day, "problem": problem}
    status = _REFUSED if problem else HTTPStatus.OK
    return _step_page("release", look, context, codes=codes, status=status)


_REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


def _asked(fields: Fields) -> Asked:
    released = released_codes(fields.many("code"))
    # An empty field of a form is sent all the same.
    return Asked(released=released, cutover=cutover_of(fields.text("cutover") or None, released))


def _step_page(
    step: str,
    look: Look,
    context: Mapping[str, object] | None = None,
    *,
    codes: tuple[str, ...] = (),
    is_changed: bool = False,
    status: int = HTTPStatus.OK,
) -> Page:
    chosen, day = look.asked.released, look.asked.cutover
    shown: dict[str, object] = {
        "chosen": chosen,
        "cutover": day.isoformat() if day is not None else "",
        "problem": "",
        "takeover": TAKEOVER,
    }
    return Page(
        "order_step.html",
        {
            **shown,
            **(context or {}),
            "step": step,
            "plan": plan_page(look, chosen=codes),
            "is_changed": is_changed,
            "released": sorted(look.asked.released),
        },
        status=status,
    )


def _after(step: str, order_id: str, outcome: Outcome) -> Page | Redirect:
    if outcome.changed is not None:
        return _step_page(step, outcome.changed, is_changed=True, status=HTTPStatus.CONFLICT)
    if outcome.standings is None:
        notice = "This takes longer than usual. It goes on by itself, and this page shows when it is done."
        return Redirect(f"/orders/{order_id}?under_way=yes", notice=notice)
    standing = next((each for each in outcome.standings if each.order_id == order_id), None)
    notice = "Done." if standing is None else _ENDED[standing.state].format(number=standing.order_number)
    return Redirect(f"/orders/{order_id}", notice=notice)


def _hold_page(ask: Ask, *, reason: str = "", error: str = "") -> Page:
    order_id = _order_id(ask)
    detail = ask.service.views.detail(order_id)
    if detail is None:
        raise HTTPException(404)
    context = {"standing": detail.view.standing, "reason": reason, "error": error}
    return Page("order_hold.html", context, status=_REFUSED if error else HTTPStatus.OK)


def _order_id(ask: Ask) -> str:
    try:
        return salesforce_id(ask.path["order_id"])
    except ValueError:
        raise HTTPException(404) from None
