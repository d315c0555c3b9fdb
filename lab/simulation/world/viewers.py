"""Live servers and their viewers in a world, and what must hold of the messages that the viewers receive."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from bus import Bus
from lab.chaos.load import Market
from lab.chaos.viewer_clients import Viewer, ViewerPool
from lab.chaos.viewers import StoredEvents, stored_events, violations
from lab.simulation.loop.transport import SimulatedSocket
from liveserver import app
from liveserver.auth.settings import Access
from liveserver.http.server import Listeners
from liveserver.settings import Settings
from schemas import subjects
from schemas.units import Symbol

PORT = 8080
CATCH_UP_S = 60.0
"""Simulated seconds for the viewers to receive the last event; what is missing then is a violation."""


async def serve(bus_url: str, name: str, address: str) -> None:
    """Run a live server on the host with an address, until canceled."""
    access = Access(trust_network=True)
    settings = Settings(bus=bus_url, http_host=address, http_port=PORT, replica=name, access=access)
    async with app.running(settings, Listeners([SimulatedSocket((address, PORT), None)])):  # type: ignore[list-item]
        await asyncio.Event().wait()


class WorldViewers:
    """The viewers of a world: the first one of all symbols, the others of one symbol each."""

    def __init__(self, addresses: Sequence[str], symbols: Sequence[Symbol], count: int, seed: int) -> None:
        """`addresses` are those of the live servers' hosts."""
        self.pool = ViewerPool([f"{address}:{PORT}" for address in addresses], seed)
        markets = [Market(symbol, subjects.escape(symbol)) for symbol in symbols]
        topics = [[], *([markets[number % len(markets)]] for number in range(count - 1))]
        self.viewers: list[Viewer] = [self.pool.add_viewer(each) for each in topics[:count]]

    async def run(self) -> None:
        """Keep all viewers connected, for ever."""
        await self.pool.run()

    async def violations(self, bus: Bus, *, loses_records: bool = False) -> list[str]:
        """Wait until the viewers have received the last stored event, and return what they missed or received twice.

        With `loses_records` a viewer may have received another snapshot: then it need not have missed nothing. Call it when
        nothing is stored any more, or what is stored meanwhile is compared as well.
        """
        expected = await stored_events(bus)
        last = {stream: events[-1][0] if events else 0 for stream, events in expected.items()}
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_S):
                await self.pool.wait_cursors(last)
        judged = [each for each in self.viewers if not loses_records or each.snapshots == ["first"]]
        differences = [] if loses_records else self.pool.differences  # a sequence may have been used again
        return [*differences, *violations([_up_to(each, expected) for each in judged], expected)]


def _up_to(viewer: Viewer, expected: StoredEvents) -> Viewer:
    """Return a viewer with only those received events that are compared: neither discarded since, nor newer."""
    known = {stream: {sequence for sequence, _ in events} for stream, events in expected.items()}
    for stream, received in viewer.sequences.items():
        viewer.sequences[stream] = [each for each in received if each in known.get(stream, ())]
    return viewer
