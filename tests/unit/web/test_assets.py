"""The committed assets hold what the templates use, and the templates keep to the content policy."""

import json
import re
from pathlib import Path

import pytest

import cpqbridge.web

WEB = Path(cpqbridge.web.__file__).parent
STATIC = WEB / "static"
ASSETS = Path(__file__).parents[3] / "assets" / "package.json"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
# The report stands alone as a file: it carries its style and has nothing of the app.
ALONE = {"layout_report.html", "rehearsal.html"}
COMPOSED = {"slds-button_", "slds-icon_"}


def named(template: Path) -> str:
    return str(template.relative_to(WEB / "templates"))


def test_style_sheet_has_every_class_that_a_template_names():
    style = (STATIC / "slds" / "slds.css").read_text()
    missing = {
        (named(template), name)
        for template in TEMPLATES
        for name in re.findall(r"\bslds-[a-z_-]+", template.read_text())
        if name not in COMPOSED and f".{name}" not in style
    }
    # Some classes only mark a place and have no rule of their own in the design system.
    assert {name for _, name in missing} <= {"slds-required", "slds-card__body_inner"}, missing


def test_sprite_has_every_sign_that_is_named():
    sprite = (STATIC / "slds" / "icons" / "utility-sprite" / "symbols.svg").read_text()
    known = set(re.findall(r'<symbol[^>]* id="([a-z0-9_]+)"', sprite))
    for template in TEMPLATES:
        for name in re.findall(r"\bicon\(\s*\"([a-z0-9_]+)\"", template.read_text()):
            assert name in known, (named(template), name)
        for name in re.findall(r"\bsign=\"([a-z0-9_]+)\"", template.read_text()):
            assert name in known, (named(template), name)


def test_assets_are_of_the_versions_that_make_assets_takes():
    wanted = json.loads(ASSETS.read_text())["dependencies"]
    written = dict(line.rsplit(" ", 1) for line in (STATIC / "VERSIONS.txt").read_text().splitlines())
    assert written == {name: version for name, version in wanted.items() if name != "purgecss"}
    for licence in ("slds/License-for-css.txt", "slds/icons/License-for-icons.txt", "htmx/LICENSE"):
        assert (STATIC / licence).stat().st_size > 100


@pytest.mark.parametrize("template", [each for each in TEMPLATES if each.name not in ALONE], ids=named)
def test_template_has_nothing_that_the_content_policy_forbids(template):
    text = template.read_text()
    assert not re.search(
        r"<style|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:|hx-on|hx-vars|https?://", text
    )
    for script in re.findall(r"<script[^>]*>", text):
        assert 'src="/static/' in script


def test_every_component_is_shown_on_the_components_page():
    shown = (WEB / "templates" / "catalogue.html").read_text()
    for component in sorted((WEB / "templates" / "components").glob("*.html")):
        assert f'"components/{component.name}"' in shown, component.name
