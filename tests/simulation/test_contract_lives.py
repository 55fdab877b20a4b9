"""Random contracts through planner and simulated account over their whole life, to the cent.

150 contracts, or as many as the Hypothesis profile or `--examples` asks for: `make soak` lives 20,000.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
from hypothesis import event, given, settings
from tests.simulation import daily_checks, daily_money, in_process, line_money
from tests.simulation.histories import contract_stories
from tests.simulation.movements import movements, prorations, settled_invoices
from tests.simulation.stories import Payer, Story, Sync, known

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.order import Order
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.policies import CreditsPolicy, ItemsPolicy
from cpqbridge_sim.stripe.account import Account

EXAMPLES = 150 if settings.get_current_profile_name() == "steady" else settings.default.max_examples
SECONDS_EACH = 1
DONE = {OrderState.SYNCED, OrderState.UNCHANGED}
KINDS = {"cycle", "head", "tail", "cut", "catch_up", "credit", "one_time"}
REASONS = {None, "rounding", "credit_policy", "past_skipped", "billed_elsewhere", "trial"}
FORMULA_REASONS = {None, "evergreen", "custom_price"}
LIVED = "lived"


@dataclass(frozen=True, kw_only=True)
class Lived:
    """A story after its last day: `carried_out` are the orders each plan had done, `codes` what stopped any."""

    account: Account
    plan: Plan
    carried_out: tuple[Sync, ...]
    codes: frozenset[str]

    @property
    def done(self) -> frozenset[str]:
        return self.carried_out[-1][1]


@pytest.mark.timeout(120 + EXAMPLES * SECONDS_EACH)
def test_contracts_are_billed_what_was_sold(capsys):
    ends: Counter[str] = Counter()
    kinds: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES)
    @given(contract_stories())
    def one(story):
        end = check(story)
        event(end)
        ends[end] += 1
        kinds.update(story.kinds)

    one()
    expected = sum(count for end, count in ends.items() if end == LIVED or end.startswith("planted"))
    lives = sum(ends.values())
    with capsys.disabled():
        for counts in (ends, kinds):
            sys.stdout.writelines(f"\n{count:6} {name}" for name, count in counts.most_common())
    # A refusal without a planted cause is money that somebody has to bill by hand.
    assert (lives - expected) * 50 <= lives, ends.most_common()


def check(story: Story) -> str:
    """Live a story, check all that must hold of it, and return how it ended."""
    lived = live(story, story.syncs)
    if lived.done:
        check_money(story, lived)
    codes = sorted(lived.codes)
    if story.planted in lived.codes:
        return f"planted {story.planted}"
    # A contract that is over may be billed without being asked, as long as the money is right.
    assert story.planted in (None, "contract_over"), (story.planted, codes)
    if lived.done != story.syncs[-1][1]:
        return f"stopped by {', '.join(codes)}"
    if in_time(story):
        check_all_at_once(story, lived)
    return LIVED


def live(story: Story, syncs: tuple[Sync, ...]) -> Lived:
    """Run the connector at each of the instants, twice, and the account past the last day of service."""
    account = Account(now=syncs[0][0])
    life = in_process.Life(account, story.configuration, cutover=story.cutover)
    released = frozenset({"takeover"} if story.cutover is not None else ())
    carried_out: list[Sync] = []
    codes: set[str] = set()
    for instant, order_ids in syncs:
        life.run_until(instant)
        carried_out += progress(life)
        pay(story.payer, account)
        past = settled_invoices(account)
        history = known(story, order_ids)
        plan = life.sync(history, instant, released)
        carried_out += progress(life)
        codes = stops(plan, order_ids) | (codes & {story.planted})
        now_settled = settled_invoices(account)
        assert {invoice_id: now_settled[invoice_id] for invoice_id in past} == past
        again = life.sync(history, instant)
        assert again.steps == (), [step.summary for step in again.steps]
    life.run_until(last_instant(story))
    carried_out += progress(life)
    codes = stops(life.plan, syncs[-1][1]) | (codes & {story.planted})
    return Lived(account=account, plan=life.plan, carried_out=tuple(carried_out), codes=frozenset(codes))


def pay(payer: Payer, account: Account) -> None:
    """Give the customer a card, so that Stripe charges it from now on; or pay what is open by transfer."""
    if payer == "card":
        for customer in in_process.listed(account, "/v1/customers"):
            settings = {"invoice_settings": {"default_payment_method": "pm_card_visa"}}
            status, body = account.request("POST", f"/v1/customers/{customer['id']}", settings)
            assert status == 200, body
    elif payer == "transfer":
        for invoice in in_process.listed(account, "/v1/invoices"):
            if invoice["status"] == "open":
                path = f"/v1/invoices/{invoice['id']}/pay"
                status, body = account.request("POST", path, {"paid_out_of_band": True})
                assert status == 200, body


def progress(life: in_process.Life) -> list[Sync]:
    """Return when the last plan was made, by an order or a timer, and which orders stand as it says."""
    if life.plan is None:
        return []
    done = frozenset(outcome.order_id for outcome in life.plan.outcomes if outcome.state in DONE)
    return [(life.plan.executed_at, done)]


def stops(plan: Plan, order_ids: frozenset[str]) -> set[str]:
    """Return why any of these activated orders is not carried out."""
    return {
        refusal.code
        for outcome in plan.outcomes
        if outcome.order_id in order_ids and outcome.state not in DONE
        for refusal in outcome.refusals
    }


def last_instant(story: Story) -> datetime:
    """Return when nothing is left to happen: a period after the last day, so that every invoice is final."""
    ends = [line.ends_on or line.starts_on for order in story.history.orders for line in order.lines]
    ends += [story.until] if story.until is not None else []
    return max(midnight(max(ends)), story.syncs[-1][0]) + timedelta(days=3)


def looked_at(story: Story) -> date | None:
    """Return the last day of a life whose lines do not all end, else None."""
    return last_instant(story).date() if story.until is not None else None


def check_money(story: Story, lived: Lived) -> None:
    account, plan = lived.account, lived.plan
    moved = movements(account)
    money = daily_money.contract_money(
        story.history, story.configuration, lived.carried_out, cutover=story.cutover, until=looked_at(story)
    )
    assert money.entered.keys() == lived.done
    forecast = in_process.forecast_by_day(plan, until=looked_at(story))
    assert tiers_together(story, in_process.billed_by_day(account)) == tiers_together(story, forecast)
    problems = daily_checks.wrong_totals(money, moved, story.configuration)
    problems += daily_checks.outside_terms(money, moved)
    problems += daily_checks.needless_invoices(money, moved)
    problems += [f"{line_id} is prorated by Stripe" for line_id in prorations(account)]
    problems += [f"{each} has an unknown kind" for each in moved if each.amount and each.kind not in KINDS]
    problems += daily_checks.wrong_days(money, moved, story.configuration)
    assert not problems, problems
    check_proof(story, plan, money)


def tiers_together(story: Story, by_day: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Return amounts by day and line with those of a lineage that has tiers on its first line.

    An invoice does not say what each of its lines adds.
    """
    lines = {line.order_item_id: line for order in story.history.orders for line in order.lines}
    found: Counter[tuple[str, str]] = Counter()
    for (day, line_id), amount in by_day.items():
        together = line_id in lines and lines[line_id].tiers is not None
        found[day, line_money.root_of(lines[line_id], lines) if together else line_id] += amount
    return Counter({key: amount for key, amount in found.items() if amount})


