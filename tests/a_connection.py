"""What both sides of a simulated connection say about themselves, for tests that only store it."""

from cpqbridge.store.connections import ConnectionFacts

FACTS = ConnectionFacts(
    org_id="00D000000000001AAA",
    org_name="Org",
    time_zone="UTC",
    multi_currency=False,
    salesforce_url="http://127.0.0.1:1",
    stripe_account_id="acct_1",
    stripe_account_name="Account",
    stripe_api_base=None,
    live_mode=False,
    simulated=True,
)
