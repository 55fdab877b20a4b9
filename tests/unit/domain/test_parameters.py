from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.domain.addresses import origin, split_address
from cpqbridge.domain.billing import Ref
from cpqbridge.domain.parameters import fingerprint, from_json_form, json_form, merged, nested

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.builds(Ref, key=st.text()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner, min_size=2),
)


def test_dot_paths_nest_and_metadata_keys_keep_their_dots():
    assert nested({"address.city": "Baden", "address.line1": "Badstrasse 5", "metadata.a.b": "1"}) == {
        "address": {"city": "Baden", "line1": "Badstrasse 5"},
        "metadata": {"a.b": "1"},
    }


def test_later_bodies_win_and_nested_ones_merge():
    assert merged({"a": {"x": 1, "y": 2}, "b": {"z": 1}}, {"a": {"y": 3}, "b": 4}) == {
        "a": {"x": 1, "y": 3},
        "b": 4,
    }


@given(PLAIN)
def test_json_form_comes_back_as_it_was(value):
    assert from_json_form(json_form(value)) == value


def test_json_form_writes_what_json_lacks_as_text():
    assert json_form({"on": date(2026, 2, 1), "amounts": (Decimal("1.10"),)}) == {
        "on": "2026-02-01",
        "amounts": ["1.10"],
    }


def test_fingerprint_ignores_order_and_sees_every_value():
    assert fingerprint({"a": 1, "b": Ref(key="x")}) == fingerprint({"b": Ref(key="x"), "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    assert fingerprint({"a": Ref(key="x")}) != fingerprint({"a": "x"})


def test_origin_drops_path_and_slash():
    parts = split_address("https://Baden.example:8443/services/data/")
    assert parts is not None
    assert origin(parts) == "https://baden.example:8443"
