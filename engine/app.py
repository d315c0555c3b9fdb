"""Composition root of the engine process."""

import asyncio
from contextlib import AsyncExitStack

import msgspec

from bus import Bus, BusContext, LeaseProvider, NoLeases, forever, leases, open_service
from engine.actor.candles import LiveCandles, RecordedCandles
from engine.actor.market import LiveMarket, RecordedMarket, SilenceTimer
from engine.orchestrator import Orchestrator
from engine.portfolio.runner import PortfolioRunner


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Start-up settings of an engine process."""

    bus: BusContext | str
    name: str
    """Unique among the engines."""
    http_host: str = "127.0.0.1"
    http_port: int = 0
    lock_step: bool = False
    is_recorded: bool = False
    """The market is a recording: its silence and its gaps have no meaning."""


async def main(settings: Settings) -> None:
    """Run an engine, for ever."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            open_service(
                "engine",
                bus=settings.bus,
                http_host=settings.http_host,
                http_port=settings.http_port,
                labels={"name": settings.name},
            )
        )
        lease_provider = await _lease_provider(stack, service.bus, settings)

        def live_market() -> LiveMarket:
            return LiveMarket(SilenceTimer(service.attention), lock_step=settings.lock_step)

        orchestrator = Orchestrator(
            service,
            lease_provider,
            lock_step=settings.lock_step,
            make_market=RecordedMarket if settings.is_recorded else live_market,
            candles=RecordedCandles if settings.is_recorded else LiveCandles,
        )
        service.report("engine", orchestrator.status)
        service.heartbeats.symbols = orchestrator.running
        portfolios = PortfolioRunner(service, lease_provider)
        service.report("portfolio", portfolios.status)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("symbols", orchestrator.run()), name="symbols")
            if not settings.lock_step:  # its inputs come in no fixed order
                tasks.create_task(forever("portfolios", portfolios.run()), name="portfolios")


async def _lease_provider(stack: AsyncExitStack, bus: Bus, settings: Settings) -> LeaseProvider:
    # In lock-step no other process takes over: the venue waits for this one.
    if settings.lock_step:
        return NoLeases(settings.name)
    return await stack.enter_async_context(leases(bus, "engine", settings.name))
