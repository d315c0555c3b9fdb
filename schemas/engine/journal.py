"""Steps: the journal records of a symbol. A step holds a change of state as a whole, so commits are atomic."""

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
    """A symbol was added: the first cause of its first step."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    settings: GridSettings
    instrument: Instrument
    time: TimeNs


class TimePassed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """No tick arrived for a while. Its time is market time: that of the last tick, continued by the engine's clock."""

    time: TimeNs


class CommandReceived(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command, with the time the engine read it.

    Both its times are wall-clock time: market time may be that of a recording, so it cannot decide on expiry.
    """

    command: Command
    received_time: TimeNs


class EngineStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An engine took over the symbol: orders canceled on the previous engine's shutdown may be placed again."""

    time: TimeNs
    """Wall-clock time."""


class EngineStopping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine shuts down and no other takes over: cancel open orders, place none until an engine starts."""

    time: TimeNs
    """Wall-clock time."""


class LateTrade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An unbooked own trade of an order that the grid no longer keeps."""

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
"""Every input of the core. Their times are the core's only clock."""

Notice = RiskChanged | Reconciled | AlertRaised | CommandResult
"""What a step publishes besides decisions and fills."""


class StreamOffset(msgspec.Struct, frozen=True, kw_only=True):
    """The last sequence read of a stream. A recreated stream has a different `created`."""

    created: str
    """The creation time of the stream, as given by the server: `2026-11-21T05:10:27.659794879Z`."""
    sequence: int


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One change of a symbol's state: `journal.V.S.step`."""

    venue: VenueId
    symbol: Symbol
    step: int
    epoch: int
    """Incremented by each engine that takes over. Its claim repeats the last step's number and state, without causes."""
    offsets: dict[str, StreamOffset]
    """By stream: every input up to here is applied."""
    causes: tuple[Input, ...]
    """The inputs that made the step, in order: replaying them reproduces it. Empty in a claim."""
    state: GridState
    decisions: tuple[Decision, ...]
    fills: tuple[Fill, ...]
    notices: tuple[Notice, ...]
    published_through: int
    """The JOURNAL sequence up to which the derived events on `engine.>` are published."""
    time: TimeNs


class SymbolEntry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A traded symbol with its initial settings, in the bucket `symbols`."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    settings: GridSettings
