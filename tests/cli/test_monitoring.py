"""Monitoring without an engine: the live server shows an account that is traded manually."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from bus import Bus, Registry
from liveserver.hub.replica import Replica
from producers.app import Settings, account, market
from producers.simulated.app import serving as serving_venue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import SECOND_NS, ClientOrderId, Side
from tests.builders import SIM
from tests.liveserver.watching import SocketClient, serving, watching
from tests.producers.simulated.examples import PERP, PERPETUAL, decision

FAR, ABOVE = "60.0", "140.0"


@asynccontextmanager
async def monitored(bus: Bus, folder: Path) -> AsyncIterator[tuple[SimulatedVenue, SocketClient]]:
    """Run venue, publishers and live server; yield a client of the venue and a client of the live server."""
    venue = VenueSettings(
        venue=SIM,
        store=str(folder / "venue.sqlite"),
        symbols=(SymbolSettings(instrument=PERPETUAL, start_price=Decimal(100), leverage=Decimal(10)),),
        balances={"USDT": Decimal(10_000)},
        tick_interval=SECOND_NS // 20,
    )
    async with serving_venue(venue) as served, SimulatedVenue(served.url, venue=SIM) as client:
        settings = Settings(name="watch", bus=bus.url, venue=SIM, venue_url=served.url, watch=(PERP,))
        tasks = [asyncio.create_task(run(settings)) for run in (market, account)]
        try:
            async with serving(bus.url) as replica:
                await until_symbol_is_known(replica)
                async with watching(replica, "?symbol=BTCUSDT") as watcher:
                    yield client, watcher
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def until_symbol_is_known(replica: Replica) -> None:
    """Wait until the live server knows the symbol."""
    async with asyncio.timeout(10):
        while not replica.symbols():  # noqa: ASYNC110 - no event signals that it was read
            await asyncio.sleep(0)


async def test_manual_trading_is_shown(bus: Bus, tmp_path: Path) -> None:
    async with monitored(bus, tmp_path) as (client, watcher):
        await watcher.until("ticker")
        await client.place(PERP, decision(Side.BUY, FAR, "by-hand"))
        order = await watcher.until("orders", lambda data: isinstance(data, dict))
        assert (order["price"], order["side"], order["status"]) == (FAR, "BUY", "NEW")

        await client.place(PERP, decision(Side.BUY, ABOVE, "taken", post_only=False))
        trade = await watcher.until("trade_event")
        position = await watcher.until("position", lambda data: data["amount"] != "0")
        assert (trade["side"], trade["amount"], position["side"]) == ("buy", "1.000", "LONG")
        balance = await watcher.until("account", lambda data: Decimal(data["balance"]) < 10_000)
        assert balance["asset"] == "USDT"

        await client.cancel(PERP, ClientOrderId("by-hand"))
        gone = await watcher.until("orders", lambda data: data["status"] == "CANCELED")
        assert gone["id"] == order["id"]

    assert await Registry(bus, "symbols").entries() == {}
