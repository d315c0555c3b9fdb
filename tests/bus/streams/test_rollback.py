"""A stream in memory that went back is another one, whatever its name and creation say."""

import pytest

from bus.client.jetstream import StreamState
from bus.streams.rollback import Rollback


def state(first: int, last: int, first_time: str = "monday", *, is_in_memory: bool = True) -> StreamState:
    return StreamState("sunday", first, last, last - first + 1, 0, 3, "bus-1", first_time, is_in_memory)


def seen(*states: StreamState, wanted: int | None = None) -> bool:
    """Tell whether the last of what a stream held one after the other shows that it went back."""
    rollback = Rollback()
    return [rollback.is_seen(each, wanted) for each in states][-1]


@pytest.mark.parametrize(
    "after",
    [state(1, 20), state(1, 30), state(9, 30, "tuesday"), state(31, 30, "")],
    ids=["unchanged", "grown", "trimmed", "emptied"],
)
def test_a_stream_that_goes_on_is_the_same(after: StreamState) -> None:
    assert not seen(state(1, 20), after, wanted=21)


def test_an_empty_stream_that_gets_its_first_message_is_the_same() -> None:
    assert not seen(state(8, 7, ""), state(8, 8))


@pytest.mark.parametrize(
    "after",
    [state(1, 5, "tuesday"), state(4, 30, "tuesday"), state(5, 30, "tuesday"), state(1, 0, "")],
    ids=["shorter", "begins earlier", "begins with another", "empty"],
)
def test_a_stream_that_went_back_is_another(after: StreamState) -> None:
    assert seen(state(5, 20), after, wanted=21)


def test_a_stream_on_disk_is_never_suspected() -> None:
    before, after = state(5, 20, is_in_memory=False), state(1, 2, "tuesday", is_in_memory=False)
    assert not seen(before, after, wanted=21)
