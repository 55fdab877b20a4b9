"""What an event of Stripe names: ids, and nothing else of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.stripe_billing.client import API_VERSION
from cpqbridge.sync.event_names import CATALOGUE_EVENTS, CONTRACT_EVENTS, HEARD, named

ROOT = "a0z000000000001AAA"


def event(kind: str, subject: object, **changes: object) -> dict:
    made = {"id": "evt_1", "object": "event", "type": kind, "created": 1767225600}
    return {**made, "api_version": API_VERSION, "data": {"object": subject}, **changes}


def test_one_list_when_asked_for_takes_no_more_types_than_stripe_allows() -> None:
    assert len(CONTRACT_EVENTS) <= 20
    assert len(CATALOGUE_EVENTS) <= 20
    assert len(HEARD) == len(CONTRACT_EVENTS) + len(CATALOGUE_EVENTS)


@pytest.mark.parametrize(
    ("kind", "subject", "root", "ids"),
    [
        ("subscription_schedule.updated", {"id": "sub_sched_1"}, None, ("sub_sched_1",)),
        (
            "customer.subscription.updated",
            {"id": "sub_1", "schedule": "sub_sched_1", "customer": "cus_1", "metadata": {}},
            None,
            ("sub_1", "sub_sched_1"),
        ),
        (
            "customer.subscription.deleted",
            {"id": "sub_1", "schedule": None, "metadata": {"salesforce_root_id": ROOT}},
            ROOT,
            ("sub_1",),
        ),
        (
            "invoice.paid",
            {
                "id": "in_1",
                "customer": "cus_1",
                "parent": {"subscription_details": {"metadata": {"salesforce_root_id": ROOT}}},
            },
            ROOT,
            ("in_1",),
        ),
        (
            "credit_note.created",
            {"id": "cn_1", "invoice": {"id": "in_1", "object": "invoice"}, "customer": "cus_1"},
            None,
            ("cn_1", "in_1", "cus_1"),
        ),
        ("customer.deleted", {"id": "cus_1"}, None, ("cus_1",)),
        (
            "price.updated",
            {"id": "price_1", "product": "prod_1", "lookup_key": "cpqbridge:x", "invoice": "in_1"},
            None,
            ("price_1", "cpqbridge:x"),
        ),
    ],
)
def test_an_event_when_it_is_heard_names_what_it_is_about(kind, subject, root, ids) -> None:
    found = named(event(kind, subject))
    assert (found.root_id, found.stripe_ids) == (root, ids)
    assert found.created_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_event_when_a_call_caused_it_names_the_key_of_the_call() -> None:
    request = {"id": "req_1", "idempotency_key": "abc"}
    assert named(event("invoice.paid", {}, request=request)).request_key == "abc"
    for none in (None, "req_1", {"id": None, "idempotency_key": None}, {"idempotency_key": "x" * 256}):
        assert named(event("invoice.paid", {}, request=none)).request_key is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "schedule", "invoice", "metadata", "parent", "subscription_details"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(subject=JUNK, kind=st.sampled_from(sorted(HEARD)), created=st.integers())
def test_an_event_when_its_object_is_anything_names_texts_only(subject, kind, created) -> None:
    found = named(event(kind, subject, created=created))
    assert all(isinstance(each, str) and each for each in found.stripe_ids)
    assert found.root_id is None or isinstance(found.root_id, str)
