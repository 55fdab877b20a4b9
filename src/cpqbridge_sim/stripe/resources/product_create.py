"""`POST /v1/products`, which may carry the terms of a default price."""

from cpqbridge_sim.stripe.resources.call import Call
from cpqbridge_sim.stripe.resources.prices import create as create_price
from cpqbridge_sim.stripe.resources.products import create_product
from cpqbridge_sim.stripe.store import Body


def create(call: Call) -> Body:
    """A product, and with `default_price_data` its first price."""
    product = create_product(call.state, call.params)
    terms = call.params.get("default_price_data")
    if terms:
        price = create_price(Call(state=call.state, path_ids=(), params={**terms, "product": product["id"]}))
        product["default_price"] = price["id"]
    return product
