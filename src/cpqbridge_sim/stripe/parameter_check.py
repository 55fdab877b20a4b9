"""Checking of request parameters against the SDK's own tree, with the vendor's error codes."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing
from cpqbridge_sim.stripe.parameter_tree import Node, fields_of

_INDEX = re.compile(r"^[0-9]{1,9}$")
_INTEGER = re.compile(r"^-?\d{1,18}$")
_METADATA_KEYS_MAX = 50
_METADATA_KEY_MAX = 40
_METADATA_VALUE_MAX = 500
_CUSTOM_FIELDS_MAX = 4
# Lengths of the vendor's public specification of API 2023-08-16; everything else is 5000.
_LENGTHS = {
    "unit_label": 12,
    "statement_descriptor": 22,
    "lookup_key": 200,
    "email": 512,
    "phone": 20,
}
_SHORTEST = {"statement_descriptor": 5}
_LENGTHS_BY_PATH = {
    ("CustomerCreateParams", "name"): 256,
    ("CustomerUpdateParams", "name"): 256,
    ("CouponCreateParams", "name"): 40,
    ("CouponUpdateParams", "name"): 40,
    ("ProductCreateParams", "description"): 40000,
    ("ProductUpdateParams", "description"): 40000,
    ("InvoiceCreateParams", "description"): 1500,
    ("InvoiceUpdateParams", "description"): 1500,
    ("SubscriptionCreateParams", "description"): 500,
    ("SubscriptionUpdateParams", "description"): 500,
    ("TestClockCreateParams", "name"): 300,
}
_LENGTH_DEFAULT = 5000
# Phases, and the subscription details of invoices: the same text wherever it is nested.
_LENGTHS_BY_SUFFIX = {
    ("ParamsPhase", "description"): 500,
    ("ParamsDefaultSettings", "description"): 500,
    ("CustomField", "name"): 40,
    ("CustomField", "value"): 140,
}
# "This can be unset by updating the value to null and then saving": the vendor's reference says so at the
# texts of a customer, and the SDK's types do not show it because a text may always be an empty one.
_WITH_CLEARABLE_TEXTS = ("CustomerUpdateParams",)


def checked(params_type: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The same parameters with integers, decimals and booleans in their own types.

    An empty string stays an empty string where the vendor reads it as "unset".

    Raises:
        StripeApiError: on the first unknown, missing or ill-typed parameter, with its bracket path.
    """
    return _object(params_type, values, "")


def _object(params_type: type, values: Mapping[str, Any], path: str) -> dict[str, Any]:
    known = fields_of(params_type)
    result: dict[str, Any] = {}
    for name, value in values.items():
        where = f"{path}[{name}]" if path else str(name)
        field = known.get(name)
        if field is None:
            raise invalid(f"Received unknown parameter: {where}", where, "parameter_unknown")
        if value is None or value == []:  # the SDK encodes an empty list as nothing
            continue
        if value == "" and field.node.text and params_type.__name__.startswith(_WITH_CLEARABLE_TEXTS):
            result[name] = ""
            continue
        if name == "custom_fields" and isinstance(value, (list, tuple)) and len(value) > _CUSTOM_FIELDS_MAX:
            raise invalid(f"An invoice can have at most {_CUSTOM_FIELDS_MAX} custom fields.", where)
        result[name] = _value(field.node, value, where)
        if isinstance(value, str):
            _check_length(params_type.__name__, name, value, where)
    for name, field in known.items():
        if field.required and name not in result:
            raise missing(f"{path}[{name}]" if path else name)
    return result


def _check_length(params_name: str, name: str, value: str, where: str) -> None:
    limit = _LENGTHS_BY_PATH.get((params_name, name), _LENGTHS.get(name, _LENGTH_DEFAULT))
    for (suffix, field), own in _LENGTHS_BY_SUFFIX.items():
        if field == name and params_name.endswith(suffix):
            limit = own
    if value and len(value) < _SHORTEST.get(name, 0):
        raise invalid(f"Invalid string: {value}; must be at least {_SHORTEST[name]} characters", where)
    if len(value) > limit:
        raise invalid(
            f"Invalid string: {value[:12]}...{value[-6:]}; must be at most {limit} characters", where
        )


