"""One finding: what is and what should be, its fix with the plan first, accepting it for a reason."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.money import major_text
from cpqbridge.errors import ConfigurationError, ConflictError, CpqbridgeError
from cpqbridge.store.users import Role
from cpqbridge.sync.finding_desk import FindingDesk, ShownFinding
from cpqbridge.sync.finding_words import is_fixable, kind_words, remedy_text, what_to_do
from cpqbridge.sync.findings import amount_text
from cpqbridge.sync.plan_mark import PLAN_CHANGED
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.pages.reconcile import may_act
from cpqbridge.web.rendering import counted
from cpqbridge.web.site import Site

_COMING_AT_MOST = 12
_DIGITS = 9


def add(site: Site) -> None:
    """Register the pages."""
    desk = FindingDesk(site.service)

    @site.get("/reconcile/{finding_id}")
    def finding(ask: Ask) -> Page:
        return _page(ask, _asked_for(desk, ask))

    @site.post("/reconcile/{finding_id}/accept", role=Role.OPERATOR)
    def accept(ask: Ask) -> Page | Redirect:
        shown = _asked_for(desk, ask)
        reason, fingerprint = ask.form.text("reason"), ask.form.text("fingerprint")
        try:
            desk.accept(shown.connection.name, shown.finding.finding_id, reason, fingerprint=fingerprint)
        except (ConfigurationError, ConflictError) as error:
            return _page(ask, _asked_for(desk, ask), error=error, reason=reason)
        return Redirect(
            "/reconcile",
            notice=f"Finding {shown.finding.finding_id} is accepted as it is; it comes back when it differs.",
        )

    @site.post("/reconcile/{finding_id}/open", role=Role.OPERATOR)
    def open_again(ask: Ask) -> Redirect:
        shown = _asked_for(desk, ask)
        desk.open_again(shown)
        number = shown.finding.finding_id
        return Redirect(f"/reconcile/{number}", notice=f"Finding {number} is open again.")

    _add_fixes(site, desk)


def _add_fixes(site: Site, desk: FindingDesk) -> None:
    @site.get("/reconcile/{finding_id}/fix", role=Role.OPERATOR)
    def look(ask: Ask) -> Page:
        return _fix_page(ask, desk)

    @site.post("/reconcile/{finding_id}/fix", role=Role.OPERATOR)
    def fix(ask: Ask) -> Page | Redirect:
        shown = _asked_for(desk, ask)
        try:
            left = desk.carry_out(shown, ask.form.text("mark"))
        except ConflictError as error:
            if error.code != PLAN_CHANGED:
                raise
            return _fix_page(ask, desk, error=error)
        if left is None:
            text = "The contract is still being synced; compare it again in a few minutes."
        elif left:
            text = f"The contract was synced; {counted(len(left), 'finding')} of it still open."
        else:
            text = "Put right: Stripe bills what was sold."
        return Redirect("/reconcile", notice=text)


def _page(ask: Ask, shown: ShownFinding, *, error: CpqbridgeError | None = None, reason: str = "") -> Page:
    found = shown.finding
    context: Mapping[str, object] = {
        "shown": shown,
        "said": found.document,
        "words": kind_words(found.kind),
        "orders": tuple(zip(found.document["orders"], found.document["order_numbers"], strict=True)),
        "what_to_do": what_to_do(found),
        "is_fixable": is_fixable(found),
        "amount_text": amount_text,
        "difference": _difference(found.document),
        "may_act": may_act(ask),
        "error": error,
        "reason": reason,
    }
    status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return Page("finding.html", context, status=status)


def _fix_page(ask: Ask, desk: FindingDesk, *, error: CpqbridgeError | None = None) -> Page:
    shown = _asked_for(desk, ask)
    planned = desk.fix_of(shown)
    context: Mapping[str, object] = {
        "shown": shown,
        "words": kind_words(shown.finding.kind),
        "planned": planned,
        "remedies": ()
        if planned is None
        else tuple((each, remedy_text(each)) for each in planned.fix.findings),
        "coming": () if planned is None else _coming(planned.fix.plan),
        "error": error,
    }
    return Page("finding_fix.html", context, status=HTTPStatus.OK if error is None else HTTPStatus.CONFLICT)


def _coming(plan: Plan) -> tuple[tuple[str, str, str], ...]:
    """Return day, amount and currency of the invoices to come by the plan, the first of them."""
    later = sorted((each for each in plan.forecast if each.at >= plan.executed_at), key=lambda each: each.at)
    return tuple(
        (each.on.isoformat(), major_text(each.total_minor, each.currency), each.currency.upper())
        for each in later[:_COMING_AT_MOST]
    )


def _difference(said: Mapping[str, object]) -> str:
    found, wanted, currency = said["found_minor"], said["wanted_minor"], said["currency"]
    if not isinstance(found, int) or not isinstance(wanted, int) or not currency:
        return ""
    return major_text(found - wanted, str(currency))


def _asked_for(desk: FindingDesk, ask: Ask) -> ShownFinding:
    text = ask.path["finding_id"]
    is_number = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    shown = desk.find(int(text)) if is_number else None
    if shown is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return shown
