"""`cpqbridge rehearse`: an org export goes through simulated systems; a report says what would be billed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpqbridge.cli.configuration_file import read_configuration
from cpqbridge.cli.export_directory import read_export
from cpqbridge.cli.export_marks import without_marks
from cpqbridge.cli.export_queries import all_commands
from cpqbridge.cli.output import JsonOption, answer, document, note
from cpqbridge.cli.progress import Progress
from cpqbridge.cli.runtime import ExitCode, runtime_of
from cpqbridge.clock import SettableClock, SystemClock, parse_instant
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration, currency_code, default_configuration
from cpqbridge.mapping.policies import ProratePrecision

if TYPE_CHECKING:
    from cpqbridge.settings import Settings
    from cpqbridge.sync.rehearse import ExportedOrder
    from cpqbridge.sync.report import Calls, Report
    from cpqbridge.sync.service import SyncService

CONNECTION = "rehearsal"
DEFAULT_CURRENCY = "usd"
_KEY = "sk_test_rehearsal"
_TOKEN = "rehearsal"  # noqa: S105 - the simulated org accepts any


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRequest:
    """What to rehearse: records by object, how, and when."""

    records: Mapping[str, Sequence[Mapping[str, Any]]]
    configuration: Configuration
    connection: str = CONNECTION
    as_of: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A finished rehearsal whose home and simulated systems are still there."""

    report: Report
    orders: tuple[ExportedOrder, ...]
    service: SyncService


def rehearse(  # noqa: PLR0913, PLR0917 - each is one option of the command
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Folder with the export: one <SObject>.json per object.")
    ] = None,
    as_json: JsonOption = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML file.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the report as tables into a folder.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file (YAML) to rehearse with.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Currency of an org that has only one; usd if left out.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Sync everything on this date instead of as activated.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 when an order is refused, held or failed.")
    ] = False,
    queries: Annotated[
        bool, typer.Option("--queries", help="Print the queries that export an org, and end.")
    ] = False,
) -> None:
    """Bill an org export on simulated systems, without any account, and report every invoice."""
    if queries:
        answer(all_commands())
        return
    if directory is None:
        raise ConfigurationError(
            "The folder with the export is missing.",
            code="export_folder",
            fix="Write cpqbridge rehearse FOLDER; cpqbridge rehearse --queries prints how to export one.",
        )
    if html is not None and not html.absolute().parent.is_dir():
        raise _unwritable(html, "its folder does not exist")
    request = _request(directory, config=config, currency=currency, as_of=as_of)
    with rehearsed(runtime_of(context).settings(), request) as result:
        report = result.report
        _write_files(report, html=html, csv=csv, today=(request.as_of or SystemClock().now()).date())
        if as_json:
            document(report.as_document())
        else:
            from cpqbridge.cli.report_text import report_text  # noqa: PLC0415

            answer(report_text(report))
    if strict and report.needs_someone:
        raise typer.Exit(ExitCode.NEEDS_SOMEONE)


@contextmanager
def rehearsed(settings: Settings, request: RehearsalRequest) -> Iterator[Rehearsed]:
    """Rehearse in a temporary home and keep home and systems until the block ends."""
    from cpqbridge.bootstrap import open_throwaway_service  # noqa: PLC0415 - it loads the database
    from cpqbridge.cli.exported_orders import exported_orders, stamp_notes  # noqa: PLC0415
    from cpqbridge.logs import configure_logging  # noqa: PLC0415
    from cpqbridge.mapping.precision_lines import lines_that_tell_precision  # noqa: PLC0415
    from cpqbridge.sync.rehearse import Rehearsal  # noqa: PLC0415
    from cpqbridge.sync.rehearse import rehearse as run  # noqa: PLC0415

    orders = exported_orders(request.records)
    telling = lines_that_tell_precision(request.records["OrderItem"])
    configuration, notes = _with_precision(request.configuration, telling)
    stamps = [order.activated_at for order in orders if order.activated_at]
    start = request.as_of or min(stamps, default=SystemClock().now())
    clock = SettableClock(start)
    with (
        tempfile.TemporaryDirectory(prefix="cpqbridge-") as home,
        _systems(request.records, start) as systems,
    ):
        # The home is gone at the end; an unexpected error starts a log in the real one.
        configure_logging(None, level=settings.log_level)
        with open_throwaway_service(Path(home), clock=clock) as service, Progress(len(orders)) as progress:
            service.add_connection(
                name=request.connection,
                salesforce_url=systems.salesforce_url,
                salesforce_token=_TOKEN,
                stripe_key=_KEY,
                stripe_api_base=systems.stripe_url,
                configuration=configuration,
            )
            report = run(
                Rehearsal(
                    service=service,
                    connection=request.connection,
                    stripe_key=_KEY,
                    systems=systems,
                    clock=clock,
                    orders=orders,
                    currency=configuration.currency or DEFAULT_CURRENCY,
                    as_of=request.as_of,
                    notes=(*request.notes, *stamp_notes(request.records), *notes),
                    progress=progress.step,
                )
            )
            progress.finish()
            yield Rehearsed(report=report, orders=orders, service=service)


