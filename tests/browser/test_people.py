"""People come in by a link, do what their role lets them, and are let go: in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from tests.browser.conftest import PHONE

from cpqbridge.store.users import Role

GOOD = "four plain words here"


def choose_password(page: Page, *, name: str = "") -> None:
    if name:
        page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=False).first.fill(GOOD)
    page.get_by_label("The password again").fill(GOOD)
    page.get_by_role("button", name="Go on").click()


def test_the_first_admin_comes_in_by_the_link_and_invites_an_operator(make_app) -> None:
    app = make_app(with_sides=False, role=None)
    token = app.do(app.site.accounts.first_link)
    page = app.go(f"/welcome/{token}")
    app.assert_accessible()
    choose_password(page, name="Ada")
    expect(page.get_by_text("Welcome, Ada.")).to_be_visible()
    app.go("/people")
    page.get_by_label("Name").fill("Grace")
    page.get_by_text("Operator", exact=True).click()
    app.assert_accessible()
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label("The link").inner_text()
    app.assert_accessible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(link)
    expect(page.get_by_text("You sign in as Grace with the role operator.")).to_be_visible()
    choose_password(page)
    expect(page.get_by_text("Welcome, Grace.")).to_be_visible()
    expect(page.get_by_role("navigation").get_by_text("People")).to_have_count(0)
    assert app.errors == []


def test_a_person_signs_in_changes_the_password_and_is_let_go_on_a_phone(make_app) -> None:
    app = make_app(with_sides=False, viewport=PHONE, scripts=False, color_scheme="dark")
    made = app.do(lambda: app.site.accounts.accept(app.site.accounts.first_link(), name="Ada", password=GOOD))
    app.page.context.clear_cookies()
    page = app.go("/account")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not the right one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name and password do not fit.")
    page.get_by_label("Password").fill(GOOD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    page.get_by_label("Present password").fill(GOOD)
    page.get_by_label("New password").fill("quite another sentence")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is changed.")
    app.go(f"/people/{made.user.user_id}")
    page.get_by_role("link", name="Disable …").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("alert")).to_contain_text("Ada is the last admin.")


def test_every_page_of_people_is_accessible(make_app) -> None:
    app = make_app(with_sides=False)
    app.sign_in(Role.VIEWER, "Grace")
    app.sign_in(Role.ADMIN)
    for path in ("/account", "/people", "/people/2", "/people/2/disable"):
        app.go(path)
        app.assert_accessible()
    app.page.context.clear_cookies()
    app.go("/sign-in")
    app.assert_accessible()
    assert app.errors == []


def test_a_viewer_looks_an_operator_syncs_and_an_admin_says_who(make_app) -> None:
    app = make_app(worker=True, role=Role.VIEWER)
    order = f"/orders/{app.sides.order_id}"
    sync = f"{order}/sync"
    page = app.go("/orders/preview?order=00000101")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Sync it")).to_have_count(0)
    expect(page.get_by_role("navigation").get_by_text("People")).to_have_count(0)
    post = "async path => (await fetch(path, {method: 'POST', redirect: 'manual'})).status"
    assert [page.evaluate(post, path) for path in (sync, "/people")] == [403, 403]
    app.go("/people")
    expect(page.get_by_role("alert")).to_contain_text("this is for admins")

    app.sign_in(Role.OPERATOR)
    assert page.evaluate(post, "/people") == 403
    app.go("/orders/preview?order=00000101")
    page.get_by_role("link", name="Sync it").click()
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("main .state-synced").first).to_be_visible()
    schedules = [path for _, path, _ in app.sides.stripe_writes() if path == "/v1/subscription_schedules"]
    assert len(schedules) == 1

    app.sign_in(Role.ADMIN)
    app.go("/audit")
    expect(page.get_by_role("cell", name="the operator").first).to_be_visible()
    app.go("/people")
    expect(page.get_by_role("link", name="the operator")).to_be_visible()
