"""The real parts that a benchmark starts, each a process of its own, and the symbols they are about."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from bus import Bus, Registry
from lab.bench.trading.engine import INSTRUMENT, START, VENUE
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import SECOND_NS, Symbol
from schemas.venue.instruments import Instrument

INTERVAL = Decimal(60)
"""Between two levels of the grid."""
SETTINGS = GridSettings(mode=GridMode.NEUTRAL, order_amount=Decimal(100), price_interval=INTERVAL)
STOP_WITHIN_S = 5.0


def instruments(count: int) -> list[Instrument]:
    """Return so many perpetuals that differ in their names alone; the first is the benchmarks' own."""
    others = [
        msgspec.structs.replace(INSTRUMENT, symbol=Symbol(f"C{number}/USDT:USDT"), base=f"C{number}")
        for number in range(2, count + 1)
    ]
    return [INSTRUMENT, *others]


def entry_of(instrument: Instrument) -> SymbolEntry:
    """Return the roster's entry of a symbol."""
    return SymbolEntry(venue=VENUE, symbol=instrument.symbol, instance="bch", generation=1, settings=SETTINGS)


async def enlist(bus: Bus, listed: Sequence[Instrument]) -> None:
    """Put symbols into the registries."""
    for instrument in listed:
        key = subjects.registry_key(VENUE, instrument.symbol)
        await Registry(bus, "instruments").create(key, instrument)
        await Registry(bus, "symbols").create(key, entry_of(instrument))


async def start(stack: contextlib.AsyncExitStack, module: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start a part that ends with the stack."""
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
    """Start a venue whose market stands still, with a spread that nothing crosses; return its address."""
    settings = VenueSettings(
        venue=VENUE,
        store=str(folder / "venue.sqlite"),
        symbols=tuple(
            SymbolSettings(instrument=each, start_price=START, leverage=Decimal(10), spread_ticks=20_000)
            for each in listed
        ),
        balances={"USDT": Decimal(1_000_000)},
        tick_interval=3600 * SECOND_NS,
    )
    (folder / "venue.json").write_bytes(msgspec.json.encode(settings))
    process = await start(stack, "producers.simulated", "--settings", str(folder / "venue.json"))
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    return line.split()[-1]


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
