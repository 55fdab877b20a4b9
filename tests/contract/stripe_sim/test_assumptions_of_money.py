"""Readings of undocumented behaviour about taxes, discounts and collection, each turned round."""

from tests.contract.stripe_sim.stripe_driver import items


def test_ties_of_taxes(both):
    def story(api):
        params = {"display_name": "VAT", "percentage": "10", "inclusive": False}
        rate = api.post("/v1/tax_rates", params)["id"]
        api.subscribe(*items(api.price(1005)), default_tax_rates=[rate])
        return api.totals()

    assert both("tax_ties_round_up", story) == ([1106], [1105])
