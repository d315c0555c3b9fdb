"""The simulated venue as a process: store, market, books and their HTTP server, wired."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

from aiohttp import web

from bus import Logger, get_logger
from producers.simulated.market.recording import RecordingTape
from producers.simulated.server.admin import AdminApi, Metrics
from producers.simulated.server.api import TradingApi
from producers.simulated.server.factory import open_venue
from producers.simulated.server.faults import Faults
from producers.simulated.server.pacer import Pacer
from producers.simulated.server.scripting import SceneApi
from producers.simulated.server.store import Store
from producers.simulated.server.streams import Streams
from producers.simulated.server.venue import Venue
from producers.simulated.settings import VenueSettings, check

SHUTDOWN_S = 5.0


class PortTaken(OSError):
    """Another process listens where the venue is to listen."""


async def main(settings: VenueSettings, port_file: Path | None = None) -> None:
    """Run the venue for ever; tell on standard output, and in `port_file`, where it listens.

    Raises: SettingsError, StoreUnusable, RecordingError, PortTaken.
    """
    async with serving(settings) as served:
        if port_file is not None:
            _write_whole(port_file, served.url.rpartition(":")[2])
        sys.stdout.write(f"ready {served.url}\n")
        sys.stdout.flush()
        await served.run()


@dataclass(frozen=True)
class Served:
    """A venue that answers requests. Its market moves while `run` runs, or when it is told to in lock-step."""

    url: str
    venue: Venue
    faults: Faults
    pacer: Pacer
    failed: "asyncio.Future[None]"

    async def run(self) -> None:
        """Let the market move; never returns, and raises when the venue cannot go on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.pacer.run(), name="pacer")
            await self.failed


@asynccontextmanager
async def serving(settings: VenueSettings) -> AsyncIterator[Served]:
    """Open the venue and answer requests.

    Raises: SettingsError, StoreUnusable, RecordingError, PortTaken.
    """
    check(settings)
    log = get_logger("venue")
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, time_ns())
        faults = Faults(settings.faults, venue.cursor.starts)
        streams = Streams(faults)
        pacer = Pacer(venue, streams, log)
        trading = TradingApi(venue, streams, pacer, faults)
        metrics = Metrics(venue, pacer, streams)
        trading.count = metrics.count_request
        venue.listeners += [streams.tell_account, metrics.count_trades]
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        venue.on_failure = failed.set_exception
        admin = AdminApi(venue, pacer, streams, faults, metrics)
        scenes = SceneApi(venue, streams, faults)
        async with _listening(settings, trading, [*admin.routes(), *scenes.routes()]) as url:
            _tell_start(log, venue, url)
            yield Served(url, venue, faults, pacer, failed)


@asynccontextmanager
async def _listening(
    settings: VenueSettings, trading: TradingApi, admin: Sequence[web.RouteDef]
) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([*trading.routes(), *admin])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        try:
            site = web.TCPSite(runner, settings.host, settings.port)
            await site.start()
        except OSError as error:
            raise PortTaken(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
        yield f"http://{settings.host}:{runner.addresses[0][1]}"
    finally:
        trading.close()
        await runner.cleanup()


def _tell_start(log: Logger, venue: Venue, url: str) -> None:
    symbols = ",".join(instrument.symbol for instrument in venue.instruments())
    log.info("venue_ready", url=url, symbols=symbols, tick=venue.cursor.tick, starts=venue.cursor.starts)
    if isinstance(venue.tape, RecordingTape):
        for symbol, flaws in venue.tape.flaws().items():
            log.info("recording_read", symbol=symbol, **flaws)


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text)
    beside.replace(path)
