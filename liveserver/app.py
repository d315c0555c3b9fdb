"""The live server's process: how its parts are wired, started and stopped."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Never
from urllib.parse import urlsplit

from bus import Logger, as_context, forever, get_logger, open_service, reachable_address
from bus.parts.watchdog import Watchdog
from bus.runtime import host_name
from liveserver.auth.authenticator import Authenticator
from liveserver.auth.settings import check_access
from liveserver.commands.service import CommandService
from liveserver.commands.socket import SocketCommands
from liveserver.http.app import create_app
from liveserver.http.assets import Assets
from liveserver.http.connection import ConnectionPolicy
from liveserver.http.server import (
    Listeners,
    limits_within,
    listen,
    open_file_limit,
    raise_open_file_limit,
    serving,
)
from liveserver.hub.backfill import Backfill
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.feed import Feed
from liveserver.hub.group import CloseCode
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.metrics import Metrics
from liveserver.protocol.pseudonyms import pseudonyms
from liveserver.replay.replays import Replays
from liveserver.settings import Settings
from liveserver.websocket.handshake import HandshakePolicy
from liveserver.websocket.transport import WebSocketServer

CANCEL_RETRY_S = 0.5

GC_THRESHOLD = 100_000
"""Allocations between garbage collections: cycles are rare here, and scanning the large state takes long."""


async def main(settings: Settings) -> None:
    """Serve until canceled. The page is available at once, its data when the bus is reached.

    Raises: AccessSettingsError, MissingPageFile, PortTaken.
    """
    raise_open_file_limit()
    gc.set_threshold(GC_THRESHOLD, 20, 100)
    async with running(settings):
        await asyncio.Event().wait()


@asynccontextmanager
async def running(settings: Settings, listeners: Listeners | None = None) -> AsyncIterator[Replica]:
    """Run a live server; on exit, close the viewers' connections within `drain_s`.

    Before, it goes on serving for `shutdown_delay_s` while /ready answers 503. `listeners` takes the place of the address
    and ports in the settings.

    Raises: AccessSettingsError, MissingPageFile, PortTaken, UnknownUser, InvalidContext.
    """
    check_access(settings.access, settings.http_host)
    log = get_logger("liveserver")
    assets = Assets()
    assets.check()
    metrics = Metrics()
    authenticator = Authenticator(
        settings.access, settings.allowed_origins, lambda error: metrics.refused.labels(error).inc()
    )
    listeners = listeners or listen(
        settings.http_host, settings.http_port, settings.own_port if settings.share_port else None
    )

    context = as_context(settings.bus)
    address = await reachable_address(listeners.address, context.url)
    hub = Hub(metrics, asyncio.get_running_loop().call_soon, pseudonyms(settings.access, context.secret))
    replica = Replica(
        name=settings.replica or urlsplit(address).netloc,
        metrics=metrics,
        hub=hub,
        address=address,
        symbols_served=settings.symbols,
    )
    background = BackgroundTasks(log)
    backfill = Backfill(replica, background, log)
    command_service = CommandService(replica, authenticator)
    limits = limits_within(settings.limits, open_file_limit())
    sockets = WebSocketServer(
        replica,
        HandshakePolicy(authenticator=authenticator),
        limits,
        Replays(replica, limit=settings.replays, background=background),
        SocketCommands(command_service, hub, background),
    )
    app = create_app(replica, assets, authenticator, command_service)
    policy = ConnectionPolicy(limits, sockets.connection_limit, authenticator)
    async with serving(app, sockets.protocol(), listeners, policy) as server:
        log.info("serving", address=listeners.public_address, own=listeners.address)
        async with asyncio.TaskGroup() as tasks, background:
            feed = tasks.create_task(_feed(settings, replica, log), name="feed")
            announcements = tasks.create_task(forever("announce", replica.announce()), name="announce")
            backfills = tasks.create_task(forever("backfill", backfill.run()), name="backfill")
            timers = tasks.create_task(forever("socket_timers", sockets.run_timers()), name="socket_timers")
            try:
                yield replica
            finally:
                replica.is_draining = True
                if settings.shutdown_delay_s:
                    log.info("draining", seconds=settings.shutdown_delay_s)
                    # Ends early when the feed has failed: then there is nothing to serve.
                    await asyncio.wait([feed], timeout=settings.shutdown_delay_s)
                server.stop_accepting()
                await _close_viewers(hub, settings.drain_s)
                log.info("drained", left=len(hub))
                announcements.cancel()
                backfills.cancel()
                timers.cancel()
                await _cancel(feed)


async def _feed(settings: Settings, replica: Replica, log: Logger) -> Never:
    name = settings.replica or f"{host_name()}-{urlsplit(replica.address).port}"
    labels = {"name": name, "replica": replica.name, "http": replica.address}
    async with open_service("liveserver", bus=settings.bus, http_port=None, labels=labels) as service:
        watchdog = Watchdog(service.heartbeats, log, alerts=True)
        with replica.connected(service, watchdog):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forever("watchdog", watchdog.run()), name="watchdog")
                await Feed(replica, service.bus, log).run()


async def _cancel(task: asyncio.Task[Never]) -> None:
    # Before Python 3.12 `wait_for` may swallow a cancellation that arrives together with its result.
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_RETRY_S)


async def _close_viewers(hub: Hub, timeout_s: float) -> None:
    hub.close_all(CloseCode.GOING_AWAY, "the live server is stopping; reconnect")
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await hub.wait_empty()
