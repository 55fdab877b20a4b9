"""Making, checking and opening connections against both simulated sides."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.faults.two_sides import KEY, NOW, TOKEN, connect, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import AccessLostError, ConfigurationError, TransientError
from cpqbridge.mapping.configuration import default_configuration, parse_configuration
from cpqbridge.store import audit, connections, links
from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app


def test_a_connection_knows_both_sides_and_shows_no_secret(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        (found,) = opened.connections()
        assert found.facts.org_id == sides.org.organization_id
        assert found.facts.stripe_account_id == "acct_1SSimulated00"
        assert (found.facts.simulated, found.facts.live_mode) == (True, False)
        assert opened.configuration(None).currency == "usd"
        assert KEY not in repr(found)
        with opened.store.read() as transaction:
            (entry,) = audit.latest(transaction, connection_id=1, limit=5)
        assert (entry.action, entry.at) == ("connection_added", NOW)
    for path in tmp_path.iterdir():
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content
            assert KEY.encode() not in content


def test_customers_that_carry_our_metadata_are_linked_and_brought_up_to_date(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        account_id = sides.order()["AccountId"]
        status, customer = sides.account.request(
            "POST", "/v1/customers", {"name": "Old name", "metadata": {"salesforce_account_id": account_id}}
        )
        assert status == 200
        connect(opened, sides)
        with opened.store.read() as transaction:
            key = f"customer:{account_id}"
            assert links.load(transaction, connection_id=1, keys=[key])[key].stripe_id == customer["id"]
        assert opened.sync(None, sides.order_id).order.state is OrderState.SYNCED
        (one,) = sides.objects("customer")
        assert one["name"] == "Customer 0"


@pytest.mark.parametrize(("key", "live"), [("sk_live_x", False), ("sk_test_x", True)])
def test_the_mode_of_the_key_is_the_one_that_was_asked_for(tmp_path: Path, key: str, live: bool) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        before = sides.org_log.count
        with pytest.raises(ConfigurationError) as caught:
            opened.add_connection(
                name="x",
                salesforce_url=sides.salesforce_url,
                salesforce_token=TOKEN,
                stripe_key=key,
                stripe_api_base=sides.stripe_url,
                live=live,
            )
        assert caught.value.code == "stripe_live_key"
        assert key not in str(caught.value)
        assert opened.connections() == ()
        assert sides.org_log.count == before


def test_a_dead_side_or_a_wrong_token_makes_no_connection(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        details = {
            "name": "x",
            "salesforce_url": sides.salesforce_url,
            "salesforce_token": TOKEN,
            "stripe_key": KEY,
            "stripe_api_base": sides.stripe_url,
        }
        for wrong, error in (
            ({"salesforce_url": "http://127.0.0.1:9"}, TransientError),
            ({"stripe_api_base": "http://127.0.0.1:9"}, TransientError),
            ({"salesforce_url": "http://example.com"}, ConfigurationError),
            ({"stripe_key": "nonsense"}, ConfigurationError),
        ):
            with pytest.raises(error):
                opened.add_connection(**{**details, **wrong})
        sides.org.tokens = frozenset({"another"})
        with pytest.raises(AccessLostError):
            opened.add_connection(**details)
        assert opened.connections() == ()


def test_a_check_refuses_another_account(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with two_sides() as sides, service(tmp_path, clock=clock) as opened:
        connect(opened, sides)
        assert opened.check_connection(None).access_lost is None
        sides.account.state.account_id = "acct_another"
        with pytest.raises(ConfigurationError) as caught:
            opened.check_connection(None)
        assert caught.value.code == "wrong_account"


def test_a_new_configuration_counts_from_the_next_sync(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        configuration = default_configuration()
        cap = replace(configuration.caps, bill_per_order=Decimal(100))
        assert opened.preview(None, sides.order_id).plan.outcomes[0].state is OrderState.SYNCED
        opened.apply_configuration(None, replace(configuration, currency="usd", caps=cap))
        outcome = opened.preview(None, sides.order_id).plan.outcomes[0]
        assert (outcome.state, outcome.refusals[0].code) == (OrderState.HELD, "cap_bill_per_order")


def test_a_preview_writes_nothing_and_drafts_have_one(tmp_path: Path) -> None:
    with two_sides(drafts=True) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        preview = opened.preview(None, sides.order()["OrderNumber"])
        assert preview.plan.outcomes[0].state is OrderState.SYNCED
        assert len(preview.plan.steps) == 4
        assert sides.stripe_writes() == []
        assert sides.salesforce_writes() == []
        assert opened.list_orders(None) == ()
        assert opened.sync(None, sides.order_id).order.state is OrderState.SKIPPED
        assert sides.stripe_writes() == []


def test_orders_are_listed_before_and_after_their_sync(tmp_path: Path) -> None:
    with two_sides(2) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        assert [each.state.value for each in opened.list_orders(None)] == ["queued", "queued"]
        opened.sync(None, sides.order_ids[1])
        assert [each.state.value for each in opened.list_orders(None)] == ["queued", "synced"]
        reports = [opened.sync(None, order_id) for order_id in sides.order_ids]
        assert [report.order.state.value for report in reports] == ["synced", "unchanged"]


def test_one_account_more_is_another_connection(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        other = Account(NOW, account_id="acct_second")
        with host(create_app(other)) as hosted:
            opened.add_connection(
                name="second",
                salesforce_url=sides.salesforce_url,
                salesforce_token=TOKEN,
                stripe_key=KEY,
                stripe_api_base=hosted.url,
                configuration=replace(default_configuration(), currency="usd"),
            )
            opened.sync("second", sides.order_id)
            assert len(other.all_objects()["subscription_schedule"]) == 1
            assert sides.objects("subscription_schedule") == []


def test_a_fresh_token_takes_the_place_of_the_one_that_ended(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        sides.org.tokens = frozenset({"fresh-token"})
        with pytest.raises(AccessLostError) as caught:
            opened.sync(None, sides.order_id)
        assert "connection check --salesforce-token" in caught.value.fix
        with pytest.raises(AccessLostError):
            opened.check_connection(None, salesforce_token="another-token")
        assert opened.check_connection(None, salesforce_token="fresh-token").access_lost is None
        assert opened.sync(None, sides.order_id).order.state is OrderState.SYNCED


def test_fresh_secrets_of_another_side_are_not_kept(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        with pytest.raises(ConfigurationError):
            opened.check_connection(None, stripe_key="sk_live_x")
        sides.account.state.account_id = "acct_another"
        with pytest.raises(ConfigurationError):
            opened.check_connection(None, stripe_key="sk_test_another")
        sides.account.state.account_id = "acct_1SSimulated00"
        with opened.store.read() as transaction:
            secrets = connections.open_secrets(opened.store, transaction, connection_id=1)
        assert (secrets.salesforce_token, secrets.stripe_key) == (TOKEN, KEY)


def test_both_secrets_given_again_replace_those_of_a_lost_key_file(tmp_path: Path) -> None:
    with two_sides() as sides:
        with service(tmp_path) as opened:
            connect(opened, sides)
        (tmp_path / "secret.key").unlink()
        with service(tmp_path) as opened:
            with pytest.raises(ConfigurationError) as caught:
                opened.check_connection(None, salesforce_token=TOKEN)
            assert caught.value.code == "secret_key_wrong"
            opened.check_connection(None, salesforce_token=TOKEN, stripe_key=KEY)
            assert opened.sync(None, sides.order_id).order.state is OrderState.SYNCED


def test_fields_are_described_again_when_the_org_no_longer_shows_one(tmp_path: Path) -> None:
    """A hidden optional field is left out from then on; a hidden needed one is an error until it is back."""
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        order, line = sides.org.object_type("Order"), sides.org.object_type("OrderItem")
        assert opened.preview(None, sides.order_id).plan.steps
        order.hidden = frozenset({"Stripe_Sync_Message__c"})
        assert opened.sync(None, sides.order_id).order.state is OrderState.SYNCED
        line.hidden = frozenset({"SBQQ__BillingFrequency__c"})
        with pytest.raises(ConfigurationError) as caught:
            opened.sync(None, sides.order_id)
        assert (caught.value.code, caught.value.field) == (
            "salesforce_field_missing",
            "OrderItem.SBQQ__BillingFrequency__c",
        )
        line.hidden = frozenset()
        assert opened.sync(None, sides.order_id).order.state is not OrderState.FAILED


def test_fields_that_will_not_be_written_are_named(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        assert opened.fields_not_written(None) == ()
        wrong = parse_configuration(
            {"version": 1, "currency": "usd", "mapping": {"salesforce_prefix": "Acme_"}}
        )
        opened.apply_configuration(None, wrong)
        unwritten = opened.fields_not_written(None)
        assert "Order.Acme_Stripe_Sync_Status__c" in unwritten
        assert not [name for name in unwritten if name.startswith("Stripe_Sync_Record__c")]
