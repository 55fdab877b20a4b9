"""Decoding of form-encoded parameters with bracket paths into nested values."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from cpqbridge_sim.stripe.errors import invalid

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")


def decode(text: str) -> dict[str, Any]:
    """Nested parameters of `a[b][0][c]=v&expand[]=x`; values stay text, `[]` and `[0]` make lists."""
    return nest(parse_qsl(text, keep_blank_values=True))


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nested parameters of decoded pairs, in order.

    Raises:
        StripeApiError: when brackets do not match or one name is used both as a value and as an object.
    """
    root: dict[str, Any] = {}
    for key, value in pairs:
        match = _KEY.match(key)
        if match is None:
            raise invalid(f"Invalid parameter name: {key}", key)
        _place(root, [match[1], *_PART.findall(match[2])], value, key)
    return {name: _listed(value) for name, value in root.items()}


def _place(root: dict[str, Any], parts: list[str], value: str, key: str) -> None:
    node = root
    for part in parts[:-1]:
        name = part or str(len(node))
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise invalid(f"Invalid parameters: {key} is used both as a value and as an object.", key)
    last = parts[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise invalid(f"Invalid parameters: {key} is used both as a value and as an object.", key)
    node[last] = value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(item) for name, item in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
