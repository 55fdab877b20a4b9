"""Every row of the scenario table of the notes on the vendor has a test that bears its number."""

import re
from pathlib import Path

# The rows of the table (section 7 of the notes on Stripe); numbers that are missing were never rows.
ROWS = (
    *(
        1,
        2,
        3,
        4,
        5,
        6,
        9,
        10,
        11,
        13,
        14,
        16,
        17,
        18,
        19,
        20,
        22,
        23,
        24,
        25,
        27,
        28,
        29,
        31,
        32,
        34,
        36,
        37,
        38,
    ),
    *(39, 41, 42, 43, 44, 45, 48, 50, 52, 53, 54, 55, 57, 58, 59, 60),
)
_NAME = re.compile(r"^ *def test_t(\d\d)_(?:to_t(\d\d)_)?", re.MULTILINE)


def rows_under_test() -> set[int]:
    found: set[int] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for first, last in _NAME.findall(path.read_text()):
            found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_row_has_a_test():
    assert sorted(set(ROWS) - rows_under_test()) == []
