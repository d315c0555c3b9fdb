"""Engines on a test's bus, the symbols they run, and the ticks they receive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec

from bus import Bus, EmbeddedServer, Registry, Timing, leases, open_service
from engine.actor.candles import LiveCandles
from engine.actor.market import LiveMarket, SilenceTimer
from engine.orchestrator import Orchestrator
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.units import Symbol
from tests.builders import BTC, INSTRUMENT, SIM, TICKER
from tests.engine import conftest

ENTRY = msgspec.structs.replace(
    conftest.ENTRY, settings=msgspec.structs.replace(conftest.ENTRY.settings, cancel_on_exit=False)
)
"""No gateway runs in these tests that would cancel orders on shutdown."""

QUICK = Timing(renew_s=0.05, expire_s=0.3)
KEY = subjects.registry_key(SIM, BTC)


async def register(bus: Bus, entry: SymbolEntry) -> None:
    instrument = msgspec.structs.replace(INSTRUMENT, symbol=entry.symbol)
    key = subjects.registry_key(entry.venue, entry.symbol)
    await Registry(bus, "instruments").create(key, instrument)
    await Registry(bus, "symbols").create(key, entry)
    await conftest.store_genesis(bus, entry)


@asynccontextmanager
async def engine(server: EmbeddedServer, name: str) -> AsyncIterator[Orchestrator]:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service("engine", bus=server.url, http_port=None))
        lease_provider = await stack.enter_async_context(leases(service.bus, "engine", name, timing=QUICK))
        orchestrator = Orchestrator(
            service,
            lease_provider,
            lock_step=False,
            make_market=lambda: LiveMarket(SilenceTimer(service.attention)),
            candles=LiveCandles,
        )
        running = asyncio.create_task(orchestrator.run())
        try:
            yield orchestrator
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def standings(orchestrator: Orchestrator) -> dict[str, Any]:
    symbols = orchestrator.status()["symbols"]
    assert isinstance(symbols, dict)
    return {key: symbol["standing"] for key, symbol in symbols.items()}


async def tick(bus: Bus, symbol: Symbol = BTC, *, later: int = 0) -> None:
    # Away from the last price, so that the grid moves.
    price = TICKER.last + 60 * later
    ticker = msgspec.structs.replace(
        TICKER, symbol=symbol, bid=price - 1, ask=price, last=price, time=TICKER.time + later
    )
    await bus.store(subjects.ticker(SIM, symbol), ticker)
