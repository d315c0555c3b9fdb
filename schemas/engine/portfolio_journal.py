"""Portfolio steps: the journal records of the portfolio of all venues, atomic like the steps of a symbol."""

import msgspec

from schemas.engine.control import Command
from schemas.engine.events import Fill
from schemas.engine.journal import Notice, StreamOffset, SymbolEntry
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioSettings
from schemas.grid.guard_state import BreakerState, Peak
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Money, Price, SignedQuantity, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument
from schemas.venue.market import ClockRead


class SymbolSeen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The part of a symbol's grid that the portfolio uses. Only the newest counts."""

    symbol: Symbol
    position: SignedQuantity
    price: Price
    """0 before the first price."""
    total_profit: Money
    not_quoting: NotQuoting | None
    time: TimeNs
    venue: VenueId = VenueId("")
    """Empty in version 0.1: that of the portfolio."""
    earlier_profit: Money = ZERO
    """Total profit of the symbol's earlier generations."""
    opening_orders: int = 0
    """Levels whose opening order is at the venue, on its way there, or being canceled."""


class PendingTrip(msgspec.Struct, kw_only=True):
    """A `trip` of the global circuit breaker that was accepted: opening orders are being canceled."""

    command: Command
    time: TimeNs
    """When the command was read, by the wall clock."""
    orders: int
    """Opening orders of all symbols when it was applied."""
    asked_time: TimeNs
    """The market time when it was applied."""
    times_out_at: TimeNs = 0
    """The market time at which it is answered as incomplete; 0 until a later time than `asked_time` is known."""


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """A traded symbol of a venue."""

    venue: VenueId
    symbol: Symbol


class CommandForAll(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command to all symbols, of one venue or all, with the wall-clock time it was read and the symbols concerned."""

    command: Command
    received_time: TimeNs
    symbols: tuple[Symbol, ...] = ()
    """Version 0.1 only: the symbols of the command's venue."""
    markets: tuple[Market, ...] = ()
    """The symbols traded at that time, of the command's venue or of all."""


class AddRequested(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command to add a symbol, with what was known of the symbol when it was read."""

    command: Command
    received_time: TimeNs
    instance: str
    """The instance of the traded symbols; empty when there are none."""
    instrument: Instrument | None
    """None when the venue does not list the symbol."""
    is_running: bool
    symbols: tuple[Symbol, ...]
    """The traded symbols of the venue."""
    last_generation: int
    """The symbol's last generation; 0 for a new symbol."""
    price: Price | None = None
    """The symbol's newest price; None when none is known, and in version 0.1."""
    running: GridSettings | None = None
    """The settings of a symbol that runs; None for another one, and in version 0.1."""


PortfolioInput = PortfolioEntry | SymbolSeen | Fill | OrderLatency | ClockRead | CommandForAll | AddRequested
"""Every input of the portfolio's core."""


class GlobalBreaker(msgspec.Struct, kw_only=True):
    """A circuit breaker over all symbols, or over those with one quote currency."""

    state: BreakerState = BreakerState.CLOSED
    reason: str = ""
    opened_time: TimeNs = 0
    trips: int = 0
    """How often it opened in a row; 0 while it is closed."""
    losses: int = 0
    """Consecutive losing round trips."""
    peaks: list[Peak] = []
    """The peaks of the summed profit in the drawdown window, in descending order."""


class Bucket(msgspec.Struct, kw_only=True):
    """The state of the symbols with one quote currency, on all venues."""

    is_exposed: bool = False
    """Whether the exposure reached its limit and has not fallen below `resume_below` since."""
    breaker: GlobalBreaker = msgspec.field(default_factory=GlobalBreaker)
    """Trips on losing round trips and on a drawdown."""


class PortfolioState(msgspec.Struct, kw_only=True):
    """The complete durable state of the portfolio."""

    venue: VenueId
    """`_all`; in version 0.1 the venue of the portfolio."""
    settings: PortfolioSettings
    is_exposed: bool = False
    """Version 0.1 only: see `Bucket`."""
    breaker: GlobalBreaker = msgspec.field(default_factory=GlobalBreaker)
    """The global circuit breaker: trips on the health of symbols and venues, and by hand."""
    counted: list[str] = []
    """The newest counted round trips, to ignore repeated ones: `sim BTC/USDT:USDT 17`; in version 0.1 without a venue."""
    generations: dict[str, int] = {}
    """The last generation assigned to each symbol added here, by `sim BTC/USDT:USDT`; in version 0.1 by symbol."""
    time: TimeNs = 0
    """The newest market time known; never decreases."""
    buckets: dict[str, Bucket] = {}
    """By quote currency; one that is missing is in its initial state."""
    pending: PendingTrip | None = None
    """The `trip` that waits for the symbols; at most one, because an open breaker is not opened again."""


class PortfolioStep(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One change of the portfolio's state: `journal._all._all.step`; in version 0.1 `journal.V._all.step`."""

    venue: VenueId
    """`_all`; in version 0.1 the venue."""
    step: int
    epoch: int
    """Incremented by each engine that takes over. Its claim repeats the last step's number and state, without causes."""
    offsets: dict[str, StreamOffset]
    causes: tuple[PortfolioInput, ...]
    state: PortfolioState
    notices: tuple[Notice, ...]
    commands: tuple[Command, ...]
    """The commands forwarded to each symbol."""
    entries: tuple[SymbolEntry, ...]
    """The symbols to add to the bucket `symbols`."""
    published_through: int
    """The JOURNAL sequence up to which the commands and entries are published."""
    time: TimeNs
    state_version: int = 1
    """See `schemas.formats.STATE_VERSION`."""
    minimum_reader: int = 1
    """The oldest state version that a program must know to read this step."""
    previous_hash: str = ""
    """The hash of the record before this one on the subject; empty in the first one and in version 1."""
