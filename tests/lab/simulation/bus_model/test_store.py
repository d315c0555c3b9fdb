"""Stored messages: sequences, next and last messages, limits, purges, expiry."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.simulation.bus_model.streams.sequences import Sequences
from lab.simulation.bus_model.streams.store import Limits, Store, StoreFullError

SECOND_NS = 1_000_000_000


def filled(count: int = 10, subjects: int = 3, **limits: Any) -> Store:
    store = Store(Limits(**limits), is_file=False)
    for number in range(count):
        store.append(f"s.{number % subjects}", b"", b"x", number * SECOND_NS, 0)
    return store


def kept(store: Store) -> list[int]:
    return list(store.sequences.iterate())


@given(st.lists(st.integers(1, 3000), unique=True, max_size=200), st.integers(0, 3100))
def test_sequences_are_a_sorted_list(removed: list[int], probe: int) -> None:
    sequences = Sequences()
    for number in range(1, 3001):
        sequences.append(number)
    for number in removed:
        sequences.remove(number)

    expected = sorted(set(range(1, 3001)) - set(removed))
    below = [each for each in expected if each < probe]
    assert list(sequences.iterate(probe)) == expected[len(below) :]
    assert (sequences.count_before(probe), len(sequences)) == (len(below), len(expected))
    assert sequences.at_or_after(probe) == (expected[len(below)] if len(below) < len(expected) else 0)
    assert sequences.at_or_before(probe - 1) == (below[-1] if below else 0)


def test_the_next_message_of_a_filter_is_found() -> None:
    store = filled()

    assert [store.load_next(each, 4).sequence for each in ("s.0", "s.*", ">")] == [4, 4, 4]  # type: ignore[union-attr]
    assert store.load_next("s.0", 11) is None
    assert [each.sequence for each in store.iterate("s.1", 3)] == [5, 8]


def test_a_filter_sees_subjects_that_are_new() -> None:
    store = filled(3)
    assert store.pending("*.*", 0) == 3

    store.append("t.1", b"", b"", 0, 0)
    store.remove(1)

    assert store.totals("*.*") == {"s.1": 1, "s.2": 1, "t.1": 1}


def test_a_limit_per_subject_removes_the_oldest() -> None:
    assert kept(filled(max_per_subject=1)) == [8, 9, 10]


def test_a_limit_of_messages_removes_the_oldest() -> None:
    store = filled(max_messages=4)

    assert kept(store) == [7, 8, 9, 10]
    assert store.first == 7


def test_a_full_stream_rejects_but_replaces_on_the_same_subject() -> None:
    store = Store(Limits(max_messages=2, max_per_subject=1, discard_new=True), is_file=True)
    store.append("a", b"", b"", 0, 0)
    store.append("b", b"", b"", 0, 0)
    with pytest.raises(StoreFullError, match="maximum messages exceeded"):
        store.append("c", b"", b"", 0, 0)

    store.append("a", b"", b"", 0, 0)

    assert kept(store) == [2, 3]


@pytest.mark.parametrize(
    ("purge", "left"),
    [
        ({}, []),
        ({"before": 4}, [4, 5, 6]),
        ({"keep": 2}, [5, 6]),
        ({"subject": "s.0"}, [2, 3, 5, 6]),
        ({"subject": "s.*", "keep": 1}, [6]),
        ({"subject": "s.0", "before": 4}, [2, 3, 4, 5, 6]),
        ({"before": 1}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_purge(purge: dict[str, object], left: list[int]) -> None:
    store = filled(6)

    assert store.purge(**purge) == 6 - len(left)  # type: ignore[arg-type]
    assert (kept(store), store.first) == (left, left[0] if left else 7)


def test_messages_expire_by_age_and_by_their_own_ttl() -> None:
    store = filled(5, max_age_ns=10 * SECOND_NS)
    store.append("s.0", b"", b"", 5 * SECOND_NS, 2)
    store.append("s.0", b"", b"", 5 * SECOND_NS, -1)
    assert store.next_expiry_ns() == 7 * SECOND_NS

    store.expire(12 * SECOND_NS)
    assert kept(store) == [4, 5, 7]
    store.expire(100 * SECOND_NS)
    assert kept(store) == [7]


def test_a_time_names_a_sequence() -> None:
    store = filled(5)
    store.remove(3)

    assert [store.sequence_at(each * SECOND_NS) for each in (0, 1, 2, 9)] == [1, 2, 4, 6]
