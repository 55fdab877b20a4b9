"""Going live tells first what would happen, and switches only what the person saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.faults.two_sides import connect, service, two_sides

from cpqbridge.errors import ConfigurationError
from cpqbridge.store import connections
from cpqbridge.sync.configure import Configure
from cpqbridge.sync.going_live import GoingLive, Outlook


def test_the_outlook_counts_what_a_first_look_would_find(tmp_path: Path) -> None:
    with two_sides(3) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        live = GoingLive(opened)
        assert live.outlook(None, None) == Outlook(qualifying=3, known=0, done=0)
        assert live.outlook(None, date(2026, 1, 29)).qualifying == 0
        opened.sync(None, sides.order_id)
        found = live.outlook(None, date(2026, 1, 1))
        assert (found.qualifying, found.done, found.at_most_new) == (3, 1, 2)
        assert not live.standing(None).is_live


def test_switching_sets_both_and_is_a_version_with_its_reason(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        live = GoingLive(opened)
        before = live.standing(None)
        assert not before.bills_for_real
        after = live.switch(None, on=True, start_date=date(2026, 1, 20), based_on=before.version)
        assert (after.is_live, after.start_date) == (True, date(2026, 1, 20))
        newest = Configure(opened).versions(None)[0]
        assert newest.reason == "Live sync switched on"
        live.switch(None, on=True, start_date=None)
        assert Configure(opened).versions(None)[0].reason == "Start date set"
        assert not live.switch(None, on=False, start_date=None).is_live


def test_a_configuration_that_somebody_else_changed_is_not_overwritten(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        live = GoingLive(opened)
        seen = live.standing(None).version
        configuration = opened.configuration(None)
        opened.apply_configuration(
            None, replace(configuration, sync=replace(configuration.sync, poll_seconds=30))
        )
        with pytest.raises(ConfigurationError) as caught:
            live.switch(None, on=True, start_date=None, based_on=seen)
        assert caught.value.code == "configuration_changed_meanwhile"
        assert not live.standing(None).is_live


def test_a_stopped_connection_does_not_go_live(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        with opened.store.write() as transaction:
            connections.mark_access_lost(transaction, connection_id=1, message="The key was rolled.")
        with pytest.raises(ConfigurationError) as caught:
            GoingLive(opened).switch(None, on=True, start_date=None)
        assert caught.value.code == "connection_stopped"
        assert "The key was rolled." in caught.value.message


def test_a_filter_that_the_org_cannot_read_is_told(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        configuration = opened.configuration(None)
        opened.apply_configuration(
            None, replace(configuration, filters=replace(configuration.filters, order="Nonsense__c = 1"))
        )
        with pytest.raises(ConfigurationError) as caught:
            GoingLive(opened).outlook(None, None)
        assert caught.value.code == "filter_refused"
