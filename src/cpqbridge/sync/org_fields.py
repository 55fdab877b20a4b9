"""The check list of an org: the package and fields that are read, our own fields, the rights of the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.fields import (
    LINE_COUPON_OBJECT,
    ORDER_COUPON_OBJECT,
    SYNC_RECORD_OBJECT,
    CouponFields,
    OurFields,
)
from cpqbridge.mapping.needs import field_needs
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.rights import ObjectRights, may_edit_activated_orders, object_rights
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.selection import load_needed_schema

_QUOTE = "SBQQ__Quote__c"
_PACKAGE = "SBQQ__"
_WRITTEN = ("Account", "Order", "OrderItem", "PricebookEntry", "Product2")
_DEPLOY = "Deploy our fields to the org and assign the permission set to the integration user."
_LICENCE = (
    "Assign the Salesforce CPQ licence and our permission set to the integration user: in Setup, open the "
    "user, Permission Set License Assignments."
)
_SHOW = "Let the integration user see it: assign our permission set, or add the field to one that it has."


class FieldState(StrEnum):
    """How a thing stands in the org.

    `READ_ONLY` is there but may not be written, `HIDDEN` absent or hidden, `UNKNOWN` not told by the org.
    """

    OK = "ok"
    READ_ONLY = "read_only"
    HIDDEN = "hidden"
    UNKNOWN = "unknown"


class Need(StrEnum):
    """What becomes of it when a thing is not there: nothing works, less is shown, or a feature is off."""

    REQUIRED = "required"
    SHOWN = "shown"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgCheck:
    """One thing of the list: `name` is an object, `Object.Field` or a right; `fix` is empty when ok."""

    name: str
    need: Need
    state: FieldState
    used_for: str
    fix: str = ""

    @property
    def is_fine(self) -> bool:
        """Return whether nobody has to do anything for syncing to work."""
        return self.state in {FieldState.OK, FieldState.UNKNOWN} or self.need is Need.OPTIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgChecks:
    """The whole check list, in groups as people read them: (title, checks)."""

    groups: tuple[tuple[str, tuple[OrgCheck, ...]], ...]

    @property
    def all(self) -> tuple[OrgCheck, ...]:
        """Return every check of every group."""
        return tuple(check for _, checks in self.groups for check in checks)

    @property
    def blocking(self) -> tuple[OrgCheck, ...]:
        """Return what must be put right before anything can be synced."""
        return tuple(each for each in self.all if each.need is Need.REQUIRED and not each.is_fine)

    @property
    def incomplete(self) -> tuple[OrgCheck, ...]:
        """Return what is not written or shown in Salesforce until it is put right."""
        return tuple(each for each in self.all if each.need is Need.SHOWN and not each.is_fine)


def check_org(client: SalesforceClient, configuration: Configuration) -> OrgChecks:
    """Return how everything that a configuration needs stands in the org now; about four calls.

    Raises:
        CpqbridgeError: the org does not answer or does not let us in.
    """
    schema = load_needed_schema(client, field_needs(configuration))
    rights = object_rights(client, (*_WRITTEN, SYNC_RECORD_OBJECT))
    return checks_of(schema, configuration, rights, edits_activated=may_edit_activated_orders(client))


def checks_of(
    schema: OrgSchema,
    configuration: Configuration,
    rights: Mapping[str, ObjectRights],
    *,
    edits_activated: bool | None,
) -> OrgChecks:
    """Return the check list for what is known of an org."""
    ours = OurFields(configuration.mapping.salesforce_prefix)
    return OrgChecks(
        groups=(
            ("Salesforce CPQ", tuple(_package(schema))),
            ("Fields that are read", tuple(_read(schema, configuration))),
            ("Our fields", tuple(_ours(schema, ours))),
            ("Rights of the integration user", tuple(_rights(schema, rights, edits_activated))),
            ("Coupons", tuple(_coupons(schema))),
        )
    )


def _package(schema: OrgSchema) -> Iterator[OrgCheck]:
    seen = schema.has_object(_QUOTE)
    yield OrgCheck(
        name=_QUOTE,
        need=Need.REQUIRED,
        state=FieldState.OK if seen else FieldState.HIDDEN,
        used_for="Every order is read with its CPQ quote.",
        fix="" if seen else f"Install Salesforce CPQ in the org. If it is there: {_LICENCE}",
    )


def _read(schema: OrgSchema, configuration: Configuration) -> Iterator[OrgCheck]:
    """Yield each required field that is missing, or one line for all when none is."""
    missing = [
        (need.object_name, path)
        for need in field_needs(configuration).objects.values()
        if schema.has_object(need.object_name) or not need.optional_object
        for path in need.required
        if not schema.has(need.object_name, path)
    ]
    for object_name, path in missing:
        yield OrgCheck(
            name=f"{object_name}.{path}",
            need=Need.REQUIRED,
            state=FieldState.HIDDEN,
            used_for="Prices and dates hang on it, or your mapping names it.",
            fix=_LICENCE
            if _PACKAGE in path
            else f"{_SHOW} If your mapping names it by mistake, correct that.",
        )
    if not missing:
        count = sum(len(need.required) for need in field_needs(configuration).objects.values())
        yield OrgCheck(
            name=f"All {count} fields",
            need=Need.REQUIRED,
            state=FieldState.OK,
            used_for="Orders, lines, quotes, products, prices, accounts and contracts are read with these.",
        )


def _ours(schema: OrgSchema, ours: OurFields) -> Iterator[OrgCheck]:
    for object_name, name in ours.written():
        found = schema.field(object_name, name)
        state = FieldState.HIDDEN
        if found is not None:
            state = FieldState.OK if found.updateable or found.createable else FieldState.READ_ONLY
        fix = {FieldState.OK: "", FieldState.HIDDEN: _DEPLOY}.get(state, _SHOW)
        yield OrgCheck(
            name=f"{object_name}.{name}", need=Need.SHOWN, state=state, used_for=_USES[object_name], fix=fix
        )
    for object_name, name, used_for in (
        ("Order", ours.skip_past_initial_invoices, "Sales can leave out periods that have ended."),
        ("OrderItem", ours.skip_line_item, "Sales can leave a line out of billing."),
    ):
        has = schema.has(object_name, name)
        yield OrgCheck(
            name=f"{object_name}.{name}",
            need=Need.OPTIONAL,
            state=FieldState.OK if has else FieldState.HIDDEN,
            used_for=used_for,
            fix="" if has else _DEPLOY,
        )


_USES = {
    **dict.fromkeys(_WRITTEN, "Shows in Salesforce what was synced, with a link to Stripe."),
    SYNC_RECORD_OBJECT: "Keeps one record for each problem and success.",
}


def _rights(
    schema: OrgSchema, rights: Mapping[str, ObjectRights], edits_activated: bool | None
) -> Iterator[OrgCheck]:
    for name in _WRITTEN:
        may = rights.get(name)
        ok = may is not None and may.updateable
        yield OrgCheck(
            name=f"Edit {name}",
            need=Need.SHOWN,
            state=FieldState.OK if ok else FieldState.READ_ONLY,
            used_for="The ids of Stripe are written to its records.",
            fix="" if ok else "Give the integration user Edit on this object, by our permission set.",
        )
    if schema.has_object(SYNC_RECORD_OBJECT):
        may = rights.get(SYNC_RECORD_OBJECT)
        ok = may is not None and may.createable and may.updateable and may.deletable
        yield OrgCheck(
            name=f"Create, edit and delete {SYNC_RECORD_OBJECT}",
            need=Need.SHOWN,
            state=FieldState.OK if ok else FieldState.READ_ONLY,
            used_for="Sync records are made, kept up to date and cleared away when they are old.",
            fix="" if ok else "Give the integration user these rights, by our permission set.",
        )
    states = {None: FieldState.UNKNOWN, True: FieldState.OK, False: FieldState.READ_ONLY}
    yield OrgCheck(
        name="Edit Activated Orders",
        need=Need.SHOWN,
        state=states[edits_activated],
        used_for="The status is written to orders that are activated.",
        fix=""
        if edits_activated
        else "Give the integration user the system permission Edit Activated Orders, by our permission set.",
    )


def _coupons(schema: OrgSchema) -> Iterator[OrgCheck]:
    for name in (CouponFields.OBJECT, ORDER_COUPON_OBJECT, LINE_COUPON_OBJECT):
        has = schema.has_object(name)
        yield OrgCheck(
            name=name,
            need=Need.OPTIONAL,
            state=FieldState.OK if has else FieldState.HIDDEN,
            used_for="Coupons that sales puts on an order or a line.",
            fix="" if has else f"Only if you sell with coupons. {_DEPLOY}",
        )
