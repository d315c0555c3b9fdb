"""The producers' processes: the market publisher, the account publisher and the gateway, wired."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import msgspec

from bus import (
    Bus,
    FreeRunning,
    Lease,
    LeaseProvider,
    LockStep,
    NoLeases,
    Service,
    StepGate,
    forever,
    leases,
    open_service,
)
from producers.account.publisher import AccountPublisher
from producers.gateway.executor import GatewayMetrics, PreTradeChecks
from producers.gateway.exposure import Exposure
from producers.gateway.exposure_feed import ExposureFeed
from producers.gateway.gateway import Gateway
from producers.gateway.heartbeat import Heartbeat
from producers.gateway.latency import Latencies
from producers.gateway.rate_limiter import VenueRateLimiter
from producers.gateway.runner import Gateways
from producers.market.pacing import LockStepPace, Pace, RealTime
from producers.market.publisher import MarketPublisher
from producers.market.symbol_changes import follow_newcomers
from producers.outbox import Outbox
from producers.simulated.client.client import SimulatedVenue
from producers.symbols import symbols_of
from schemas import subjects
from schemas.subjects import heartbeat as heartbeat_of
from schemas.subjects import registry_key
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer is started with."""

    bus_url: str
    name: str
    """What others of its kind know it by: no two are called the same."""
    venue: VenueId
    venue_url: str
    http_port: int = 0
    watch: tuple[Symbol, ...] = ()
    """Symbols that market and account publish; those of the registry, which the engine trades, when none is named."""
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


ACTIVE = "active"
"""The one key of what only one process of a kind does."""
LOCK_STEP_SWEEP_S = 3600.0
"""A sweep between turns would add what the turns bring in order."""


async def market(settings: Settings) -> None:
    """Run the market publisher until a recording ends, or for ever; of several one publishes, and the others stand by."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(_part("market", settings))
        source = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        tenure = await _tenure(stack, here.bus, settings, "market")
        symbols = await _watched(here, settings)
        outbox = Outbox(here.bus, here.log)
        pace: Pace = (
            LockStepPace(here.bus, outbox, source, settings.venue, symbols, here.log)
            if settings.lock_step
            else RealTime(here.bus)
        )
        publisher = MarketPublisher(here, source, settings.venue, pace)
        here.report("feed", publisher.status)
        has_ended = asyncio.Event()

        async def publish(_: Lease) -> None:
            symbols = await _watched(here, settings)
            await publisher.publish_instruments(symbols)
            await publisher.back_fill(symbols)
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(forever("clock", publisher.read_clock()), name="clock")]
                if not settings.lock_step:
                    joining = follow_newcomers(publisher, symbols, here.bus, settings.venue, here.log)
                    beside.append(tasks.create_task(forever("newcomers", joining), name="newcomers"))
                await publisher.follow(symbols)
                for task in beside:
                    task.cancel()
            has_ended.set()

        while not has_ended.is_set():
            await tenure.run_while_held(ACTIVE, publish)


async def account(settings: Settings) -> None:
    """Run the account publisher, for ever; of several one publishes, and the others stand by."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(_part("account", settings))
        source = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        tenure = await _tenure(stack, here.bus, settings, "account")
        turns = await _turns(stack, here.bus, settings, f"account.{settings.venue}")
        publisher = AccountPublisher(here, source, settings.venue, turns)
        here.report("account", publisher.status)
        await here.bus.subscribe(subjects.sweep(settings.venue), lambda _: publisher.sweep_soon())
        here.bus.on_reconnect(publisher.sweep_soon)
        every_s = LOCK_STEP_SWEEP_S if settings.lock_step else settings.sweep_every_s

        async def publish(_: Lease) -> None:
            await publisher.recall(await _watched(here, settings))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forever("stream", publisher.follow()), name="stream")
                tasks.create_task(forever("sweep", publisher.sweep_now_and_then(every_s)), name="sweep")
                tasks.create_task(forever("roster", publisher.follow_roster()), name="roster")

        while True:
            await tenure.run_while_held(ACTIVE, publish)


async def gateway(settings: Settings) -> None:
    """Run the gateway for every symbol of the venue, for ever; several share the symbols."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(_part("gateway", settings))
        entry = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        tenure = await _tenure(stack, here.bus, settings, "gateway")
        metrics = GatewayMetrics(here.registry)
        per_s = 0 if settings.lock_step else settings.requests_per_s
        budget = VenueRateLimiter(per_s, settings.request_burst, is_in_order=settings.lock_step)
        exposure = Exposure()
        latencies = Latencies(settings.venue, Outbox(here.bus, here.log))

        @asynccontextmanager
        async def make(symbol: Symbol) -> AsyncIterator[Gateway]:
            async with AsyncExitStack() as own:
                own.callback(exposure.close, symbol)
                heartbeat = await _heartbeat(own, here.bus, settings, symbol)
                who = f"gateway.{registry_key(settings.venue, symbol)}"
                yield Gateway(
                    here,
                    entry,
                    symbol,
                    metrics=metrics,
                    turns=await _turns(own, here.bus, settings, who),
                    concurrency=1 if settings.lock_step else settings.concurrency,
                    place_lifetime=settings.place_lifetime,
                    precautions=PreTradeChecks(budget, exposure, heartbeat, latencies, settings.dead_man_s),
                )

        gateways = Gateways(here, settings.venue, tenure, make)
        here.report("gateway", gateways.status)
        async with asyncio.TaskGroup() as tasks:
            feed = ExposureFeed(exposure, here.bus, settings.venue, here.log)
            tasks.create_task(forever("exposure", feed.run()), name="exposure")
            tasks.create_task(forever("latencies", latencies.tell()), name="latencies")
            tasks.create_task(forever("gateways", gateways.run()), name="gateways")


async def _watched(here: Service, settings: Settings) -> list[Symbol]:
    return sorted(settings.watch) or await symbols_of(here.bus, settings.venue, here.log)


def _part(name: str, settings: Settings) -> AbstractAsyncContextManager[Service]:
    labels = {"venue": settings.venue, "name": settings.name}
    return open_service(name, bus_url=settings.bus_url, http_port=settings.http_port, labels=labels)


async def _tenure(stack: AsyncExitStack, bus: Bus, settings: Settings, role: str) -> LeaseProvider:
    # Nobody takes over in lock-step: the venue waits for the one there is.
    if settings.lock_step:
        return NoLeases(settings.name)
    return await stack.enter_async_context(leases(bus, f"{role}.{settings.venue}", settings.name))


async def _heartbeat(stack: AsyncExitStack, bus: Bus, settings: Settings, symbol: Symbol) -> Heartbeat:
    heartbeat = Heartbeat(0 if settings.lock_step else settings.silent_after_s)
    heard = await bus.subscribe(heartbeat_of(settings.venue, symbol), lambda _: heartbeat.beat())
    stack.push_async_callback(heard)
    return heartbeat


async def _turns(stack: AsyncExitStack, bus: Bus, settings: Settings, who: str) -> StepGate:
    return await stack.enter_async_context(LockStep(bus, who)) if settings.lock_step else FreeRunning()
