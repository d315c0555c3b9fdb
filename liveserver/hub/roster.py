"""The traded symbols, from the bucket `symbols`: which markets are listed, and which parts are needed."""

import asyncio
from collections.abc import Callable
from typing import Never

from bus import Bus, Logger
from bus.symbols import follow_symbols
from liveserver.protocol.symbol_names import Market
from liveserver.view.market_status import Listing
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.units import Symbol, VenueId

REMOVED_LISTED_S = 3.0
"""Time for which a removed symbol stays listed, as not traded, so that viewers see it go."""


class Roster:
    """Which markets are traded, watched and removed. Calls `on_change` with each market whose listing changes."""

    def __init__(self, on_change: Callable[[Market, Listing], None]) -> None:
        self._on_change = on_change
        self._entries: dict[str, SymbolEntry | None] = {}
        self._timers: dict[Market, asyncio.TimerHandle] = {}
        self.listings: dict[Market, Listing] = {}
        """By market; one that the bucket has never had is absent."""

    @property
    def traded(self) -> frozenset[str]:
        """The registry keys of the traded symbols: `sim.BTC-USDT_USDT`."""
        return frozenset(key for key, entry in self._entries.items() if entry is not None)

    async def follow(self, bus: Bus, log: Logger) -> Never:
        """Follow the bucket for ever.

        Raises: StreamGone when the bucket does not exist at first.
        """
        async for key, entry in follow_symbols(bus, log):
            self._entries[key] = entry
            self._update()
        raise AssertionError("a bucket is followed for ever")

    def _update(self) -> None:
        watched = {
            Market(entry.venue, symbol)
            for entry in self._entries.values()
            if entry is not None
            for symbol in entry.settings.monitor_symbols
        }
        for key, entry in self._entries.items():
            market = _market(key)
            if entry is not None:
                self._set(market, Listing.TRADED)
            elif market in watched:
                self._set(market, Listing.WATCHED)
            elif self.listings.get(market) in {Listing.TRADED, Listing.WATCHED}:
                self._set(market, Listing.REMOVED)
                loop = asyncio.get_running_loop()
                self._timers[market] = loop.call_later(REMOVED_LISTED_S, self._set, market, Listing.GONE)
            elif market not in self.listings:  # removed before this server started
                self._set(market, Listing.GONE)

    def _set(self, market: Market, listing: Listing) -> None:
        if self.listings.get(market) is listing:
            return
        timer = self._timers.pop(market, None)
        if timer is not None:
            timer.cancel()
        self.listings[market] = listing
        self._on_change(market, listing)


def _market(key: str) -> Market:
    venue, _, token = key.partition(".")
    return Market(VenueId(venue), Symbol(subjects.unescape(token)))
