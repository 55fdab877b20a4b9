"""What follows from the fate of an invoice, looked at after each request and each step of time."""

from cpqbridge_sim.stripe.billing.collection_pause import settle_uncollected
from cpqbridge_sim.stripe.billing.pauses import settle_resumptions
from cpqbridge_sim.stripe.state import AccountState


def settle(state: AccountState) -> None:
    """Settle the few invoices that something waits for; most accounts have none."""
    if state.uncollected:
        settle_uncollected(state)
    if state.resumptions:
        settle_resumptions(state)
