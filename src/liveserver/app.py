"""The live server's process: its settings, and how it is wired."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Never
from urllib.parse import urlsplit

import msgspec

from bus import Logger, forever, get_logger, part
from liveserver.assets import Assets
from liveserver.audience import CloseCode
from liveserver.catch_up import CatchUp
from liveserver.door import Door
from liveserver.errands import Errands
from liveserver.feed import Feed
from liveserver.http import create_app
from liveserver.hub import Hub
from liveserver.metrics import Metrics
from liveserver.replays import Replays
from liveserver.replica import Replica
from liveserver.server import allow_many_files, serving
from liveserver.session import Limits
from liveserver.viewer_socket import Sockets


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a live server is started with."""

    bus_url: str = "nats://127.0.0.1:4222"
    http_host: str = "127.0.0.1"
    http_port: int = 8888
    """0 takes a free one."""
    share_port: bool = False
    """Other live servers on this machine listen at the same port."""
    own_port: int = 0
    """Where this one alone answers, when the port is shared; 0 takes a free one."""
    drain_s: float = 5.0
    """How long viewers get to fetch what waits for them, and to hear that the server goes away."""
    replica: str = ""
    """What it calls itself; its host and port when empty."""
    allowed_origins: frozenset[str] = frozenset()
    """Pages from elsewhere that may connect; `null` is any page that names none, such as one opened from disk."""
    limits: Limits = Limits()
    replays: int = 16
    """How many viewers may watch the past at a time."""


CANCEL_AGAIN_S = 0.5


async def main(settings: Settings) -> None:
    """Serve until cancelled. The page is there at once; its data come when the bus does.

    Raises: PortTaken, PageIncomplete.
    """
    allow_many_files()
    async with running(settings):
        await asyncio.Event().wait()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Replica]:
    """Run a live server for as long as the context lasts."""
    log = get_logger("liveserver")
    assets = Assets()
    assets.check()
    metrics = Metrics()
    hub = Hub(metrics, asyncio.get_running_loop().call_soon)
    replica = Replica(name=settings.replica, metrics=metrics, hub=hub)
    errands = Errands(log)
    hub.fetch = CatchUp(replica, errands, log).fetch
    replays = Replays(replica, limit=settings.replays, errands=errands)
    sockets = Sockets(replica, Door(settings.allowed_origins), settings.limits, replays)
    app = create_app(replica, assets)
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
    async with part("liveserver", bus_url=settings.bus_url, http_port=None, labels=labels) as here:
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