def check_proof(story: Story, plan: Plan, money: daily_money.ContractMoney) -> None:
    """The proof says what was sold, and what the third calculator says is billed of it."""
    currency = story.history.orders[0].currency
    lines = {line.order_item_id: line for order in story.history.orders for line in order.lines}
    policy = story.configuration.policy
    proofs = {proof.order_item_id: proof for proof in plan.proof if proof.order_id in money.entered}
    assert proofs.keys() == money.lines.keys()
    for line_id, proof in proofs.items():
        assert proof.sold_minor == line_money.minor_total(lines[line_id], currency)
        sold = lines[line_id]
        if sold.evergreen or sold.custom_price is not None or sold.tiers is not None:
            assert proof.reason in FORMULA_REASONS
            continue
        assert proof.reason in REASONS
        assert (proof.reason is None) == (proof.difference_minor == 0)
        drops = policy.credits is CreditsPolicy.NONE
        assert drops or proof.reason != "credit_policy"
        # A credit that is dropped by policy is dropped whole, also where only a part is for skipped time.
        if drops and proof.reason in ("credit_policy", "past_skipped") and lines[line_id].quantity < 0:
            continue
        if policy.items is ItemsPolicy.SEPARATE and story.planted is None:
            line = money.lines[line_id]
            assert abs(proof.difference_minor - line.missed) <= line.slack, line_id


def in_time(story: Story) -> bool:
    """Return whether every order was known before the first day it changes."""
    first_known: dict[str, datetime] = {}
    for instant, order_ids in story.syncs:
        for order_id in order_ids:
            first_known.setdefault(order_id, instant)
    return all(first_known[order.order_id] < midnight(first_day(order)) for order in story.history.orders)


def first_day(order: Order):
    return min([order.effective_on, *(line.starts_on for line in order.lines)])


def check_all_at_once(story: Story, lived: Lived) -> None:
    """Amendments one by one bill what all of them at once would have billed, where none was late."""
    if len(story.syncs) == 1 or story.configuration.policy.credits is CreditsPolicy.NONE:
        return
    at_once = live(story, ((story.syncs[0][0], story.syncs[-1][1]),))
    assert at_once.done == lived.done
    assert by_lineage(story, at_once) == by_lineage(story, lived)


def by_lineage(story: Story, lived: Lived) -> Counter[str]:
    lines = {line.order_item_id: line for order in story.history.orders for line in order.lines}
    billed: Counter[str] = Counter()
    for movement in movements(lived.account):
        for order_item_id in movement.order_item_ids[:1]:
            billed[line_money.root_of(lines[order_item_id], lines)] += movement.amount
    return Counter({root: amount for root, amount in billed.items() if amount})
