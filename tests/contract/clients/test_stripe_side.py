"""The Stripe side of a connection against the simulated account: changing, crediting, reading, finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cpqbridge.domain.billing import BilledInvoice, StepAction
from cpqbridge.domain.schedule_standing import StandingItem
from cpqbridge.errors import RecordError
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.stripe_billing.error_codes import SCHEDULE_ENDED
from cpqbridge.sync.find_again import SentCall
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.sides import StripeAccountSide
from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.assumptions import Assumptions
from cpqbridge_sim.stripe.server import create_app

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 5, 1, tzinfo=UTC)
PLAINLY = {"prorate": False, "invoice_now": False}
BY_HAND: dict[str, dict[str, Any]] = {"release": {}, "cancel": PLAINLY}


def at(moment: datetime) -> int:
    return int(moment.timestamp())


@dataclass(kw_only=True)
class Played:
    """A hosted account, the side over it, and short names for what a contract needs."""

    account: Account
    side: StripeAccountSide
    calls: int = 0

    def perform(self, action: StepAction, parameters: dict[str, Any], target: str | None = None) -> Any:
        self.calls += 1
        key = f"key-{self.calls}"
        return self.side.perform(action, parameters, target=target, idempotency_key=key)

    def find(self, action: StepAction, parameters: dict[str, Any], target: str | None) -> Any:
        sent_at = datetime.fromtimestamp(self.account.state.now, UTC)
        return self.side.find_made(
            SentCall(action=action, parameters=parameters, target=target, sent_at=sent_at)
        )

    def go(self, year: int, month: int, day: int) -> None:
        self.account.advance(datetime(year, month, day, tzinfo=UTC))

    def reads(self) -> list[str]:
        return [entry["path"] for entry in self.account.log.after() if entry["method"] == "GET"]

    def customer(self, **parameters: Any) -> str:
        made = self.account.request("POST", "/v1/customers", {"payment_method": "pm_card_visa", **parameters})
        return str(made[1]["id"])

    def price(self, unit: int, product: str) -> str:
        parameters = {
            "currency": "usd",
            "unit_amount_decimal": str(unit),
            "recurring": {"interval": "month", "interval_count": 1},
            "product_data": {"id": product, "name": product},
        }
        return str(self.perform(StepAction.CREATE_PRICE, parameters)["id"])

    def schedule(self, customer: str, *items: dict[str, Any], **phase: Any) -> dict[str, Any]:
        parameters = {
            "customer": customer,
            "start_date": at(START),
            "end_behavior": "cancel",
            "metadata": {"cpqbridge_key": f"schedule:{customer}"},
            "phases": [{**a_phase(*items), **phase}],
        }
        made: dict[str, Any] = self.perform(StepAction.CREATE_SCHEDULE, parameters)
        return made

    def own_invoice(self, customer: str, *lines: dict[str, Any], **parameters: Any) -> str:
        settings = {"customer": customer, "currency": "usd", "pending_invoice_items_behavior": "exclude"}
        made = self.perform(StepAction.CREATE_INVOICE, {**settings, **parameters})
        self.perform(StepAction.ADD_INVOICE_LINES, {"lines": list(lines)}, made["id"])
        return str(made["id"])

    def invoices(self, customer: str, *order_items: str) -> tuple[BilledInvoice, ...]:
        return self.side.contract_invoices(customer_id=customer, order_item_ids=order_items)


def a_phase(*items: dict[str, Any], end: datetime = END, start: datetime | None = None) -> dict[str, Any]:
    started = {} if start is None else {"start_date": at(start)}
    return {"items": list(items), "end_date": at(end), "proration_behavior": "none", **started}


def an_item(price: str, *order_items: str, quantity: int = 1) -> dict[str, Any]:
    metadata = {"salesforce_order_item_id": ",".join(order_items)}
    return {"price": price, "quantity": quantity, "metadata": metadata}


def a_charge(amount: int, order_item: str, kind: str = "head", start: str = "2026-01-10") -> dict[str, Any]:
    return {
        "amount": amount,
        "description": kind,
        "period": {"start": at(START), "end": at(END)},
        "metadata": {
            "salesforce_order_item_id": order_item,
            "salesforce_kind": kind,
            "salesforce_period_start": start,
        },
    }


@pytest.fixture
def assumptions() -> Assumptions:
    return Assumptions()


@pytest.fixture
def played(assumptions: Assumptions) -> Iterator[Played]:
    account = Account(START, assumptions=assumptions)
    with (
        host(create_app(account)) as hosted,
        StripeBilling("sk_test_side", api_base=hosted.url) as billing,
    ):
        side = StripeAccountSide(client=billing, retries=Retries(sleep=lambda _seconds: None))
        yield Played(account=account, side=side)


class TestChanges:
    def test_an_update_takes_effect_and_moves_no_money(self, played: Played) -> None:
        customer, price = played.customer(), played.price(1000, "seat")
        schedule = played.schedule(customer, an_item(price, "802A"))
        body = {
            "phases": [a_phase(an_item(price, "802A", quantity=2), start=START)],
            "proration_behavior": "none",
        }
        assert played.perform(StepAction.UPDATE_SCHEDULE, body, schedule["id"])["id"] == schedule["id"]
        played.go(2026, 2, 2)
        assert [invoice.total_minor for invoice in played.invoices(customer, "802A")] == [1000, 2000]

    def test_cancelling_twice_is_done(self, played: Played) -> None:
        schedule = played.schedule(played.customer(), an_item(played.price(1000, "seat"), "802A"))
        for _ in range(2):
            made = played.perform(StepAction.CANCEL_SCHEDULE, PLAINLY, schedule["id"])
            assert (made["id"], made["status"]) == (schedule["id"], "canceled")
        found = played.find(StepAction.CANCEL_SCHEDULE, PLAINLY, schedule["id"])
        assert found is not None

    @pytest.mark.parametrize("verb", ["release", "cancel"])
    def test_an_update_of_what_somebody_ended_says_so(self, played: Played, verb: str) -> None:
        price = played.price(1000, "seat")
        schedule = played.schedule(played.customer(), an_item(price, "802A"))
        played.account.request("POST", f"/v1/subscription_schedules/{schedule['id']}/{verb}", BY_HAND[verb])
        body = {"phases": [a_phase(an_item(price, "802A"), start=START)], "proration_behavior": "none"}
        with pytest.raises(RecordError) as caught:
            played.perform(StepAction.UPDATE_SCHEDULE, body, schedule["id"])
        assert caught.value.code == SCHEDULE_ENDED

    def test_finalising_twice_is_done(self, played: Played) -> None:
        invoice = played.own_invoice(played.customer(), a_charge(500, "802A"))
        assert played.find(StepAction.FINALIZE_INVOICE, {}, invoice) is None
        for _ in range(2):
            made = played.perform(StepAction.FINALIZE_INVOICE, {"auto_advance": True}, invoice)
            assert (made["id"], made["status"]) == (invoice, "paid")
        assert played.find(StepAction.FINALIZE_INVOICE, {}, invoice) is not None

    def test_a_cancellation_that_was_never_made_is_not_found(self, played: Played) -> None:
        schedule = played.schedule(played.customer(), an_item(played.price(1000, "seat"), "802A"))
        assert played.find(StepAction.CANCEL_SCHEDULE, PLAINLY, schedule["id"]) is None


class TestCredits:
    def test_a_lost_credit_note_is_found_by_its_key(self, played: Played) -> None:
        customer = played.customer()
        invoice = played.own_invoice(customer, a_charge(500, "802A"))
        played.perform(StepAction.FINALIZE_INVOICE, {"auto_advance": True}, invoice)
        (billed,) = played.invoices(customer, "802A")
        line = {"type": "invoice_line_item", "invoice_line_item": billed.lines[0].line_id, "amount": 120}
        body = {
            "invoice": invoice,
            "lines": [line],
            "credit_amount": 120,
            "metadata": {"cpqbridge_key": "credit_note:1"},
        }
        assert played.find(StepAction.CREATE_CREDIT_NOTE, body, None) is None
        made = played.perform(StepAction.CREATE_CREDIT_NOTE, body)
        found = played.find(StepAction.CREATE_CREDIT_NOTE, body, None)
        assert found is not None
        assert found["id"] == made["id"]
        other = {**body, "metadata": {"cpqbridge_key": "credit_note:2"}}
        assert played.find(StepAction.CREATE_CREDIT_NOTE, other, None) is None

    def test_a_lost_balance_transaction_is_found_by_its_key(self, played: Played) -> None:
        customer = played.customer()
        body = {"amount": -500, "currency": "usd", "metadata": {"cpqbridge_key": "credit_note:1"}}
        assert played.find(StepAction.CREDIT_BALANCE, body, customer) is None
        made = played.perform(StepAction.CREDIT_BALANCE, body, customer)
        assert (made["amount"], made["ending_balance"]) == (-500, -500)
        found = played.find(StepAction.CREDIT_BALANCE, body, customer)
        assert found is not None
        assert found["id"] == made["id"]
        assert played.find(StepAction.CREDIT_BALANCE, body, played.customer()) is None


class TestContractInvoices:
    def test_they_come_oldest_first_with_what_can_be_credited(self, played: Played) -> None:
        customer = played.customer()
        seat, extra = played.price(1000, "seat"), played.price(300, "extra")
        played.schedule(customer, an_item(seat, "802A", "802B"), an_item(extra, "802C"))
        played.go(2026, 2, 1)
        first, second = played.invoices(customer, "802C")
        assert (first.status, first.created_at, first.final_at) == ("paid", START, None)
        assert (first.total_minor, first.creditable_minor, first.unpaid_minor) == (1300, 1300, 0)
        assert [(line.order_item_ids, line.kind, line.amount_minor) for line in first.lines] == [
            (("802A", "802B"), "cycle", 1000),
            (("802C",), "cycle", 300),
        ]
        assert [line.period_start for line in second.lines] == [date(2026, 2, 1)] * 2
        assert (second.status, second.unpaid_minor) == ("draft", 1300)
        assert second.final_at == datetime(2026, 2, 1, 1, tzinfo=UTC)
        assert played.reads() == ["/v1/invoices"], "one call where nothing was credited"

    def test_credit_notes_take_from_their_line_and_invoice(self, played: Played) -> None:
        customer = played.customer()
        settings = {"collection_method": "send_invoice", "days_until_due": 30}
        invoice = played.own_invoice(customer, a_charge(500, "802A"), a_charge(400, "802B"), **settings)
        played.perform(StepAction.FINALIZE_INVOICE, {}, invoice)
        (whole,) = played.invoices(customer, "802A")

        def credit(amount: int) -> str:
            line = {
                "type": "invoice_line_item",
                "invoice_line_item": whole.lines[0].line_id,
                "amount": amount,
            }
            made = played.perform(StepAction.CREATE_CREDIT_NOTE, {"invoice": invoice, "lines": [line]})
            return str(made["id"])

        note = credit(120)
        played.account.request("POST", f"/v1/credit_notes/{note}/void")
        credit(200)
        (left,) = played.invoices(customer, "802B")
        assert (left.total_minor, left.creditable_minor, left.unpaid_minor) == (900, 700, 700)
        assert [line.creditable_minor for line in left.lines] == [300, 400]
        assert [(line.kind, line.period_start) for line in left.lines] == [("head", date(2026, 1, 10))] * 2

    def test_lines_beyond_the_first_page_count(self, played: Played) -> None:
        customer = played.customer()
        lines = [a_charge(number, f"802{number:03d}") for number in range(1, 131)]
        invoice = played.own_invoice(customer, *lines[:70])
        played.perform(StepAction.ADD_INVOICE_LINES, {"lines": lines[70:]}, invoice)
        (found,) = played.invoices(customer, "802130")
        assert sorted(line.amount_minor for line in found.lines) == list(range(1, 131))

    def test_given_up_and_foreign_ones_are_left_out(self, played: Played) -> None:
        customer = played.customer()
        settings = {"collection_method": "send_invoice", "days_until_due": 30}
        for verb in ("void", "mark_uncollectible"):
            invoice = played.own_invoice(customer, a_charge(500, "802A"), **settings)
            played.perform(StepAction.FINALIZE_INVOICE, {}, invoice)
            played.account.request("POST", f"/v1/invoices/{invoice}/{verb}")
        played.own_invoice(customer, a_charge(500, "802Z"), {"amount": 5, "description": "by hand"})
        played.own_invoice(played.customer(), a_charge(500, "802A"))
        assert played.invoices(customer, "802A", "802B") == ()

    def test_a_strange_period_start_falls_back_to_the_lines_period(self, played: Played) -> None:
        customer = played.customer()
        played.own_invoice(customer, a_charge(-500, "802A", kind="credit", start="soon"))
        (found,) = played.invoices(customer, "802A")
        (line,) = found.lines
        assert (line.period_start, line.amount_minor, line.creditable_minor) == (date(2026, 1, 1), -500, 0)
        assert found.creditable_minor == 0


class TestLinesThatDoNotNameTheirOrderLines:
    """As the SDK documents it, a subscription's line shows the metadata of the subscription."""

    @pytest.fixture
    def assumptions(self) -> Assumptions:
        return Assumptions(line_metadata_copies_item=False)

    def test_the_phase_they_were_billed_in_names_them(self, played: Played) -> None:
        customer = played.customer()
        seat, extra = played.price(1000, "seat"), played.price(300, "extra")
        schedule = played.schedule(customer, an_item(seat, "802A"), an_item(extra, "802C"))
        cut = datetime(2026, 2, 1, tzinfo=UTC)
        body = {
            "phases": [
                a_phase(an_item(seat, "802A"), an_item(extra, "802C"), start=START, end=cut),
                a_phase(an_item(seat, "802A", "802B", quantity=2)),
            ],
            "proration_behavior": "none",
        }
        played.perform(StepAction.UPDATE_SCHEDULE, body, schedule["id"])
        played.go(2026, 2, 2)
        played.own_invoice(customer, a_charge(500, "802A"))
        first, second, own = played.invoices(customer, "802A")
        assert [line.order_item_ids for line in first.lines] == [("802A",), ("802C",)]
        assert [line.order_item_ids for line in second.lines] == [("802A", "802B")]
        assert [line.order_item_ids for line in own.lines] == [("802A",)]
        assert played.reads() == ["/v1/invoices", "/v1/subscription_schedules"]

    def test_a_released_subscriptions_lines_are_still_named(self, played: Played) -> None:
        customer = played.customer()
        schedule = played.schedule(customer, an_item(played.price(1000, "seat"), "802A"))
        played.account.request("POST", f"/v1/subscription_schedules/{schedule['id']}/release")
        assert len(played.invoices(customer, "802A")) == 1

    def test_a_subscription_without_schedule_names_nothing(self, played: Played) -> None:
        customer = played.customer()
        body = {
            "customer": customer,
            "items": [{"price": played.price(1000, "seat")}],
            "proration_behavior": "none",
        }
        played.account.request("POST", "/v1/subscriptions", body)
        assert played.invoices(customer, "802A") == ()


