"""The page on holds has a row for every hold there is, and says which of them cannot be released."""

import re
from pathlib import Path

from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.planning.safety import NEVER_RELEASED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "decide-on-holds.md"


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| `(\w+)` \|(.*)$", PAGE.read_text(), re.MULTILINE))


def test_page_when_compared_with_the_catalog_has_every_hold_once():
    assert rows().keys() == {
        code for code, cause in REFUSAL_CATALOG.items() if cause.state is OrderState.HELD
    }


def test_page_when_a_hold_cannot_be_released_says_so():
    said = {code for code, text in rows().items() if "cannot be released" in text}
    assert said == {code for code in NEVER_RELEASED if code in REFUSAL_CATALOG}
