"""The history of closed candles: stored once, and again after CANDLES lost it, while the publisher runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from bus import Bus, FromStart, Logger, StreamGone, message_count, read
from bus.metrics import CollectorRegistry
from producers.market import history
from producers.market.history import CandleHistory
from producers.market.plausibility import Plausibility
from schemas import subjects
from schemas.codec import decode_as
from schemas.subjects import Stream
from schemas.units import TimeNs
from schemas.venue.market import Candle
from tests.builders import SIM
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, new_settings

HISTORY = subjects.closed_candle(SIM, PERP, "1m")


@pytest.fixture
async def kept(
    bus: Bus, serve: Serve, new_client: NewClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[TimeNs]]:
    """Keep the history of a symbol; yield the opening times that were stored at the start."""
    monkeypatch.setattr(history, "CHECK_INTERVAL_S", 0.05)
    served = await serve(new_settings(tmp_path, ticks=4))
    log = Logger("test")
    candles = CandleHistory(
        bus, await new_client(served.url), SIM, log, Plausibility(CollectorRegistry(), log, checks_time=False)
    )
    await candles.backfill([PERP])
    task = asyncio.create_task(candles.keep(lambda _: True))
    yield await opening_times(bus, await message_count(bus, Stream.CANDLES, HISTORY))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def opening_times(bus: Bus, count: int) -> list[TimeNs]:
    """Return the opening times of the stored candles in stream order, waiting for `count` of them."""
    found: list[TimeNs] = []
    async with aclosing(read(bus, Stream.CANDLES, (HISTORY,), FromStart())) as batches:
        async for batch in batches:
            found += [decode_as(message.data, Candle).open_time for message in batch.messages]
            if len(found) >= count:
                break
    return found


async def test_a_purged_history_is_stored_again(bus: Bus, kept: list[TimeNs]) -> None:
    assert len(kept) > 1400
    await bus.api(f"STREAM.PURGE.{Stream.CANDLES}", None, dict)
    assert await opening_times(bus, len(kept)) == kept


async def test_only_the_missing_candles_are_stored_again(bus: Bus, kept: list[TimeNs]) -> None:
    await bus.api(f"STREAM.PURGE.{Stream.CANDLES}", {"keep": 100}, dict)
    assert await opening_times(bus, len(kept)) == kept[-100:] + kept[:-100]


async def test_a_deleted_stream_is_created_and_filled(bus: Bus, kept: list[TimeNs]) -> None:
    created = await bus.stream_created(Stream.CANDLES)
    await bus.api(f"STREAM.DELETE.{Stream.CANDLES}", None, dict)
    async with asyncio.timeout(10):
        while not await is_recreated(bus, created):  # noqa: ASYNC110 - a new stream is not announced
            await asyncio.sleep(0.01)
    assert await opening_times(bus, len(kept)) == kept


async def is_recreated(bus: Bus, created: str) -> bool:
    with suppress(StreamGone):
        return await bus.stream_created(Stream.CANDLES) != created
    return False
