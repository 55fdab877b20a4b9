"""Our fields, objects and permission set, and an app to sign in with, as metadata for the Salesforce CLI.

Sources: Metadata API Developer Guide, "CustomField", "CustomObject", "PermissionSet",
"ExternalClientApplication", "ExtlClntAppOauthSettings", "ExtlClntAppGlobalOauthSettings"; Salesforce DX
Developer Guide, "Salesforce DX Project Structure and Source Format" (read 21 Nov 2026).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from cpqbridge.mapping.fields import (
    LINE_COUPON_OBJECT,
    ORDER_COUPON_OBJECT,
    SYNC_RECORD_OBJECT,
    CouponFields,
    OurFields,
    SyncRecordFields,
)
from cpqbridge.salesforce.client import API_VERSION

FIELDS_FOLDER = "fields"
APP_FOLDER = "external-client-app"
_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_PERMISSION_SET = "cpqbridge"
_APP = "cpqbridge"
# A zip has a time for each entry; the same fields are the same bytes.
_ANY_TIME = (2026, 1, 1, 0, 0, 0)
_TEXT = {"type": "Text", "length": "255"}
_URL = {"type": "Url"}
_LONG = {"type": "LongTextArea", "length": "32768", "visibleLines": "5"}
_CHECKBOX = {"type": "Checkbox", "defaultValue": "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedField:
    """A field of ours: `settings` are the elements of its metadata, without name and label, in this order."""

    object_name: str
    name: str
    label: str
    help: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedObject:
    """An object of ours; with a `number_format` its records are numbered, else they are named."""

    name: str
    label: str
    plural: str
    description: str
    number_format: str = ""
    fields: tuple[PackagedField, ...] = field(default=())


def fields_zip(prefix: str, *, callback_url: str) -> bytes:
    """Return a project for the Salesforce CLI, zipped.

    Args:
        prefix: what stands in front of our fields on Salesforce's own objects.
        callback_url: where people come back to after they signed in to Salesforce.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in sorted(_files(prefix, callback_url)):
            entry = zipfile.ZipInfo(f"cpqbridge-salesforce/{path}", date_time=_ANY_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return packed.getvalue()


def packaged_fields(prefix: str) -> tuple[PackagedField, ...]:
    """Return our fields on Salesforce's own objects."""
    ours = OurFields(prefix)
    found = []
    for name in ("Account", "Order", "OrderItem", "PricebookEntry", "Product2"):
        found += [
            _field(name, ours.stripe_id, "Stripe ID", "The id of what stands for it in Stripe.", _TEXT),
            _field(name, ours.stripe_link, "Stripe Link", "Opens it in Stripe's Dashboard.", _URL),
        ]
    return (
        *found,
        _field("Order", ours.sync_status, "Stripe Sync Status", "Where the order stands.", _TEXT),
        _field("Order", ours.sync_message, "Stripe Sync Message", "Why, and what to do.", _LONG),
        _field(
            "Order",
            ours.skip_past_initial_invoices,
            "Skip Past Initial Invoices",
            "Leaves out billing periods that have ended when the order is synced first.",
            _CHECKBOX,
        ),
        _field(
            "OrderItem", ours.skip_line_item, "Skip Line Item", "Leaves the line out of billing.", _CHECKBOX
        ),
    )


def packaged_objects() -> tuple[PackagedObject, ...]:
    """Return our own objects with their fields."""
    return (_sync_record(), _coupon(), *_coupon_associations())


def _sync_record() -> PackagedObject:
    name, names = SYNC_RECORD_OBJECT, SyncRecordFields
    key = {**_TEXT, "externalId": "true", "unique": "true", "caseSensitive": "true"}
    return PackagedObject(
        name=name,
        label="Stripe Sync Record",
        plural="Stripe Sync Records",
        description="What cpqbridge did for an order or a line, or why it could not.",
        number_format="SR-{000000}",
        fields=(
            _field(name, names.KEY, "Key", "What the record is found by again.", key),
            _field(
                name, names.ORDER, "Order", "The order it is about.", _lookup("Order", "Stripe_Sync_Records")
            ),
            _field(name, names.RECORD_ID, "Record Id", "The record it is about.", _TEXT),
            _field(name, names.RECORD_OBJECT, "Record Object", "What kind of record that is.", _TEXT),
            _field(name, names.STATUS, "Status", "How it ended.", _TEXT),
            _field(name, names.MESSAGE, "Message", "What happened.", _LONG),
            _field(name, names.ACTION, "Action", "What to do.", _LONG),
            _field(name, names.DOCS_LINK, "Docs Link", "Explains it.", _URL),
            _field(name, names.REQUEST_LINK, "Request Link", "Shows the request in Stripe.", _URL),
            _field(name, names.RESOLVED, "Resolved", "It is over.", _CHECKBOX),
        ),
    )


def _coupon() -> PackagedObject:
    name, names = CouponFields.OBJECT, CouponFields
    return PackagedObject(
        name=name,
        label="Order Stripe Coupon",
        plural="Order Stripe Coupons",
        description="A discount that Stripe gives on an order or a line.",
        fields=(
            _field(name, names.STRIPE_ID, "Stripe ID", "The coupon's id in Stripe.", _TEXT),
            _field(name, names.PERCENT_OFF, "Percent Off", "Instead of an amount.", _number("Percent", 5, 2)),
            _field(
                name, names.AMOUNT_OFF, "Amount Off", "Instead of a percentage.", _number("Currency", 18, 2)
            ),
            _field(name, names.CURRENCY, "Currency", "A code like usd.", {"type": "Text", "length": "3"}),
            _field(name, names.DURATION, "Duration", "once, repeating or forever.", _TEXT),
            _field(
                name,
                names.DURATION_IN_MONTHS,
                "Duration In Months",
                "For repeating ones.",
                _number("Number", 4, 0),
            ),
            _field(
                name,
                names.MAX_REDEMPTIONS,
                "Max Redemptions",
                "How often it is given.",
                _number("Number", 9, 0),
            ),
        ),
    )


def _coupon_associations() -> Iterator[PackagedObject]:
    for name, lookup, target, label in (
        (ORDER_COUPON_OBJECT, "Order__c", "Order", "Order Stripe Coupon Association"),
        (LINE_COUPON_OBJECT, "Order_Item__c", "OrderItem", "Order Item Stripe Coupon Association"),
    ):
        children = f"{name.removesuffix('__c')}s"
        yield PackagedObject(
            name=name,
            label=label,
            plural=f"{label}s",
            description="Puts a coupon on it.",
            number_format="CA-{000000}",
            fields=(
                _field(
                    name, lookup, label.split(" Stripe")[0], "What has the coupon.", _lookup(target, children)
                ),
                _field(
                    name, CouponFields.LOOKUP, "Coupon", "The coupon.", _lookup(CouponFields.OBJECT, children)
                ),
            ),
        )


def _field(object_name: str, name: str, label: str, help: str, settings: Mapping[str, str]) -> PackagedField:  # noqa: A002, PLR0917 - five facts of one row, read as a table
    return PackagedField(object_name=object_name, name=name, label=label, help=help, settings=settings)


def _number(kind: str, precision: int, scale: int) -> dict[str, str]:
    return {"type": kind, "precision": str(precision), "scale": str(scale)}


def _lookup(target: str, children: str) -> dict[str, str]:
    return {
        "type": "Lookup",
        "referenceTo": target,
        "relationshipName": children,
        "relationshipLabel": children.replace("_", " "),
        "deleteConstraint": "SetNull",
    }


def _files(prefix: str, callback_url: str) -> Iterator[tuple[str, str]]:
    project = {
        "packageDirectories": [{"path": FIELDS_FOLDER, "default": True}, {"path": APP_FOLDER}],
        "namespace": "",
        "sourceApiVersion": API_VERSION,
    }
    yield "sfdx-project.json", json.dumps(project, indent=2) + "\n"
    yield "README.md", _README
    objects, root = packaged_objects(), f"{FIELDS_FOLDER}/main/default"
    for each in objects:
        yield f"{root}/objects/{each.name}/{each.name}.object-meta.xml", _object_xml(each)
    for one in (*packaged_fields(prefix), *(one for each in objects for one in each.fields)):
        yield f"{root}/objects/{one.object_name}/fields/{one.name}.field-meta.xml", _field_xml(one)
    yield (
        f"{root}/permissionsets/{_PERMISSION_SET}.permissionset-meta.xml",
        _permission_set_xml(packaged_fields(prefix), objects),
    )
    yield from _app_files(callback_url)


def _field_xml(one: PackagedField) -> str:
    elements = {"fullName": one.name, "label": one.label, "inlineHelpText": one.help, **one.settings}
    return _document("CustomField", _elements(elements))


def _object_xml(each: PackagedObject) -> str:
    named = {"label": "Name", "type": "Text"}
    if each.number_format:
        named = {"displayFormat": each.number_format, "label": "Number", "type": "AutoNumber"}
    inner = _elements(
        {
            "deploymentStatus": "Deployed",
            "description": each.description,
            "enableReports": "true",
            "label": each.label,
        }
    )
    inner += f"    <nameField>\n{_elements(named, indent=8)}    </nameField>\n"
    inner += _elements({"pluralLabel": each.plural, "sharingModel": "ReadWrite"})
    return _document("CustomObject", inner)


def _permission_set_xml(fields: tuple[PackagedField, ...], objects: tuple[PackagedObject, ...]) -> str:
    inner = _elements(
        {"description": "What cpqbridge may do.", "hasActivationRequired": "false", "label": "cpqbridge"}
    )
    every = (*fields, *(one for each in objects for one in each.fields))
    for one in sorted(every, key=lambda one: (one.object_name, one.name)):
        inner += _block(
            "fieldPermissions",
            {"editable": "true", "field": f"{one.object_name}.{one.name}", "readable": "true"},
        )
    for name, rights in _OBJECT_RIGHTS:
        inner += _block("objectPermissions", _object_rights(name, rights))
    for each in objects:
        inner += _block("objectPermissions", _object_rights(each.name, "create read edit delete"))
    for permission in ("ApiEnabled", "EditActivatedOrders"):
        inner += _block("userPermissions", {"enabled": "true", "name": permission})
    return _document("PermissionSet", inner)


# Lines of orders and entries of price books have no rights of their own: they follow their order and book.
_OBJECT_RIGHTS = (
    ("Account", "read edit"),
    ("Contact", "read"),
    ("Contract", "read"),
    ("Opportunity", "read"),
    ("Order", "read edit"),
    ("Pricebook2", "read edit"),
    ("Product2", "read edit"),
)


def _object_rights(name: str, rights: str) -> dict[str, str]:
    held = rights.split()
    told = {f"allow{right.capitalize()}": str(right in held).lower() for right in _RIGHTS}
    # Products and price books are everybody's; of the others the user must see all, whoever owns them.
    sees_all = str(name not in {"Pricebook2", "Product2"}).lower()
    return {**told, "modifyAllRecords": "false", "object": name, "viewAllRecords": sees_all}


_RIGHTS = ("create", "delete", "edit", "read")


def _app_files(callback_url: str) -> Iterator[tuple[str, str]]:
    root = f"{APP_FOLDER}/main/default"
    yield (
        f"{root}/externalClientApps/{_APP}.eca-meta.xml",
        _document(
            "ExternalClientApplication",
            _elements(
                {
                    "contactEmail": "admin@example.com",
                    "description": "Lets cpqbridge read orders and write what became of them.",
                    "distributionState": "Local",
                    "isProtected": "false",
                    "label": _APP,
                }
            ),
        ),
    )
    yield (
        f"{root}/extlClntAppOauthSettings/{_APP}_oauth.ecaOauth-meta.xml",
        _document(
            "ExtlClntAppOauthSettings",
            _elements(
                {
                    "commaSeparatedOauthScopes": "Api, RefreshToken, OpenID",
                    "externalClientApplication": _APP,
                    "label": f"{_APP} OAuth settings",
                }
            ),
        ),
    )
    yield (
        f"{root}/extlClntAppGlobalOauthSets/{_APP}_glbloauth.ecaGlblOauth-meta.xml",
        _document(
            "ExtlClntAppGlobalOauthSettings",
            _elements(
                {
                    "callbackUrl": callback_url,
                    "externalClientApplication": _APP,
                    "isConsumerSecretOptional": "false",
                    "isIntrospectAllTokens": "false",
                    "isPkceRequired": "true",
                    "isSecretRequiredForRefreshToken": "true",
                    "label": f"{_APP} global OAuth settings",
                    "shouldRotateConsumerKey": "false",
                    "shouldRotateConsumerSecret": "false",
                }
            ),
        ),
    )


def _document(kind: str, inner: str) -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<{kind} xmlns="{_NAMESPACE}">\n{inner}</{kind}>\n'


def _block(kind: str, elements: Mapping[str, str]) -> str:
    return f"    <{kind}>\n{_elements(elements, indent=8)}    </{kind}>\n"


def _elements(elements: Mapping[str, str], *, indent: int = 4) -> str:
    return "".join(f"{' ' * indent}<{name}>{escape(value)}</{name}>\n" for name, value in elements.items())


_README = f"""# cpqbridge in your org

Our fields, our objects, a permission set, and (apart) an app to sign in with.

1. Sign the Salesforce CLI in to a sandbox: `sf org login web --alias my-sandbox`
2. Deploy the fields: `sf project deploy start --source-dir {FIELDS_FOLDER} --target-org my-sandbox`
3. In Setup, open Permission Sets, cpqbridge, and assign it to the integration user. That user also needs the
   permission set licence of Salesforce CPQ.
4. If you have made no External Client App by hand, write your mail address into
   `{APP_FOLDER}/main/default/externalClientApps/{_APP}.eca-meta.xml` and deploy it:
   `sf project deploy start --source-dir {APP_FOLDER} --target-org my-sandbox`
5. In cpqbridge, open the connection's fields and look again.

Coupons on orders are optional: leave out the three objects whose names have `Coupon` in them if you do not
sell with coupons, and their entries in the permission set.
"""
