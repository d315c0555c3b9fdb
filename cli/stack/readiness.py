"""When the stack is ready: every part answers, every symbol has a grid with a price, every page is served."""

import asyncio
from collections.abc import Callable, Collection, Sequence

import aiohttp

from bus import Bus
from cli.inspect.discovery import discover
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import SymbolEntry
from schemas.grid.view import GridView
from schemas.subjects import Stream

PARTS = frozenset({"market", "account", "gateway", "engine", "liveserver"})
LOOK_EVERY_S = 0.1
PATIENCE_S = 15.0
"""After so long without being ready, what is missing is told."""


async def until_ready(
    bus: Bus,
    parts: Collection[str],
    entries: Sequence[SymbolEntry],
    pages: Collection[str],
    say: Callable[[str], None],
) -> None:
    """Return when everything is there; say what is missing when that takes long."""
    clock = asyncio.get_running_loop().time
    told = clock()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
        while missing := await _missing(bus, parts, entries, pages, session):
            if clock() - told > PATIENCE_S:
                say(f"still waiting for {', '.join(missing)}")
                told = clock()
            await asyncio.sleep(LOOK_EVERY_S)


async def until_healthy(address: str, patience_s: float = 10.0) -> None:
    """Return when a part answers, or after a while: whoever needs it will ask again anyway."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
        deadline = asyncio.get_running_loop().time() + patience_s
        while asyncio.get_running_loop().time() < deadline:
            if await is_healthy(session, address):
                return
            await asyncio.sleep(LOOK_EVERY_S / 2)


async def _missing(
    bus: Bus,
    parts: Collection[str],
    entries: Sequence[SymbolEntry],
    pages: Collection[str],
    session: aiohttp.ClientSession,
) -> list[str]:
    present = {service.name for service in await discover(bus, quiet_s=LOOK_EVERY_S)}
    missing = sorted(set(parts) - present)
    missing += [f"the grid of {entry.symbol}" for entry in entries if not await _has_grid(bus, entry)]
    missing += [page for page in pages if not await is_healthy(session, page)]
    return missing


async def _has_grid(bus: Bus, entry: SymbolEntry) -> bool:
    last = await bus.last(Stream.JOURNAL, subjects.grid(entry.venue, entry.symbol))
    if last is None:
        return False
    try:
        return decode_as(last.data, GridView).price is not None
    except UndecodableError:
        return False


async def is_healthy(session: aiohttp.ClientSession, address: str) -> bool:
    """Tell whether a part answers `/health` with a 200."""
    try:
        async with session.get(f"{address}/health") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
