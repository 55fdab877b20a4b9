"""The generated reference pages are what the code says today, and nothing people meet is missing in them."""

import ast
import dataclasses
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path

import pytest
import yaml

from cpqbridge.mapping.configuration import Caps, Policy, SyncSettings, parse_configuration
from cpqbridge.mapping.fields import (
    LINE_COUPON_OBJECT,
    ORDER_COUPON_OBJECT,
    SYNC_RECORD_OBJECT,
    CouponFields,
    OurFields,
    SyncRecordFields,
)

ROOT = Path(__file__).resolve().parents[2]
ERRORS_PAGE = ROOT / "docs" / "reference" / "errors.md"
CONFIGURATION_PAGE = ROOT / "docs" / "reference" / "configuration.md"


def literal_codes() -> dict[str, str]:
    """Return every code the source gives to a refusal or an error, with the file it stands in.

    Codes are written as `code="…"`, or are the first text handed to a function that makes refusals or holds.
    """
    found = {}
    for path in sorted((ROOT / "src" / "cpqbridge").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            callee = getattr(node.func, "id", getattr(node.func, "attr", ""))
            texts = node.args if re.search(r"refus|hold", callee) else []
            for value in [*named, *texts]:
                if isinstance(value, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", str(value.value)):
                    found[value.value] = name
                    break
    return found


def documented_codes() -> set[str]:
    page = ERRORS_PAGE.read_text()
    return set(re.findall(r"^#{3,4} (\w+)$", page, re.MULTILINE))


@pytest.mark.parametrize(
    "tool", [f"{page}_reference.py" for page in ("alerts", "errors", "mapping", "configuration", "cli")]
)
def test_reference_when_generated_again_is_unchanged(tool: str):
    outcome = subprocess.run(
        [sys.executable, ROOT / "tools" / tool, "--check"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr


def test_codes_when_written_in_the_source_stand_in_the_errors_reference():
    documented = documented_codes()
    missing = [f"{code} ({path})" for code, path in sorted(literal_codes().items()) if code not in documented]
    assert not missing, "\n".join(missing)


def test_configuration_page_when_compared_with_the_code_names_every_key_and_value():
    text = CONFIGURATION_PAGE.read_text()
    named = set(re.findall(r"`([\w.]+)`", text))
    missing = []
    for section in (SyncSettings, Policy, Caps):
        for field in dataclasses.fields(section):
            values = list(field.type) if isinstance(field.type, type) and issubclass(field.type, Enum) else []
            wanted = [field.name, *(value.value for value in values)]
            missing += [name for name in wanted if name not in named]
    assert [name for name in missing if name != "prorate_precision_confirmed"] == []


def test_connect_page_when_compared_with_the_code_names_every_field_of_ours():
    text = (ROOT / "docs" / "how-to" / "connect.md").read_text()
    properties = [name for name, value in vars(OurFields).items() if isinstance(value, property)]
    wanted = [
        *(SYNC_RECORD_OBJECT, *SyncRecordFields.ALL),
        *(CouponFields.OBJECT, ORDER_COUPON_OBJECT, LINE_COUPON_OBJECT),
        *(name for name in CouponFields.ALL if name != CouponFields.NAME),
        *(getattr(OurFields(), name) for name in properties),
    ]
    assert [name for name in wanted if f"`{name}`" not in text] == []


def test_example_configuration_when_parsed_is_accepted():
    example = re.search(r"```yaml\n(.*?)```", CONFIGURATION_PAGE.read_text(), re.DOTALL)
    assert example
    configuration = parse_configuration(yaml.safe_load(example[1]))
    assert configuration.currency == "usd"
