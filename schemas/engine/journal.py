"""The engine's step: one record that holds all of a change, or none of it."""

import msgspec

from schemas.engine.control import Command, CommandResult
from schemas.engine.events import AlertRaised, Fill, Reconciled, RiskChanged
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, Ticker
from schemas.venue.orders import CancelRejected, Decision, Funding, OrderReport, Trade


class SymbolAdded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A symbol joined the roster: the first cause of its first step."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    settings: GridSettings
    instrument: Instrument
    time: TimeNs


class TimePassed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing was heard for a while: silence, as an input. Its time is the market's, as a ticker's is."""

    time: TimeNs


class CommandReceived(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person's command, with when the engine read it: both of its times are a wall clock's.

    The market's time may be a recording's, so that it says nothing about a command's expiry.
    """

    command: Command
    received_time: TimeNs


class EngineStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An engine took the symbol over: orders that the last one canceled as it ended may be placed again."""

    time: TimeNs
    """A wall clock's."""


class EngineStopping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine ends and no other takes over: what it has out is canceled, and nothing is placed until one starts."""

    time: TimeNs
    """A wall clock's."""


class LateTrade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An own trade of an order that the grid has forgotten, and that ORDERS has only once: it was never booked."""

    trade: Trade


Input = (
    SymbolAdded
    | TimePassed
    | Ticker
    | Candle
    | FeedChanged
    | ClockRead
    | Balance
    | Position
    | OpenOrders
    | OrderReport
    | CancelRejected
    | Trade
    | Funding
    | CommandReceived
    | PortfolioLimits
    | LateTrade
    | EngineStarted
    | EngineStopping
)
"""All that the core hears. Each carries its time, and that is the only time the core knows."""

Notice = RiskChanged | Reconciled | AlertRaised | CommandResult
"""What a step tells beside its decisions and fills."""


class StreamOffset(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stream was read. A stream that was created anew has another `created`."""

    created: str
    """The stream's creation time as the server writes it."""
    sequence: int


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One change of a symbol: `journal.V.S.step`."""

    venue: VenueId
    symbol: Symbol
    step: int
    epoch: int
    """Grows with each claim; a claim repeats the step's number and state with no causes."""
    offsets: dict[str, StreamOffset]
    causes: tuple[Input, ...]
    state: GridState
    decisions: tuple[Decision, ...]
    fills: tuple[Fill, ...]
    notices: tuple[Notice, ...]
    published_through: int
    """The JOURNAL sequence up to which the copies on `engine.>` are known to be out."""
    time: TimeNs


class SymbolEntry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One symbol of the roster, in the `symbols` registry."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    settings: GridSettings