class SimulatedSystems:
    """A simulated org and account on loopback, with one clock and a count of their requests."""

    def __init__(self, org: Any, account: Any, *, urls: tuple[str, str], org_log: Any) -> None:
        """Keep both; `urls` are those of Salesforce and of Stripe."""
        self._org = org
        self._account = account
        self._org_log = org_log
        self.salesforce_url, self.stripe_url = urls

    def set_clock(self, instant: datetime) -> None:
        """Move both clocks forward; an instant that has passed changes nothing."""
        if instant > self._org.now:
            self._org.set_clock(instant)
        if instant > self._account.now:
            self._account.advance(instant)

    def calls(self) -> Calls:
        """Return how many API requests both have answered."""
        from cpqbridge.sync.report import Calls  # noqa: PLC0415

        return Calls(salesforce=self._org_log.count, stripe=self._account.log.count)


@contextmanager
def _systems(
    records: Mapping[str, Sequence[Mapping[str, Any]]], start: datetime
) -> Iterator[SimulatedSystems]:
    from cpqbridge_sim.hosting import host  # noqa: PLC0415
    from cpqbridge_sim.salesforce.errors import LoadError  # noqa: PLC0415
    from cpqbridge_sim.salesforce.org import Org  # noqa: PLC0415
    from cpqbridge_sim.salesforce.server import create_app as create_org_app  # noqa: PLC0415
    from cpqbridge_sim.stripe.account import Account  # noqa: PLC0415
    from cpqbridge_sim.stripe.server import create_app as create_account_app  # noqa: PLC0415

    org = Org(start, replay=True)
    try:
        org.metadata.limit_to(records)
        org.load(records)
    except LoadError as error:
        raise ConfigurationError(
            str(error),
            code="export_file",
            fix="`cpqbridge rehearse --queries` prints the queries.",
        ) from None
    account = Account(start)
    org_app = create_org_app(org)
    with host(org_app) as salesforce, host(create_account_app(account)) as stripe:
        yield SimulatedSystems(org, account, urls=(salesforce.url, stripe.url), org_log=org_app.log)


def _request(
    directory: Path, *, config: Path | None, currency: str | None, as_of: str | None
) -> RehearsalRequest:
    export = read_export(directory)
    configuration = read_configuration(config) if config else default_configuration()
    records, marks = without_marks(export.records, prefix=configuration.mapping.salesforce_prefix)
    notes = [*export.notes, *marks]
    given = currency_code(currency, "--currency")
    if given is not None:
        configuration = replace(configuration, currency=given)
    elif configuration.currency is None:
        configuration = replace(configuration, currency=DEFAULT_CURRENCY)
        if not any("CurrencyIsoCode" in record for record in records["Order"]):
            notes.append("No currency was given, so all amounts count as USD; --currency sets another.")
    return RehearsalRequest(
        records=records,
        configuration=configuration,
        as_of=_as_of(as_of) if as_of else None,
        notes=tuple(notes),
    )


def _as_of(text: str) -> datetime:
    from cpqbridge.cli.exported_orders import FIRST_INSTANT, LAST_INSTANT, is_plausible  # noqa: PLC0415

    instant = parse_instant(text, name="--as-of")
    if is_plausible(instant):
        return instant
    raise ConfigurationError(
        f"--as-of is {text}, which lies outside the years {FIRST_INSTANT.year} to {LAST_INSTANT.year - 1}.",
        code="time_not_understood",
        field="--as-of",
        fix="Name a date on which the orders could have been synced.",
    )


def _with_precision(configuration: Configuration, lines: Any) -> tuple[Configuration, tuple[str, ...]]:
    """Return the configuration with the prorate precision that the lines show, and what was found."""
    from cpqbridge.planning.proration import infer_precision  # noqa: PLC0415

    policy = configuration.policy
    if policy.prorate_precision_confirmed:
        return configuration, ()
    found = infer_precision(lines)
    if found is None:
        text = (
            f"No line shows the org's prorate precision, so {policy.prorate_precision}, the default, was "
            "used. policy.prorate_precision sets another."
        )
        return configuration, (text,)
    # A precision that nobody confirmed is not stored, and here there is nobody to ask.
    policy = replace(
        policy, prorate_precision=ProratePrecision(found.precision), prorate_precision_confirmed=True
    )
    text = (
        f"The org's prorate precision was inferred as {found.precision}: it fits {found.fitting} of the "
        f"{found.telling} lines that can tell. Confirm it with policy.prorate_precision."
    )
    return replace(configuration, policy=policy), (text,)


def _write_files(report: Report, *, html: Path | None, csv: Path | None, today: date) -> None:
    if html is not None:
        from cpqbridge.web.report_page import report_page  # noqa: PLC0415

        try:
            html.write_text(report_page(report, standalone=True, today=today), encoding="utf-8")
        except OSError as error:
            raise _unwritable(html, error.strerror or "unknown reason") from None
        note(f"Wrote {html}")
    if csv is not None:
        from cpqbridge.sync.report_csv import write_csv  # noqa: PLC0415

        for path in write_csv(report, csv):
            note(f"Wrote {path}")


def _unwritable(html: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{html} cannot be written: {reason}.",
        code="report_unwritable",
        field="--html",
        fix="Name a file in a folder you may write to.",
    )
