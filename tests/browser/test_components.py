"""The page of all components: accessible in light and dark, on a desk and on a phone."""

from __future__ import annotations

import pytest
from tests.browser.conftest import DESKTOP, PHONE


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_components_are_accessible(make_app, viewport, color_scheme):
    app = make_app(with_sides=False, viewport=viewport, color_scheme=color_scheme)
    app.go("/components")
    app.page.get_by_text("This was loaded.").wait_for()
    app.assert_accessible()
    assert app.errors == []
    wide = app.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide
