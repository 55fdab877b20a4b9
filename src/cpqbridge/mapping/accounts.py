"""The account of a contract as its Stripe customer (B4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from cpqbridge.domain.order import Account
from cpqbridge.mapping.countries import country_code
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.mapper import DefaultValue, Mapper, Owner
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawRecord

EMAIL_PATHS = ("BillToContact.Email", "SBQQ__Quote__r.SBQQ__PrimaryContact__r.Email")
"""Where the customer's e-mail address is looked for, first to last; the account itself has none."""

_PARTS = (("city", "City"), ("state", "State"), ("postal_code", "PostalCode"))
_GROUPS = ("address", "shipping")


def read_account(
    orders: Sequence[RawRecord],
    *,
    account_id: str,
    order_ids: tuple[str, ...],
    ours: OurFields,
    mapper: Mapper,
    findings: Findings,
) -> Account:
    """Return the account with its customer parameters.

    `orders` are the contract's orders of this account, the one that speaks for the customer last.
    Refusals stop all of `order_ids`.
    """
    speaker: RawRecord = orders[-1] if orders else {}
    owner = Owner(record_id=account_id, name=f"Account {account_id}", order_ids=order_ids)
    defaults = _defaults(speaker, owner, findings)
    defaults["email"] = _email(orders)
    parameters = mapper.fill("customer", defaults, owner, order=speaker, keep_empty=True)
    email = parameters.get("email")
    if isinstance(email, str) and not _looks_like_email(email):
        for order_id in order_ids:
            findings.refuse(
                "value_type",
                f"{owner.name} has {email!r} as e-mail address.",
                order_id=order_id,
                record_id=account_id,
                field=defaults["email"].field,
            )
    if email is None:
        # The address belongs to orders, not to the account: another order may send its invoices to it.
        parameters.pop("email", None)
    displayed = follow(speaker, ("Account", ours.stripe_id))
    return Account(
        account_id=account_id,
        displayed_customer_id=displayed.strip() or None if isinstance(displayed, str) else None,
        email=email if isinstance(email, str) else None,
        parameters=_without_empty_groups(parameters),
    )


def _defaults(order: RawRecord, owner: Owner, findings: Findings) -> dict[str, DefaultValue]:
    def at(name: str) -> DefaultValue:
        return DefaultValue(f"Account.{name}", follow(order, ("Account", name)))

    defaults = {"name": at("Name"), "description": at("Description"), "phone": at("Phone")}
    for kind, prefix in (("Billing", "address."), ("Shipping", "shipping.address.")):
        line1, line2 = _street(at(f"{kind}Street"))
        defaults |= {f"{prefix}line1": line1, f"{prefix}line2": line2}
        defaults |= {f"{prefix}{parameter}": at(f"{kind}{part}") for parameter, part in _PARTS}
        defaults[f"{prefix}country"] = _country(order, kind, owner, findings)
    defaults["shipping.name"] = at("Name")
    defaults["shipping.phone"] = at("Phone")
    return defaults


def _street(street: DefaultValue) -> tuple[DefaultValue, DefaultValue]:
    """Return the first line of a street, and the others joined."""
    if not isinstance(street.value, str):
        return street, DefaultValue(street.field, None)
    lines = [line.strip() for line in street.value.splitlines() if line.strip()]
    rest = ", ".join(lines[1:]) or None
    return DefaultValue(street.field, lines[0] if lines else None), DefaultValue(street.field, rest)


def _country(order: RawRecord, kind: str, owner: Owner, findings: Findings) -> DefaultValue:
    """Return the country as a code: the picklist's own, else by its name; unknown names are left out."""
    code = follow(order, ("Account", f"{kind}CountryCode"))
    if isinstance(code, str) and code.strip():
        return DefaultValue(f"Account.{kind}CountryCode", code)
    field = f"Account.{kind}Country"
    name = follow(order, ("Account", f"{kind}Country"))
    if not isinstance(name, str) or not name.strip():
        return DefaultValue(field, name)
    found = country_code(name)
    if found is None:
        findings.warn(f"{owner.name}: {field} {name!r} is no country that Stripe knows, and is left out.")
    return DefaultValue(field, found)


def _email(orders: Sequence[RawRecord]) -> DefaultValue:
    """Return the first address found, from the latest order back to the first."""
    for order in reversed(orders):
        for path in EMAIL_PATHS:
            value = follow(order, path.split("."))
            if value is not None and value != "":
                return DefaultValue(path, value)
    return DefaultValue(EMAIL_PATHS[0], None)


def _looks_like_email(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return bool(name) and bool(host) and not any(character.isspace() for character in text)


def _without_empty_groups(parameters: dict[str, object]) -> dict[str, object]:
    """Return the parameters with an address that is empty as a whole given as one empty value.

    A shipping name or phone without any address is left out with it: Stripe wants the address.
    """
    kept = dict(parameters)
    for group in _GROUPS:
        prefix = f"{group}."
        address = "shipping.address." if group == "shipping" else prefix
        if any(kept[name] is not None for name in kept if name.startswith(address)):
            continue
        for name in [name for name in kept if name.startswith(prefix)]:
            del kept[name]
        kept[group] = None
    if "shipping.name" in kept:
        # Stripe wants a name beside a shipping address.
        kept["shipping.name"] = kept["shipping.name"] or kept.get("name")
    return dict(sorted(kept.items()))
