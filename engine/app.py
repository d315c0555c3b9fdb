"""The engine's process, wired."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import msgspec

from bus import LeaseProvider, NoLeases, forever, leases, open_service
from engine.actor.candles import LiveCandles, RecordedCandles
from engine.actor.watchdog import LiveWatch, RecordedWatch
from engine.orchestrator import Orchestrator
from engine.portfolio.runner import Portfolios


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is started with."""

    bus_url: str
    name: str
    """What other engines know it by: no two are called the same."""
    http_port: int = 0
    lock_step: bool = False
    is_recorded: bool = False
    """The market is a recording: its silence and its gaps mean nothing."""


async def main(settings: Settings) -> None:
    """Run an engine, for ever."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(
            open_service(
                "engine",
                bus_url=settings.bus_url,
                http_port=settings.http_port,
                labels={"name": settings.name},
            )
        )
        # Nobody takes over in lock-step: the venue waits for the one there is.
        tenure: LeaseProvider = (
            NoLeases(settings.name)
            if settings.lock_step
            else await stack.enter_async_context(leases(here.bus, "engine", settings.name))
        )
        orchestrator = Orchestrator(
            here,
            tenure,
            lock_step=settings.lock_step,
            watch=RecordedWatch if settings.is_recorded else partial(LiveWatch, lock_step=settings.lock_step),
            candles=RecordedCandles if settings.is_recorded else LiveCandles,
        )
        here.report("engine", orchestrator.status)
        portfolios = Portfolios(here, tenure)
        here.report("portfolio", portfolios.status)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("symbols", orchestrator.run()), name="symbols")
            if not settings.lock_step:  # what it hears comes in no order
                tasks.create_task(forever("portfolios", portfolios.run()), name="portfolios")
