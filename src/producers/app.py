"""The producers' processes: the market publisher, the account publisher and the gateway, wired."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import msgspec

from bus import Bus, FreeRunning, LockStep, Part, Turns, forever, part
from producers.account import AccountPublisher
from producers.budget import Budget
from producers.desk import GatewayMetrics, Precautions
from producers.exposure import Exposure
from producers.exposure_feed import ExposureFeed
from producers.gateway import Gateway
from producers.heartbeat import Heartbeat
from producers.latency import Latencies
from producers.market import MarketPublisher
from producers.outbox import Outbox
from producers.pacing import AsItComes, LockStepPace, Pace
from producers.roster import symbols_of
from producers.simulated.client import SimulatedVenue
from schemas import subjects
from schemas.subjects import heartbeat as heartbeat_of
from schemas.subjects import registry_key
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer is started with."""

    bus_url: str
    venue: VenueId
    venue_url: str
    http_port: int = 0
    lock_step: bool = False
    sweep_every_s: float = 30.0
    concurrency: int = 8
    """Requests to the venue at the same time, a symbol."""
    place_lifetime: DurationNs = 10 * SECOND_NS
    """A decision to place that is older is not sent."""
    requests_per_s: float = 100.0
    """To the venue, orders, cancels and questions of all symbols; 0 is no limit."""
    request_burst: int = 200
    silent_after_s: float = 3.0
    """An engine that is not heard for so long has its opening orders canceled; 0 is never."""
    dead_man_s: float = 0.0
    """The venue is to cancel everything when the gateway is away for so long, where it can; 0 is not."""


LOCK_STEP_SWEEP_S = 3600.0
"""A sweep between turns would add what the turns bring in order."""


async def market(settings: Settings) -> None:
    """Run the market publisher until a recording ends, or for ever."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(_part("market", settings))
        source = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        symbols = await symbols_of(here.bus, settings.venue, here.log)
        outbox = Outbox(here.bus, here.log)
        pace: Pace = (
            LockStepPace(here.bus, outbox, source, settings.venue, symbols, here.log)
            if settings.lock_step
            else AsItComes(here.bus)
        )
        publisher = MarketPublisher(here, source, settings.venue, pace)
        here.report("feed", publisher.status)
        await publisher.publish_instruments(symbols)
        await publisher.back_fill(symbols)
        async with asyncio.TaskGroup() as tasks:
            clock = tasks.create_task(forever("clock", publisher.read_clock()), name="clock")
            await publisher.follow(symbols)
            clock.cancel()


async def account(settings: Settings) -> None:
    """Run the account publisher, for ever."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(_part("account", settings))
        source = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        symbols = await symbols_of(here.bus, settings.venue, here.log)
        turns = await _turns(stack, here.bus, settings, f"account.{settings.venue}")
        publisher = AccountPublisher(here, source, settings.venue, turns)
        here.report("account", publisher.status)
        await publisher.recall(symbols)
        await here.bus.subscribe(subjects.sweep(settings.venue), lambda _: publisher.sweep_soon())
        here.bus.on_reconnect(publisher.sweep_soon)
        every_s = LOCK_STEP_SWEEP_S if settings.lock_step else settings.sweep_every_s
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("stream", publisher.follow()), name="stream")
            tasks.create_task(forever("sweep", publisher.sweep_now_and_then(every_s)), name="sweep")


async def gateway(settings: Settings) -> None:
    """Run the gateway for every symbol of the venue, for ever."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(_part("gateway", settings))
        entry = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        metrics = GatewayMetrics(here.registry)
        per_s = 0 if settings.lock_step else settings.requests_per_s
        budget = Budget(per_s, settings.request_burst, is_in_order=settings.lock_step)
        exposure = Exposure()
        latencies = Latencies(settings.venue, Outbox(here.bus, here.log))
        gateways = [
            Gateway(
                here,
                entry,
                symbol,
                metrics=metrics,
                turns=await _turns(
                    stack, here.bus, settings, f"gateway.{registry_key(settings.venue, symbol)}"
                ),
                concurrency=1 if settings.lock_step else settings.concurrency,
                place_lifetime=settings.place_lifetime,
                precautions=Precautions(
                    budget,
                    exposure,
                    await _heartbeat(here.bus, settings, symbol),
                    latencies,
                    settings.dead_man_s,
                ),
            )
            for symbol in await symbols_of(here.bus, settings.venue, here.log)
        ]
        here.report("gateway", lambda: {g.symbol: g.status() for g in gateways})
        async with asyncio.TaskGroup() as tasks:
            feed = ExposureFeed(exposure, here.bus, settings.venue, here.log)
            tasks.create_task(forever("exposure", feed.run()), name="exposure")
            tasks.create_task(forever("latencies", latencies.tell()), name="latencies")
            for each in gateways:
                tasks.create_task(forever(each.symbol, each.run()), name=f"gateway:{each.symbol}")


def _part(name: str, settings: Settings) -> AbstractAsyncContextManager[Part]:
    labels = {"venue": settings.venue}
    return part(name, bus_url=settings.bus_url, http_port=settings.http_port, labels=labels)


async def _heartbeat(bus: Bus, settings: Settings, symbol: Symbol) -> Heartbeat:
    heartbeat = Heartbeat(0 if settings.lock_step else settings.silent_after_s)
    await bus.subscribe(heartbeat_of(settings.venue, symbol), lambda _: heartbeat.beat())
    return heartbeat


async def _turns(stack: AsyncExitStack, bus: Bus, settings: Settings, who: str) -> Turns:
    return await stack.enter_async_context(LockStep(bus, who)) if settings.lock_step else FreeRunning()
