"""Composition roots of the producers: market publisher, account publisher and gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import msgspec

from bus import (
    LIVE_PREFIX,
    Bus,
    BusContext,
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
    preserve_entries,
    wait_for_symbols,
)
from bus.coordination.clock_check import ClockCheck, Limits
from bus.coordination.clock_guard import ClockGuard
from producers.account.publisher import AccountPublisher
from producers.gateway.context import QUEUE_LIFETIME_NS, GatewayContext, GatewayMetrics
from producers.gateway.engine_watchdog import HeartbeatMonitor
from producers.gateway.exposure import Exposure
from producers.gateway.exposure_feed import ExposureFeed
from producers.gateway.gateway import Gateway
from producers.gateway.latency import OrderLatencies
from producers.gateway.rate_limiter import VenueRateLimiter
from producers.gateway.runner import GatewayRunner
from producers.link import LinkMonitor
from producers.market.pacing import LockStepPace, Pace, RealTime
from producers.market.publisher import MarketPublisher
from producers.market.symbol_changes import follow_symbol_changes
from producers.ports import Venue
from producers.retry import Outbox
from producers.simulated.client.client import SimulatedVenue
from producers.venue_clock import READER_LIMITS, read_clock, sender_limits, watch_clock
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.events import EngineHeartbeat
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId
from schemas.venue.instruments import Instrument


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Start-up settings of a producer process."""

    bus: BusContext | str
    name: str
    """Unique among the processes of its role: market, account or gateway."""
    venue: VenueId
    venue_url: str
    http_host: str = "127.0.0.1"
    http_port: int = 0
    watch: tuple[Symbol, ...] = ()
    """Symbols that market and account publish; without any, the registered ones, which the engine trades."""
    lock_step: bool = False
    sweep_every_s: float = 30.0
    instruments_every_s: float = 3600.0
    """Seconds between two reads of the venue's instruments; after a rejection for a trading rule they are read at once."""
    concurrency: int = 8
    """Concurrent requests to the venue for each symbol."""
    place_lifetime: DurationNs = 10 * SECOND_NS
    """Maximum age of a committed decision to place an order."""
    queue_lifetime: DurationNs = QUEUE_LIFETIME_NS
    """Maximum wait of an order in the gateway's queue, see `GatewayContext`."""
    requests_per_s: float = 100.0
    """Orders, cancels and queries of all symbols together; 0 is no limit."""
    request_burst: int = 200
    silent_after_s: float = 3.0
    """Seconds without a heartbeat of the engine after which its opening orders are canceled; 0 is never."""
    dead_man_s: float = 0.0
    """Seconds without the gateway, or without heartbeats of the engine, after which a venue that can do so cancels all
    orders; 0 is never."""


ACTIVE = "active"
"""The lease key of a role that one process fills at a time."""
LOCK_STEP_WINDOW: DurationNs = 60 * SECOND_NS
"""The longest receive window: in lock-step no order may be late because the machine is slow."""
LOCK_STEP_SWEEP_S = 3600.0
"""In lock-step a sweep between two updates would disturb the order of account events."""


