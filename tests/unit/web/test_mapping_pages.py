"""The data mapper and the versions of a configuration, asked for as a browser without scripts does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from tests.app_people import client_of
from tests.faults.two_sides import TwoSides, connect, service, two_sides

from cpqbridge import __version__
from cpqbridge.mapping.parameter_words import OBJECT_WORDS
from cpqbridge.store import audit
from cpqbridge.store.users import Role
from cpqbridge.sync.configure import Configure
from cpqbridge.sync.pausing import Pausing
from cpqbridge.web.site import Site


@pytest.fixture(scope="module")
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


def connection_name(site: Site) -> str:
    return site.service.connections()[0].name


def page_of(site: Site, stripe_object: str = "customer") -> str:
    return f"/connections/{connection_name(site)}/mapping/{stripe_object}"


def rules(site: Site, stripe_object: str = "customer"):
    return site.service.configuration(None).mapping.of(stripe_object)


def form_of(page: str) -> dict[str, str]:
    """Return what a browser would send of the page's form: inputs and selects, without the buttons."""
    form = {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input[^>]*? name="([^"]+)" value="([^"]*)"', page)
    }
    for name, options in re.findall(r'<select[^>]*? name="([^"]+)">(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        assert chosen is not None
        form[name] = chosen.group(1)
    return form


def test_the_mapper_begins_with_the_customer(admin, site) -> None:
    answer = admin.get(f"/connections/{connection_name(site)}/mapping")
    assert (answer.status_code, answer.headers["location"]) == (303, page_of(site))


@pytest.mark.parametrize("stripe_object", OBJECT_WORDS)
def test_every_object_has_its_tab(admin, site, stripe_object) -> None:
    answer = admin.get(page_of(site, stripe_object))
    assert answer.status_code == 200
    assert f'aria-current="page">{OBJECT_WORDS[stripe_object].title}</a>' in answer.text
    assert "No order chosen" in answer.text


def test_an_unknown_object_is_no_page(admin, site) -> None:
    assert admin.get(page_of(site, "refund")).status_code == 404
    assert admin.post(page_of(site, "refund"), data={"action": "save"}).status_code == 404


def test_what_was_tried_is_shown_and_not_saved(admin, site, sides) -> None:
    form = form_of(admin.get(page_of(site)).text)
    form |= {"how.description": "field", "text.description": "Account.Name", "order": sides.order_id}
    answer = admin.post(page_of(site), data={**form, "action": "try"})
    assert answer.status_code == 200
    assert '<b class="sent">Customer 0</b>' in answer.text
    assert "not saved yet" in answer.text
    assert '"description": "Customer 0"' in unescape(answer.text)
    assert not rules(site)
    again = form_of(answer.text)
    assert (again["how.description"], again["text.description"]) == ("field", "Account.Name")


def test_a_saved_sheet_is_in_force_with_its_reason(admin, site) -> None:
    form = form_of(admin.get(page_of(site)).text)
    form |= {"how.phone": "value", "text.phone": "+41 31", "reason": "one desk for all", "action": "save"}
    answer = admin.post(page_of(site), data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, page_of(site))
    assert rules(site)["phone"].value == "+41 31"
    newest = Configure(site.service).versions(None)[0]
    assert (newest.actor, newest.reason) == ("the admin", "one desk for all")
    with site.service.store.read() as transaction:
        assert audit.latest(transaction, connection_id=1, limit=1)[0].actor == "the admin"


def test_mistakes_stand_at_their_parameters_and_nothing_is_saved(admin, site) -> None:
    form = form_of(admin.get(page_of(site)).text)
    form |= {"how.name": "field", "text.name": "Account.Naame", "how.phone": "default", "text.phone": "x"}
    answer = admin.post(page_of(site), data={**form, "action": "save"})
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert 'id="problem-name">Account has no field Naame' in page
    assert "Did you mean Name?" in page
    assert 'id="problem-phone">A text stands here' in page
    assert "2 parameters need another value" in page
    assert Configure(site.service).current(None).version == 1


def test_a_refused_order_shows_what_salesforce_has_and_why_nothing_is_sent(admin, site, sides) -> None:
    form = form_of(admin.get(page_of(site)).text)
    form |= {"how.name": "field", "text.name": "Description", "order": sides.order_id, "action": "try"}
    page = unescape(admin.post(page_of(site), data=form).text)
    assert "has no Description" in page
    assert "This order makes none" in page
    assert '<b class="read">billing0@customer.example</b>' in page
    assert "Stripe gets" not in page


def test_metadata_keys_are_added_and_removed(admin, site) -> None:
    form = form_of(admin.get(page_of(site)).text)
    answer = admin.post(page_of(site), data={**form, "new_key": "region", "action": "add"})
    form = form_of(answer.text)
    assert form["how.metadata.region"] == "field"
    form |= {"how.metadata.region": "value", "text.metadata.region": "EMEA"}
    assert admin.post(page_of(site), data={**form, "action": "save"}).status_code == 303
    assert rules(site)["metadata.region"].value == "EMEA"
    form = form_of(admin.get(page_of(site)).text)
    answer = admin.post(page_of(site), data={**form, "action": "remove:metadata.region"})
    form = form_of(answer.text)
    assert "how.metadata.region" not in form
    assert admin.post(page_of(site), data={**form, "action": "save"}).status_code == 303
    assert not rules(site)


def test_a_field_is_chosen_from_those_of_the_org_and_the_draft_stays(admin, site) -> None:
    form = form_of(admin.get(page_of(site)).text)
    form |= {"how.phone": "value", "text.phone": "1"}
    picker = admin.post(page_of(site), data={**form, "action": "pick:description"})
    assert "Account → Name" in picker.text
    further = admin.post(page_of(site), data={**form_of(picker.text), "action": "open:Order.BillToContact"})
    assert "Order.BillToContact.Email" in further.text
    found = admin.post(page_of(site), data={**form_of(further.text), "search": "zzz", "action": "search"})
    assert "No field has all these words" in found.text
    chosen = admin.post(
        page_of(site), data={**form_of(further.text), "action": "choose:Order.BillToContact.Email"}
    )
    form = form_of(chosen.text)
    assert (form["how.description"], form["text.description"]) == ("field", "Order.BillToContact.Email")
    assert (form["how.phone"], form["text.phone"]) == ("value", "1")


def test_who_saves_on_top_of_somebody_else_is_told_and_keeps_the_draft(admin, site) -> None:
    form = form_of(admin.get(page_of(site)).text) | {"how.phone": "value", "text.phone": "1"}
    assert admin.post(page_of(site), data={**form, "action": "save"}).status_code == 303
    form |= {"text.phone": "2"}
    answer = admin.post(page_of(site), data={**form, "action": "save"})
    assert answer.status_code == 422
    assert "the admin changed mapping.customer.phone meanwhile" in answer.text
    again = form_of(answer.text)
    assert (again["text.phone"], again["based_on"]) == ("2", "2")
    assert admin.post(page_of(site), data={**again, "action": "save"}).status_code == 303
    assert rules(site)["phone"].value == "2"


def test_an_order_that_is_not_there_is_told_and_the_sheet_stays(admin, site) -> None:
    answer = admin.get(page_of(site), params={"order": "99999999"})
    assert answer.status_code == 422
    assert "There is no order" in unescape(answer.text)
    assert 'id="row-name"' in answer.text


def test_rules_are_shown_unchecked_while_salesforce_cannot_be_asked(admin, site, sides) -> None:
    form = form_of(admin.get(page_of(site)).text) | {"how.description": "field", "text.description": "Name"}
    assert admin.post(page_of(site), data={**form, "action": "save"}).status_code == 303
    Pausing(site.service).pause(None, reason="a look at the books")
    answer = admin.get(page_of(site))
    assert answer.status_code == 200
    assert "The rules are not checked" in answer.text
    form = form_of(answer.text)
    assert form["text.description"] == "Name"
    refused = admin.post(page_of(site), data={**form, "text.description": "Phone", "action": "save"})
    assert refused.status_code == 422
    assert form_of(refused.text)["text.description"] == "Phone"


def test_a_viewer_sees_the_rules_and_cannot_change_them(site, sides) -> None:
    viewer = client_of(site, Role.VIEWER)
    page = viewer.get(page_of(site), params={"order": sides.order_id}).text
    assert "Default: Name" in page
    assert '<b class="sent">Customer 0</b>' in page
    assert 'name="action"' not in page
    assert viewer.post(page_of(site), data={"action": "save"}).status_code == 403


def test_the_step_of_the_set_up_shows_what_is_mapped_and_what_broke(admin, site, sides) -> None:
    address = f"/connections/{connection_name(site)}/setup/mapping"
    page = admin.get(address).text
    assert "as shipped" in page
    assert 'action="' + address + '/done"' in page
    assert address in admin.get(page_of(site)).text
    form = form_of(admin.get(page_of(site)).text) | {"how.phone": "field", "text.phone": "Description"}
    admin.post(page_of(site), data={**form, "action": "save"})
    assert "1 parameter of yours" in admin.get(address).text
    account = sides.org.object_type("Account")
    before, account.hidden = account.hidden, frozenset({"Description"})
    try:
        site.service.check_connection(None)
        page = admin.get(address).text
    finally:
        account.hidden = before
    assert "1 parameter to correct" in page
    assert "Account has no field Description" in page


def test_the_prefix_of_our_fields_is_set_in_the_set_up(admin, site) -> None:
    address = f"/connections/{connection_name(site)}/setup/mapping"
    form = form_of(admin.get(address).text)
    wrong = admin.post(address, data={**form, "prefix": "9 lives"})
    assert wrong.status_code == 422
    assert "the beginning of an API name" in unescape(wrong.text)
    assert form_of(wrong.text)["prefix"] == "9 lives"
    assert admin.post(address, data={**form, "prefix": "Acme_"}).status_code == 303
    assert site.service.configuration(None).mapping.salesforce_prefix == "Acme_"
    assert "Acme_Stripe_ID__c" in admin.get(address).text
    assert admin.post(address, data={**form, "prefix": "Other_"}).status_code == 422
    assert 'name="prefix"' not in client_of(site, Role.VIEWER).get(address).text


def test_versions_are_listed_compared_and_put_back(admin, site) -> None:
    name = connection_name(site)
    form = form_of(admin.get(page_of(site)).text) | {"how.phone": "value", "text.phone": "1"}
    admin.post(page_of(site), data={**form, "action": "save"})
    listed = admin.get(f"/connections/{name}/versions").text
    assert "mapping.customer.phone" in listed
    assert "the admin" in listed
    second = admin.get(f"/connections/{name}/versions/2").text
    assert "value 1" in second
    assert "back in force</button>" not in second
    first = admin.get(f"/connections/{name}/versions/1").text
    assert f"<footer>cpqbridge {__version__}." in first
    assert "These settings would change" in first
    answer = admin.post(f"/connections/{name}/versions/1", data={"based_on": "1"})
    assert answer.status_code == 422
    assert "meanwhile" in answer.text
    answer = admin.post(f"/connections/{name}/versions/1", data={"based_on": "2"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/connections/{name}/versions")
    assert not rules(site)
    for wrong in ("9", "x", "1" * 30):
        assert admin.get(f"/connections/{name}/versions/{wrong}").status_code == 404
    assert client_of(site, Role.OPERATOR).post(f"/connections/{name}/versions/1").status_code == 403
