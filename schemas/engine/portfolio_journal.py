"""The portfolio's step: one record that holds all of a change over a venue's symbols, or none of it."""

import msgspec

from schemas.engine.control import Command
from schemas.engine.events import Fill
from schemas.engine.journal import Notice, StreamOffset, SymbolEntry
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioSettings
from schemas.grid.state import BreakerState, Peak
from schemas.grid.view import NotQuoting
from schemas.units import Money, Price, SignedQuantity, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument
from schemas.venue.market import ClockRead


class SymbolSeen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the portfolio needs of a symbol's grid: a level."""

    symbol: Symbol
    position: SignedQuantity
    price: Price
    """0 before the first one."""
    total_profit: Money
    not_quoting: NotQuoting | None
    time: TimeNs


class CommandForAll(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person's command to all symbols, with when it was read, by a wall clock, and the roster then."""

    command: Command
    received_time: TimeNs
    symbols: tuple[Symbol, ...]


class AddRequested(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person's command to add a symbol, with what was known of the symbol when it was read."""

    command: Command
    received_time: TimeNs
    instance: str
    """Of the symbols that run; empty where there is none."""
    instrument: Instrument | None
    is_running: bool
    symbols: tuple[Symbol, ...]
    """The roster."""
    last_generation: int
    """The newest that the symbol ever had; 0 for a new one."""


PortfolioInput = PortfolioEntry | SymbolSeen | Fill | OrderLatency | ClockRead | CommandForAll | AddRequested
"""All that the portfolio's core hears."""


class GlobalBreaker(msgspec.Struct, kw_only=True):
    """The circuit breaker over all symbols."""

    state: BreakerState = BreakerState.CLOSED
    reason: str = ""
    opened_time: TimeNs = 0
    losses: int = 0
    """Losing round trips in a row."""
    peaks: list[Peak] = []
    """The highest summed profits of the drawdown's window, falling."""


class PortfolioState(msgspec.Struct, kw_only=True):
    """All that a venue's portfolio knows durably."""

    venue: VenueId
    settings: PortfolioSettings
    is_exposed: bool = False
    """The exposure reached its limit, and did not fall below where opening goes on."""
    breaker: GlobalBreaker = msgspec.field(default_factory=GlobalBreaker)
    counted: list[str] = []
    """The newest round trips that were counted, so that a repeated one is not."""
    generations: dict[Symbol, int] = {}
    """The newest generation that was given to a symbol that was added here."""
    time: TimeNs = 0
    """The newest market time known; never falls."""


class PortfolioStep(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One change of a venue's portfolio: `journal.V._all.step`."""

    venue: VenueId
    step: int
    epoch: int
    """Grows with each claim; a claim repeats the step's number and state with no causes."""
    offsets: dict[str, StreamOffset]
    causes: tuple[PortfolioInput, ...]
    state: PortfolioState
    notices: tuple[Notice, ...]
    commands: tuple[Command, ...]
    """What is given on to each symbol."""
    entries: tuple[SymbolEntry, ...]
    """What is added to the roster."""
    published_through: int
    time: TimeNs
