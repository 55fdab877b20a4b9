"""The sample org: Larkfield Software, with contracts of every kind the connector knows or refuses."""

from datetime import UTC, datetime
from typing import Final

from cpqbridge_sim.salesforce.cpq.model import Record
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk
from cpqbridge_sim.salesforce.cpq.sample_histories import (
    amend_contracts,
    sell_endless,
    sell_metered_and_discounted,
    sell_ramp,
)
from cpqbridge_sim.salesforce.cpq.sample_new_orders import (
    sell_frequencies,
    sell_one_time,
    sell_own_dates,
    sell_prices,
    sell_starts,
)
from cpqbridge_sim.salesforce.cpq.sample_troubles import leave_unfinished, sell_with_mistakes

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
    sell_prices(desk)
    amend_contracts(desk)
    sell_ramp(desk)
    sell_endless(desk)
    sell_metered_and_discounted(desk)
    sell_with_mistakes(desk)
    leave_unfinished(desk)
    return desk.cpq.records()
