import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge_sim.salesforce.cpq.ids import KEY_PREFIXES, RecordIds, checksum, long_id

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
short_ids = st.text(ALPHABET, min_size=15, max_size=15)


@pytest.mark.parametrize(
    ("short", "expected"),
    [("001D000000IqhSL", "IAZ"), ("801Qy00000AbCdE", "IAV"), ("00DQy000004TeSt", "MAK")],
)
def test_checksum_of_the_published_vectors(short, expected):
    assert checksum(short) == expected
    assert long_id(short) == long_id(short + expected) == short + expected


@given(short_ids, short_ids)
def test_long_ids_differ_even_where_case_is_lost(one, other):
    assert (long_id(one).casefold() == long_id(other).casefold()) == (one == other)


@given(short_ids)
def test_long_id_is_stable(short):
    assert long_id(long_id(short)) == long_id(short)


@pytest.mark.parametrize(
    "bad", ["", "801Qy00000AbCd", "801Qy00000AbCdEIAX", "801Qy00000AbC-E", "801Qy00000AbCdé"]
)
def test_long_id_refuses_what_is_no_id(bad):
    with pytest.raises(ValueError, match=r"id|checksum"):
        long_id(bad)


def test_record_ids_count_up_per_object_in_sorting_order():
    ids = RecordIds()
    orders = [ids.next("Order") for _ in range(4000)]
    assert orders[0] == "801Qy0000000001IAA"
    assert orders == sorted(set(orders))
    assert all(long_id(each) == each for each in orders)
    assert ids.next("OrderItem").startswith("802Qy0000000001")


def test_key_prefixes_are_distinct():
    assert len(set(KEY_PREFIXES.values())) == len(KEY_PREFIXES)
