"""A session's backlog: in order, bounded, closed with a reason."""

import asyncio

from liveserver.hub import CloseCode
from liveserver.session import Session


async def test_frames_are_taken_in_order_as_soon_as_there_are_any() -> None:
    session = Session()
    taking = asyncio.create_task(session.take())
    await asyncio.sleep(0)

    session.send([b"1", b"2"])

    assert await taking == [b"1", b"2"]


async def test_a_snapshot_is_taken_whole_however_large() -> None:
    session = Session(backlog=2)

    assert session.send([b"1", b"2", b"3"])
    assert await session.take() == [b"1", b"2", b"3"]


async def test_a_viewer_that_lets_too_much_wait_is_closed_as_too_slow() -> None:
    session = Session(backlog=2)
    taken = [session.send([b"x"]) for _ in range(4)]

    await session.overrun()

    assert taken == [True, True, False, False]
    assert session.closing is not None
    assert session.closing.code is CloseCode.TOO_SLOW
    assert await session.take() is None


async def test_what_was_sent_before_the_end_is_still_taken() -> None:
    session = Session()
    session.send([b"last"])
    session.close(CloseCode.GOING_AWAY, "stopping")
    session.close(CloseCode.TOO_SLOW, "later, and so not the reason")

    assert await session.take() == [b"last"]
    assert await session.take() is None
    assert session.closing is not None
    assert session.closing.code is CloseCode.GOING_AWAY
