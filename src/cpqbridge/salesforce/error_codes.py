"""Salesforce's error codes: what kind each is and what people can do about it.

Source: Salesforce REST API guide, "Status Codes and Error Responses", and the project's design notes,
section 1.6 (20 Nov 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto


class Kind(Enum):
    """What an error code means for what happens next."""

    ACCESS = auto()
    CONFIGURATION = auto()
    QUERY = auto()
    BUSY = auto()
    SERVER = auto()
    RECORD = auto()
    RECORD_OR_BUSY = auto()


RECONNECT = (
    "Sign in to Salesforce again on the connection's page, or give it a fresh token: "
    "cpqbridge connection check --salesforce-token -"
)
_PERMISSION = (
    "Assign the connector's permission set to the integration user and check that user's access "
    "to the object, the field and the record."
)
_FIELD_HIDDEN = (
    "The field is missing or hidden: assign the connector's permission set to the integration user, "
    "or correct the mapping or filter that names the field."
)
_OBJECT_HIDDEN = (
    "The object is missing or hidden: assign the connector's permission set and a Salesforce CPQ "
    "licence to the integration user."
)
_API_ACCESS = "Use an edition with API access and give the integration user the permission API Enabled."

CODES: Mapping[str, tuple[Kind, str]] = {
    "INVALID_SESSION_ID": (Kind.ACCESS, RECONNECT),
    "INVALID_AUTH_HEADER": (Kind.ACCESS, RECONNECT),
    "INVALID_LOGIN": (Kind.ACCESS, RECONNECT),
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": (
        Kind.ACCESS,
        "Set a new password for the integration user, then reconnect.",
    ),
    "API_DISABLED_FOR_ORG": (Kind.CONFIGURATION, _API_ACCESS),
    "API_CURRENTLY_DISABLED": (Kind.CONFIGURATION, _API_ACCESS),
    "FUNCTIONALITY_NOT_ENABLED": (Kind.CONFIGURATION, "Switch the named feature on in Setup."),
    "CLIENT_NOT_ACCESSIBLE_FOR_USER": (
        Kind.CONFIGURATION,
        "Let a Salesforce admin approve the app for the integration user.",
    ),
    "UNSUPPORTED_API_VERSION": (Kind.CONFIGURATION, "Update cpqbridge: the org has retired this version."),
    "INSUFFICIENT_ACCESS": (Kind.CONFIGURATION, _PERMISSION),
    "INSUFFICIENT_ACCESS_OR_READONLY": (Kind.CONFIGURATION, _PERMISSION),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (Kind.CONFIGURATION, _PERMISSION),
    "INVALID_FIELD": (
        Kind.CONFIGURATION,
        _FIELD_HIDDEN,
    ),
    "INVALID_TYPE": (
        Kind.CONFIGURATION,
        _OBJECT_HIDDEN,
    ),
    "MALFORMED_QUERY": (Kind.QUERY, ""),
    "INVALID_QUERY_FILTER_OPERATOR": (Kind.QUERY, ""),
    "QUERY_TOO_COMPLICATED": (Kind.QUERY, ""),
    "MALFORMED_ID": (Kind.QUERY, ""),
    "JSON_PARSER_ERROR": (Kind.QUERY, ""),
    "EXCEEDED_ID_LIMIT": (Kind.QUERY, ""),
    "REQUEST_LIMIT_EXCEEDED": (
        Kind.BUSY,
        "Work goes on by itself when the org has API calls left; if it happens often, raise the limit.",
    ),
    "UNABLE_TO_LOCK_ROW": (Kind.BUSY, "Somebody else is saving the record; it is tried again by itself."),
    "QUERY_TIMEOUT": (Kind.BUSY, "The org was slow; it is tried again by itself."),
    "INVALID_QUERY_LOCATOR": (Kind.BUSY, "The pages of a query expired; it is read again from the start."),
    "SERVER_UNAVAILABLE": (Kind.SERVER, "It is tried again by itself; status.salesforce.com tells more."),
    "UNKNOWN_EXCEPTION": (Kind.SERVER, "It is tried again by itself; keep the error id in the message."),
    "NOT_FOUND": (Kind.RECORD, "The record is absent, deleted or not shared with the integration user."),
    "ENTITY_IS_DELETED": (Kind.RECORD, "Restore the record in Salesforce, or leave it deleted."),
    "INVALID_CROSS_REFERENCE_KEY": (
        Kind.RECORD,
        "A named record is absent or not shared with the integration user.",
    ),
    "DUPLICATE_VALUE": (Kind.RECORD, "Another record has the same key: remove one of the two."),
    "DUPLICATES_DETECTED": (Kind.RECORD, "Exempt the connector's own object from the duplicate rule."),
    "REQUIRED_FIELD_MISSING": (Kind.RECORD, "Make the named field optional for the connector's records."),
    "STRING_TOO_LONG": (Kind.RECORD, "Make the named field longer."),
    "FIELD_INTEGRITY_EXCEPTION": (Kind.RECORD, "Look at the named field."),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (Kind.RECORD, "Add the value to the named picklist."),
    "NUMBER_OUTSIDE_VALID_RANGE": (Kind.RECORD, "Give the named field more digits."),
    "INVALID_EMAIL_ADDRESS": (Kind.RECORD, "Correct the e-mail address."),
    "INVALID_FIELD_FOR_INSERT_UPDATE": (Kind.RECORD, _PERMISSION),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": (
        Kind.RECORD,
        "Exempt the integration user from this validation rule.",
    ),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": (
        Kind.RECORD_OR_BUSY,
        "A trigger of the org failed: show its text to the Salesforce admin.",
    ),
    "CANNOT_EXECUTE_FLOW_TRIGGER": (
        Kind.RECORD_OR_BUSY,
        "A flow of the org failed: show its text to the Salesforce admin.",
    ),
    "STORAGE_LIMIT_EXCEEDED": (Kind.RECORD, "The org is full: free or buy data storage."),
    "PROCESSING_HALTED": (Kind.RECORD, "Another part of the same request failed first."),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": (Kind.RECORD, "Another part of the same request failed first."),
}
"""Every code the map knows, with its kind and what to do."""
