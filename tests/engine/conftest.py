"""An engine's surroundings: a bus with nothing on it, and one symbol to run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest

from bus import Bus, FreeRunning, FromStart, get_logger, read
from bus.metrics import CollectorRegistry
from engine.actor.actor import Actor, ActorTurns
from engine.actor.candles import CandlesOf, LiveCandles
from engine.actor.shutdown import IsLast, somebody_else
from engine.actor.watchdog import LiveWatch
from engine.metrics import EngineMetrics
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Step, SymbolEntry
from schemas.subjects import Stream
from tests.schemas.examples import BTC, INSTRUMENT, SETTINGS, SIM

ENTRY = SymbolEntry(venue=SIM, symbol=BTC, instance="sqt", generation=1, settings=SETTINGS)
STEPS = subjects.step(SIM, BTC)

RunActor = Callable[..., AbstractAsyncContextManager["asyncio.Task[None]"]]


@pytest.fixture
def run_actor(bus: Bus) -> RunActor:
    """Run an actor of the symbol for as long as the context lasts."""

    @asynccontextmanager
    async def run(
        entry: SymbolEntry = ENTRY, candles: CandlesOf = LiveCandles, is_last: IsLast = somebody_else
    ) -> AsyncIterator[asyncio.Task[None]]:
        actor = Actor(
            bus,
            entry,
            INSTRUMENT,
            turns=ActorTurns(FreeRunning(), FreeRunning()),
            watch=LiveWatch(every_s=0.02),
            candles=candles,
            metrics=EngineMetrics(CollectorRegistry()),
            log=get_logger("test"),
        )
        actor.is_last = is_last
        task = asyncio.create_task(actor.run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task

    return run


async def until_step(bus: Bus, wanted: Callable[[Step], bool]) -> Step:
    """Return the first step in the journal that is wanted, waiting for it."""
    async with aclosing(read(bus, Stream.JOURNAL, (STEPS,), FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                with contextlib.suppress(UndecodableError):
                    step = decode_as(message.data, Step)
                    if wanted(step):
                        return step
    raise AssertionError("a stream is read for ever")
