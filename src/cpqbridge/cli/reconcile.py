"""`cpqbridge reconcile`: does Stripe bill what was sold, and what to do where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.config import ConnectionOption
from cpqbridge.cli.output import CsvOption, JsonOption, answer, document, note, table_bytes
from cpqbridge.cli.progress import Progress
from cpqbridge.cli.runtime import ExitCode, service_of
from cpqbridge.errors import ConfigurationError, CpqbridgeError

if TYPE_CHECKING:
    from cpqbridge.sync.reconcile import Fix, Reconciled
    from cpqbridge.sync.service import SyncService

ContractOption = Annotated[
    str | None, typer.Option("--contract", metavar="ID", help="Only this contract (800…).")
]
OrderOption = Annotated[
    str | None,
    typer.Option("--order", metavar="ID", help="Only the contract of this order, by id or number."),
]
FixOption = Annotated[
    bool, typer.Option("--fix", help="Put right what can be: each plan is shown, then asked for.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="With --fix: carry out every plan without asking.")]
AcceptOption = Annotated[
    int | None,
    typer.Option("--accept", metavar="FINDING", help="Accept the finding of this number as it is."),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="With --accept: why it may stay.")
]


def reconcile(  # noqa: PLR0913, PLR0917 - each is one option of the command
    context: typer.Context,
    contract: ContractOption = None,
    order: OrderOption = None,
    fix: FixOption = False,
    yes: YesOption = False,
    accept: AcceptOption = None,
    reason: ReasonOption = None,
    connection: ConnectionOption = None,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare what was sold, what was sent and what Stripe bills; say each difference, to the cent.

    Ends with 1 while a finding is open.
    """
    _check(
        {
            "--json and --csv": as_json and as_csv,
            "--contract and --order": contract is not None and order is not None,
            "--accept and --fix": accept is not None and fix,
            "--json or --csv and --fix without --yes": (as_json or as_csv) and fix and not yes,
            "--reason without --accept": reason is not None and accept is None,
            "--yes without --fix": yes and not fix,
        }
    )
    from cpqbridge.sync.reconcile import Reconciler  # noqa: PLC0415 - other commands do without it

    with service_of(context) as service:
        if accept is not None:
            _accept(service, connection, accept, reason or "", as_json=as_json)
            return
        with Progress(0) as progress:
            found = Reconciler(service, progress=progress.count).run(
                connection, order=order, contract=contract
            )
        if fix:
            found = _fixed(service, connection, found, asks=not yes)
    _show(found, as_csv=as_csv, as_json=as_json)
    if found.open:
        raise typer.Exit(ExitCode.NEEDS_SOMEONE)


def _check(together: dict[str, bool]) -> None:
    for names, are_given in together.items():
        if are_given:
            raise ConfigurationError(
                f"These options do not go together: {names}.",
                code="options_together",
                field=names.split(maxsplit=1)[0],
                fix="See `cpqbridge reconcile --help`.",
            )


def _accept(service: SyncService, connection: str | None, number: int, reason: str, *, as_json: bool) -> None:
    from cpqbridge.sync.finding_desk import FindingDesk  # noqa: PLC0415
    from cpqbridge.sync.findings import finding_document  # noqa: PLC0415

    accepted = FindingDesk(service).accept(connection, number, reason)
    if as_json:
        document({"version": 1, "findings": [finding_document(accepted)]})
    else:
        answer(f"Finding {number} is accepted as it is now; it comes back when it differs again.")


def _fixed(service: SyncService, connection: str | None, found: Reconciled, *, asks: bool) -> Reconciled:
    """Carry out what a person agrees to, contract by contract; return what is left."""
    from cpqbridge.sync.reconcile import Reconciler  # noqa: PLC0415

    reconciler = Reconciler(service)
    left = {each.finding_id: each for each in found.findings}
    for fix in reconciler.fixes(connection, found.findings):
        note(_plan_text(service, fix))
        if asks and not typer.confirm("Carry this out?", default=False, err=True):
            note("Left as it is.")
            continue
        try:
            open_ones = reconciler.carry_out(connection, fix)
        except CpqbridgeError as error:
            note(f"Not carried out: {error.message} {error.fix}".rstrip())
            continue
        for each in fix.findings:
            left.pop(each.finding_id, None)
        left |= {each.finding_id: each for each in open_ones}
    return replace(found, findings=tuple(left[number] for number in sorted(left)))


def _plan_text(service: SyncService, fix: Fix) -> str:
    from cpqbridge.cli.preview_text import preview_text  # noqa: PLC0415

    notice = fix.task.notice
    numbers = service.views.numbers([each.order_id for each in fix.plan.outcomes])
    what = "\n".join(f"Finding {each.finding_id}: {each.document['found']}" for each in fix.findings)
    plan = preview_text(fix.plan, order_id=notice.order_id, order_number=notice.order_number, numbers=numbers)
    return f"{what}\n\n{plan}"


def _show(found: Reconciled, *, as_csv: bool, as_json: bool) -> None:
    from cpqbridge.cli.reconcile_text import reconciled_text  # noqa: PLC0415
    from cpqbridge.sync.findings import finding_document  # noqa: PLC0415

    if as_json:
        document(
            {
                "version": 1,
                "connection": found.connection,
                "contracts": found.contracts + found.earlier,
                "unsettled": list(found.unsettled),
                "findings": [finding_document(each) for each in found.findings],
            }
        )
    elif as_csv:
        from cpqbridge.sync.finding_rows import finding_rows  # noqa: PLC0415
        from cpqbridge.sync.spreadsheet import csv_bytes  # noqa: PLC0415

        table_bytes(csv_bytes(finding_rows(found.findings)))
    else:
        answer(reconciled_text(found))
