"""`cpqbridge order`: orders listed, previewed and synced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.config import ConnectionOption
from cpqbridge.cli.documents import standing_document
from cpqbridge.cli.output import CsvOption, JsonOption, answer, document, table, table_bytes
from cpqbridge.cli.releases import TAKEOVER, CutoverOption, ReleaseOption
from cpqbridge.cli.runtime import ExitCode, service_of
from cpqbridge.domain.ids import salesforce_id
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from cpqbridge.store.views import OrderStanding

application = typer.Typer(help="List, preview and sync orders.", no_args_is_help=True, rich_markup_mode=None)

OrderArgument = Annotated[str, typer.Argument(metavar="ID", help="Id (15 or 18 characters) or order number.")]
LineArgument = Annotated[
    str | None, typer.Argument(metavar="[LINE]", help="Id of one order line; all of the order without it.")
]
_UNSAID = {OrderState.QUEUED: "Not synced yet."}
_NEEDS_SOMEONE = frozenset({OrderState.REFUSED, OrderState.HELD, OrderState.FAILED, OrderState.WAITING})


@application.command("list")
def list_orders(
    context: typer.Context,
    connection: ConnectionOption = None,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the orders that qualify in Salesforce or were synced, and where they stand."""
    if as_csv and as_json:
        raise ConfigurationError(
            "A list is either a table or a document.",
            code="two_formats",
            field="--csv",
            fix="Give --csv or --json, not both.",
        )
    with service_of(context) as service:
        listed = service.order_list(connection)
    if as_json:
        document({"version": 1, "orders": [each.as_document() for each in listed]})
        return
    if as_csv:
        from cpqbridge.sync.order_list import order_rows  # noqa: PLC0415
        from cpqbridge.sync.spreadsheet import csv_bytes  # noqa: PLC0415

        table_bytes(csv_bytes(order_rows(listed)))
        return
    if not listed:
        answer("No order qualifies: none is activated and meets the connection's filter.")
        return
    alerts = [f"{each.standing.order_number}: {each.alert}" for each in listed if each.alert]
    answer("\n".join([_orders_table([each.standing for each in listed]), *alerts]))


@application.command("preview")
def preview(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    order: OrderArgument,
    connection: ConnectionOption = None,
    release: ReleaseOption = None,
    cutover: CutoverOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a sync would do, to the cent, without writing anything; draft orders too."""
    from cpqbridge.cli.preview_text import preview_text  # noqa: PLC0415
    from cpqbridge.sync.documents import plan_document  # noqa: PLC0415

    released, first_day = _released(release, cutover)
    with service_of(context) as service:
        found = service.preview(connection, order, released=released, cutover=first_day)
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


@application.command("explain")
def explain(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    order: OrderArgument,
    line: LineArgument = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the amount of each order line came about: its price, every charge, and why it differs."""
    from cpqbridge.cli.explain_text import explain_text  # noqa: PLC0415
    from cpqbridge.sync.explain import explained  # noqa: PLC0415

    with service_of(context) as service:
        found = service.preview(connection, order)
    order_id, number = found.notice.order_id, found.notice.order_number
    lines = explained(found.plan, order_id=order_id)
    if line is not None:
        lines = tuple(each for each in lines if each.line.order_item_id == _line_id(line))
    if as_json:
        document({"version": 1, "order_id": order_id, "lines": [each.as_document() for each in lines]})
    elif lines:
        answer(explain_text(lines))
    else:
        answer(f"Nothing of order {number} would be billed: cpqbridge order preview {number} says why.")


@application.command("sync")
def sync(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    order: OrderArgument,
    connection: ConnectionOption = None,
    release: ReleaseOption = None,
    cutover: CutoverOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bill the order's contract in Stripe and tell Salesforce, up to a final state."""
    released, first_day = _released(release, cutover)
    from cpqbridge.sync.by_hand import note_sync  # noqa: PLC0415 - lists need none of it

    with service_of(context) as service:
        note_sync(service, connection, order, released=released, cutover=first_day)
        report = service.sync(connection, order, released=released, cutover=first_day)
    if as_json:
        document({"version": 1, "orders": [standing_document(each) for each in report.standings]})
    else:
        answer(_orders_table(report.standings))
    if any(standing.state in _NEEDS_SOMEONE for standing in report.standings):
        raise typer.Exit(ExitCode.NEEDS_SOMEONE)


def _released(release: Sequence[str] | None, cutover: str | None) -> tuple[frozenset[str], date | None]:
    # Lists need none of it.
    from cpqbridge.sync.releases import cutover_of, released_codes  # noqa: PLC0415

    released = released_codes(release or ())
    return released, cutover_of(cutover, released)


def _line_id(text: str) -> str:
    try:
        return salesforce_id(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not the id of an order line.",
            code="order_line_unknown",
            field="line",
            fix="Give an id of 15 or 18 characters that begins with 802, or leave it out for all lines.",
        ) from None


def _orders_table(standings: Sequence[OrderStanding]) -> str:
    from cpqbridge.sync.releases import releasable  # noqa: PLC0415 - it loads the planner

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
    can_be_released = releasable()
    releases = [
        f"{each.order_number}: to go on all the same: "
        f"cpqbridge order sync {each.order_number} --release {each.code}"
        f"{' --cutover DATE' if each.code == TAKEOVER else ''}"
        for each in standings
        if each.state in _NEEDS_SOMEONE and each.code in can_be_released
    ]
    return "\n".join([table(rows), *fixes, *releases])
