"""Reconciliation: how far it is, its findings with their amounts, and the same for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from cpqbridge.domain.money import major_text
from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.finding_desk import FindingDesk, FindingFilter, FindingState, KindCount
from cpqbridge.sync.finding_rows import finding_rows
from cpqbridge.sync.finding_words import KIND_WORDS, KindWords, kind_words
from cpqbridge.sync.findings import amount_text
from cpqbridge.sync.reconciling import Reconciling
from cpqbridge.sync.spreadsheet import csv_bytes
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.paging import paging
from cpqbridge.web.rendering import money_text
from cpqbridge.web.site import Site

PAGE_SIZE = 50
_OPEN, _ACCEPTED = "open", "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTile:
    """A kind of finding with how many are open and what they come to, each currency a text."""

    kind: str
    words: KindWords
    findings: int
    amounts: tuple[str, ...]
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which findings a page shows; empty texts leave out a condition."""

    state: str = _OPEN
    connection: str = ""
    kind: str = ""
    contract: str = ""

    def address(self, path: str = "/reconcile", **changes: str) -> str:
        """Return the address of the same list with some conditions or the page changed."""
        fields = {"state": "" if self.state == _OPEN else self.state, "connection": self.connection}
        fields |= {"kind": self.kind, "contract": self.contract, **changes}
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"{path}?{query}" if query else path


def add(site: Site) -> None:
    """Register the pages."""
    desk, reconciling = FindingDesk(site.service), Reconciling(site.service)

    @site.get("/reconcile")
    def listed(ask: Ask) -> Page:
        chosen = _chosen(ask.query)
        wanted = _filter(site, chosen)
        pages = paging(ask.query.text("page"), total=desk.page(wanted, limit=0).total, size=PAGE_SIZE)
        found = desk.page(wanted, offset=pages.offset, limit=PAGE_SIZE)
        names = tuple(each.name for each in site.service.connections())
        return Page(
            "reconcile.html",
            {
                "runs": reconciling.standings(),
                "has_ended": False,
                "found": found.findings,
                "pages": pages,
                "chosen": chosen,
                "tiles": _tiles(found.kinds, chosen),
                "kinds": tuple((kind, words.title) for kind, words in KIND_WORDS.items()),
                "kind_words": kind_words,
                "amount_text": amount_text,
                "names": names,
                "name_choices": tuple((name, name) for name in names),
                "may_act": may_act(ask),
            },
        )

    @site.get("/reconcile/runs")
    def runs(ask: Ask) -> Page | Redirect:
        if not ask.is_fragment:
            return Redirect("/reconcile")
        standings = reconciling.standings()
        has_ended = not any(each.is_under_way for each in standings)
        context = {"runs": standings, "may_act": may_act(ask), "has_ended": has_ended}
        return Page("reconcile.html", context, fragment="fragments/reconcile_runs.html")

    @site.get("/reconcile.csv")
    def table(ask: Ask) -> Response:
        found = desk.page(_filter(site, _chosen(ask.query)))
        return Response(
            csv_bytes(finding_rows(each.finding for each in found.findings)),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="findings.csv"'},
        )

    @site.post("/reconcile/run", role=Role.OPERATOR)
    def run(ask: Ask) -> Redirect:
        is_new = reconciling.ask_for(ask.form.text("connection") or None)
        text = "All contracts are compared now." if is_new else "That was asked for already."
        return Redirect("/reconcile", notice=f"{text} Findings appear here as they are found.")


def may_act(ask: Ask) -> bool:
    """Return whether whoever asks may fix and accept."""
    return ask.user is not None and ask.user.role.covers(Role.OPERATOR)


def _chosen(query: Mapping[str, str]) -> Chosen:
    sent = {name: query.get(name, "").strip() for name in ("state", "connection", "kind", "contract")}
    return Chosen(
        state=_ACCEPTED if sent["state"] == _ACCEPTED else _OPEN,
        connection=sent["connection"],
        kind=sent["kind"] if sent["kind"] in set(KIND_WORDS) else "",
        contract=sent["contract"],
    )


def _filter(site: Site, chosen: Chosen) -> FindingFilter:
    known = {each.name: each.connection_id for each in site.service.connections()}
    if chosen.connection and chosen.connection not in known:
        raise ConfigurationError(
            f"There is no connection named {chosen.connection!r}.",
            code="connection_unknown",
            field="connection",
            fix="Choose one of the list.",
        )
    return FindingFilter(
        state=FindingState(chosen.state),
        connection_id=known.get(chosen.connection),
        kind=chosen.kind,
        contract=chosen.contract,
    )


def _tiles(kinds: tuple[KindCount, ...], chosen: Chosen) -> tuple[KindTile, ...]:
    found: dict[str, list[KindCount]] = {}
    for each in kinds:
        found.setdefault(each.kind, []).append(each)
    return tuple(
        KindTile(
            kind=kind,
            words=kind_words(kind),
            findings=sum(each.findings for each in counts),
            amounts=tuple(_amounts(each) for each in counts if each.currency),
            address=chosen.address(kind=kind, contract=""),
        )
        for kind, counts in found.items()
    )


def _amounts(count: KindCount) -> str:
    found, wanted = (
        money_text(major_text(minor, count.currency)) for minor in (count.found_minor, count.wanted_minor)
    )
    return f"{found} instead of {wanted} {count.currency.upper()}"
