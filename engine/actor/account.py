"""State of the account before a symbol's first order: private stream, balance, position."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from bus import Bus, Registry, decode_or_log, get_logger
from bus.runtime import monotonic_ns
from engine.core.startup.capital import other_grids
from schemas import subjects
from schemas.engine.journal import OtherGrids, SymbolEntry
from schemas.subjects import Stream
from schemas.units import MILLISECOND_NS, SECOND_NS
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState

POLL_INTERVAL_NS = 100 * MILLISECOND_NS
"""Time between two reads while the state is not published completely."""

AccountItem = FeedChanged | Balance | Position | OtherGrids
"""One item of the account's state: the private stream's feed, a balance, a position, or the other grids."""
PublishedItem = FeedChanged | Balance | Position
_log = get_logger("engine")


class AccountSource(Protocol):
    """Reads the account's state for a symbol that is starting."""

    async def read(self) -> Sequence[AccountItem]:
        """Return the items to apply before the next tick; empty when there is nothing to apply."""


class LiveAccount:
    """The items published so far. Does not wait for missing ones."""

    def __init__(self, bus: Bus, instrument: Instrument) -> None:
        self._bus = bus
        self._instrument = instrument
        self._last_read_ns = 0  # monotonic

    async def read(self) -> Sequence[AccountItem]:
        """Return the published items; empty within `POLL_INTERVAL_NS` of the previous read."""
        now_ns = monotonic_ns()
        if now_ns - self._last_read_ns < POLL_INTERVAL_NS:
            return ()
        self._last_read_ns = now_ns
        return await _read_published(self._bus, self._instrument)


class CompleteAccount:
    """All items, awaited and read once, so that a run does not depend on the order in which processes start."""

    def __init__(self, bus: Bus, instrument: Instrument) -> None:
        self._bus = bus
        self._instrument = instrument
        self._items: Sequence[AccountItem] = ()

    async def read(self) -> Sequence[AccountItem]:
        """Wait until all items are published and the private stream is up; return the same items at every call."""
        while not self._items:
            items = await _read_published(self._bus, self._instrument)
            published = [item for item in items if not isinstance(item, OtherGrids)]
            if len(published) == len(_sources(self._instrument)) and _is_up(items):
                # Times of publication differ from run to run, and would make two runs of one recording differ.
                self._items = [
                    item if isinstance(item, OtherGrids) else msgspec.structs.replace(item, time=0)
                    for item in items
                ]
            else:
                await asyncio.sleep(POLL_INTERVAL_NS / SECOND_NS)
        return self._items


def _sources(instrument: Instrument) -> tuple[tuple[str, type[PublishedItem]], ...]:
    venue = instrument.venue
    return (
        (subjects.account_feed(venue), FeedChanged),
        (subjects.balance(venue, instrument.settle), Balance),
        (subjects.position(venue, instrument.symbol), Position),
    )


async def _read_published(bus: Bus, instrument: Instrument) -> list[AccountItem]:
    sources = _sources(instrument)
    stored = await asyncio.gather(*(bus.last(Stream.ACCOUNT, subject) for subject, _ in sources))
    items: list[AccountItem] = []
    for (_, item_type), message in zip(sources, stored, strict=True):
        item = None if message is None else decode_or_log(message, item_type, _log)
        if item is not None:
            items.append(item)
    return [*items, await _other_grids(bus, instrument)] if items else []


async def _other_grids(bus: Bus, instrument: Instrument) -> OtherGrids:
    stored = (await Registry(bus, "symbols").entries()).values()
    entries = [entry for each in stored if (entry := decode_or_log(each, SymbolEntry, _log)) is not None]
    return OtherGrids(grids=other_grids(instrument.venue, instrument.symbol, entries))


def _is_up(items: Sequence[AccountItem]) -> bool:
    return any(isinstance(item, FeedChanged) and item.state is FeedState.UP for item in items)
