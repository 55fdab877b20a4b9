"""Decoding of form-encoded parameters with bracket paths into nested values."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from cpqbridge_sim.stripe.errors import invalid

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")
# The deepest parameter of the SDK has nine levels.
_LEVELS_MAX = 20


def decode(text: str) -> dict[str, Any]:
    """Nested parameters of `a[b][0][c]=v&expand[]=x`; values stay text, `[]` and `[0]` make lists.

    Raises:
        StripeApiError: as `nest`, and when the text is not valid UTF-8.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise invalid("The parameters are not valid UTF-8.") from None
    return nest(pairs)


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nested parameters of decoded pairs, in order.

    Raises:
        StripeApiError: when brackets do not match, go too deep, or one name is used both as a value and as an
            object.
    """
    root: dict[str, Any] = {}
    for key, value in pairs:
        match = _KEY.match(key)
        if match is None:
            raise invalid(f"Invalid parameter name: {key}", key)
        parts = [match[1], *_PART.findall(match[2])]
        if len(parts) > _LEVELS_MAX:
            raise invalid(f"Invalid parameters: {parts[0]} is nested too deeply.", parts[0])
        _place(root, parts, value, key)
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
    # Other digits may be names, as in `metadata[2026]`; what they are is known where they are checked.
    indexes = [str(index) for index in range(len(inner))]
    if inner and inner.keys() == set(indexes):
        return [inner[index] for index in indexes]
    return inner