async def market(settings: Settings) -> None:
    """Run the market publisher, for ever or until a recording ends. Of several, one publishes and the others stand by."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(_service("market", settings))
        source = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        await _watch_link(stack, service, settings, source)
        lease_provider = await _lease_provider(stack, service, settings, "market", source)
        symbols = await _watched(service, settings)
        outbox = Outbox(service.bus, service.log)
        pace: Pace = (
            LockStepPace(service.bus, outbox, source, settings.venue, symbols, service.log)
            if settings.lock_step
            else RealTime(service.bus, service.attention)
        )
        publisher = MarketPublisher(service, source, settings.venue, pace)
        service.report("feed", publisher.status)
        has_ended = asyncio.Event()

        async def publish(_: Lease) -> None:
            symbols = await _watched(service, settings)
            listed = await publisher.publish_instruments(symbols)
            await publisher.backfill(listed)
            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(forever("clock", publisher.run_clock()), name="clock")]
                if not settings.lock_step:
                    changes = follow_symbol_changes(
                        publisher, symbols, service.bus, settings.venue, service.log
                    )
                    background.append(
                        tasks.create_task(forever("symbol changes", changes), name="symbol changes")
                    )
                    kept = preserve_entries(
                        service.bus, "instruments", Instrument, service.log, prefix=f"{settings.venue}."
                    )
                    background.append(
                        tasks.create_task(forever("instruments kept", kept), name="instruments kept")
                    )
                    history = forever("history", publisher.keep_history())
                    background.append(tasks.create_task(history, name="history"))
                    refresh = publisher.instruments.run(settings.instruments_every_s)
                    background.append(tasks.create_task(forever("instruments", refresh), name="instruments"))
                await publisher.follow(listed)
                for task in background:
                    task.cancel()
            has_ended.set()

        while not has_ended.is_set():
            await lease_provider.run_while_held(ACTIVE, publish)


async def account(settings: Settings) -> None:
    """Run the account publisher, for ever. Of several, one publishes and the others stand by."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(_service("account", settings))
        source = await stack.enter_async_context(SimulatedVenue(settings.venue_url, venue=settings.venue))
        await _watch_link(stack, service, settings, source)
        lease_provider = await _lease_provider(stack, service, settings, "account", source)
        gate = await _step_gate(stack, service.bus, settings, f"account.{settings.venue}")
        publisher = AccountPublisher(service, source, settings.venue, gate)
        service.report("account", publisher.status)
        interval_s = LOCK_STEP_SWEEP_S if settings.lock_step else settings.sweep_every_s

        async def publish(_: Lease) -> None:
            publisher.watch(await _watched(service, settings))
            async with AsyncExitStack() as own, asyncio.TaskGroup() as tasks:
                requests, bus = subjects.sweep(settings.venue), service.bus
                unsubscribe = await bus.subscribe(requests, lambda m: publisher.on_sweep_message(m.data))
                own.push_async_callback(unsubscribe)
                intents = f"{LIVE_PREFIX}{subjects.order_intents(settings.venue)}"
                own.push_async_callback(await bus.subscribe(intents, publisher.traces.on_intent))
                own.callback(bus.on_reconnect(publisher.request_sweep))
                tasks.create_task(forever("stream", publisher.follow()), name="stream")
                tasks.create_task(forever("sweep", publisher.run_sweeps(interval_s)), name="sweep")
                tasks.create_task(forever("roster", publisher.follow_roster()), name="roster")

        while True:
            await lease_provider.run_while_held(ACTIVE, publish)


