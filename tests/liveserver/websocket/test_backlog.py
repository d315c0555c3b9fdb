"""Backlog: order, and limits in messages and bytes."""

import pytest

from liveserver.websocket.backlog import Backlog


def test_chunks_are_taken_joined_in_order() -> None:
    backlog = Backlog(max_messages=9, max_bytes=9)
    backlog.put(b"one", 1)
    backlog.put(b"two", 2)

    assert (backlog.message_count, backlog.size_bytes) == (3, 6)
    assert backlog.take() == b"onetwo"
    assert (backlog.message_count, backlog.size_bytes, backlog.take()) == (0, 0, b"")


@pytest.mark.parametrize(("chunk", "messages"), [(b"x", 3), (b"x" * 9, 1)])
def test_chunk_over_a_limit_is_rejected(chunk: bytes, messages: int) -> None:
    backlog = Backlog(max_messages=4, max_bytes=10)
    assert backlog.put(b"12", 2)

    assert not backlog.put(chunk, messages)
    assert backlog.take() == b"12"
