"""Encode and decode events: JSON with decimals as strings and the class name in `type`.

Example:
    {"type":"ClockRead","venue":"sim","time":1700000000000000000,"received_time":1700000000000000005}
"""

from typing import TypeVar

import msgspec

from schemas.engine.control import Command, CommandResult
from schemas.engine.events import AlertRaised, DecisionMade, Fill, Reconciled, RiskChanged
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    ResyncRequired,
    Step,
    SymbolAdded,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, PortfolioStep
from schemas.grid.view import GridView
from schemas.venue.account import Balance, OpenOrders, Position, SweepRequest
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker
from schemas.venue.orders import CancelRejected, Funding, OrderIntent, OrderReport, Trade
from schemas.venue.requests import OrderRequest

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
    | ResyncRequired
    | SweepRequest
    | OrderRequest
)
"""Every type of event that is stored or published on the bus."""

E = TypeVar("E", bound=msgspec.Struct)

# Without `order=`: msgspec cannot sort integer keys. Encoding is deterministic anyway: structs keep the order of their
# fields, and the grid keeps its slots sorted by level.
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class UndecodableError(ValueError):
    """The message is not a known event, or not of the expected type. Callers skip it, and normally log it."""


def encode(event: msgspec.Struct) -> bytes:
    """Return the JSON body of an event. The same values in the same order give the same bytes: `1.0` and `1` differ."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """Return the event in a JSON body.

    Raises: UndecodableError when it is not JSON, its type is unknown, or a required field is missing.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UndecodableError(f"{error}: {data[:120]!r}") from error


def decode_as(data: bytes, kind: type[E]) -> E:
    """Return the event in a JSON body, which must be of type `kind`.

    Raises: UndecodableError when it is not.
    """
    event = decode(data)
    if not isinstance(event, kind):
        raise UndecodableError(f"expected {kind.__name__}, got {type(event).__name__}")
    return event


def try_decode(data: bytes, kind: type[E]) -> E | None:
    """Return the event in a JSON body, or None when it is not of type `kind`."""
    try:
        return decode_as(data, kind)
    except UndecodableError:
        return None