async def gateway(settings: Settings) -> None:
    """Run the gateway for every symbol of the venue, for ever. Several share the symbols."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(_service("gateway", settings))
        entry = await stack.enter_async_context(_entry(settings))
        await _watch_link(stack, service, settings, entry)
        lease_provider = await _lease_provider(
            stack, service, settings, "gateway", entry, sender_limits(entry.receive_window)
        )
        metrics = GatewayMetrics(service.registry)
        per_s = 0 if settings.lock_step else settings.requests_per_s
        queue_lifetime_ns = LOCK_STEP_WINDOW if settings.lock_step else settings.queue_lifetime
        rate_limiter = VenueRateLimiter(per_s, settings.request_burst, is_in_order=settings.lock_step)
        exposure = Exposure(settings.venue)
        latencies = OrderLatencies(settings.venue, Outbox(service.bus, service.log))

        @asynccontextmanager
        async def make_gateway(symbol: Symbol) -> AsyncIterator[Gateway]:
            async with AsyncExitStack() as own:
                own.callback(exposure.release, symbol)
                heartbeat = await _heartbeat(own, service, settings, symbol)
                gate = f"gateway.{subjects.registry_key(settings.venue, symbol)}"
                yield Gateway(
                    service,
                    entry,
                    symbol,
                    metrics=metrics,
                    gate=await _step_gate(own, service.bus, settings, gate),
                    concurrency=1 if settings.lock_step else settings.concurrency,
                    place_lifetime_ns=LOCK_STEP_WINDOW if settings.lock_step else settings.place_lifetime,
                    context=GatewayContext(
                        rate_limiter, exposure, heartbeat, latencies, queue_lifetime_ns, settings.dead_man_s
                    ),
                )

        runner = GatewayRunner(service, settings.venue, lease_provider, make_gateway)
        service.report("gateway", runner.status)
        service.heartbeats.symbols = runner.running
        async with asyncio.TaskGroup() as tasks:
            feed = ExposureFeed(exposure, service.bus, settings.venue, service.log)
            tasks.create_task(forever("exposure", feed.run()), name="exposure")
            tasks.create_task(forever("latencies", latencies.run()), name="latencies")
            tasks.create_task(forever("gateways", runner.run()), name="gateways")


def _entry(settings: Settings) -> SimulatedVenue:
    """Return the order entry of the gateway."""
    if settings.lock_step:  # patient, so that the result does not depend on the machine
        window_s = LOCK_STEP_WINDOW / SECOND_NS
        return SimulatedVenue(
            settings.venue_url, venue=settings.venue, timeout_s=window_s, receive_window=LOCK_STEP_WINDOW
        )
    return SimulatedVenue(settings.venue_url, venue=settings.venue)


async def _watched(service: Service, settings: Settings) -> list[Symbol]:
    return sorted(settings.watch) or await wait_for_symbols(
        service.bus, settings.venue, service.log, service.wait_for
    )


def _service(name: str, settings: Settings) -> AbstractAsyncContextManager[Service]:
    labels = {"venue": settings.venue, "name": settings.name}
    return open_service(
        name, bus=settings.bus, http_host=settings.http_host, http_port=settings.http_port, labels=labels
    )


async def _lease_provider(
    stack: AsyncExitStack,
    service: Service,
    settings: Settings,
    role: str,
    venue: Venue,
    limits: Limits = READER_LIMITS,
) -> LeaseProvider:
    """Join the group of a role; its leases are held only while the clock of this host agrees with the venue's."""
    # In lock-step no other process takes over: the venue waits for this one.
    if settings.lock_step:
        return NoLeases(settings.name)
    own = await stack.enter_async_context(leases(service.bus, f"{role}.{settings.venue}", settings.name))
    check = ClockCheck(f"of the venue {settings.venue}", limits)
    guard = ClockGuard(service.bus, service.log, settings.name, own, check, settings.venue)
    service.report("clock", guard.status)
    await read_clock(venue, guard)
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    reporting = tasks.create_task(forever("clock alerts", guard.run()), name="clock alerts")
    reading = tasks.create_task(forever("clock", watch_clock(venue, guard)), name="clock")
    stack.callback(reporting.cancel)
    stack.callback(reading.cancel)
    return own


async def _watch_link(stack: AsyncExitStack, service: Service, settings: Settings, venue: Venue) -> None:
    """Report the connection to the venue in the heartbeats of the service."""
    link = LinkMonitor(venue, settings.venue, service.attention, on_change=service.heartbeats.send_now)
    service.heartbeats.links = lambda: (link.link(),)
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    watching = tasks.create_task(forever("link", link.run()), name="link")
    stack.callback(watching.cancel)


async def _heartbeat(
    stack: AsyncExitStack, service: Service, settings: Settings, symbol: Symbol
) -> HeartbeatMonitor:
    monitor = HeartbeatMonitor(0 if settings.lock_step else settings.silent_after_s, service.attention)
    subject = subjects.heartbeat(settings.venue, symbol)
    stack.push_async_callback(
        await service.bus.subscribe(
            subject, lambda sent: monitor.on_heartbeat(try_decode(sent.data, EngineHeartbeat))
        )
    )
    return monitor


async def _step_gate(stack: AsyncExitStack, bus: Bus, settings: Settings, name: str) -> StepGate:
    return await stack.enter_async_context(LockStep(bus, name)) if settings.lock_step else FreeRunning()
