"""`cpqbridge sandbox cpq`: play a sales person on a simulated Salesforce org that is running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer

from cpqbridge.cli.output import JsonOption, answer, document, table
from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.errors import ConfigurationError, TransientError

DEFAULT_ORG_PORT = 8081
_TIMEOUT_SECONDS = 30.0
_NUMBER_COLUMNS = frozenset({1, 4, 5})

application = typer.Typer(
    help="Sell, amend, terminate and renew on a running simulated org, as CPQ would.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

OrgOption = Annotated[
    str, typer.Option("--org-url", help="Address of the simulated org; the one `cpqbridge demo` starts.")
]
ContractArgument = Annotated[
    str, typer.Argument(help="Id or number of the contract, or of an order that belongs to one contract.")
]
ActivateOption = Annotated[
    bool, typer.Option("--activate", help="Activate the order at once; else it stays a draft.")
]
LinesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--add", help="New line, PRODUCT:QUANTITY; the product by id, code or name. Repeat for more."
    ),
]
_ORG_URL = f"http://127.0.0.1:{DEFAULT_ORG_PORT}"


@application.command("contracts")
def contracts(org_url: OrgOption = _ORG_URL, as_json: JsonOption = False) -> None:
    """List the contracts of the org with what is left on their lines."""
    found = _asked(org_url, "GET", "")
    if as_json:
        document({"contracts": found})
        return
    rows = [("Contract", "Customer", "From", "To", "Line", "Left", "Product")]
    rows += [
        (
            contract["number"],
            contract["account"],
            contract["start"],
            contract["end"] or "",
            line["id"],
            _number(line["left"]),
            line["product"],
        )
        for contract in found
        for line in contract["lines"]
    ]
    answer(table(rows, numbers=frozenset({5})))


@application.command("quote")
def quote(  # noqa: PLR0913, PLR0917 - each is one option of the command
    account: Annotated[str, typer.Argument(help="Id or name of the customer.")],
    add: LinesOption = None,
    start: Annotated[str | None, typer.Option("--start", help="First day; today if left out.")] = None,
    term: Annotated[int | None, typer.Option("--term", help="Months; 12 if left out.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day, instead of a term.")] = None,
    email: Annotated[
        str | None, typer.Option("--email", help="Makes a new customer of this name with this address.")
    ] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Currency, such as EUR.")] = None,
    payment_term: Annotated[
        str | None, typer.Option("--payment-term", help="Payment term; Net 30 if left out.")
    ] = None,
    activate: ActivateOption = False,
    org_url: OrgOption = _ORG_URL,
    as_json: JsonOption = False,
) -> None:
    """Quote new business and make its order."""
    request = {
        "account": account,
        "lines": _new_lines(add or ()),
        "start": start,
        "term": term,
        "end": end,
        "email": email,
        "currency": currency,
        "payment_term": payment_term,
        "activate": activate,
    }
    _do(org_url, "quote", request, as_json=as_json)


@application.command("activate")
def activate_order(
    order: Annotated[str, typer.Argument(help="Id or number of the draft order.")],
    org_url: OrgOption = _ORG_URL,
    as_json: JsonOption = False,
) -> None:
    """Activate a draft order and contract it."""
    _do(org_url, "activate", {"order": order}, as_json=as_json)


@application.command("amend")
def amend(  # noqa: PLR0913, PLR0917 - each is one option of the command
    contract: ContractArgument,
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line", help="Units more or fewer of an order product: ID:+2 or ID:-3. Repeat for more."
        ),
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option("--product", help="Units more or fewer of a product, newest line first: NAME:-3."),
    ] = None,
    add: LinesOption = None,
    start: Annotated[
        str | None, typer.Option("--start", help="First day of the change; today if left out.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="Last day of the new lines; the contract's if left out.")
    ] = None,
    activate: ActivateOption = False,
    org_url: OrgOption = _ORG_URL,
    as_json: JsonOption = False,
) -> None:
    """Amend a contract: more units, fewer units, new lines."""
    request = {
        "contract": contract,
        "lines": [_change(each, "line", "--line") for each in line or ()],
        "products": [_change(each, "product", "--product") for each in product or ()],
        "add": _new_lines(add or ()),
        "start": start,
        "end": end,
        "activate": activate,
    }
    _do(org_url, "amend", request, as_json=as_json)


@application.command("terminate")
def terminate(  # noqa: PLR0917 - each is one option of the command
    contract: ContractArgument,
    start: Annotated[
        str | None, typer.Option("--start", help="First day no longer served; today if left out.")
    ] = None,
    refund_assets: Annotated[
        bool,
        typer.Option("--refund-assets", help="Give one-time lines back too, where their product allows."),
    ] = False,
    activate: ActivateOption = False,
    org_url: OrgOption = _ORG_URL,
    as_json: JsonOption = False,
) -> None:
    """End everything on a contract."""
    request = {"contract": contract, "start": start, "refund_assets": refund_assets, "activate": activate}
    _do(org_url, "terminate", request, as_json=as_json)


@application.command("renew")
def renew(  # noqa: PLR0917 - each is one option of the command
    contract: ContractArgument,
    start: Annotated[
        str | None, typer.Option("--start", help="First day; the day after the contract's end if left out.")
    ] = None,
    term: Annotated[int | None, typer.Option("--term", help="Months; 12 if left out.")] = None,
    activate: ActivateOption = False,
    org_url: OrgOption = _ORG_URL,
    as_json: JsonOption = False,
) -> None:
    """Renew a contract as an order and a contract of their own."""
    request = {"contract": contract, "start": start, "term": term, "activate": activate}
    _do(org_url, "renew", request, as_json=as_json)


def _do(org_url: str, verb: str, request: Mapping[str, Any], *, as_json: bool) -> None:
    made = _asked(org_url, "POST", f"/{verb}", request)
    if as_json:
        document(made)
        return
    order = made["order"]
    answer(
        f"Order {order['number']} ({order['kind']}, {order['status']}) of {order['account']}: {order['id']}"
    )
    for contract in made["contracts"]:
        answer(f"Contract {contract['number']}: {contract['id']}")
    rows = [("Product", "Quantity", "From", "To", "Unit price", "Total", "Line")]
    rows += [
        (
            each["product"],
            _number(each["quantity"]),
            each["start"] or "",
            each["end"] or "",
            _amount(each["unit_price"]),
            _amount(each["total"]),
            each["id"],
        )
        for each in order["lines"]
    ]
    answer(table(rows, numbers=_NUMBER_COLUMNS))
    if order["is_draft"]:
        answer(f"It is a draft: cpqbridge sandbox cpq activate {order['number']}")


def _asked(org_url: str, method: str, path: str, request: Mapping[str, Any] | None = None) -> Any:
    """Return what the desk of the org answers.

    Raises:
        ConfigurationError: the address cannot be, nobody at it is a simulated org, or CPQ refuses.
        TransientError: nobody answers.
    """
    import httpx2  # noqa: PLC0415 - commands that only print their help do without it

    address = org_url.rstrip("/")
    if not is_loopback_url(address):
        raise ConfigurationError(
            f"{org_url} is no address of this machine, and simulated orgs are found nowhere else.",
            code="org_url",
            field="--org-url",
            fix="Write it like http://127.0.0.1:8081.",
        )
    sent = None if request is None else {name: value for name, value in request.items() if value is not None}
    try:
        with httpx2.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            response = client.request(method, f"{address}/_sim/cpq{path}", json=sent)
    except httpx2.RequestError:
        raise TransientError(
            f"No simulated org answers at {org_url}.",
            code="simulated_org_silent",
            fix="Start one with cpqbridge demo or cpqbridge sandbox salesforce, or name another --org-url.",
        ) from None
    return _understood(response, org_url)


def _understood(response: Any, org_url: str) -> Any:
    try:
        content = response.json(parse_float=Decimal)
    except ValueError:
        content = None
    if response.is_success and isinstance(content, dict | list):
        return content
    if isinstance(content, list) and content and content[0].get("errorCode") == "CPQ_REFUSED":
        raise ConfigurationError(
            content[0]["message"], code="cpq_refused", fix="Nothing was written. Correct it and try again."
        )
    raise ConfigurationError(
        f"What answers at {org_url} is no simulated org with a CPQ desk (HTTP {response.status_code}).",
        code="org_url",
        field="--org-url",
        fix="Name the address that cpqbridge demo or cpqbridge sandbox salesforce printed.",
    )


def _change(text: str, what: str, option: str) -> dict[str, str]:
    name, units = _split(text, option, "NAME:+2 or NAME:-3")
    return {what: name, "by": units}


def _new_lines(texts: Sequence[str]) -> list[dict[str, str]]:
    pairs = (_split(text, "--add", "PRODUCT:QUANTITY") for text in texts)
    return [{"product": name, "quantity": units} for name, units in pairs]


def _split(text: str, option: str, shape: str) -> tuple[str, str]:
    """Return what stands before the last colon, and after it: names of products may have colons."""
    name, colon, units = text.rpartition(":")
    if not (colon and name.strip() and units.strip()):
        raise ConfigurationError(
            f"{option} is {text!r}, which is not {shape}.",
            code="cpq_option",
            field=option,
            fix=f"Write it like {shape}.",
        )
    return name.strip(), units.strip()


def _number(number: int | Decimal | None) -> str:
    return "" if number is None else format(Decimal(number).normalize(), "f")


def _amount(number: int | Decimal | None) -> str:
    return "" if number is None else f"{Decimal(number):,f}"
