"""The sample org: Larkfield Software, with contracts of every kind the connector knows or refuses."""

from datetime import UTC, datetime
from typing import Final

from cpqbridge_sim.salesforce.cpq.model import Record
from cpqbridge_sim.salesforce.cpq.sample_changes import (
    add_and_give_back,
    change_longer_periods,
    change_small_units,
    swap_products,
)
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk
from cpqbridge_sim.salesforce.cpq.sample_endings import (
    change_wrongly,
    end_contracts,
    end_in_parts,
    go_on,
    sell_many,
    sync_late,
)
from cpqbridge_sim.salesforce.cpq.sample_histories import (
    grow_and_shrink,
    sell_endless,
    sell_metered_and_mixed,
    sell_ramp,
    sell_with_coupons,
    swap_end_and_renew,
)
from cpqbridge_sim.salesforce.cpq.sample_kinds import sell_coupons_and_mixtures, sell_usage
from cpqbridge_sim.salesforce.cpq.sample_new_orders import (
    sell_frequencies,
    sell_into_several_contracts,
    sell_one_time,
    sell_own_dates,
    sell_starts,
)
from cpqbridge_sim.salesforce.cpq.sample_prices import sell_currencies, sell_prices
from cpqbridge_sim.salesforce.cpq.sample_ramps import sell_endlessly, sell_ramps
from cpqbridge_sim.salesforce.cpq.sample_seats import change_seats
from cpqbridge_sim.salesforce.cpq.sample_troubles import (
    leave_unfinished,
    sell_with_wrong_headers,
    sell_with_wrong_lines,
)

SAMPLE_NOW: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)


def sample_org() -> dict[str, list[Record]]:
    """Return the records of the sample org by object, the same at every call.

    The package setting is Monthly + Daily, the org has several currencies, and every stamp lies before
    `SAMPLE_NOW`. An order's name and description say what it shows.
    """
    desk = Desk()
    sell_starts(desk)
    sell_frequencies(desk)
    sell_one_time(desk)
    sell_own_dates(desk)
    sell_into_several_contracts(desk)
    sell_prices(desk)
    sell_currencies(desk)
    grow_and_shrink(desk)
    swap_end_and_renew(desk)
    sell_ramp(desk)
    sell_endless(desk)
    sell_metered_and_mixed(desk)
    sell_with_coupons(desk)
    sell_with_wrong_headers(desk)
    sell_with_wrong_lines(desk)
    leave_unfinished(desk)
    change_seats(desk)
    change_longer_periods(desk)
    change_small_units(desk)
    swap_products(desk)
    add_and_give_back(desk)
    end_contracts(desk)
    end_in_parts(desk)
    go_on(desk)
    sell_many(desk)
    sync_late(desk)
    change_wrongly(desk)
    sell_ramps(desk)
    sell_endlessly(desk)
    sell_usage(desk)
    sell_coupons_and_mixtures(desk)
    return desk.cpq.records()
