"""Durable events: their rendering for `opensqt.v2`, and a buffer of recent ones from which viewers resume.

The rendering depends on the stored message alone, so that every replica sends the same bytes for it.
"""

import asyncio
import heapq
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from typing import Any, cast

from liveserver.protocol.cursors import SnapshotReason, StreamCursor, StreamCursors
from liveserver.protocol.server_messages import CandleData, Data, Message, MessageType
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view import notice_rendering, rendering
from liveserver.view.own_trades import OwnTrade
from liveserver.view.rendering import LazyMessage, MarketLabel
from schemas.codec import Event, decode
from schemas.engine.control import CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.grid.view import GridView
from schemas.subjects import ALL
from schemas.units import TimeNs
from schemas.venue.market import Candle
from schemas.venue.orders import OrderReport, Trade

MAX_BUFFERED_EVENTS = 10_000
"""Buffered events of one stream."""
MAX_BUFFERED_BYTES = 8 << 20
"""Buffered bytes of one stream, in the encoding of the bus."""

DurableEvent = (
    Candle
    | OrderReport
    | Trade
    | Fill
    | RiskChanged
    | AlertRaised
    | PositionCorrected
    | QuotingChanged
    | Reconciled
    | CommandResult
    | GridView
)

_RENDERING: dict[type, tuple[MessageType, Callable[[MarketLabel, Any], Data]]] = {
    Candle: (MessageType.KLINE, lambda label, event: rendering.candle(event)),
    OrderReport: (MessageType.ORDERS, rendering.report),
    Trade: (MessageType.TRADE_EVENT, lambda label, event: rendering.trade(label, OwnTrade(event))),
    Fill: (MessageType.FILL, lambda label, event: rendering.trade(label, OwnTrade(event, event))),
    RiskChanged: (MessageType.RISK_ALERT, notice_rendering.alert),
    AlertRaised: (MessageType.RISK_ALERT, notice_rendering.alert),
    QuotingChanged: (MessageType.QUOTING, notice_rendering.quoting),
    Reconciled: (MessageType.RECONCILIATION, notice_rendering.reconciliation),
    PositionCorrected: (MessageType.POSITION_CORRECTED, notice_rendering.correction),
    CommandResult: (MessageType.CONTROL, notice_rendering.control),
    GridView: (MessageType.GRID_STATE, rendering.grid),
}

_DURABLE_TYPES = frozenset(kind for kind, _ in _RENDERING.values()) - {MessageType.KLINE}

_sequence = attrgetter("sequence")
_time = attrgetter("time")


def channel_of(event: Event) -> Channel | None:
    """Return the channel of a durable event, None if the event is not sent to viewers."""
    if type(event) not in _RENDERING:
        return None
    event = cast(DurableEvent, event)
    if event.symbol == ALL:
        return None
    interval = event.interval if type(event) is Candle else ""
    return Channel(Market(event.venue, event.symbol), interval)


def durable_message(event: Event, label: MarketLabel) -> LazyMessage:
    """Return the message of a durable event that has a channel."""
    kind, render = _RENDERING[type(event)]
    return LazyMessage(kind, render, (label, event))


def is_durable(message: Message | LazyMessage) -> bool:
    """Return whether `opensqt.v2` receives this type of message from the durable events only, not from the view."""
    if message.type is MessageType.KLINE:
        assert isinstance(message, Message), "candle rows are rendered by the view"
        assert isinstance(message.data, CandleData)
        return not message.data.forming
    return message.type in _DURABLE_TYPES


class StoredEvent:
    """One durable event, kept as encoded on the bus and decoded again when a viewer has missed it."""

    __slots__ = ("channel", "data", "frames", "message_type", "sequence", "stream", "time")

    def __init__(
        self,
        stream: str,
        sequence: int,
        time: TimeNs,
        event: Event,
        data: bytes,
        channel: Channel | None = None,
    ) -> None:
        channel = channel or channel_of(event)
        assert channel is not None, "the event is sent to viewers"
        self.stream = stream
        self.sequence = sequence
        self.time = time
        """When the bus stored the event."""
        self.message_type = _RENDERING[type(event)][0]
        self.channel = channel
        self.data = data
        self.frames: dict[object, bytes] | None = None
        """Frames by `Encoding`, cached once a viewer has missed the event."""

    @property
    def seq(self) -> str:
        """The event's number in messages: `ORDERS:42`."""
        return f"{self.stream}:{self.sequence}"

    def message(self, name: str) -> Message:
        """Return the message; `name` is the market's name for browsers."""
        market = self.channel.market
        return durable_message(decode(self.data), MarketLabel(name, market.venue, market.symbol)).message()


