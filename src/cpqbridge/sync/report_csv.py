"""The report of a rehearsal as four tables for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cpqbridge.domain.money import major_text
from cpqbridge.errors import ConfigurationError
from cpqbridge.sync.report import Report
from cpqbridge.sync.spreadsheet import Row, as_text, csv_bytes


def write_csv(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write orders.csv, proof.csv, invoices.csv and invoice_lines.csv into `folder` and return their paths.

    Raises:
        ConfigurationError: The folder or a file in it cannot be written.
    """
    tables = {
        "orders.csv": _orders(report),
        "proof.csv": _proof(report),
        "invoices.csv": _invoices(report),
        "invoice_lines.csv": _invoice_lines(report),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_write(folder / name, rows) for name, rows in tables.items())
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            code="report_unwritable",
            field="--csv",
            fix="Name a folder you may write to.",
        ) from None


def _write(path: Path, rows: Iterable[Row]) -> Path:
    path.write_bytes(csv_bytes(rows))
    return path


def _orders(report: Report) -> Iterator[Row]:
    yield ("order_id", "order_number", "contract", "customer", "state", "code", "message", "fix")
    for order in report.orders:
        texts = (order.customer, order.state.value, order.code, order.message, order.fix)
        yield (
            order.order_id,
            as_text(order.order_number),
            order.contract,
            *(as_text(text) for text in texts),
        )


def _proof(report: Report) -> Iterator[Row]:
    yield ("order_id", "order_item_id", "currency", "sold", "billed", "difference", "reason")
    for order in report.orders:
        for proof in order.proof:
            amounts = (proof.sold_minor, proof.billed_minor, proof.difference_minor)
            yield (
                order.order_id,
                proof.order_item_id,
                proof.currency,
                *(major_text(amount, proof.currency) for amount in amounts),
                proof.reason,
            )


def _invoices(report: Report) -> Iterator[Row]:
    yield ("stripe_id", "contract", "kind", "number", "date", "currency", "total")
    for invoice in report.invoices:
        yield (
            invoice.stripe_id,
            invoice.contract,
            invoice.kind,
            invoice.number,
            invoice.on.isoformat(),
            invoice.currency,
            major_text(invoice.total_minor, invoice.currency),
        )


def _invoice_lines(report: Report) -> Iterator[Row]:
    yield (
        "stripe_id",
        "number",
        "date",
        "currency",
        "period_start",
        "period_end",
        "description",
        "order_item_id",
        "amount",
    )
    for invoice in report.invoices:
        for line in invoice.lines:
            for order_item_id, amount_minor in line.shares or (("", line.amount_minor),):
                yield (
                    invoice.stripe_id,
                    invoice.number,
                    invoice.on.isoformat(),
                    invoice.currency,
                    line.period_start.isoformat(),
                    line.period_end.isoformat(),
                    as_text(line.description),
                    order_item_id,
                    major_text(amount_minor, invoice.currency),
                )
