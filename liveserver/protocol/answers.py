"""What `opensqt.v2` is told about the conversation itself: where it is in the streams, and how its replay stands."""

from enum import StrEnum

import msgspec

from liveserver.protocol.cursors import Position, Reason


class Shown(msgspec.Struct, frozen=True):
    """One market and interval."""

    venue: str
    symbol: str
    interval: str


class SnapshotData(msgspec.Struct, frozen=True, kw_only=True):
    """What follows is the state of these markets, in which all is included that the streams had up to there."""

    reason: Reason
    streams: dict[str, Position]
    markets: tuple[Shown, ...]


class ResumedData(msgspec.Struct, frozen=True, kw_only=True):
    """What follows is all that was missed since there, and then the levels."""

    streams: dict[str, Position]


class StreamsData(msgspec.Struct, frozen=True, kw_only=True):
    """All that these streams had for the viewer up to there was sent: where it may resume."""

    streams: dict[str, Position]


class ReplayState(StrEnum):
    """How a replay stands."""

    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"
    """At the end of its range; it may be sought back."""
    STOPPED = "stopped"
    """The present follows, with a snapshot."""
    REFUSED = "refused"


class ReplayData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A replay, whenever it changes and once a second. Times are seconds since the epoch."""

    state: ReplayState
    detail: str = ""
    start: float = 0.0
    end: float = 0.0
    at: float = 0.0
    """All up to here was told."""
    speed: float | str = 0.0
    kept_from: float = 0.0
    """Where the streams begin that discarded a part of the range; 0 when none did."""


class CommandState(StrEnum):
    """How far a command has come."""

    ACCEPTED = "accepted"
    """It is on the bus, and the engine has not answered yet."""
    ANSWERED = "answered"
    REFUSED = "refused"
    """It was not given to the engine."""


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command: the engine's answer, where there is one yet."""

    command_id: str
    state: CommandState
    command: str
    key: str = ""
    """What whoever gave it called it, to give it once however often it is sent."""
    venue: str = ""
    market: str = ""
    """The ccxt symbol."""
    outcome: str | None = None
    """`applied`, `unchanged`, `expired` or `refused`, as the engine says."""
    detail: str = ""
    step: int | None = None
    time: int | None = None


Answer = SnapshotData | ResumedData | StreamsData | ReplayData | CommandAnswer