class EventBuffer:
    """The newest events of one stream: all with a sequence above `start_after`.

    `floor` is where cursors start before any event was read: the sequence of the newest message for viewers when the
    buffer was created. Reading older events afterwards extends the buffer backwards.
    """

    def __init__(self, created: str, floor: int, events: int = 0, size: int = 0) -> None:
        self.created = created
        self.last_sequence = floor
        self.start_after = floor
        self._max_events = events or MAX_BUFFERED_EVENTS
        self._max_bytes = size or MAX_BUFFERED_BYTES
        self._events: list[StoredEvent] = []
        self._head = 0
        self._size = 0

    def append(self, event: StoredEvent) -> None:
        """Append an event; sequences must increase. The oldest ones are dropped above the limits."""
        if not self._events:
            self.start_after = min(self.start_after, event.sequence - 1)
        self._events.append(event)
        self._size += len(event.data)
        self.last_sequence = max(self.last_sequence, event.sequence)
        while len(self._events) - self._head > self._max_events or self._size > self._max_bytes:
            self._drop()
        if self._head > self._max_events:
            del self._events[: self._head]
            self._head = 0

    def after(self, sequence: int) -> list[StoredEvent] | None:
        """Return the events after a sequence; None if the buffer does not reach back so far."""
        if sequence < self.start_after:
            return None
        return self._events[bisect_right(self._events, sequence, self._head, key=_sequence) :]

    def _drop(self) -> None:
        oldest = self._events[self._head]
        self._head += 1
        self._size -= len(oldest.data)
        self.start_after = oldest.sequence
        # The list is trimmed in larger steps; until then the dropped event should hold no memory.
        oldest.data = b""
        oldest.frames = None


class EventLog:
    """The buffers of all durable streams."""

    def __init__(self) -> None:
        self.buffers: dict[str, EventBuffer] = {}
        self._advanced = asyncio.Event()

    def add_stream(self, stream: str, created: str, floor: int) -> None:
        """Buffer the events of a stream; see `EventBuffer` for `floor`."""
        self.buffers[stream] = EventBuffer(created, floor)

    def append(self, event: StoredEvent) -> None:
        """Append an event, if its stream is buffered."""
        buffer = self.buffers.get(event.stream)
        if buffer is not None:
            buffer.append(event)
            self._advanced.set()

    def skip(self, stream: str, sequence: int) -> None:
        """Advance past a message that is not sent to viewers, so that cursors are equal on every replica."""
        buffer = self.buffers.get(stream)
        if buffer is not None:
            buffer.last_sequence = max(buffer.last_sequence, sequence)
            self._advanced.set()

    @property
    def cursors(self) -> dict[str, StreamCursor]:
        """The cursor of each stream after its last message read."""
        return {
            stream: StreamCursor(buffer.created, buffer.last_sequence)
            for stream, buffer in self.buffers.items()
        }

    def reset_reason(self, cursors: StreamCursors) -> SnapshotReason | None:
        """Return the reason why no viewer can resume from these cursors, None if they fit the buffered streams."""
        if not self.buffers:
            return SnapshotReason.NOT_KNOWN
        for stream, buffer in self.buffers.items():
            cursor = cursors.get(stream)
            if cursor is None:
                return SnapshotReason.NOT_KNOWN
            if cursor.created != buffer.created:
                return SnapshotReason.STREAM_RECREATED
        return None

    def is_behind(self, cursors: StreamCursors) -> bool:
        """Return whether any cursor is ahead of this replica."""
        return any(cursors[stream].sequence > buffer.last_sequence for stream, buffer in self.buffers.items())

    def older_streams(self, cursors: StreamCursors) -> list[str]:
        """Return the streams whose cursor is older than the buffer."""
        return [
            stream for stream, buffer in self.buffers.items() if cursors[stream].sequence < buffer.start_after
        ]

    def events_after(self, cursors: StreamCursors, channels: Collection[Channel]) -> list[StoredEvent]:
        """Return the events of these channels after the cursors, merged by storage time; each stream in its own order.

        No cursor may be older than its buffer (see `older_streams`).
        """
        wanted = with_market_channels(channels)
        streams: list[Iterable[StoredEvent]] = []
        for stream, buffer in self.buffers.items():
            events = buffer.after(cursors[stream].sequence)
            assert events is not None, "no cursor is older than its buffer"
            streams.append([event for event in events if event.channel in wanted])
        return list(heapq.merge(*streams, key=_time))

    async def wait_advanced(self) -> None:
        """Return after the next message of any stream."""
        self._advanced.clear()
        await self._advanced.wait()


def with_market_channels(channels: Iterable[Channel]) -> frozenset[Channel]:
    """Return the channels together with those of their markets, whose messages have no interval."""
    given = frozenset(channels)
    return given | {Channel(channel.market) for channel in given}
