"""The live server's process: how it is wired."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Never
from urllib.parse import urlsplit

from bus import Logger, forever, get_logger, open_service
from liveserver.auth.authenticator import Guard
from liveserver.auth.settings import check_access
from liveserver.commands.service import Commanding
from liveserver.commands.socket import Ordering
from liveserver.http.app import create_app
from liveserver.http.assets import Assets
from liveserver.http.server import allow_many_files, serving
from liveserver.hub.backfill import CatchUp
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.feed import Feed
from liveserver.hub.group import CloseCode
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.metrics import Metrics
from liveserver.protocol.redaction import pseudonyms
from liveserver.replay.replays import Replays
from liveserver.settings import Settings
from liveserver.websocket.handshake import Door
from liveserver.websocket.transport import Sockets

CANCEL_AGAIN_S = 0.5

GARBAGE_AFTER = 100_000
"""Objects made before one looks for cycles, which are few here: looking at all that is kept takes long."""


async def main(settings: Settings) -> None:
    """Serve until cancelled. The page is there at once; its data come when the bus does.

    Raises: PortTaken, PageIncomplete, AccessRefused.
    """
    allow_many_files()
    gc.set_threshold(GARBAGE_AFTER, 20, 100)
    async with running(settings):
        await asyncio.Event().wait()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Replica]:
    """Run a live server for as long as the context lasts."""
    check_access(settings.access, settings.http_host)
    log = get_logger("liveserver")
    assets = Assets()
    assets.check()
    metrics = Metrics()
    guard = Guard(
        settings.access, settings.allowed_origins, lambda error: metrics.refused.labels(error).inc()
    )
    hub = Hub(metrics, asyncio.get_running_loop().call_soon, pseudonyms(settings.access))
    replica = Replica(name=settings.replica, metrics=metrics, hub=hub)
    commanding = Commanding(replica, guard)
    errands = BackgroundTasks(log)
    hub.fetch = CatchUp(replica, errands, log).fetch
    replays = Replays(replica, limit=settings.replays, errands=errands)
    ordering = Ordering(commanding, hub, errands)
    sockets = Sockets(replica, Door(guard=guard), settings.limits, replays, ordering)
    app = create_app(replica, assets, guard, commanding)
    own_port = settings.own_port if settings.share_port else None
    async with serving(app, sockets.protocol(), settings.http_host, settings.http_port, own_port) as served:
        replica.address = served.address
        replica.name = replica.name or urlsplit(served.address).netloc
        log.info("serving", address=served.public_address, own=served.address)
        async with asyncio.TaskGroup() as tasks, errands:
            feeding = tasks.create_task(_feed(settings, replica, log), name="feed")
            telling = tasks.create_task(forever("announce", replica.announce()), name="announce")
            timing = tasks.create_task(forever("socket_time", sockets.keep_time()), name="socket_time")
            try:
                yield replica
            finally:
                replica.is_draining = True
                served.stop_accepting()
                await _send_away(replica.hub, settings.drain_s)
                log.info("drained", left=len(replica.hub))
                telling.cancel()
                timing.cancel()
                await _end(feeding)


async def _feed(settings: Settings, replica: Replica, log: Logger) -> Never:
    labels = {"replica": replica.name, "http": replica.address}
    async with open_service("liveserver", bus_url=settings.bus_url, http_port=None, labels=labels) as here:
        here.report("liveserver", replica.report)
        replica.part = here
        try:
            await Feed(replica, here.bus, log).run()
        finally:
            replica.part = None


async def _end(task: asyncio.Task[Never]) -> None:
    # Before Python 3.12 `wait_for` may lose a cancellation that comes just as what it waits for is there.
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)


async def _send_away(hub: Hub, within_s: float) -> None:
    hub.close_all(CloseCode.GOING_AWAY, "the live server is stopping; connect again")
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await hub.emptied()
