"""Fixtures of the engine tests: an empty bus, and an actor of one symbol."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest

from bus import Attention, Bus, Conflict, FreeRunning, FromStart, get_logger, read
from bus.metrics import CollectorRegistry
from engine.actor import shutdown
from engine.actor.actor import Actor
from engine.actor.candles import CandlesOf, LiveCandles
from engine.actor.market import LiveMarket, SilenceTimer
from engine.actor.shutdown import IsLast, never_last
from engine.actor.start import ActorContext, ActorGates
from engine.metrics import EngineMetrics
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Step, SymbolEntry
from schemas.subjects import Stream
from schemas.venue.orders import OrderIntent
from tests.builders import BTC, INSTRUMENT, SETTINGS, SIM

ENTRY = SymbolEntry(venue=SIM, symbol=BTC, instance="sqt", generation=1, settings=SETTINGS)
STEPS = subjects.step(SIM, BTC)

RunActor = Callable[..., AbstractAsyncContextManager["asyncio.Task[None]"]]


@pytest.fixture
def run_actor(bus: Bus) -> RunActor:
    """Run an actor of the symbol while the context lasts."""

    @asynccontextmanager
    async def run(
        entry: SymbolEntry = ENTRY,
        candles: CandlesOf = LiveCandles,
        is_last: IsLast = never_last,
        *,
        with_gateway: bool = True,
        remembered: bytes = b"",
    ) -> AsyncIterator[asyncio.Task[None]]:
        context = ActorContext(
            bus=bus,
            entry=entry,
            instrument=INSTRUMENT,
            gates=ActorGates(FreeRunning(), FreeRunning()),
            market=LiveMarket(SilenceTimer(Attention(), silence_s=0.02)),
            candles=candles,
            metrics=EngineMetrics(CollectorRegistry()),
            is_last=is_last,
            skipped=frozenset(),
            log=get_logger("test"),
            remembered=remembered,
        )
        if with_gateway:
            await store_genesis(bus, entry)
        task = asyncio.create_task(start_and_run(context))
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task

    return run


@pytest.fixture
def short_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines end although orders are open that no gateway cancels."""
    monkeypatch.setattr(shutdown, "SHUTDOWN_TIMEOUT_S", 0.05)


async def store_genesis(bus: Bus, entry: SymbolEntry = ENTRY) -> None:
    """Store the first intent of a symbol, as its gateway does, unless there is one."""
    subject = subjects.order_intent(entry.venue, entry.symbol)
    genesis = OrderIntent(
        venue=entry.venue, symbol=entry.symbol, epoch=1, step=0, step_sequence=0, decisions=()
    )
    with contextlib.suppress(Conflict):
        await bus.store(subject, genesis, expect_last=0)


async def always_last() -> bool:
    return True


async def start_and_run(context: ActorContext) -> None:
    await (await Actor.start(context)).run()


async def until_step(bus: Bus, wanted: Callable[[Step], bool]) -> Step:
    """Return the first step in the journal that satisfies `wanted`, waiting for it."""
    async with aclosing(read(bus, Stream.JOURNAL, (STEPS,), FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                with contextlib.suppress(UndecodableError):
                    step = decode_as(message.data, Step)
                    if wanted(step):
                        return step
    raise AssertionError("a stream is read for ever")
