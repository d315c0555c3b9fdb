"""Composition root of the engine process."""

import asyncio
from contextlib import AsyncExitStack

import msgspec

from bus import BusContext, LeaseProvider, NoLeases, Service, forever, leases, open_service
from bus.coordination.clock_check import ClockCheck, Limits
from bus.coordination.clock_guard import ClockGuard
from engine.actor.candles import LiveCandles, RecordedCandles
from engine.actor.market import LiveMarket, RecordedMarket, SilenceTimer
from engine.orchestrator import Orchestrator
from engine.portfolio.runner import PortfolioRunner
from schemas.units import SECOND_NS

CLOCK_LIMITS = Limits(5 * SECOND_NS, 5 * SECOND_NS)
"""How far the clock of an engine may be apart from that of the bus, by which others judge how old its steps are."""


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
        lease_provider = await _lease_provider(stack, service, settings)

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


async def _lease_provider(stack: AsyncExitStack, service: Service, settings: Settings) -> LeaseProvider:
    """Join the group of engines; leases are held only while the clock of this host agrees with that of the bus."""
    # In lock-step no other process takes over: the venue waits for this one.
    if settings.lock_step:
        return NoLeases(settings.name)
    own = await stack.enter_async_context(leases(service.bus, "engine", settings.name))
    guard = ClockGuard(service.bus, service.log, settings.name, own, ClockCheck("of the bus", CLOCK_LIMITS))
    own.entry_times.on_reading = guard.on_reading
    service.report("clock", guard.status)
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    reporting = tasks.create_task(forever("clock alerts", guard.run()), name="clock alerts")
    stack.callback(reporting.cancel)
    return own
