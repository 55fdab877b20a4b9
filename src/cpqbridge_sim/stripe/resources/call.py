"""What a handler is given, and small pieces that every resource needs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge_sim.stripe.errors import invalid, no_such, not_simulated
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_METADATA_KEYS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: its checked parameters and the ids of its path, in order."""

    state: AccountState
    path_ids: tuple[str, ...]
    params: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The first id of the path."""
        return self.path_ids[0]


def only(params: Mapping[str, Any], handled: Collection[str], *, path: str = "") -> None:
    """Refuse loudly every known parameter that the simulator does not model."""
    for name, value in params.items():
        if name not in handled and name != "expand" and value not in ("", False):
            raise not_simulated(f"`{name}`", f"{path}[{name}]" if path else name)


def path_object(call: Call, kind: str, noun: str, identifier: str | None = None) -> Body:
    """The object named in the path, or 404."""
    wanted = call.id if identifier is None else identifier
    body = call.state.store.get(kind, wanted)
    if body is None:
        raise no_such(noun, wanted, param="id", status=404)
    return body


def customer_of(state: AccountState, identifier: str | None, *, param: str = "customer") -> Body:
    """The customer named in a body parameter."""
    customer = state.store.get("customer", identifier)
    if customer is None:
        status = 404 if state.assumptions.unknown_customer_is_404 else 400
        raise no_such("customer", str(identifier), param=param, status=status)
    return customer


def metadata_of(value: Any) -> dict[str, str]:
    """Metadata of a new object; empty values are left out."""
    return {key: entry for key, entry in (value or {}).items() if entry != ""}


def update_metadata(body: Body, params: Mapping[str, Any]) -> None:
    """Merge metadata: an empty value unsets its key, an empty string unsets all."""
    if "metadata" not in params:
        return
    value = params["metadata"]
    if value == "":
        body["metadata"] = {}
        return
    merged = {**body["metadata"], **value}
    body["metadata"] = {key: entry for key, entry in merged.items() if entry != ""}
    if len(body["metadata"]) > _METADATA_KEYS_MAX:
        raise invalid(f"Metadata can have up to {_METADATA_KEYS_MAX} keys.", "metadata")


def cleared(value: Any) -> Any:
    """An unset parameter (empty string) becomes null, inside an object as well."""
    if isinstance(value, dict):
        return {name: cleared(entry) for name, entry in value.items()}
    return None if value == "" else value


def list_answer(data: list[Body], url: str) -> Body:
    """A list object before paging."""
    return {"object": "list", "data": data, "has_more": False, "url": url}
