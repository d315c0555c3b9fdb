"""Inputs of a portfolio: configured limits, and commands with the data to apply them."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from bus import Bus, Entry, Logger, Registry, decode_or_log, newest
from bus.runtime import new_id
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName
from schemas.engine.journal import Step, SymbolEntry
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, Market, PortfolioInput
from schemas.grid.settings import GridSettings
from schemas.subjects import Stream
from schemas.units import Price, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument
from schemas.venue.market import Ticker
from schemas.venue.order_ids import instance_of


class Inputs:
    """Reads the registries for the portfolio."""

    def __init__(self, bus: Bus, log: Logger) -> None:
        self._bus = bus
        self._log = log
        self._settings = Registry(bus, "portfolios")

    async def settings(self) -> PortfolioEntry:
        """Return the configured limits; unlimited if none are."""
        return self._entry(await self._settings.get(subjects.ALL))

    async def follow_settings(self) -> AsyncIterator[PortfolioEntry]:
        """Yield the limits whenever they change, for ever."""
        async with aclosing(self._settings.follow()) as changes:
            async for key, stored in changes:
                if key == subjects.ALL:
                    yield self._entry(stored)

    async def command(self, event: msgspec.Struct, received_time: TimeNs) -> PortfolioInput | None:
        """Return a command with the registered symbols, or with the data to add one; None for other events.

        Raises: UndecodableError when the instrument to add does not decode.
        """
        if not isinstance(event, Command):
            return None
        registered = await self._registered()
        is_to_all = subjects.ALL in {event.symbol, event.venue}
        concerned = [
            Market(venue=entry.venue, symbol=entry.symbol)
            for entry in registered
            if event.venue in {entry.venue, subjects.ALL}
        ]
        if is_to_all or event.name is not CommandName.ADD:
            return CommandForAll(command=event, received_time=received_time, markets=tuple(concerned))
        symbols = tuple(market.symbol for market in concerned)
        last = await last_step(self._bus, event.venue, event.symbol)
        is_running = event.symbol in symbols
        configured = (await self.settings()).instance
        return AddRequested(
            command=event,
            received_time=received_time,
            instance=configured
            or next((entry.instance for entry in registered), "")
            or instance_of(int(new_id(), 16)),
            instrument=await self._instrument(event),
            is_running=is_running,
            symbols=symbols,
            last_generation=0 if last is None else last.state.generation,
            price=await self._price(event),
            running=self._running(event, last, registered) if is_running else None,
        )

    def _entry(self, stored: Entry | None) -> PortfolioEntry:
        entry = None if stored is None else decode_or_log(stored, PortfolioEntry, self._log)
        return entry or PortfolioEntry(venue=subjects.ALL_VENUES, settings=PortfolioSettings())

    async def _registered(self) -> list[SymbolEntry]:
        stored = (await Registry(self._bus, "symbols").entries()).values()
        entries = [decode_or_log(each, SymbolEntry, self._log) for each in stored]
        found = [each for each in entries if each is not None]
        return sorted(found, key=lambda entry: (entry.venue, entry.symbol))

    async def _instrument(self, command: Command) -> Instrument | None:
        key = subjects.registry_key(command.venue, command.symbol)
        stored = await Registry(self._bus, "instruments").get(key)
        return None if stored is None else decode_as(stored.data, Instrument)

    async def _price(self, command: Command) -> Price | None:
        """Return the last price of the symbol's newest ticker, None without one."""
        stored = await self._bus.last(Stream.MARKET, subjects.ticker(command.venue, command.symbol))
        ticker = None if stored is None else decode_or_log(stored, Ticker, self._log)
        return None if ticker is None or ticker.last <= 0 else ticker.last

    @staticmethod
    def _running(command: Command, last: Step | None, registered: list[SymbolEntry]) -> GridSettings | None:
        """Return the settings of the command's symbol: those of its journal once it has a step of its generation."""
        found = (each for each in registered if (each.venue, each.symbol) == (command.venue, command.symbol))
        entry = next(found, None)
        if last is not None and (entry is None or last.state.generation >= entry.generation):
            return last.state.settings
        return None if entry is None else entry.settings


async def last_step(bus: Bus, venue: VenueId, symbol: Symbol) -> Step | None:
    """Return the newest step that a symbol committed, None without one."""
    subject = subjects.step(venue, symbol)
    last = await newest(bus, Stream.JOURNAL, subject, Step, await bus.last(Stream.JOURNAL, subject))
    return None if last is None else last.event


async def last_generation(bus: Bus, venue: VenueId, symbol: Symbol) -> int:
    """Return the newest generation in which a symbol committed a step, 0 without one."""
    last = await last_step(bus, venue, symbol)
    return 0 if last is None else last.state.generation
