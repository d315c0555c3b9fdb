"""Steps: the journal records of a symbol. A step holds a change of state as a whole, so commits are atomic."""

import msgspec

from schemas.engine.control import Command, CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.settings import GridSettings
from schemas.grid.state import EarlierGenerations, GridState, OtherGrid
from schemas.units import ZERO, Money, Price, SignedQuantity, Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, Ticker
from schemas.venue.orders import CancelRejected, Decision, Funding, OrderReport, RecordRef, Trade


class SymbolAdded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A symbol was added: the first cause of its first step."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    settings: GridSettings
    instrument: Instrument
    time: TimeNs
    earlier: EarlierGenerations | None = None
    """The result of the symbol's earlier generations."""


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
    """An unbooked own trade of an order that the grid no longer keeps. Of version 1 only."""

    trade: Trade


class AheadOfClock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trade or report whose own time is far ahead of the engine's clock: it is applied at the time it was received."""

    event: OrderReport | Trade
    received_time: TimeNs


class ResyncRequired(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Records on the bus were lost or restored: orders and trades are read from the venue before anything is placed."""

    request_id: str
    reason: str
    """What was lost, as a sentence for operators."""
    raises_generation: bool
    """Whether order ids of the present generation may be in use unknown here."""
    generation: int
    """The highest generation in the bucket `symbols`, the journal and the intents."""
    time: TimeNs
    """Wall-clock time."""
    restore_id: str = ""
    """The id of the restore, see `SymbolEntry`; empty if the reason is another."""


class LedgerGap(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The stream ENGINE lost fills of the symbol that JOURNAL no longer has: they cannot be published again."""

    complete_from: TimeNs
    """Venue time from which every fill is on ENGINE."""
    lost_fills: int
    """The fills lost by now, earlier losses included."""


class OtherGrids(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The other registered grids of the account that settle in the same currency: an input of the preflight."""

    grids: tuple[OtherGrid, ...]


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
    | AheadOfClock
    | EngineStarted
    | EngineStopping
    | ResyncRequired
    | LedgerGap
    | Instrument
    | OtherGrids
)
"""Every input of the core. Their times are the core's only clock."""

Notice = RiskChanged | QuotingChanged | Reconciled | PositionCorrected | AlertRaised | CommandResult
"""What a step publishes besides decisions and fills."""


class StreamOffset(msgspec.Struct, frozen=True, kw_only=True):
    """The last sequence read of a stream. A recreated stream has a different `created`."""

    created: str
    """The creation time of the stream, as given by the server: `2026-11-21T05:10:27.659794879Z`."""
    sequence: int
    stored_time: TimeNs = 0
    """The time at which the message was stored; 0 when `sequence` is not that of a message read, and in version 1."""


class MessageRef(msgspec.Struct, frozen=True, kw_only=True):
    """A stored message."""

    stream: str
    sequence: int


class RiskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a symbol's state that the gateway and the account publisher use."""

    generation: int
    position: SignedQuantity
    price: Price | None
    booked_through: TimeNs
    """The mark of booked trades, see `GridState`."""
    is_spot: bool = False
    is_resyncing: bool = False
    max_buy: Money | None = None
    """`max_position` of the buying side in quote; None without a limit."""
    max_sell: Money | None = None
    held_long: Money = ZERO
    """What the slots hold long, at its cost."""
    held_short: Money = ZERO
    """What the slots hold short, at its value when it was sold."""
    missing_long: Money = ZERO
    """Value of what buys that have ended traded, by their reports, while the trades are not known. Part of `held_long`."""
    missing_short: Money = ZERO
    """The same of sells."""


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
    state_version: int = 1
    """See `schemas.formats.STATE_VERSION`."""
    minimum_reader: int = 1
    """The oldest state version that a program must know to read this step."""
    boundaries: tuple[int, ...] = ()
    """The index in `causes` of the first cause of each evaluation but the first. Empty when there was only one."""
    inputs: tuple[MessageRef, ...] = ()
    """The stored messages among the causes, in order."""
    risk: RiskSummary | None = None
    """None in steps of version 1."""
    intent: RecordRef | None = None
    """The newest intent of the gateway known to the engine; None in version 1."""
    previous_hash: str = ""
    """The hash of the record before this one on the subject; empty in the first one and in version 1."""
    trace: str = ""
    """The `traceparent` of the one stored message that caused the step; empty when none or several did."""


class SymbolEntry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A traded symbol with its initial settings, in the bucket `symbols`."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    settings: GridSettings
    restore_id: str = ""
    """Set by `bus restore`: the engine resynchronizes once for each new id, with a new generation of order ids."""
