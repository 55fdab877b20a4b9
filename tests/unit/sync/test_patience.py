"""Work that a person waits for, up to a point."""

from __future__ import annotations

import threading

import pytest

from cpqbridge.store.audit import current_actor
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.patience import within


def test_what_is_done_in_time_is_returned_and_done_in_the_name_of_whoever_began_it() -> None:
    with acting_as("Ada"):
        assert within(10, current_actor.get) == "Ada"


def test_what_goes_wrong_in_time_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 // 0)


def test_what_takes_longer_goes_on_by_itself() -> None:
    goes_on, done = threading.Event(), threading.Event()

    def work() -> str:
        goes_on.wait(10)
        done.set()
        return "late"

    assert within(0.01, work) is None
    goes_on.set()
    assert done.wait(10)
