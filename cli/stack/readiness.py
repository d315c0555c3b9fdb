"""Readiness of the stack: every part answers on the bus, every symbol has a grid with a price, every page is up."""

import asyncio
from collections.abc import Callable, Collection, Sequence

import aiohttp

from bus import Bus
from cli.inspect.discovery import discover
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.journal import SymbolEntry
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.units import VenueId

LIVE_SERVER = "liveserver"
PARTS = frozenset({"market", "account", "gateway", "engine", LIVE_SERVER})
"""Kinds of processes that answer service discovery on the bus."""
VENUE_PARTS = frozenset({"market", "account", "gateway"})
"""Those of which each venue has its own."""
POLL_S = 0.1
REPORT_INTERVAL_S = 15.0
"""Interval at which everything that is missing is reported."""
HTTP_TIMEOUT_S = 1.0


async def until_ready(
    bus: Bus,
    parts: Collection[str],
    venues: Collection[VenueId],
    entries: Sequence[SymbolEntry],
    pages: Collection[str],
    report: Callable[[str], None],
) -> None:
    """Wait until everything is ready; report what is missing every `REPORT_INTERVAL_S`."""
    clock = asyncio.get_running_loop().time
    last_report_s = clock()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as session:
        while missing := await _missing(bus, _expected(parts, venues), entries, pages, session):
            if clock() - last_report_s > REPORT_INTERVAL_S:
                report(f"still waiting for {', '.join(missing)}")
                last_report_s = clock()
            await asyncio.sleep(POLL_S)


async def until_healthy(address: str, timeout_s: float = 10.0) -> None:
    """Wait until `/health` of a part is ok, at most `timeout_s`: its clients retry, so a time-out is not an error."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as session:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            if await is_healthy(session, address):
                return
            await asyncio.sleep(POLL_S / 2)


async def is_healthy(session: aiohttp.ClientSession, address: str) -> bool:
    """Return whether a part answers `/health` with status 200."""
    try:
        async with session.get(f"{address}/health") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def _missing(
    bus: Bus,
    expected: set[tuple[str, str]],
    entries: Sequence[SymbolEntry],
    pages: Collection[str],
    session: aiohttp.ClientSession,
) -> list[str]:
    services = await discover(bus, quiet_s=POLL_S)
    present = {(service.name, service.metadata.get("venue", "")) for service in services}
    missing = [" of ".join(filter(None, each)) for each in sorted(expected - present)]
    missing += [
        f"the grid of {entry.venue} {entry.symbol}" for entry in entries if not await _has_grid(bus, entry)
    ]
    missing += [page for page in pages if not await is_healthy(session, page)]
    return missing


def _expected(parts: Collection[str], venues: Collection[VenueId]) -> set[tuple[str, str]]:
    """Return kind and venue of each part; the venue is empty for a part of all venues."""
    shared = {(part, "") for part in parts if part not in VENUE_PARTS}
    return shared | {(part, venue) for part in parts if part in VENUE_PARTS for venue in venues}


async def _has_grid(bus: Bus, entry: SymbolEntry) -> bool:
    last = await bus.last(Stream.JOURNAL, subjects.grid(entry.venue, entry.symbol))
    grid = None if last is None else try_decode(last.data, GridView)
    return grid is not None and grid.price is not None
