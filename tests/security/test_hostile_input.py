"""Names, reasons, addresses and forms that somebody made to do harm: shown as they are, never obeyed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.faults.two_sides import connect, service, two_sides
from tests.security.conftest import House, house_of

import cpqbridge.web
from cpqbridge.store.users import Role

TEMPLATES = Path(cpqbridge.web.__file__).parent / "templates"
MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
FORMULA = '=HYPERLINK("https://evil.example","open")'
STRANGE = [MARKUP, "-1", "9" * 40, "\x00", "\u202e\ufeff", "../../etc/passwd", "²", "x" * 500]
OF_COURSE = {"page", "q", "sort", "state", "order", "next", "connection", "days", "from", "to", "cause"}


def field_names() -> set[str]:
    """Every name that a form of the app sends, as far as templates spell it out."""
    names = set(OF_COURSE)
    for template in TEMPLATES.rglob("*.html"):
        text = template.read_text()
        names |= set(re.findall(r'\bname="([\w.]+)"', text))
        names |= set(re.findall(r'\b(?:field|textarea|select|radio_group|checkbox)\(\s*"([\w.]+)"', text))
    return names


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Iterator[House]:
    """The app connected to an org whose texts are hostile; one order is synced, one held, one unseen."""
    with two_sides(3) as sides, service(tmp_path_factory.mktemp("hostile")) as opened:
        for kind, name in (("Account", "Name"), ("Product2", "Name"), ("Order", "Name")):
            for record in sides.org.records(kind):
                sides.org.update(kind, record["Id"], {name: MARKUP})
        connect(opened, sides)
        opened.sync("test", sides.order_ids[0])
        house = house_of(opened, sides=sides)
        admin = house.client(Role.ADMIN)
        for reason in (MARKUP, FORMULA):
            admin.post(f"/orders/{sides.order_ids[0]}/hold", data={"reason": reason})
            admin.post("/activity/pause", data={"reason": reason})
            admin.post("/activity/resume")
        yield house


def assert_harmless(text: str, where: object) -> None:
    assert "<script>alert" not in text, where
    assert "<img src=x" not in text, where
    assert not re.search(r'"\'><', text), where


def test_texts_of_others_are_shown_and_never_become_markup(hostile: House) -> None:
    shown = 0
    for route in hostile.site.routes:
        if route.method == "GET":
            answer = hostile.client(Role.ADMIN).get(hostile.address(route))
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert_harmless(answer.text, route.path)
            shown += answer.text.count("&lt;script&gt;alert")
    assert shown > 3


def test_no_cell_of_an_export_is_a_formula(hostile: House) -> None:
    exports = [route.path for route in hostile.site.routes if route.path.endswith(".csv")]
    assert {"/orders.csv", "/audit.csv"} <= set(exports)
    seen = ""
    for path in exports:
        text = hostile.client(Role.ADMIN).get(path).text
        seen += text
        for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))):
            for cell in row:
                is_number = re.fullmatch(r"[-+]?[\d.,]+", cell) is not None
                assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (path, cell)
    assert "HYPERLINK" in seen


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value[:20]))
def test_a_strange_address_is_answered_in_plain_words(hostile: House, value: str) -> None:
    broken = []
    client = hostile.client(Role.ADMIN)
    for route in hostile.site.routes:
        if route.method != "GET":
            continue
        asked = dict.fromkeys(field_names(), value)
        answers = [client.get(hostile.address(route), params=asked)]
        if "{" in route.path:
            path = re.sub(r"{\w+(:path)?}", quote(value, safe=""), route.path)
            answers.append(client.get(path))
        for answer in answers:
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert_harmless(answer.text, route.path)
            if answer.status_code >= 500:
                broken.append((route.path, str(answer.request.url)[:100]))
    assert broken == []


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value[:20]))
def test_a_strange_form_is_answered_in_plain_words(hostile: House, value: str) -> None:
    broken = []
    form = {name: value for name in field_names() if name != "action"}
    for route in hostile.site.routes:
        if route.method == "POST":
            answer = hostile.client(Role.ADMIN).post(hostile.address(route), data=form)
            assert_harmless(answer.text, route.path)
            assert not answer.headers.get("location", "/").startswith(("//", "http")), route.path
            if answer.status_code >= 500:
                broken.append((route.path, answer.status_code))
    assert broken == []
