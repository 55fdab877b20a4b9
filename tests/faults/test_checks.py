"""The health of a connection against both simulated sides: each trouble is told with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update
from tests.faults.two_sides import KEY, TOKEN, connect, service, two_sides

from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.store import audit
from cpqbridge.store.tables import connections
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.checks import Check, CheckState, Health, HealthChecks
from cpqbridge.sync.service import SyncService

SIGNED_OFF = ("salesforce", "org", "api_version", "api_allowance", "fields", "stripe", "mode", "currency")


def found(health: Health, key: str) -> Check:
    return next(each for each in health.checks if each.key == key)


def checked(opened: SyncService) -> Health:
    return HealthChecks(opened).run(None)


def test_a_sound_connection_is_told_in_full_and_nothing_is_written(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides, prorate_precision="monthly_daily")
        assert HealthChecks(opened).last(None) is None
        with acting_as("Ada"):
            health = checked(opened)
        assert {key: found(health, key).state for key in SIGNED_OFF} == dict.fromkeys(
            SIGNED_OFF, CheckState.OK
        )
        assert (found(health, "precision").state, found(health, "webhook").state) == (
            CheckState.OK,
            CheckState.OK,
        )
        assert not any(each.state is CheckState.PROBLEM for each in health.checks)
        assert all(each.fix for each in health.checks if each.state is not CheckState.OK)
        assert (sides.stripe_writes(), sides.salesforce_writes()) == ([], [])
        assert HealthChecks(opened).last(None) == health
        assert health.actor == "Ada"
        with opened.store.read() as transaction:
            newest = audit.latest(transaction, connection_id=None, limit=1)[0]
        assert (newest.action, newest.actor) == ("health_checked", "Ada")
        told = repr(health)
        assert KEY not in told
        assert TOKEN not in told


def test_a_lost_sign_in_and_a_lost_key_are_told_each_and_the_rest_goes_on(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        sides.org.tokens = frozenset({"another"})
        sides.account.credentials.expire(KEY)
        health = checked(opened)
        for key in ("salesforce", "stripe"):
            assert found(health, key).state is CheckState.PROBLEM
            assert found(health, key).fix
        assert health.state is CheckState.PROBLEM
        assert found(health, "currency").state is CheckState.OK
        assert found(health, "worker").state is CheckState.WARNING


def test_another_org_is_told(tmp_path: Path) -> None:
    with two_sides() as sides:
        with service(tmp_path) as opened:
            connect(opened, sides)
            with opened.store.write() as transaction:
                transaction.execute(update(connections).values(org_id="00DOther0000000EAA"))
        with service(tmp_path) as opened:
            health = checked(opened)
            assert "00DOther0000000EAA" in found(health, "salesforce").found
            # Asking is enough for it to stop.
            assert opened.connections()[0].access_lost
            assert found(checked(opened), "stopped").state is CheckState.PROBLEM


@pytest.mark.parametrize(
    ("permissions", "state", "words"),
    [
        (["rak_event_read"], CheckState.PROBLEM, "Customers (write)"),
        (None, CheckState.WARNING, "may do everything"),
    ],
)
def test_rights_of_the_key_are_told(
    tmp_path: Path, permissions: list[str] | None, state: CheckState, words: str
) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        if permissions is not None:
            opened.check_connection(None, stripe_key="rk_test_narrow")
            sides.account.credentials.restrict("rk_test_narrow", permissions)
        check = found(checked(opened), "key_rights")
        assert check.state is state
        assert words in check.found
        assert check.fix


def test_missing_fields_settings_and_calls_are_told(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        opened.apply_configuration(
            None, parse_configuration({"version": 1, "mapping": {"salesforce_prefix": "Acme_"}})
        )
        sides.org.daily_limit = 30
        health = checked(opened)
        assert found(health, "currency").state is CheckState.PROBLEM
        assert found(health, "precision").state is CheckState.WARNING
        assert found(health, "fields").state is CheckState.WARNING
        assert "Acme_Stripe_ID__c" in found(health, "fields").found
        for key in ("currency", "precision", "fields"):
            assert found(health, key).fix
            assert found(health, key).place


def test_a_side_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        assert sides.hosted_stripe is not None
        with sides.hosted_stripe.refusing():
            health = checked(opened)
        assert found(health, "stripe").state is CheckState.PROBLEM
        assert found(health, "fields").state is CheckState.OK
