"""Products."""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import invalid, no_such
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    list_answer,
    metadata_of,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_TEXTS = ("name", "description", "unit_label", "statement_descriptor", "tax_code", "url", "tax_details")
_PLAIN = ("active", "shippable", "images", "marketing_features")


def create_product(state: AccountState, params: Mapping[str, Any], *, path: str = "") -> Body:
    """A new product, with the caller's own id if it gives one."""
    identifier = params.get("id") or state.identifiers.new("prod")
    if state.store.get("product", identifier) is not None:
        param = f"{path}[id]" if path else "id"
        raise invalid(f"Product already exists: '{identifier}'", param, "resource_already_exists")
    product = state.store.add(
        {
            "id": identifier,
            "object": "product",
            "active": params.get("active", True),
            "created": state.now,
            "default_price": None,
            "description": cleared(params.get("description")),
            "images": params.get("images", []),
            "livemode": state.livemode,
            "marketing_features": params.get("marketing_features", []),
            "metadata": metadata_of(params.get("metadata")),
            "name": params["name"],
            "package_dimensions": _dimensions(params.get("package_dimensions")),
            "shippable": params.get("shippable"),
            "statement_descriptor": params.get("statement_descriptor"),
            "tax_code": cleared(params.get("tax_code")),
            "tax_details": cleared(params.get("tax_details")),
            "type": params.get("type", "service"),
            "unit_label": cleared(params.get("unit_label")),
            "updated": state.now,
            "url": params.get("url"),
        }
    )
    state.emit("product.created", product)
    return product


def _dimensions(value: Any) -> dict[str, float] | None:
    """Sizes are plain numbers in answers; no money depends on them."""
    return {name: float(size) for name, size in value.items()} if value else None


def retrieve(call: Call) -> Body:
    """`GET /v1/products/{id}`."""
    return path_object(call, "product", "product")


def update(call: Call) -> Body:
    """`POST /v1/products/{id}`."""
    product = path_object(call, "product", "product")
    for name in _TEXTS:
        if name in call.params:
            product[name] = cleared(call.params[name])
    for name in _PLAIN:
        if name in call.params:
            product[name] = cleared(call.params[name])
    if "package_dimensions" in call.params:
        product["package_dimensions"] = _dimensions(call.params["package_dimensions"])
    default = call.params.get("default_price")
    if default and (call.state.store.get("price", default) or {}).get("product") != product["id"]:
        raise no_such("price", default, param="default_price")
    if "default_price" in call.params:
        product["default_price"] = cleared(call.params["default_price"])
    update_metadata(product, call.params)
    product["updated"] = call.state.now
    call.state.emit("product.updated", product)
    return product


def delete(call: Call) -> Body:
    """`DELETE /v1/products/{id}`, refused while prices exist."""
    product = path_object(call, "product", "product")
    if any(price["product"] == product["id"] for price in call.state.store.all("price")):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    call.state.store.remove(product)
    call.state.emit("product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


def list_all(call: Call) -> Body:
    """`GET /v1/products`."""
    params = call.params
    ids = params.get("ids")
    simple = ("active", "shippable", "url", "type")
    data = [
        product
        for product in call.state.store.all("product")
        if all(product[name] == params[name] for name in simple if name in params)
        and (ids is None or product["id"] in ids)
    ]
    return list_answer(data, "/v1/products")