def _value(node: Node, value: Any, where: str) -> Any:
    if value == "" and isinstance(value, str):
        if node.clearable:
            return ""
        raise invalid(
            f"You passed an empty string for '{where}'. We assume empty values are an attempt to unset a "
            f"parameter; however '{where}' cannot be unset. You should remove '{where}' from your request or "
            "supply a non-empty value.",
            where,
            "parameter_invalid_empty",
        )
    if isinstance(value, Mapping):
        return _mapping(node, value, where)
    if isinstance(value, (list, tuple)):
        return _list(node, value, where)
    return _scalar(node, value, where)


def _mapping(node: Node, value: Mapping[str, Any], where: str) -> Any:
    if node.objects:
        return _object(node.objects[0], value, where)
    if node.mapping is not None and not node.mapping.text:
        return {name: _value(node.mapping, entry, f"{where}[{name}]") for name, entry in value.items()}
    if node.mapping is not None:
        return _metadata(value, where)
    if node.item is not None and value and all(_INDEX.match(str(name)) for name in value):
        return _list(node, [value[name] for name in sorted(value, key=int)], where)
    if node.item is not None:
        raise invalid("Invalid array", where)
    raise invalid(f"Invalid string: {dict(value)}", where)


def _list(node: Node, value: "list[Any] | tuple[Any, ...]", where: str) -> Any:
    if node.item is not None:
        return [_value(node.item, entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if node.mapping is not None and node.mapping.text:
        return _metadata({str(index): entry for index, entry in enumerate(value)}, where)
    if node.objects:
        raise invalid("Invalid object", where)
    raise invalid(f"Invalid string: {list(value)}", where)


def _scalar(node: Node, value: Any, where: str) -> Any:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text in node.literals:
        return text
    if node.boolean and text in ("true", "false"):
        return text == "true"
    if node.integer and _INTEGER.match(text):
        return int(text)
    if node.decimal and not isinstance(value, bool):
        return _decimal(text, where)
    if node.text and not isinstance(value, bool):
        return text
    raise _misfit(node, text, where)


def _misfit(node: Node, text: str, where: str) -> StripeApiError:
    if node.integer:
        return invalid(f"Invalid integer: {text}", where, "parameter_invalid_integer")
    if node.literals:
        return invalid(f"Invalid {where}: must be {_choice(node.literals)}", where)
    if node.boolean:
        return invalid(f"Invalid boolean: {text}", where)
    if node.item is not None:
        return invalid("Invalid array", where)
    if node.objects or node.mapping:
        return invalid("Invalid object", where)
    return invalid(f"Invalid string: {text}", where)


def _choice(words: tuple[str, ...]) -> str:
    if len(words) == 1:
        return words[0]
    if len(words) == 2:  # noqa: PLR2004 - English, not a limit
        return f"one of {words[0]} or {words[1]}"
    return f"one of {', '.join(words[:-1])}, or {words[-1]}"


def _decimal(text: str, where: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {text}", where) from None
    if not number.is_finite():
        raise invalid(f"Invalid decimal: {text}", where)
    return number


def _metadata(value: Mapping[str, Any], where: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for key, entry in value.items():
        path = f"{where}[{key}]"
        if isinstance(entry, (Mapping, list, tuple)):
            raise invalid(
                f"Invalid {path}: metadata values must be strings, but you passed in an object.", path
            )
        text = str(entry).lower() if isinstance(entry, bool) else str(entry)
        if len(key) > _METADATA_KEY_MAX or "[" in key or "]" in key:
            raise invalid(f"Metadata keys can have up to {_METADATA_KEY_MAX} characters: {key}", path)
        if len(text) > _METADATA_VALUE_MAX:
            raise invalid(f"Metadata values can have up to {_METADATA_VALUE_MAX} characters: {key}", path)
        result[str(key)] = text
    if len(result) > _METADATA_KEYS_MAX:
        raise invalid(f"Metadata can have up to {_METADATA_KEYS_MAX} keys.", where)
    return result
