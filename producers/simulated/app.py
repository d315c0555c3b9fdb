"""Process of the simulated venue: store, market, matching engine and HTTP server, wired."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web

from bus import Logger, get_logger
from bus.peer import PeerCheck
from bus.runtime import time_ns
from producers.simulated.market.recording import RecordingTape
from producers.simulated.parameters import LatencySettings
from producers.simulated.server.admin import AdminApi, Metrics
from producers.simulated.server.api import TradingApi
from producers.simulated.server.factory import open_venue
from producers.simulated.server.faults import FaultInjector
from producers.simulated.server.pacer import Pacer
from producers.simulated.server.request_guard import CheckedConnection, refuse_web_pages
from producers.simulated.server.scripting import ScriptingApi
from producers.simulated.server.store import Store
from producers.simulated.server.streams import Streams
from producers.simulated.server.venue import Venue
from producers.simulated.settings import VenueSettings, check

SHUTDOWN_S = 5.0


class PortTaken(OSError):
    """The venue's port is in use or may not be bound."""


async def main(settings: VenueSettings, port_file: Path | None = None) -> None:
    """Run the venue until it is canceled or fails.

    Prints `ready URL` on standard output once it listens, and writes the port to `port_file`.

    Raises: SettingsError, StoreUnusable, RecordingError, PortTaken, UnknownUser.
    """
    async with serving(settings) as running:
        if port_file is not None:
            _write_atomically(port_file, running.url.rpartition(":")[2])
        sys.stdout.write(f"ready {running.url}\n")
        sys.stdout.flush()
        await running.run()


@dataclass(frozen=True)
class RunningVenue:
    """A venue that answers requests. Its market advances while `run` runs, or in lock-step on each `proceed`."""

    url: str
    venue: Venue
    faults: FaultInjector
    pacer: Pacer
    failed: "asyncio.Future[None]"

    async def run(self) -> None:
        """Advance the market by the clock; never returns, and raises when the venue fails."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.pacer.run(), name="pacer")
            await self.failed


@asynccontextmanager
async def serving(
    settings: VenueSettings, open_store: Callable[[Path], Store] = Store, peers: PeerCheck | None = None
) -> AsyncIterator[RunningVenue]:
    """Open the venue and answer requests; on this machine, of the users that `peers` admits.

    Raises: SettingsError, StoreUnusable, RecordingError, PortTaken, UnknownUser.
    """
    check(settings)
    log = get_logger("venue")
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with open_store(Path(settings.store)) as store:
        venue = open_venue(settings, store, time_ns(), failed.set_exception)
        faults = FaultInjector(settings.faults, venue.cursor.starts, _latency_by_clock(settings))
        streams = Streams(faults, venue.contract_sizes())
        pacer = Pacer(venue, streams, log)
        metrics = Metrics(venue, pacer, streams)
        trading = TradingApi(venue, streams, pacer, faults, metrics.count_request)
        venue.subscribe(streams.publish_account)
        venue.subscribe(metrics.count_trades)
        admin = AdminApi(venue, pacer, streams, faults, metrics)
        scripting = ScriptingApi(venue, streams, faults)
        routes = [*trading.routes(), *admin.routes(), *scripting.routes()]
        async with _listening(settings, trading, routes, peers or PeerCheck()) as url:
            _log_start(log, venue, url)
            yield RunningVenue(url, venue, faults, pacer, failed)


@asynccontextmanager
async def _listening(
    settings: VenueSettings, trading: TradingApi, routes: Sequence[web.RouteDef], peers: PeerCheck
) -> AsyncIterator[str]:
    app = web.Application(middlewares=[refuse_web_pages])
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    assert runner.server is not None, "it is set up"
    connection = partial(CheckedConnection, runner.server, peers)
    try:
        server = await _listen(connection, settings.host, settings.port)
        try:
            yield f"http://{settings.host}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
    finally:
        trading.close()
        await runner.cleanup()


async def _listen(connection: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(connection, host, port)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _latency_by_clock(settings: VenueSettings) -> LatencySettings:
    """Return the wall-clock latency of requests; in lock-step they take market time instead."""
    if settings.is_lock_step:
        return LatencySettings()
    speed = settings.clock_speed
    return LatencySettings(
        request=int(settings.latency.request / speed), jitter=int(settings.latency.jitter / speed)
    )


def _log_start(log: Logger, venue: Venue, url: str) -> None:
    symbols = ",".join(instrument.symbol for instrument in venue.instruments())
    log.info("venue_ready", url=url, symbols=symbols, tick=venue.cursor.tick, starts=venue.cursor.starts)
    if isinstance(venue.tape, RecordingTape):
        for symbol, flaws in venue.tape.flaws().items():
            log.info("recording_read", symbol=symbol, **flaws)


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)
