"""Shutdown of an actor: at once with a successor, else after its orders are canceled."""

import asyncio

import pytest

from bus import BusError, get_logger
from engine.actor.shutdown import decide_until_stopped, never_last
from tests.engine.conftest import always_last

LOG = get_logger("test")


class Decider:
    """Decides until it is stopped; then ends, or fails with `failure`."""

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


async def canceled(decider: Decider, *, is_last: bool) -> None:
    """Cancel it while it decides."""
    is_last_engine = always_last if is_last else never_last
    task = asyncio.create_task(
        decide_until_stopped(decider.decide(), decider.stopped.set, is_last_engine, LOG)
    )
    await decider.started.wait()
    task.cancel()
    await task


async def test_the_last_engine_finishes() -> None:
    decider = Decider()
    with pytest.raises(asyncio.CancelledError):
        await canceled(decider, is_last=True)
    assert decider.has_finished


async def test_an_engine_with_a_successor_ends_at_once() -> None:
    decider = Decider()
    with pytest.raises(asyncio.CancelledError):
        await canceled(decider, is_last=False)
    assert not decider.stopped.is_set()


async def test_a_failing_bus_at_shutdown_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await canceled(Decider(BusError("gone")), is_last=True)
    assert "shutdown_cancel_failed detail=gone" in capsys.readouterr().err


async def test_a_bug_at_shutdown_is_raised() -> None:
    with pytest.raises(AssertionError, match="a bug"):
        await canceled(Decider(AssertionError("a bug")), is_last=True)


async def test_a_failure_before_shutdown_is_raised() -> None:
    decider = Decider(BusError("gone"))
    decider.stopped.set()
    with pytest.raises(BusError, match="gone"):
        await decide_until_stopped(decider.decide(), decider.stopped.set, always_last, LOG)


async def test_shutdown_is_limited_in_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("engine.actor.shutdown.SHUTDOWN_TIMEOUT_S", 0.01)
    decider = Decider()
    task = asyncio.create_task(decide_until_stopped(decider.decide(), lambda: None, always_last, LOG))
    await decider.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "not canceled within 0.01 s" in capsys.readouterr().err
