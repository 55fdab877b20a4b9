"""Orders are found by themselves: polls, new tries, healed records, sweeps; nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.finding import Setting, live
from tests.faults.two_sides import NOW

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.raw import WatchedGroup
from cpqbridge.salesforce.changes import ChangesPage
from cpqbridge.store import cursors
from cpqbridge.sync.finding import Finder
from cpqbridge.sync.ports import SalesforceSide
from cpqbridge.sync.worker import Worker
from cpqbridge_sim.fault_plan import PlannedFault
from cpqbridge_sim.faults import Fault
from cpqbridge_sim.stripe.credentials import Credentials

MINUTE = timedelta(minutes=1)
NO_KEYS = Credentials(["sk_test_another"], live=False, account_id="acct_1SSimulated00")


def test_an_idle_poll_is_one_call_and_the_cursor_is_the_orgs_own_time(tmp_path: Path) -> None:
    with live(tmp_path, 3) as setting:
        assert setting.poll() == 3
        setting.at_rest()
        setting.clock.set(NOW + timedelta(days=1000))
        setting.sides.org.set_clock(NOW + 7 * MINUTE)
        before = setting.calls()
        assert setting.poll() == 0
        assert setting.calls() == before + 1
        with setting.service.store.read() as transaction:
            cursor = cursors.read(transaction, connection_id=1, name="orders")
        assert cursor == (NOW + 7 * MINUTE).replace(microsecond=0)
        asked = setting.sides.org_log.after()[-1]["parameters"]["q"]
        assert f"SystemModstamp >= {NOW - cursors.OVERLAP:%Y-%m-%dT%H:%M}" in asked


def test_a_refused_order_is_looked_at_again_when_a_record_of_it_changes(tmp_path: Path) -> None:
    with live(tmp_path, 2) as setting:
        bad, good = setting.sides.order_ids
        org = setting.sides.org
        (line,) = [each for each in org.records("OrderItem") if each["OrderId"] == bad]
        org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Fortnightly"})
        setting.poll()
        assert setting.states() == {bad: "refused", good: "synced"}
        assert {line["Id"], line["Product2Id"], setting.sides.order(bad)["AccountId"]} <= (setting.watched())
        setting.at_rest()
        before = setting.calls()
        assert setting.poll() == 0
        assert setting.calls() == before + 1, "records and orders are asked for together, in turns"
        setting.pass_time(MINUTE)
        stamp = setting.sides.order(bad)["SystemModstamp"]
        org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Monthly"})
        assert setting.sides.order(bad)["SystemModstamp"] == stamp, "the order itself does not change"
        before = setting.calls()
        polls = [setting.finder.poll(setting.service.open(None)) for _ in range(4)]
        assert sorted(polls) == [0, 0, 0, 1]
        setting.settled()
        assert setting.states() == {bad: "synced", good: "synced"}
        assert setting.watched() == set()


def test_what_may_pass_is_tried_again_with_growing_waits_until_it_passes(tmp_path: Path) -> None:
    with live(tmp_path) as setting:
        account = setting.sides.account
        account.faults.add(PlannedFault(fault=Fault(kind="rate_limit"), path="/v1/customers*", times=1000))
        setting.poll()
        waits = []
        for attempt in range(1, 6):
            standing = setting.standings()[setting.sides.order_id]
            assert (standing.state.value, standing.retryable) == ("failed", True)
            tried = setting.tries()
            assert tried.attempts == attempt
            assert tried.next_try_at is not None
            waits.append(tried.next_try_at - setting.clock.now())
            if attempt == 1:
                # What the failed run wrote to the order is looked at once, and is no change of anybody's.
                assert setting.poll() == 1
                continue
            assert setting.poll() == 0, "the overlap finds the same stamp again, which is no news"
            setting.pass_time(waits[-1] - timedelta(seconds=1))
            assert setting.try_again() == 0
            setting.pass_time(timedelta(seconds=1))
            assert setting.try_again() == 1
        assert waits == [2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE]
        setting.pass_time(3 * MINUTE)
        setting.sides.org.update("Order", setting.sides.order_id, {"Description": "changed"})
        assert setting.poll() == 1
        assert setting.tries().attempts == 1, "a change begins anew"
        account.faults.clear()
        setting.pass_time(2 * MINUTE)
        assert setting.try_again() == 1
        assert setting.states() == {setting.sides.order_id: "synced"}
        assert (setting.tries().attempts, setting.tries().next_try_at) == (0, None)


def test_orders_that_lost_access_stopped_go_on_by_themselves_when_it_is_renewed(tmp_path: Path) -> None:
    with live(tmp_path) as setting:
        worker = Worker(setting.service)
        known, setting.sides.account.credentials = setting.sides.account.credentials, NO_KEYS
        worker.tick()
        setting.settled()
        standing = setting.standings()[setting.sides.order_id]
        assert (standing.state.value, standing.retryable) == ("failed", True)
        calls = setting.calls()
        setting.pass_time(5 * MINUTE)
        worker.tick()
        assert setting.calls() == calls, "nothing is asked while access is lost"
        setting.sides.account.credentials = known
        setting.service.check_connection(None)
        worker.tick()
        setting.settled()
        assert setting.states() == {setting.sides.order_id: "synced"}


def test_an_order_that_is_deleted_or_drafted_again_is_found_by_the_sweep_and_billing_stands(
    tmp_path: Path,
) -> None:
    with live(tmp_path, 4) as setting:
        deleted, drafted, untouched, unseen = setting.sides.order_ids
        org = setting.sides.org
        org.update("Order", unseen, {"Status": "Draft", "StatusCode": "Draft"})
        setting.poll()
        setting.at_rest()
        setting.pass_time(MINUTE)
        writes = len(setting.sides.stripe_writes())
        org.update("Order", deleted, {"Status": "Draft", "StatusCode": "Draft"})
        setting.delete_order(deleted)
        org.update("Order", drafted, {"Status": "Draft", "StatusCode": "Draft"})
        assert setting.poll() == 0
        assert setting.sweep() == 2
        found = setting.standings()
        assert (found[deleted].state.value, found[deleted].code) == ("held", "order_gone")
        assert (found[drafted].state.value, found[drafted].code) == ("held", "changed_after_sync")
        assert found[untouched].state.value == "synced"
        assert unseen not in found
        assert len(setting.sides.stripe_writes()) == writes
        setting.at_rest()
        assert setting.sweep() == 0, "what was looked at is no news to the next sweep"


def test_a_filter_that_the_org_refuses_is_kept_as_the_last_polls_outcome(tmp_path: Path) -> None:
    with live(tmp_path) as setting:
        settings = setting.service.configuration(None)
        setting.service.apply_configuration(None, settings)
        setting.poll()
        good = setting.last_poll()
        assert good.is_good
        assert good.succeeded_at == NOW
        wrong = replace(settings, filters=replace(settings.filters, order="Typo__c LIKE 'x'"))
        setting.service.apply_configuration(None, wrong)
        with pytest.raises(ConfigurationError):
            setting.poll()
        kept = setting.last_poll()
        assert (kept.code, kept.succeeded_at) == ("filter_refused", NOW)
        assert "Typo__c" in kept.message
        assert kept.fix
        setting.service.apply_configuration(None, settings)
        setting.poll()
        assert setting.last_poll().is_good


def test_an_account_that_meets_its_filter_later_is_found_and_one_that_no_longer_does_is_held(
    tmp_path: Path,
) -> None:
    with live(tmp_path) as setting:
        order_id, service = setting.sides.order_id, setting.service
        plain = service.configuration(None)
        filtered = replace(plain, filters=replace(plain.filters, account="Phone = '1'"))
        service.apply_configuration(None, filtered)
        setting.poll()
        found = setting.standings()[order_id]
        assert (found.state.value, found.code) == ("skipped", "account_filtered_out")
        assert setting.sides.stripe_writes() == []
        setting.at_rest()
        (account,) = setting.sides.org.records("Account")
        setting.sides.org.update("Account", account["Id"], {"Phone": "1"})
        assert setting.poll() == 1
        assert setting.states() == {order_id: "synced"}
        setting.at_rest()
        writes = len(setting.sides.stripe_writes())
        other = replace(plain, filters=replace(plain.filters, account="Phone = '2'"))
        service.apply_configuration(None, other)
        report = service.sync(None, order_id)
        assert (report.order.state.value, report.order.code) == ("held", "left_out_after_sync")
        service.apply_configuration(None, plain)
        setting.poll()
        assert setting.states() == {order_id: "synced"}
        assert len(setting.sides.stripe_writes()) == writes


def test_products_outside_the_filter_are_billed_once_it_covers_them(tmp_path: Path) -> None:
    with live(tmp_path) as setting:
        order_id, service = setting.sides.order_id, setting.service
        plain = service.configuration(None)
        none = replace(plain, filters=replace(plain.filters, product="Name = 'No such product'"))
        service.apply_configuration(None, none)
        setting.poll()
        assert setting.states() == {order_id: "synced"}
        assert setting.sides.stripe_writes() == []
        (proof,) = service.preview(None, order_id).plan.proof
        assert (proof.billed_minor, proof.reason) == (0, "skipped")
        service.apply_configuration(None, plain)
        assert service.sync(None, order_id).order.state.value == "synced"
        setting.at_rest()
        assert setting.states() == {order_id: "synced"}


@dataclass(frozen=True)
class LateRows:
    """The real org, which shows each order only so long after its stamp as `lags` say by id."""

    real: SalesforceSide
    setting: Setting
    lags: Mapping[str, timedelta]

    def changes(
        self, *, since: datetime | None, watched: Sequence[WatchedGroup] = ()
    ) -> Iterator[ChangesPage]:
        now = self.setting.clock.now()
        for page in self.real.changes(since=since, watched=watched):
            shown = [
                notice
                for notice in page.notices
                if datetime.fromisoformat(notice.modified_at) + self.lags[notice.order_id] <= now
            ]
            yield replace(page, notices=tuple(shown))


def test_rows_that_appear_up_to_ten_minutes_after_their_stamp_are_none_lost(tmp_path: Path) -> None:
    """Every order is stamped at another minute and seen by another lag later; polls go on each minute."""
    with live(tmp_path, 11, drafts=True) as setting:
        lags = {order_id: minutes * MINUTE for minutes, order_id in enumerate(setting.sides.order_ids)}
        opened = setting.service.open(None)
        late = replace(opened, salesforce=LateRows(opened.salesforce, setting, lags))  # type: ignore[arg-type]
        drafts = list(setting.sides.order_ids)
        found = 0
        for _ in range(25):
            if drafts:
                fields = {"Status": "Activated", "StatusCode": "Activated"}
                setting.sides.org.update("Order", drafts.pop(), fields)
            found += Finder(setting.service).poll(late)
            setting.pass_time(MINUTE)
        setting.settled()
        assert setting.states() == dict.fromkeys(setting.sides.order_ids, "synced")
        assert len(setting.sides.objects("subscription_schedule")) == 11
