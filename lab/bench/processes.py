"""The processes of a benchmark (bus, venue, services), stopped when their context ends."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, Registry, connect, provision
from lab.bench.instruments import START_PRICE, VENUE, symbol_entry
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas import subjects
from schemas.units import SECOND_NS
from schemas.venue.instruments import Instrument

STOP_TIMEOUT_S = 5.0


@contextlib.asynccontextmanager
async def bus_servers(*servers: EmbeddedServer) -> AsyncIterator[Bus]:
    """Start one or more bus servers, provision the streams, and yield a connection."""
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        url = ",".join(server.url for server in servers)
        bus = await stack.enter_async_context(connect(url, name="bench"))
        await provision(bus)
        yield bus


async def register_symbols(bus: Bus, listed: Sequence[Instrument]) -> None:
    """Add instruments to the registries `instruments` and `symbols`."""
    for instrument in listed:
        key = subjects.registry_key(VENUE, instrument.symbol)
        await Registry(bus, "instruments").create(key, instrument)
        await Registry(bus, "symbols").create(key, symbol_entry(instrument))


async def start_process(
    stack: contextlib.AsyncExitStack, module: str, *arguments: str
) -> asyncio.subprocess.Process:
    """Start `python -m MODULE ARGUMENTS`, which is stopped when the exit stack closes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    stack.push_async_callback(_stop, process)
    return process


async def start_venue(stack: contextlib.AsyncExitStack, folder: Path, listed: Sequence[Instrument]) -> str:
    """Start a simulated venue with a constant price and a spread too wide for any fill; return its URL."""
    settings = VenueSettings(
        venue=VENUE,
        store=str(folder / "venue.sqlite"),
        symbols=tuple(
            SymbolSettings(
                instrument=each, start_price=START_PRICE, leverage=Decimal(10), spread_ticks=20_000
            )
            for each in listed
        ),
        balances={"USDT": Decimal(1_000_000)},
        tick_interval=3600 * SECOND_NS,
    )
    (folder / "venue.json").write_bytes(msgspec.json.encode(settings))
    process = await start_process(stack, "producers.simulated", "--settings", str(folder / "venue.json"))
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    return line.split()[-1]


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
