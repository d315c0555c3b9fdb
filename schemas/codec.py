"""The one codec: JSON bodies, decimals as strings, a `type` field that names the event."""

from typing import TypeVar

import msgspec

from schemas.engine.control import Command, CommandResult
from schemas.engine.events import AlertRaised, DecisionMade, Fill, Reconciled, RiskChanged
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    Step,
    SymbolAdded,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, PortfolioStep
from schemas.grid.view import GridView
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker
from schemas.venue.orders import CancelRejected, Funding, OrderIntent, OrderReport, Trade

Event = (
    Ticker
    | PublicTrade
    | Candle
    | FeedChanged
    | ClockRead
    | OrderIntent
    | OrderReport
    | CancelRejected
    | Trade
    | Funding
    | Balance
    | Position
    | OpenOrders
    | Step
    | GridView
    | DecisionMade
    | Fill
    | RiskChanged
    | Reconciled
    | AlertRaised
    | Command
    | CommandResult
    | Instrument
    | SymbolEntry
    | SymbolAdded
    | TimePassed
    | CommandReceived
    | PortfolioEntry
    | PortfolioLimits
    | OrderLatency
    | CommandForAll
    | AddRequested
    | PortfolioStep
    | EngineStarted
    | EngineStopping
)
"""Everything that a message on the bus can be."""

E = TypeVar("E", bound=msgspec.Struct)

# No `order`: msgspec sorts no integer keys. Structs keep the order of their fields, and a grid its levels sorted.
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class UndecodableError(ValueError):
    """A message is not an event of ours, or not the one expected: counted, logged, skipped."""


def encode(event: msgspec.Struct) -> bytes:
    """Return the JSON body of an event. The same event gives the same bytes."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """Return the event of a body.

    Raises: UndecodableError when it is not JSON, names no known type, or lacks a field.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UndecodableError(f"{error}: {data[:120]!r}") from error


def decode_as(data: bytes, kind: type[E]) -> E:
    """Return the event of a body that has to be a `kind`.

    Raises: UndecodableError when it is anything else.
    """
    event = decode(data)
    if not isinstance(event, kind):
        raise UndecodableError(f"expected {kind.__name__}, got {type(event).__name__}")
    return event


def try_decode(data: bytes, kind: type[E]) -> E | None:
    """Return the event of a body, None when it is not a `kind`."""
    try:
        return decode_as(data, kind)
    except UndecodableError:
        return None
