"""Describe answers: what the connector's user may know about objects and fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.metadata import Field, Metadata, ObjectType

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "currency": "xsd:double",
    "double": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


def label(name: str) -> str:
    """A readable label made from an API name."""
    bare = name.removesuffix("__c").removeprefix("SBQQ__").replace("_", " ")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", bare)


def summary(item: ObjectType, base: str) -> dict[str, Any]:
    """One object as the list of all objects and the basic information show it."""
    root = f"{base}/sobjects/{item.name}"
    return {
        "name": item.name,
        "label": label(item.name),
        "labelPlural": f"{label(item.name)}s",
        "keyPrefix": item.key_prefix,
        "custom": item.custom,
        "queryable": True,
        "createable": True,
        "updateable": True,
        "deletable": True,
        "retrieveable": True,
        "searchable": False,
        "replicateable": True,
        "urls": {
            "sobject": root,
            "describe": f"{root}/describe",
            "rowTemplate": f"{root}/{{ID}}",
        },
    }


def describe(metadata: Metadata, item: ObjectType, base: str) -> dict[str, Any]:
    """The full describe of one object: visible fields and child lists."""
    return {
        **summary(item, base),
        "fields": [_field(metadata, field) for field in item.visible()],
        "childRelationships": [
            {
                "relationshipName": name,
                "childSObject": child.name,
                "field": lookup.name,
                "cascadeDelete": False,
                "restrictedDelete": False,
            }
            for name, child, lookup in metadata.children(item)
        ],
        "recordTypeInfos": [],
    }


def _field(metadata: Metadata, field: Field) -> dict[str, Any]:
    # A lookup to an object the org lacks cannot be followed, so it has no relationship name either.
    target = metadata.find(field.target) if field.target is not None else None
    return {
        "name": field.name,
        "label": label(field.name),
        "type": field.type,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "length": field.length,
        "byteLength": field.length * 3,
        "precision": 0 if field.type == "int" else field.precision,
        "scale": field.scale,
        "digits": field.precision if field.type == "int" else 0,
        "nillable": not (field.required or field.type in {"id", "boolean"}),
        "createable": field.createable,
        "updateable": field.updateable,
        "calculated": field.calculated,
        "custom": field.custom,
        "externalId": field.external_id,
        "idLookup": field.external_id or field.type == "id",
        "unique": field.unique,
        "caseSensitive": field.case_sensitive,
        "autoNumber": bool(field.number_format),
        "defaultedOnCreate": field.type == "boolean",
        "filterable": field.filterable,
        "sortable": field.filterable,
        "groupable": field.is_text and field.filterable,
        "nameField": field.name == "Name",
        "relationshipName": field.relationship if target is not None else None,
        "referenceTo": [target.name] if target is not None else [],
        "restrictedPicklist": field.restricted,
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": False} for value in field.values
        ],
    }
