"""Encode and decode events: JSON with decimals as strings and the class name in `type`.

Example:
    {"type":"ClockRead","venue":"sim","time":1700000000000000000,"received_time":1700000000000000005}
"""

from typing import Final, TypeVar, get_args

import msgspec

from schemas.engine.control import Command, CommandResult
from schemas.engine.events import (
    AlertRaised,
    DecisionMade,
    EngineHeartbeat,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    LedgerGap,
    OtherGrids,
    ResyncRequired,
    Step,
    SymbolAdded,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, PortfolioStep
from schemas.formats import STATE_VERSION, VIEW_VERSION
from schemas.grid.view import GridView
from schemas.parts import PartHeartbeat
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
    | QuotingChanged
    | Reconciled
    | PositionCorrected
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
    | LedgerGap
    | OtherGrids
    | SweepRequest
    | OrderRequest
    | EngineHeartbeat
    | PartHeartbeat
)
"""Every type of event that is stored or published on the bus."""

E = TypeVar("E", bound=msgspec.Struct)

# Without `order=`: msgspec cannot sort integer keys. Encoding is deterministic anyway: structs keep the order of their
# fields, and the grid keeps its slots sorted by level.
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)

INVALID_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON of the expected type; RecursionError for deeply nested JSON."""

_READABLE: dict[type[msgspec.Struct], tuple[str, int]] = {
    Step: ("step", STATE_VERSION),
    PortfolioStep: ("portfolio step", STATE_VERSION),
    GridView: ("grid", VIEW_VERSION),
}
"""Events with a `minimum_reader`: what they are called, and the newest format that this program reads."""

_KINDS: dict[str, type[msgspec.Struct]] = {kind.__name__: kind for kind in get_args(Event)}


class UndecodableError(ValueError):
    """The message is not a known event, or not of the expected type. Callers skip it, and normally log it."""


class UnknownKind(UndecodableError):
    """The message is an event of a type that this program does not know: a newer version wrote it.

    A reader whose state does not depend on it skips it; any other must not continue.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"a newer version wrote this message of the unknown type {kind}: update this program"
        )
        self.kind = kind


class FormatTooNew(UndecodableError):
    """The event needs a newer program. Readers of its state stop: an earlier event must not take its place."""

    def __init__(self, name: str, event: "_Versioned", known: int) -> None:
        super().__init__(
            f"this {name} of {f'{event.venue} {event.symbol}'.strip()} was written by a newer version (format "
            f"{event.minimum_reader}; this program reads up to {known}): update this program before it runs here"
        )
        self.step = event.step
        self.epoch = event.epoch


class _Tagged(msgspec.Struct, frozen=True):
    type: str


class _Versioned(msgspec.Struct, frozen=True):
    venue: str
    step: int
    symbol: str = ""
    epoch: int = 0
    minimum_reader: int = 1


_tag_decoder = msgspec.json.Decoder(_Tagged)
_version_decoder = msgspec.json.Decoder(_Versioned)


def encode(event: msgspec.Struct) -> bytes:
    """Return the JSON body of an event. The same values in the same order give the same bytes: `1.0` and `1` differ."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """Return the event in a JSON body.

    Raises: FormatTooNew when it needs a newer program; UnknownKind when its type is unknown; another UndecodableError when
    it is not JSON, or a required field is missing.
    """
    try:
        event = _decoder.decode(data)
    except INVALID_JSON as error:
        raise _newer(data) or UndecodableError(f"{error}: {data[:120]!r}") from error
    if (
        isinstance(event, Step | PortfolioStep | GridView)
        and event.minimum_reader > _READABLE[type(event)][1]
    ):
        raise _newer(data) or AssertionError("a decoded event has the fields of `_Versioned`")
    return event


def decode_header(data: bytes, decoder: msgspec.json.Decoder[E]) -> E:
    """Return the part of a step, or of another record with `minimum_reader`, that a decoder of its own reads.

    Raises: FormatTooNew when the record needs a newer program; UndecodableError when it does not decode.
    """
    try:
        header = decoder.decode(data)
    except INVALID_JSON as error:
        raise _newer(data) or UndecodableError(f"{error}: {data[:120]!r}") from error
    if (newer := _newer(data)) is not None:
        raise newer
    return header


def _newer(data: bytes) -> UndecodableError | None:
    """Return the error of a newer version's message; None when this program ought to read it."""
    try:
        tag = _tag_decoder.decode(data).type
        if tag not in _KINDS:
            return UnknownKind(tag)
        if _KINDS[tag] not in _READABLE:
            return None
        event = _version_decoder.decode(data)
    except INVALID_JSON:
        return None
    name, known = _READABLE[_KINDS[tag]]
    return FormatTooNew(name, event, known) if event.minimum_reader > known else None


def decode_as(data: bytes, kind: type[E]) -> E:
    """Return the event in a JSON body, which must be of type `kind`.

    Raises: as `decode`, also UndecodableError when it is of another type.
    """
    event = decode(data)
    if not isinstance(event, kind):
        raise UndecodableError(f"expected {kind.__name__}, got {type(event).__name__}")
    return event


def try_decode(data: bytes, kind: type[E]) -> E | None:
    """Return the event in a JSON body, or None when it is not of type `kind` or needs a newer program."""
    try:
        return decode_as(data, kind)
    except UndecodableError:
        return None
