"""Server messages about the session: snapshots, stream cursors, replays, commands, status, errors.

The cursor, replay and command messages are part of `opensqt.v2` alone.
"""

from enum import StrEnum

import msgspec

from liveserver.protocol.cursors import SnapshotReason, StreamCursor


class SnapshotMarket(msgspec.Struct, frozen=True):
    """One market and interval."""

    venue: str
    """The id of the venue."""
    symbol: str
    """The ccxt symbol."""
    interval: str
    """The candle interval: `1m`."""


class SnapshotData(msgspec.Struct, frozen=True, kw_only=True):
    """Header of a snapshot: the state of `markets` follows, up to and including the cursors in `streams`."""

    reason: SnapshotReason
    """Why a snapshot is sent."""
    streams: dict[str, StreamCursor]
    """The cursor of each durable stream, by stream name."""
    markets: tuple[SnapshotMarket, ...]
    """The markets whose state follows."""


class ResumedData(msgspec.Struct, frozen=True, kw_only=True):
    """Header of a resume: all events after the cursors in `streams` follow, then the state messages."""

    streams: dict[str, StreamCursor]
    """The cursor of each durable stream, by stream name."""


class StreamsData(msgspec.Struct, frozen=True, kw_only=True):
    """Cursors up to which every event of the viewer's topics was sent. A viewer resumes from them."""

    streams: dict[str, StreamCursor]
    """The cursor of each durable stream, by stream name."""


class ReplayState(StrEnum):
    """State of a replay."""

    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"
    """At the end of its range; seeking back is possible."""
    STOPPED = "stopped"
    """Live data follow, starting with a snapshot."""
    REFUSED = "refused"


class ReplayData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State of a replay, sent on each change and at least once a second while it plays. Times: seconds since the epoch."""

    state: ReplayState
    """State of the replay."""
    detail: str = ""
    """Why a request was rejected, or why the replay begins later than requested; text for people."""
    start: float = 0.0
    """Start of the range: as requested, or the first moment of which something is kept."""
    end: float = 0.0
    """End of the range."""
    at: float = 0.0
    """The clock of the replay: all events up to this time were sent, and no later one."""
    speed: float | str = 0.0
    """Speed-up factor, or `max`."""
    kept_from: float = 0.0
    """Since when everything is kept, if a part of the requested range is not; 0 when the range is complete."""
    grids_from: float = 0.0
    """Since when states of grids are kept, if not from the start of the range on; 0 otherwise."""


class CommandState(StrEnum):
    """Progress of a command."""

    GIVEN = "given"
    """Stored on the bus; no engine has answered yet."""
    ACCEPTED = "accepted"
    """Taken by an engine, not complete yet: orders are being canceled, or not all symbols have answered."""
    ANSWERED = "answered"
    """The final answer of the engine, which may be that it refuses: see `outcome`."""
    REFUSED = "refused"
    """An error, as text in `detail`: the server rejected the command, or the bus failed."""


class SymbolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one symbol to a command to all symbols."""

    venue: str
    """The id of the venue."""
    market: str
    """The ccxt symbol."""
    outcome: str | None
    """As in `command`; null while the symbol has not answered."""
    final: bool
    """Whether no other answer of the symbol follows."""
    detail: str = ""
    """The engine's text."""
    orders_canceled: int | None = None
    """How many orders were canceled so far; null where none have to be."""
    orders_out: int | None = None
    """How many orders that have to be canceled are still open, or unknown; null where none have to be."""
    position: str | None = None
    """The position that is left, in base currency; null if unknown."""


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a command, with the engine's answer if there is one. Another one follows unless `final` is true."""

    command_id: str
    """The id of the command; empty if it was rejected by the server."""
    state: CommandState
    """Progress of the command."""
    command: str
    """The name of the command: `pause`."""
    key: str = ""
    """Idempotency key chosen by the client."""
    venue: str = ""
    """The id of the venue."""
    market: str = ""
    """The ccxt symbol that it was applied to; `_all` for all symbols, as named in the request if it was rejected."""
    final: bool = False
    """Whether no other answer follows."""
    outcome: str | None = None
    """The engine's answer: `accepted`, `applied`, `incomplete`, `unchanged`, `expired` or `refused`; of several symbols the
    worst one. Null before an answer."""
    detail: str = ""
    """The engine's text, why the server rejected the command, or what prevents an answer and what to do about it."""
    step: int | None = None
    """The step of the journal from which the answer follows."""
    time: int | None = None
    """Market time of the answer, in seconds since the epoch."""
    orders_canceled: int | None = None
    """How many orders were canceled so far, as confirmed by the venue; null where none have to be."""
    orders_out: int | None = None
    """How many orders that have to be canceled are still open, or unknown; null where none have to be."""
    position: str | None = None
    """The position that is left, in base currency; null if unknown."""
    answers: tuple[SymbolAnswer, ...] = ()
    """Of a command to all symbols: the answer of each one."""


class PartData(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one part of the stack, as this live server sees it."""

    kind: str
    """`bus`, `engine`, `gateway`, `market`, `account`, `venue`, `liveserver`."""
    name: str
    """The name of the process; for `venue` the name of the venue."""
    state: str
    """`ok`, `silent` (hung, dead or cut off), `missing` (no heartbeat, though it is needed), `unreachable` (a venue), or
    `degraded` (it reports problems itself)."""
    age_ms: int | None
    """Time since its last heartbeat, or since the venue's last message; null if unknown."""
    venues: tuple[str, ...]
    """The venues that it serves; empty for parts of all venues."""
    detail: str
    """What is wrong, as a sentence; empty if nothing is."""
    remedy: str
    """What to do: a command line where there is one; empty if nothing is wrong."""
    is_replaced: bool = False
    """Whether another process has taken over the work of this silent one."""


class ServerData(msgspec.Struct, frozen=True, kw_only=True):
    """Identity and bus connection of the live server, sent once a second."""

    replica: str
    """The name of the live server."""
    status: str
    """`waiting` before the first view of the bus, `live`, `cut` while the bus does not answer, `draining` at shutdown."""
    time_ms: int
    """The server's clock, in milliseconds since the epoch."""
    uptime: int
    """Seconds since the start of the server."""
    clients: int
    """Number of connected viewers."""
    bus: str = ""
    """The address of the bus, for commands to paste; empty before it was reached, and for public viewers."""
    parts: tuple[PartData, ...] = ()
    """The parts of the stack and the links to venues, with what is wrong first."""
    redacted: bool = False
    """Amounts are hidden in all messages that follow: see `liveserver.protocol.redaction`."""


class ErrorData(msgspec.Struct, frozen=True, kw_only=True):
    """Reason for rejecting a request or closing the socket."""

    error: str
    """The reason; text for people."""
    known: tuple[str, ...] = ()
    """Known symbols, when the error is an unknown one."""


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """Status of a live server, for the HTTP API."""

    replica: str
    """The name of the live server."""
    status: str
    """`waiting` before the first view of the bus, `live`, `cut` while the bus does not answer, `draining` at shutdown."""
    uptime: int
    """Seconds since the start of the server."""
    clients: int
    """Number of connected viewers."""
    symbols: tuple[str, ...]
    """The names of the markets: `BTCUSDT`."""
    bus_reconnects: int
    """Number of reconnects to the bus."""
    problems: tuple[str, ...]
    """What is wrong, and what to do; empty if nothing is."""
    parts: tuple[PartData, ...] = ()
    """The parts of the stack and the links to venues, with what is wrong first."""


SessionData = SnapshotData | ResumedData | StreamsData | ReplayData | CommandAnswer | ServerData | ErrorData
