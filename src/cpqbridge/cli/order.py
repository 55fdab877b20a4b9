"""`cpqbridge order`: orders listed, previewed and synced."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.config import ConnectionOption
from cpqbridge.cli.documents import standing_document
from cpqbridge.cli.output import JsonOption, answer, document, table
from cpqbridge.cli.runtime import ExitCode, service_of
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from cpqbridge.store.views import OrderStanding

application = typer.Typer(help="List, preview and sync orders.", no_args_is_help=True, rich_markup_mode=None)

OrderArgument = Annotated[str, typer.Argument(metavar="ID", help="Id (15 or 18 characters) or order number.")]
_UNSAID = {OrderState.QUEUED: "Not synced yet."}
_NEEDS_SOMEONE = frozenset({OrderState.REFUSED, OrderState.HELD, OrderState.FAILED, OrderState.WAITING})


@application.command("list")
def list_orders(
    context: typer.Context, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """List the orders that qualify in Salesforce or were synced, and where they stand."""
    with service_of(context) as service:
        listed = service.list_orders(connection)
    if as_json:
        document({"version": 1, "orders": [standing_document(each) for each in listed]})
        return
    if not listed:
        answer("No order qualifies: none is activated and meets the connection's filter.")
        return
    answer(_orders_table(listed))


@application.command("preview")
def preview(
    context: typer.Context,
    order: OrderArgument,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a sync would do, to the cent, without writing anything; draft orders too."""
    from cpqbridge.cli.preview_text import preview_text  # noqa: PLC0415
    from cpqbridge.sync.documents import plan_document  # noqa: PLC0415

    with service_of(context) as service:
        found = service.preview(connection, order)
        numbers = service.views.numbers([each.order_id for each in found.plan.outcomes])
    if as_json:
        document(plan_document(found.plan, order_id=found.notice.order_id))
    else:
        notice = found.notice
        answer(
            preview_text(
                found.plan, order_id=notice.order_id, order_number=notice.order_number, numbers=numbers
            )
        )


@application.command("sync")
def sync(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    order: OrderArgument,
    connection: ConnectionOption = None,
    release: Annotated[
        list[str] | None,
        typer.Option("--release", metavar="CODE", help="Go on although the order is held for this code."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bill the order's contract in Stripe and tell Salesforce, up to a final state."""
    released = _released(release or ())
    with service_of(context) as service:
        report = service.sync(connection, order, released=released)
    if as_json:
        document({"version": 1, "orders": [standing_document(each) for each in report.standings]})
    else:
        answer(_orders_table(report.standings))
    if any(standing.state in _NEEDS_SOMEONE for standing in report.standings):
        raise typer.Exit(ExitCode.NEEDS_SOMEONE)


def _releasable() -> frozenset[str]:
    from cpqbridge.planning.safety import NEVER_RELEASED  # noqa: PLC0415 - lists and previews need none of it
    from cpqbridge.sync.standings import FIRST_INVOICE_DIFFERS  # noqa: PLC0415 - as above

    held = {code for code, cause in REFUSAL_CATALOG.items() if cause.state is OrderState.HELD}
    return frozenset({*held, FIRST_INVOICE_DIFFERS} - NEVER_RELEASED)


def _released(codes: Sequence[str]) -> frozenset[str]:
    """Return the codes; one that can never be released would be passed over in silence, so it is an error."""
    known = sorted(_releasable())
    for code in codes:
        if code not in known:
            near = difflib.get_close_matches(code, known, n=1)
            raise ConfigurationError(
                f"{code!r} is not a code that can be released.",
                code="release_unknown",
                field="--release",
                fix=f"Did you mean {near[0]!r}?" if near else f"Codes that can be: {', '.join(known)}.",
            )
    return frozenset(codes)


def _orders_table(standings: Sequence[OrderStanding]) -> str:
    rows = [("Order", "Id", "State", "Message")]
    rows += [
        (each.order_number, each.order_id, each.state.value, each.message or _UNSAID.get(each.state, ""))
        for each in standings
    ]
    fixes = [
        f"{each.order_number}: {each.code}. What to do: {each.fix}"
        for each in standings
        if each.fix and each.state in _NEEDS_SOMEONE
    ]
    releases = [
        f"{each.order_number}: to go on although it is held: "
        f"cpqbridge order sync {each.order_number} --release {each.code}"
        for each in standings
        if each.state is OrderState.HELD and each.code in _releasable()
    ]
    return "\n".join([table(rows), *fixes, *releases])
