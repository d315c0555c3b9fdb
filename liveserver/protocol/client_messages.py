"""What a viewer may say on an `opensqt.v2` socket: `{"type": ..., "data": ...}`, as what it hears."""

import datetime
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from liveserver.protocol.cursors import Position
from liveserver.view.topics import Wanted
from schemas.engine.control import CommandName
from schemas.units import SECOND_NS, TimeNs

TOPICS_LIMIT = 64
LATEST_S = 4_000_000_000

When = float | str
"""Seconds since the epoch, or as ISO 8601 writes it (UTC when it names no zone)."""
Speed = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | Literal["max"]


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol, or `*` for every one (of the venue, if it is named)."""

    symbol: str = ""
    venue: str = ""
    interval: str = ""


Topics = Annotated[tuple[Topic, ...], msgspec.Meta(min_length=1, max_length=TOPICS_LIMIT)]


class SubscribeData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is to be seen from now on."""

    topics: Topics


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """Switch to other topics."""

    data: SubscribeData

    @property
    def wanted(self) -> list[Wanted]:
        return wanted_of(self.data.topics)


class ResumeData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was seen, and up to where."""

    topics: Topics
    streams: dict[str, Position]


class Resume(msgspec.Struct, frozen=True, tag_field="type", tag="resume"):
    """Go on where another connection ended."""

    data: ResumeData

    @property
    def wanted(self) -> list[Wanted]:
        return wanted_of(self.data.topics)


class ReplayRange(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """Which past to show."""

    topics: Topics
    start: When
    end: When | None = None
    """Now, when it is not named."""
    speed: Speed = 1.0


class Replay(msgspec.Struct, frozen=True, tag_field="type", tag="replay"):
    """Show the past instead of the present."""

    data: ReplayRange

    @property
    def wanted(self) -> list[Wanted]:
        return wanted_of(self.data.topics)


class Pause(msgspec.Struct, frozen=True, tag_field="type", tag="pause"):
    """Hold the replay."""


class PlayData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast, if not as before."""

    speed: Speed | None = None


class Play(msgspec.Struct, frozen=True, tag_field="type", tag="play"):
    """Go on with the replay."""

    data: PlayData = PlayData()


class SeekData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to."""

    to: When


class Seek(msgspec.Struct, frozen=True, tag_field="type", tag="seek"):
    """Go on elsewhere in the replay's range."""

    data: SeekData


class Stop(msgspec.Struct, frozen=True, tag_field="type", tag="stop"):
    """Return to the present."""


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command to give."""

    command: CommandName
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """As the page writes it, or the ccxt symbol."""
    venue: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=300)] = ""
    """Kept with the command."""
    key: Annotated[str, msgspec.Meta(max_length=128)] = ""
    """What you call it: sent again within two minutes it is given once, and answered as the first time."""
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 5.0
    """How long to wait for the engine's answer."""
    expires_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    """Not applied when the engine reads it later than that."""
    arguments: dict[str, Any] = {}
    """What the command takes beside: further fields of `schemas.control.Command`."""


class Control(msgspec.Struct, frozen=True, tag_field="type", tag="control"):
    """Give a command."""

    data: ControlRequest


ReplayCommand = Pause | Play | Seek | Stop
Request = Subscribe | Resume | Replay | ReplayCommand


class NotUnderstood(ValueError):
    """The viewer's fault: it is told so."""


_decoder: msgspec.json.Decoder[Request | Control] = msgspec.json.Decoder(Request | Control)


def understand(text: bytes) -> Request | Control:
    """Return what a viewer says.

    Raises: NotUnderstood.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotUnderstood(f"not understood: {error}") from error


def time_of(when: When) -> TimeNs:
    """Return the nanoseconds since the epoch of a time that a viewer named.

    Raises: NotUnderstood.
    """
    if isinstance(when, str):
        try:
            moment = datetime.datetime.fromisoformat(when)
        except ValueError as error:
            raise NotUnderstood(f"no time: {when!r}; write 2026-11-21T09:30:00Z, or seconds") from error
        when = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    if not 0 <= when <= LATEST_S:
        raise NotUnderstood(f"no time: {when:g} s; it is between 0 and {LATEST_S}")
    return round(when * SECOND_NS)


def wanted_of(topics: Iterable[Topic]) -> list[Wanted]:
    """Return topics as the hub understands them."""
    return [Wanted(topic.symbol, topic.venue, topic.interval) for topic in topics]
