"""What the integration user may do with objects, and one permission that writing our fields hangs on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge.errors import ConfigurationError, RecordError
from cpqbridge.salesforce.client import SUBREQUEST_LIMIT, SalesforceClient, Subrequest
from cpqbridge.salesforce.soql import select

_EDIT_ACTIVATED = "PermissionsEditActivatedOrders"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRights:
    """What the user may do with the records of one object."""

    createable: bool
    updateable: bool
    deletable: bool


def object_rights(client: SalesforceClient, object_names: Iterable[str]) -> Mapping[str, ObjectRights]:
    """Return the user's rights by object, one call for 25; an object that the user cannot see has no entry.

    Source: REST API guide, "sObject Basic Information" (design notes, section 2.2, 20 Nov 2026).
    """
    names = sorted(set(object_names))
    found: dict[str, ObjectRights] = {}
    for offset in range(0, len(names), SUBREQUEST_LIMIT):
        chunk = names[offset : offset + SUBREQUEST_LIMIT]
        parts = [
            Subrequest(method="GET", path=f"/sobjects/{name}", reference=f"rights_{number}")
            for number, name in enumerate(chunk)
        ]
        for name, answer in zip(chunk, client.composite(parts, writes=False), strict=True):
            described = answer.body.get("objectDescribe") if isinstance(answer.body, Mapping) else None
            if answer.is_success and isinstance(described, Mapping):
                found[name] = _rights(described)
    return found


def may_edit_activated_orders(client: SalesforceClient) -> bool | None:
    """Return whether the user has the permission "Edit Activated Orders", None when the org does not tell.

    Source: Object Reference, "UserPermissionAccess" (the permissions of the current user), read 21 Nov 2026.
    """
    try:
        rows = client.query(select([_EDIT_ACTIVATED], "UserPermissionAccess"))["records"]
    except (ConfigurationError, RecordError):
        return None
    return rows[0].get(_EDIT_ACTIVATED) is True if rows else None


def _rights(described: Mapping[str, Any]) -> ObjectRights:
    return ObjectRights(
        createable=described.get("createable") is True,
        updateable=described.get("updateable") is True,
        deletable=described.get("deletable") is True,
    )
