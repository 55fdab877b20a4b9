"""Preferences of a connection, asked for as a browser without scripts does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from tests.app_people import client_of
from tests.faults.two_sides import TwoSides, connect, service, two_sides

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.policy_words import POLICY_WORDS
from cpqbridge.store import audit
from cpqbridge.store.users import Role
from cpqbridge.sync.live import switch_live
from cpqbridge.sync.preferences import Preferences
from cpqbridge.web.preference_form import FIELDS
from cpqbridge.web.site import Site

PAGE = "/connections/test/preferences"


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides() as opened:
        yield opened


@pytest.fixture
def site(sides: TwoSides, tmp_path: Path) -> Iterator[Site]:
    with service(tmp_path) as opened:
        connect(opened, sides)
        yield Site(opened)


@pytest.fixture
def admin(site: Site):
    return client_of(site, Role.ADMIN)


def form_of(page: str) -> dict[str, str]:
    """Return what a browser would send of the page's form, without the buttons."""
    form = {}
    for tag in re.findall(r"<input[^>]*>", page):
        attributes = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        is_choice = attributes.get("type") in {"radio", "checkbox"}
        if "name" in attributes and (not is_choice or " checked" in tag):
            form[attributes["name"]] = attributes.get("value", "")
    for name, value in re.findall(r'<textarea[^>]*? name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        form[name] = unescape(value)
    return form


def filled(admin, **changes: str) -> dict[str, str]:
    form = form_of(admin.get(PAGE).text)
    form.update({name.replace("__", "."): value for name, value in changes.items()})
    return form


def error_at(page: str, field: str) -> str:
    own = "field-" + field.replace(".", "-")
    found = re.search(rf'<div class="slds-form-element__help" id="{own}-help">(.*?)</div>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


def test_the_page_shows_every_setting_as_it_is(admin, site):
    page = admin.get(PAGE)
    assert page.status_code == 200
    form = form_of(page.text)
    assert {name for name in FIELDS if name not in form} == {"sync.live"}, (
        "a box that is not ticked sends nothing"
    )
    assert form["filters.activated"] == "StatusCode = 'Activated'"
    assert (form["sync.poll_seconds"], form["sync.api_share"], form["currency"]) == ("60", "0.6", "usd")
    assert form["policy.prorate_precision"] == "", "nobody has confirmed one"
    text = unescape(page.text)
    for words in POLICY_WORDS:
        assert words.question in text
        for option in words.options:
            assert option.example in text


def test_saving_what_is_there_changes_nothing(admin, site):
    before = site.service.configuration(None)
    answer = admin.post(PAGE, data={**filled(admin), "action": "save"})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert site.service.configuration(None) == before


def test_what_is_saved_is_in_force_and_in_the_audit_log(admin, site):
    data = filled(
        admin,
        sync__start_date="2026-01-15",
        filters__Account="Name != 'Test'",
        policy__time_zone="Europe/Zurich",
        policy__prorate_precision="month",
        policy__credits="none",
        caps__bill_per_order="50000.50",
        sync__stripe_rate="5",
        reason="as agreed",
    )
    assert admin.post(PAGE, data={**data, "action": "save"}).status_code == 303
    found = site.service.configuration(None)
    assert (found.sync.start_date.isoformat(), found.sync.stripe_rate) == ("2026-01-15", 5)
    assert (found.filters.account, found.filters.order) == ("Name != 'Test'", None)
    assert (found.policy.time_zone, found.policy.prorate_precision_confirmed) == ("Europe/Zurich", True)
    assert (found.policy.prorate_precision.value, found.policy.credits.value) == ("month", "none")
    assert str(found.caps.bill_per_order) == "50000.50"
    with site.service.store.read() as transaction:
        entries = audit.latest(transaction, connection_id=None, limit=20)
    (entry,) = [each for each in entries if each.action == "configuration_applied"]
    assert entry.actor == "the admin"
    assert (entry.before["policy.credits"], entry.after["policy.credits"]) == ("next_invoice", "none")
    assert "as agreed" in admin.get("/connections/test/versions").text


def test_live_sync_is_switched_on_where_one_sees_what_would_happen_and_off_at_once(admin, site):
    answer = admin.post(
        PAGE, data={**filled(admin, sync__live="yes", sync__poll_seconds="30"), "action": "save"}
    )
    assert answer.headers["location"] == "/connections/test/setup/go-live"
    found = site.service.configuration(None)
    assert (found.sync.live, found.sync.poll_seconds) == (False, 30)
    switch_live(site.service, None, on=True)
    form = filled(admin)
    assert form["sync.live"] == "yes"
    assert admin.post(PAGE, data={**form, "action": "save"}).headers["location"] == PAGE
    assert site.service.configuration(None).sync.live
    del form["sync.live"]
    assert admin.post(PAGE, data={**form, "action": "save"}).headers["location"] == PAGE
    assert not site.service.configuration(None).sync.live


def test_every_wrong_field_is_named_at_once_and_nothing_is_saved(admin, site):
    before = site.service.configuration(None)
    data = filled(
        admin,
        sync__poll_seconds="often",
        sync__history_days="3",
        policy__time_zone="Europe/Zurch",
        caps__bill_per_order="-1",
        currency="dollars",
        sync__start_date="15.1.2026",
    )
    answer = admin.post(PAGE, data={**data, "action": "save"})
    assert answer.status_code == 422
    assert error_at(answer.text, "sync.poll_seconds") == (
        "This is 'often', which is not a whole number from 1 to 86400. Write a whole number from 1 to 86400."
    )
    assert "from 35" in error_at(answer.text, "sync.history_days")
    assert "Europe/Zurich" in error_at(answer.text, "policy.time_zone")
    assert "at least 0" in error_at(answer.text, "caps.bill_per_order")
    assert "three letters" in error_at(answer.text, "currency")
    assert "2026-01-31" in error_at(answer.text, "sync.start_date")
    assert "6 fields need another value" in answer.text
    assert 'value="often"' in answer.text, "what was typed stays"
    assert site.service.configuration(None) == before


def test_the_orgs_time_zone_is_proposed(admin, site):
    answer = admin.post(PAGE, data={**filled(admin, sync__poll_seconds="45"), "action": "zone"})
    form = form_of(answer.text)
    assert (form["policy.time_zone"], form["sync.poll_seconds"]) == ("America/New_York", "45")
    assert "Take the org" not in unescape(answer.text)
    assert site.service.configuration(None).policy.time_zone == "UTC"


def test_filters_are_checked_with_the_number_that_match(admin, sides):
    data = filled(
        admin,
        filters__Order="OrderNumber = '00000101'",
        filters__Account="Name = 'Nobody'",
        filters__Product2="Id != null",
        filters__PricebookEntry="Typo__c = 1",
    )
    answer = admin.post(PAGE, data={**data, "action": "check"})
    text = unescape(answer.text)
    assert "1 order matches now." in text
    assert "0 accounts match now." in text
    assert re.search(r"\d+ products? match", text)
    assert "Typo__c" in error_at(answer.text, "filters.PricebookEntry")
    assert "Correct filters" in error_at(answer.text, "filters.PricebookEntry")
    assert answer.status_code == 422


def test_a_filter_that_reaches_out_is_refused_before_it_is_sent(admin, sides, site):
    before = len(list(sides.org_log.after()))
    data = filled(admin, filters__Order="Id != null) OR (Id = null")
    answer = admin.post(PAGE, data={**data, "action": "save"})
    assert answer.status_code == 422
    assert "closes a parenthesis" in error_at(answer.text, "filters.Order")
    asked = [entry for entry in list(sides.org_log.after())[before:] if "OR (Id = null" in str(entry)]
    assert asked == []
    assert site.service.configuration(None).filters.order is None


def test_lines_of_the_org_speak_for_a_precision(admin, sides):
    answer = admin.post(PAGE, data={**filled(admin), "action": "precision"})
    assert "No line of your newest orders can tell" in unescape(answer.text)
    item = sides.org.records("OrderItem")[0]
    changes = {
        "ServiceDate": "2026-05-13",
        "EndDate": "2027-01-31",
        "SBQQ__ProrateMultiplier__c": 9,
        "SBQQ__DefaultSubscriptionTerm__c": 1,
    }
    sides.org.update("OrderItem", item["Id"], changes)
    text = unescape(admin.post(PAGE, data={**filled(admin), "action": "precision"}).text)
    assert "Month fits 1 of them" in text
    assert "1 of 1 lines fit." in text


def test_what_concerns_running_contracts_is_asked_first(admin, site, sides):
    site.service.sync(None, sides.order_id)
    data = filled(admin, policy__rounding="true_up", sync__poll_seconds="30")
    answer = admin.post(PAGE, data={**data, "action": "save"})
    text = unescape(answer.text)
    assert answer.status_code == 200
    assert "1 contract is billed already" in text
    assert "policy.rounding" in text
    assert "sync.poll_seconds" in text
    assert site.service.configuration(None).policy.rounding.value == "report"
    agreed = form_of(answer.text)
    assert admin.post(PAGE, data={**agreed, "action": "edit"}).status_code == 200
    assert admin.post(PAGE, data={**agreed, "action": "save"}).status_code == 303
    found = site.service.configuration(None)
    assert (found.policy.rounding.value, found.sync.poll_seconds) == ("true_up", 30)


def test_what_concerns_no_running_contract_is_saved_at_once(admin, site, sides):
    site.service.sync(None, sides.order_id)
    data = filled(admin, caps__backdated_periods="3")
    assert admin.post(PAGE, data={**data, "action": "save"}).status_code == 303
    euros = replace(site.service.configuration(None), currency="eur")
    with pytest.raises(ConfigurationError) as caught:
        Preferences(site.service).save(None, euros)
    assert caught.value.code == "preferences_not_confirmed"


def test_a_save_on_top_of_an_older_version_is_refused(admin, site):
    data = filled(admin, sync__poll_seconds="30")
    assert admin.post(PAGE, data={**data, "action": "save"}).status_code == 303
    answer = admin.post(PAGE, data={**data, "sync.poll_seconds": "40", "action": "save"})
    assert answer.status_code == 422
    assert "meanwhile" in unescape(answer.text)


def test_the_step_of_the_set_up_has_the_same_form_and_leads_on(admin, site):
    step = "/connections/test/setup/preferences"
    page = admin.get(step)
    assert page.status_code == 200
    assert "Set preferences" in page.text
    assert "Next: Dry run" in page.text
    data = {**form_of(page.text), "sync.poll_seconds": "30", "action": "save"}
    assert admin.post(step, data=data).headers["location"] == step
    assert site.service.configuration(None).sync.poll_seconds == 30
    assert admin.post(f"{step}/done").headers["location"].endswith("/setup/dry-run")


def test_a_viewer_looks_and_cannot_save(site):
    viewer = client_of(site, Role.VIEWER)
    page = viewer.get(PAGE)
    assert page.status_code == 200
    assert "disabled" in page.text
    assert 'value="save"' not in page.text
    assert viewer.post(PAGE, data={"action": "save"}).status_code == 403


def test_an_org_that_does_not_answer_is_told_and_nothing_is_lost(admin, site, sides):
    data = filled(admin, filters__Order="Type = 'New'")
    with sides.hosted_salesforce.refusing():
        for action in ("check", "precision", "save"):
            answer = admin.post(PAGE, data={**data, "action": action})
            assert answer.status_code == 422
            assert 'role="alert"' in answer.text
            assert "Type = 'New'" in unescape(answer.text)
    assert site.service.configuration(None).filters.order is None
