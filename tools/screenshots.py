"""Make the pictures of the docs: the app on the sample org in Chromium, written to docs/pictures.

At most 20 pictures of at most 150 KB. Needs Chromium; starts a demo of its own and ends it.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
MOST = 20
MOST_BYTES = 150 * 1024
DESK = (1280, 800)
PHONE = (390, 844)


@dataclass(frozen=True)
class Picture:
    """One picture: its file's name, the page, and what is done there before it is taken."""

    name: str
    path: str
    before: Callable[[Page], object] = lambda _page: None
    size: tuple[int, int] = DESK
    color_scheme: str = "light"
    signed_in: bool = True


ORDER = "/orders/801Qy0000000001IAA"


def press(name: str) -> Callable[[Page], object]:
    """Press the button of this name and wait for what comes."""

    def pressed(page: Page) -> None:
        page.get_by_role("button", name=name, exact=True).first.click()
        page.wait_for_load_state()

    return pressed


def begin_set_up(page: Page) -> None:
    """Begin a new connection, which leads to its Salesforce step."""
    page.get_by_label("Name").fill("sandbox")
    press("Begin")(page)


def try_order(page: Page) -> None:
    """Show an order's values in the data mapper."""
    page.get_by_label("Order", exact=True).fill("00000101")
    press("Try")(page)


def dry_run(page: Page) -> None:
    """Make a dry run and wait until it is done."""
    press("Begin")(page)
    for _ in range(120):
        page.reload()
        if not page.get_by_text("A dry run is under way").count():
            return
        page.wait_for_timeout(1000)


PLAN = (
    Picture("sign-in", "/sign-in", signed_in=False),
    Picture("overview", "/"),
    Picture("orders", "/orders"),
    Picture("order", ORDER),
    Picture("order-on-a-phone", ORDER, size=PHONE),
    Picture("order-dark", ORDER, color_scheme="dark"),
    Picture("inbox", "/inbox"),
    Picture("inbox-cause", "/inbox", lambda page: page.get_by_role("link", name="Look at").first.click()),
    Picture("reconcile", "/reconcile"),
    Picture("set-up-salesforce", "/connections/new", begin_set_up),
    Picture("set-up-fields", "/connections/demo/setup/fields"),
    Picture("data-mapper", "/connections/demo/mapping/customer", try_order),
    Picture("preferences", "/connections/demo/preferences"),
    Picture("dry-run", "/connections/demo/setup/dry-run", dry_run),
    Picture("go-live", "/connections/demo/setup/go-live"),
    Picture("health", "/connections/demo/health", press("Run all checks")),
    Picture("alerts", "/alerts/new?kind=webhook"),
    Picture("activity", "/activity"),
    Picture("audit-log", "/audit"),
    Picture("people", "/people"),
)


def main() -> int:
    """Take every picture and say which are too large."""
    assert len(PLAN) <= MOST
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("make screenshots needs Chromium: apt-get install chromium")
    PICTURES.mkdir(exist_ok=True)
    with demo() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for picture in PLAN:
            take(browser, url, picture)
        browser.close()
    for stale in set(PICTURES.glob("*.png")) - {PICTURES / f"{each.name}.png" for each in PLAN}:
        stale.unlink()
    large = [path.name for path in PICTURES.glob("*.png") if path.stat().st_size > MOST_BYTES]
    if large:
        print(f"Over {MOST_BYTES // 1024} KB: {', '.join(sorted(large))}", file=sys.stderr)
    return 1 if large else 0


def take(browser: Browser, url: str, picture: Picture) -> None:
    """Open the page as a demo admin, do what comes before, and write the picture with few colours."""
    context = browser.new_context(
        viewport={"width": picture.size[0], "height": picture.size[1]}, color_scheme=picture.color_scheme
    )
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    if picture.signed_in:
        page.get_by_role("button", name="Admin").click()
        page.goto(f"{url}{picture.path}")
    picture.before(page)
    page.wait_for_load_state("networkidle")
    path = PICTURES / f"{picture.name}.png"
    page.screenshot(path=path)
    context.close()
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(colors=128).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)} {path.stat().st_size // 1024} KB")


@contextmanager
def demo() -> Iterator[str]:
    """Run a demo on a free port until the block ends; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "cpqbridge", "demo", "--port", str(port)],
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "CPQBRIDGE_HOME": home},
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if re.match(r"Open http", line):
                    break
            else:
                sys.exit("The demo did not start: run make demo to see why.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
