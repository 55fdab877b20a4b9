"""Whatever a form changes is written down with the name of who sent it."""

from __future__ import annotations

from tests.app_people import session_of
from tests.faults.two_sides import connect, service, two_sides
from tests.security.conftest import House, house_of

from cpqbridge.store.users import Role

PLAUSIBLE = {
    "name": "Somebody",
    "role": "operator",
    "reason": "because",
    "is_active": "yes",
    "sure": "yes",
    "order": "00000101",
    "kind": "webhook",
    "secret": "http://127.0.0.1:9/hook",
    "password": "four plain words here",
}
OWN_MARKS = {"audit", "alembic_version", "lanes", "parked_runs", "one_time_links"}
"""Beside the entries themselves: what the machine keeps about its own work, and links, which their entry tells."""

THEIR_OWN = {"/sign-in", "/sign-out", "/account/password", "/account/sign-out-everywhere", "/welcome/{token}"}


def changed(house: House, before: dict[str, list[str]]) -> set[str]:
    after = house.contents()
    return {name for name in after if after[name] != before[name]} - OWN_MARKS


def test_every_change_by_a_form_names_who_made_it(tmp_path_factory) -> None:
    silent, noted = [], 0
    with two_sides(2) as sides, service(tmp_path_factory.mktemp("noted")) as opened:
        connect(opened, sides)
        opened.sync("test", sides.order_id)
        house = house_of(opened, sides=sides)
        session_of(house.site, Role.ADMIN, "Ada Lovelace", into=lambda _name, _value: None)
        for route in house.site.routes:
            if route.method != "POST" or route.path in THEIR_OWN:
                continue
            client = house.client(None)
            session_of(house.site, Role.ADMIN, "Ada Lovelace", into=client.cookies.set)
            before = house.contents()
            client.post(house.address(route), data=PLAUSIBLE)
            entries = set(house.contents()["audit"]) - set(before["audit"])
            tables = changed(house, before)
            noted += len(entries)
            if tables and not any("'Ada Lovelace'" in entry for entry in entries):
                silent.append((route.path, sorted(tables)))
            if any("'Ada Lovelace'" not in entry for entry in entries):
                silent.append((route.path, sorted(entries)))
    assert silent == []
    assert noted >= 5
