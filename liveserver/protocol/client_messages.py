"""Requests of a viewer on an `opensqt.v2` socket: `{"type": ..., "data": ...}`."""

import datetime
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from liveserver.protocol.cursors import StreamCursor
from schemas.codec import INVALID_JSON
from schemas.engine.control import CommandName
from schemas.units import SECOND_NS, TimeNs

MAX_TOPICS = 64
MAX_TIME_S = 4_000_000_000
"""Latest timestamp accepted, in seconds since the epoch: the year 2096."""

Timestamp = float | str
"""Seconds since the epoch, or ISO 8601 (UTC without an offset)."""
Speed = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | Literal["max"]


class RequestedTopic(NamedTuple):
    """A topic as the hub resolves it: an empty `symbol` is the first one, `*` every symbol (of `venue`).

    An empty `interval`, or one without candles, is the market's shortest.
    """

    symbol: str = ""
    venue: str = ""
    interval: str = ""
    may_be_missing: bool = False
    """Wait for an unknown symbol instead of rejecting it: it was known before."""


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol, or `*` for every symbol (of the venue, if given). Empty fields are as in `RequestedTopic`."""

    symbol: str = ""
    """The page's name, the ccxt symbol, or `*`; empty: the first market."""
    venue: str = ""
    """The id of the venue; empty: any."""
    interval: str = ""
    """The candle interval; empty: the first one."""


Topics = Annotated[tuple[Topic, ...], msgspec.Meta(min_length=1, max_length=MAX_TOPICS)]


class SubscribeData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The complete list of topics."""

    topics: Topics
    """1 to 64 topics."""


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """Replace the topics of the viewer."""

    data: SubscribeData
    """The new topics."""

    @property
    def topics(self) -> list[RequestedTopic]:
        return _requested(self.data.topics)


class ResumeData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The topics, and the cursors up to which their events were received."""

    topics: Topics
    """1 to 64 topics."""
    streams: dict[str, StreamCursor]
    """The cursor of each durable stream, by stream name."""


class Resume(msgspec.Struct, frozen=True, tag_field="type", tag="resume"):
    """Continue after the last event that another connection received."""

    data: ResumeData
    """What to continue."""

    @property
    def topics(self) -> list[RequestedTopic]:
        return _requested(self.data.topics)


class ReplayRange(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """Time range of a replay, on the wire `from` and `to`."""

    topics: Topics
    """1 to 64 topics, at most 20 symbols."""
    start: Timestamp
    """Start of the range."""
    end: Timestamp | None = None
    """The present, if not given."""
    speed: Speed = 1.0
    """Speed-up factor above 0, or `max`: as fast as the connection accepts."""


class Replay(msgspec.Struct, frozen=True, tag_field="type", tag="replay"):
    """Replay past events instead of receiving live data."""

    data: ReplayRange
    """What to replay."""

    @property
    def topics(self) -> list[RequestedTopic]:
        return _requested(self.data.topics)


class Pause(msgspec.Struct, frozen=True, tag_field="type", tag="pause"):
    """Pause the replay."""


class PlayData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new speed; unchanged if not given."""

    speed: Speed | None = None
    """Speed-up factor above 0, or `max`."""


class Play(msgspec.Struct, frozen=True, tag_field="type", tag="play"):
    """Continue the replay."""

    data: PlayData = PlayData()
    """The new speed; may be absent."""


class SeekData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time to seek to."""

    to: Timestamp
    """The time at which the replay continues."""


class Seek(msgspec.Struct, frozen=True, tag_field="type", tag="seek"):
    """Continue at another time within the range of the replay."""

    data: SeekData
    """The time to seek to."""


class Stop(msgspec.Struct, frozen=True, tag_field="type", tag="stop"):
    """Stop the replay and return to live data."""


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command for the engine."""

    command: CommandName
    """The name of the command."""
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """The name used by the page (`BTCUSDT`), or the ccxt symbol."""
    venue: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """The id of the venue; empty: any."""
    reason: Annotated[str, msgspec.Meta(max_length=300)] = ""
    """Stored with the command."""
    key: Annotated[str, msgspec.Meta(max_length=128)] = ""
    """Idempotency key: a repetition within two minutes is executed once and gets the same answer."""
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 5.0
    """Maximum time to wait for the engine's answer."""
    expires_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    """The engine answers `expired` instead of applying the command when it reads it later than this."""
    arguments: dict[str, Any] = {}
    """Further fields of `schemas.engine.control.Command`."""


class Control(msgspec.Struct, frozen=True, tag_field="type", tag="control"):
    """Give the engine a command."""

    data: ControlRequest
    """The command."""


ReplayCommand = Pause | Play | Seek | Stop
Request = Subscribe | Resume | Replay | ReplayCommand


class InvalidRequest(ValueError):
    """The viewer's fault; the text is sent to the viewer."""


_decoder: msgspec.json.Decoder[Request | Control] = msgspec.json.Decoder(Request | Control)


def decode_request(text: bytes) -> Request | Control:
    """Decode a viewer's message: `{"type":"subscribe","data":{"topics":[{"symbol":"BTCUSDT"}]}}`.

    Raises: InvalidRequest.
    """
    try:
        return _decoder.decode(text)
    except INVALID_JSON as error:
        raise InvalidRequest(f"invalid request: {error}") from error


def parse_time(timestamp: Timestamp) -> TimeNs:
    """Return the nanoseconds since the epoch of a viewer's timestamp: `1763717400.5` or `2026-11-21T09:30:00Z`.

    Raises: InvalidRequest.
    """
    if isinstance(timestamp, str):
        try:
            moment = datetime.datetime.fromisoformat(timestamp)
        except ValueError as error:
            raise InvalidRequest(
                f"invalid time {timestamp!r}: write 2026-11-21T09:30:00Z, or seconds since the epoch"
            ) from error
        timestamp = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    if not 0 <= timestamp <= MAX_TIME_S:
        raise InvalidRequest(f"invalid time {timestamp:g} s: must be between 0 and {MAX_TIME_S}")
    return round(timestamp * SECOND_NS)


def _requested(topics: Iterable[Topic]) -> list[RequestedTopic]:
    return [RequestedTopic(topic.symbol, topic.venue, topic.interval) for topic in topics]
