"""Real Chromium in front of the app and both simulators, all in this process; skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright
from tests.app_people import session_of
from tests.faults.two_sides import NOW, TwoSides, connect, move_everything_to, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.store.users import Role
from cpqbridge.sync.service import SyncService
from cpqbridge.web.app import create_app
from cpqbridge.web.site import Demo, Site
from cpqbridge_sim.hosting import host

Result = TypeVar("Result")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class BrowserApp:
    """The app in a browser: `page` is signed in as `role`; paths are opened by `go`."""

    page: Page
    url: str
    site: Site
    service: SyncService
    clock: SettableClock
    sides: TwoSides | None
    browser: Browser
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status < 500, self.page.content()
        return self.page

    def do(self, function: Callable[[], Result]) -> Result:
        """Do something with the service beside the browser, like `app.do(lambda: app.service.sync(...))`."""
        return in_thread(function)

    def sign_in(self, role: Role, name: str = "") -> None:
        """Be somebody of this role from now on."""
        session_of(self.site, role, name or f"the {role.value}", into=self._keep)

    def _keep(self, name: str, value: str) -> None:
        self.page.context.clear_cookies()
        self.page.context.add_cookies([{"name": name, "value": value, "url": self.url}])

    def move_to(self, instant) -> None:
        """Move the clocks of both sides and of the app."""
        assert self.sides is not None
        move_everything_to(instant, self.sides, self.clock)

    def note(self, told: ConsoleMessage) -> None:
        # Pages that answer with an error on purpose are told here too.
        if told.type == "error" and not told.text.startswith("Failed to load resource"):
            self.errors.append(told.text)

    def note_answer(self, answer: Response) -> None:
        if "/static/" in answer.url and answer.status >= 400:
            self.errors.append(f"{answer.status} {answer.url}")

    def assert_accessible(self) -> None:
        """No serious or critical finding of axe-core on the page that is open."""
        found = Axe().run(self.page).response["violations"]
        bad = [
            (each["id"], each["help"], [node["html"][:160] for node in each["nodes"]][:3])
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]
        assert not bad, (self.page.url, bad)


def in_thread(function: Callable[[], Result]) -> Result:
    """Call something in a thread of its own: Playwright's event loop runs in the test's, and the engine
    refuses to be called there."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()


# Of a module, not of the session: while Playwright's event loop is open, tests of other folders that come
# next in this process could not start the engine.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def make_app(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., BrowserApp]]:
    """Make the app: on an empty home, or connected to simulators with orders.

    `count` orders of one line are activated in the org (`drafts`: they are drafts); `records` are others.
    `with_sides=False` hosts no simulators; `connected=False` leaves the home empty beside them.
    """
    with ExitStack() as stack:

        def make(
            *,
            count: int = 1,
            drafts: bool = False,
            records=None,
            with_sides: bool = True,
            connected: bool = True,
            live_sync: bool = False,
            worker: bool = False,
            role: Role | None = Role.ADMIN,
            scripts: bool = True,
            viewport: dict[str, int] | None = None,
            color_scheme: str = "light",
            demo: Demo | None = None,
        ) -> BrowserApp:
            clock = SettableClock(NOW)
            opened = stack.enter_context(service(tmp_path / "home", clock=clock))
            sides = None
            if with_sides:
                sides = stack.enter_context(two_sides(count, drafts=drafts, records=records))
                if connected:
                    connect(opened, sides, live_sync=live_sync)
            in_thread(opened.start_worker if worker else opened.become_worker)
            site = Site(opened, clock=clock, demo=demo)
            hosted = stack.enter_context(host(create_app(site)))
            context = chromium.new_context(
                java_script_enabled=scripts, viewport=viewport or DESKTOP, color_scheme=color_scheme
            )
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(15_000)
            app = BrowserApp(
                page=page,
                url=hosted.url,
                site=site,
                service=opened,
                clock=clock,
                sides=sides,
                browser=chromium,
            )
            # What the content policy stops, and every error of a script, is our mistake.
            page.on("console", app.note)
            page.on("response", app.note_answer)
            page.on("pageerror", lambda error: app.errors.append(str(error)))
            if role is not None:
                app.sign_in(role)
            return app

        yield make


@pytest.fixture
def browser_app(make_app: Callable[..., BrowserApp]) -> BrowserApp:
    """The app connected to both simulators with one activated order, as an admin."""
    return make_app()
