"""The end of what decides: cut short when another goes on, told and waited for when none does."""

import asyncio

import pytest

from bus import BusError, get_logger
from engine.actor.shutdown import decide_to_the_end, somebody_else

LOG = get_logger("test")


class Decider:
    """Decides until it is told to stop, and then fails if it has to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.started, self.stopped = asyncio.Event(), asyncio.Event()
        self.failure = failure
        self.has_finished = False

    async def decide(self) -> None:
        self.started.set()
        await self.stopped.wait()
        if self.failure is not None:
            raise self.failure
        self.has_finished = True


async def nobody_else() -> bool:
    return True


async def ended(decider: Decider, *, is_last: bool) -> None:
    """Let it be cancelled while it decides."""
    asked = nobody_else if is_last else somebody_else
    task = asyncio.create_task(decide_to_the_end(decider.decide(), decider.stopped.set, asked, LOG))
    await decider.started.wait()
    task.cancel()
    await task


async def test_the_last_one_finishes() -> None:
    decider = Decider()
    with pytest.raises(asyncio.CancelledError):
        await ended(decider, is_last=True)
    assert decider.has_finished


async def test_who_is_followed_by_another_just_ends() -> None:
    decider = Decider()
    with pytest.raises(asyncio.CancelledError):
        await ended(decider, is_last=False)
    assert not decider.stopped.is_set()


async def test_a_bus_that_fails_at_the_end_is_told_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await ended(Decider(BusError("gone")), is_last=True)
    assert "orders_left detail=gone" in capsys.readouterr().err


async def test_our_own_fault_at_the_end_is_not_hidden() -> None:
    with pytest.raises(AssertionError, match="our fault"):
        await ended(Decider(AssertionError("our fault")), is_last=True)


async def test_what_fails_by_itself_is_raised() -> None:
    decider = Decider(BusError("gone"))
    decider.stopped.set()
    with pytest.raises(BusError, match="gone"):
        await decide_to_the_end(decider.decide(), decider.stopped.set, nobody_else, LOG)


async def test_who_never_ends_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("engine.actor.shutdown.EXIT_WITHIN_S", 0.01)
    decider = Decider()
    task = asyncio.create_task(decide_to_the_end(decider.decide(), lambda: None, nobody_else, LOG))
    await decider.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "not canceled within 0.01 s" in capsys.readouterr().err