class TestScheduleStanding:
    def test_phases_items_and_identities_are_read_in_one_call(self, played: Played) -> None:
        seat = played.price(1000, "seat")
        rider = {
            "price_data": {"currency": "usd", "product": "seat", "unit_amount": 77},
            "metadata": {"salesforce_order_item_id": "802B", "salesforce_kind": "head"},
        }
        made = played.schedule(
            played.customer(), an_item(seat, "802A", quantity=4), add_invoice_items=[rider]
        )
        standing = played.side.schedule_standing(made["id"])
        assert played.reads() == [f"/v1/subscription_schedules/{made['id']}"]
        assert (standing.status, standing.ended, standing.end_behavior) == ("active", False, "cancel")
        assert standing.subscription_id == made["subscription"]["id"]
        assert standing.current_phase_starts_at == START
        assert standing.metadata == made["metadata"]
        (phase,) = standing.phases
        assert (phase.starts_at, phase.ends_at) == (START, END)
        assert phase.one_time_metadata == (rider["metadata"],)
        assert phase.items == (
            StandingItem(
                price_id=seat,
                product_id="seat",
                unit_amount_decimal="1000",
                interval="month",
                interval_count=1,
                quantity=4,
                metadata={"salesforce_order_item_id": "802A"},
            ),
        )

    def test_what_somebody_changed_shows(self, played: Played) -> None:
        seat = played.price(1000, "seat")
        made = played.schedule(played.customer(), an_item(seat, "802A"))
        before = played.side.schedule_standing(made["id"])
        body = {
            "phases": [a_phase(an_item(seat, "802A", quantity=9), start=START, end=END - timedelta(days=1))],
            "proration_behavior": "none",
        }
        played.account.request("POST", f"/v1/subscription_schedules/{made['id']}", body)
        after = played.side.schedule_standing(made["id"])
        assert after.phases[0].items[0].quantity == 9
        assert after.phases[0].ends_at < before.phases[0].ends_at

    @pytest.mark.parametrize("verb", ["release", "cancel"])
    def test_an_end_by_hand_shows(self, played: Played, verb: str) -> None:
        made = played.schedule(played.customer(), an_item(played.price(1000, "seat"), "802A"))
        path = f"/v1/subscription_schedules/{made['id']}/{verb}"
        played.account.request("POST", path, BY_HAND[verb])
        standing = played.side.schedule_standing(made["id"])
        assert (standing.status, standing.ended) == ("released" if verb == "release" else "canceled", True)
        assert standing.subscription_id == made["subscription"]["id"]
        assert standing.current_phase_starts_at is None

    def test_a_schedule_of_another_account_is_missing(self, played: Played) -> None:
        standing = played.side.schedule_standing("sub_sched_no")
        assert (standing.status, standing.ended, standing.phases) == ("missing", True, ())
