"""Random contracts that nobody touches reconcile silently all their life; a bill that is taken away is told.

30 contracts, or as many as the Hypothesis profile or `--examples` asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from tests.simulation import in_process
from tests.simulation.histories import contract_stories
from tests.simulation.stories import Story, known
from tests.simulation.test_contract_lives import last_instant, pay
from tests.simulation.test_coupon_lives import coupon_stories

from cpqbridge.planning.tracks import going_on
from cpqbridge.stripe_billing.customer_records import read_customer
from cpqbridge.stripe_billing.reader import schedule_standing
from cpqbridge.sync.findings import Finding
from cpqbridge.sync.reconcile_amounts import BilledContract, BilledRecords
from cpqbridge.sync.touched import what_was_touched
from cpqbridge_sim.stripe.account import Account

EXAMPLES = 30 if settings.get_current_profile_name() == "steady" else settings.default.max_examples
SECONDS_EACH = 2


@dataclass(frozen=True)
class Listing:
    """The listings of the real client, over the account without HTTP."""

    account: Account

    def list_schedules(self, *, customer_id: str, with_prices: bool) -> Iterator[dict]:
        assert with_prices
        for each in in_process.listed(self.account, "/v1/subscription_schedules", customer=customer_id):
            yield self.retrieve_schedule(each["id"], with_prices=True)

    def retrieve_schedule(self, schedule_id: str, *, with_prices: bool) -> dict:
        assert with_prices
        expand = ["phases.items.price", "phases.items.discounts.discount", "phases.discounts.discount"]
        status, found = self.account.request(
            "GET", f"/v1/subscription_schedules/{schedule_id}", {"expand": expand}
        )
        assert status == 200, found
        return found

    def list_invoices(self, *, customer_id: str, drafts: bool) -> Iterator[dict]:
        assert drafts
        for invoice in in_process.listed(self.account, "/v1/invoices", customer=customer_id):
            yield invoice | {"lines": {"data": in_process.lines_of(self.account, invoice)}}

    def list_credit_notes(self, *, customer_id: str) -> Iterator[dict]:
        return in_process.listed(self.account, "/v1/credit_notes", customer=customer_id)

    def list_pending_items(self, *, customer_id: str) -> Iterator[dict]:
        return in_process.listed(self.account, "/v1/invoiceitems", customer=customer_id, pending="true")


def findings_of(life: in_process.Life) -> tuple[list[Finding], list[str]]:
    """Return the findings in what was billed, and the words of what was touched of any schedule."""
    if life.history is None or not life.state.objects:
        return [], []
    client: Any = Listing(life.account)
    customer_id = life.state.links[f"customer:{life.history.account.account_id}"].stripe_id
    read = read_customer(client, customer_id)
    at = life.account.now
    sent = {key: going_on(each, at) for key, each in life.state.objects.items()}
    standings = {
        key: schedule_standing(
            life.state.links[key].stripe_id,
            client.retrieve_schedule(life.state.links[key].stripe_id, with_prices=True),
        )
        for key, each in sent.items()
        if each.kind == "schedule"
    }
    touched = (what_was_touched(sent[key], each, at=at, charges_only=True) for key, each in standings.items())
    path = f"/v1/customers/{customer_id}/balance_transactions"
    contract = BilledContract(
        root_id=life.history.root_id,
        contract_key=life.history.contract_key,
        sent=tuple(sent.values()),
        product_names={key: product.name for key, product in life.history.products.items()},
        records=BilledRecords(
            invoices=read.invoices,
            credit_notes=read.credit_notes,
            balance_transactions=tuple(in_process.listed(life.account, path)),
            pending=read.pending,
        ),
        at=at,
        subscription_ids=frozenset(
            each.subscription_id for each in standings.values() if each.subscription_id
        ),
    )
    return list(contract.findings()), [each.words for each in touched if each is not None]


def lived(story: Story) -> in_process.Life:
    """Live a story and look at the contract before and after each sync, and at its end."""
    life = in_process.Life(Account(now=story.syncs[0][0]), story.configuration, cutover=story.cutover)
    released = frozenset({"takeover"} if story.cutover is not None else ())
    for instant, order_ids in story.syncs:
        life.run_until(instant)
        assert findings_of(life) == ([], [])
        pay(story.payer, life.account)
        life.sync(known(story, order_ids), instant, released)
        assert findings_of(life) == ([], [])
    life.run_until(last_instant(story))
    assert findings_of(life) == ([], [])
    return life


@pytest.mark.timeout(120 + EXAMPLES * SECONDS_EACH)
def test_random_contracts_reconcile_silently_and_a_voided_invoice_is_told():
    told = 0

    @settings(max_examples=EXAMPLES)
    @given(contract_stories())
    def one(story):
        nonlocal told
        life = lived(story)
        for invoice in in_process.listed(life.account, "/v1/invoices"):
            if invoice["status"] != "open" or invoice["total"] <= 0:
                continue
            if invoice["pre_payment_credit_notes_amount"] or invoice["post_payment_credit_notes_amount"]:
                continue
            status, body = life.account.request("POST", f"/v1/invoices/{invoice['id']}/void")
            assert status == 200, body
            (finding,), touched = findings_of(life)
            assert touched == []
            assert (finding.subject, finding.found_minor) == (invoice["id"], 0)
            assert finding.wanted_minor == invoice["total"]
            told += 1
            return

    one()
    assert told * 4 >= EXAMPLES


@pytest.mark.timeout(120 + EXAMPLES * SECONDS_EACH)
def test_random_contracts_with_coupons_reconcile_silently():
    @settings(max_examples=max(1, EXAMPLES // 2))
    @given(coupon_stories())
    def one(story):
        lived(story)

    one()
