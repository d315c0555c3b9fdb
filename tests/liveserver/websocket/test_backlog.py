"""A backlog: in order, and bounded in messages and in bytes."""

import pytest

from liveserver.websocket.backlog import Backlog


def test_what_waits_is_taken_joined_and_in_order() -> None:
    backlog = Backlog(messages=9, size=9)
    backlog.put(b"one", 1)
    backlog.put(b"two", 2)

    assert (backlog.messages, backlog.size) == (3, 6)
    assert backlog.take() == b"onetwo"
    assert (backlog.messages, backlog.size, backlog.take()) == (0, 0, b"")


@pytest.mark.parametrize(("chunk", "messages"), [(b"x", 3), (b"x" * 9, 1)])
def test_what_does_not_fit_is_refused(chunk: bytes, messages: int) -> None:
    backlog = Backlog(messages=4, size=10)
    assert backlog.put(b"12", 2)

    assert not backlog.put(chunk, messages)
    assert backlog.take() == b"12"
