"""Who watches what: a viewer gets its snapshot and then the tail, each message encoded once; no sockets here.

Messages are gathered until `flush`, which a loop calls once a tick: one write a viewer then, however many there were.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from liveserver.audience import Audience, CloseCode, Viewer
from liveserver.frames import text_frame
from liveserver.messages import ErrorData, Message, MessageType, text
from liveserver.metrics import Metrics
from liveserver.projection import Channel, Outgoing, Projection


class Wanted(NamedTuple):
    """What a viewer asked for: an empty `symbol` or `interval` means the first."""

    symbol: str = ""
    venue: str = ""
    interval: str = ""
    is_patient: bool = False
    """It was shown this symbol before, and waits for it to come back."""


Soon = Callable[[Callable[[], None]], object]
"""Calls a function later in this tick, or at the next: a loop's `call_soon`."""


class Hub:
    """Seats viewers by channel. While nothing is known, they wait and hear of the server alone."""

    def __init__(self, metrics: Metrics, soon: Soon = lambda flush: None) -> None:
        self._metrics = metrics
        self._soon = soon
        self._projection: Projection | None = None
        self._waiting: dict[Viewer, Wanted] = {}
        self._seated: dict[Viewer, Channel] = {}
        self._lobby = Audience()
        self._audiences: dict[Channel, Audience] = {}
        self._listeners: dict[Channel, list[Audience]] = {}
        self._dirty: dict[Audience, None] = {}
        self._began: float | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._seated)

    def join(self, viewer: Viewer, wanted: Wanted, greeting: Sequence[Message] = ()) -> None:
        """Seat a viewer and send it the snapshot, or let it wait when nothing is known yet; then greet it."""
        self._wait(viewer, wanted)
        self._count()
        self._seat(viewer, wanted)
        self._deliver(viewer, greeting)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; it may have been forgotten before."""
        self._waiting.pop(viewer, None)
        self._lobby.viewers.pop(viewer, None)
        channel = self._seated.pop(viewer, None)
        if channel is not None:
            audience = self._audiences[channel]
            audience.viewers.pop(viewer, None)
            if not audience.viewers:
                del self._audiences[channel]
                self._listeners.clear()
        self._count()

    def show(self, projection: Projection) -> None:
        """Show this projection from now on; everybody starts anew with a snapshot of it."""
        self.flush()
        self._projection = projection
        seated, self._seated = self._seated, {}
        self._audiences.clear()
        self._listeners.clear()
        for viewer, (market, interval) in seated.items():
            self._wait(viewer, Wanted(market.symbol, market.venue, interval, is_patient=True))
        self._seat_waiting()

    def publish(self, outgoing: Iterable[Outgoing], began: float | None = None) -> None:
        """Have each message sent to the viewers of its channel; `began` is when the first arrived (perf_counter)."""
        for channel, message in outgoing:
            audiences = self._listeners.get(channel)
            if audiences is None:
                audiences = self._listeners[channel] = self._find_listeners(channel)
            if audiences:
                self._put(audiences, message)
        if self._dirty and self._began is None:
            self._began = began
        if self._waiting:
            self._seat_waiting()

    def broadcast(self, message: Message) -> None:
        """Have a message sent to everybody, those who wait included."""
        self._put([*self._audiences.values(), self._lobby], message)

    def flush(self) -> None:
        """Send what was gathered."""
        dirty, self._dirty = self._dirty, {}
        for audience in dirty:
            self._flush(audience)
        if self._began is not None:
            self._metrics.broadcast_latency.observe(time.perf_counter() - self._began)
            self._began = None

    def close_all(self, code: CloseCode, reason: str) -> None:
        """Close every connection."""
        self.flush()
        for viewer in [*self._seated, *self._waiting]:
            viewer.close(code, reason)

    async def emptied(self) -> None:
        """Return when nobody is connected."""
        await self._empty.wait()

    def _wait(self, viewer: Viewer, wanted: Wanted) -> None:
        self._flush(self._lobby)
        self._waiting[viewer] = wanted
        self._lobby.viewers[viewer] = None

    def _seat_waiting(self) -> None:
        for viewer, wanted in list(self._waiting.items()):
            self._seat(viewer, wanted)

    def _seat(self, viewer: Viewer, wanted: Wanted) -> None:
        projection = self._projection
        if projection is None or not projection.names:
            return
        market = projection.find(wanted.symbol, wanted.venue)
        if market is not None:
            self._show(viewer, Channel(market, projection.interval(market, wanted.interval)), projection)
        elif not wanted.is_patient:
            self._turn_away(viewer, wanted, projection)

    def _show(self, viewer: Viewer, channel: Channel, projection: Projection) -> None:
        # What still waits for those who sit there is part of the snapshot.
        for audience in (self._lobby, self._audiences.get(channel)):
            if audience is not None:
                self._flush(audience)
        if self._waiting.pop(viewer, None) is None:
            return  # too slow even for what the lobby was told
        del self._lobby.viewers[viewer]
        self._seated[viewer] = channel
        self._audience_at(channel).viewers[viewer] = None
        self._deliver(viewer, projection.snapshot(channel))

    def _turn_away(self, viewer: Viewer, wanted: Wanted, projection: Projection) -> None:
        known = tuple(projection.names.values())
        error = unknown_symbol(wanted.symbol, wanted.venue, known)
        self._deliver(viewer, [Message(MessageType.ERROR, ErrorData(error=error, known=known))])
        viewer.close(CloseCode.UNKNOWN_SYMBOL, f"unknown symbol: {wanted.symbol}")
        self.leave(viewer)

    def _audience_at(self, channel: Channel) -> Audience:
        if channel not in self._audiences:
            self._audiences[channel] = Audience()
            self._listeners.clear()
        return self._audiences[channel]

    def _find_listeners(self, channel: Channel) -> list[Audience]:
        return [
            audience
            for seat, audience in self._audiences.items()
            if seat.market == channel.market and channel.interval in {"", seat.interval}
        ]

    def _count(self) -> None:
        self._metrics.connected_clients.set(len(self))
        if len(self):
            self._empty.clear()
        else:
            self._empty.set()

    def _deliver(self, viewer: Viewer, messages: Sequence[Message]) -> None:
        if not messages:
            return
        frames = b"".join([text_frame(text(message)) for message in messages])
        if not viewer.send(frames, len(messages)):
            self.leave(viewer)
            return
        for message in messages:
            self._metrics.messages_sent.labels(message.type).inc()

    def _put(self, audiences: Iterable[Audience], message: Message) -> None:
        frame = text_frame(text(message))
        for audience in audiences:
            audience.put(message.type, frame)
            if not self._dirty:
                self._soon(self.flush)
            self._dirty[audience] = None
            if audience.is_full:
                self._flush(audience)

    def _flush(self, audience: Audience) -> None:
        counts, refused = audience.flush()
        for kind, count in counts.items():
            self._metrics.messages_sent.labels(kind).inc(count)
        for viewer in refused:
            self.leave(viewer)


def unknown_symbol(symbol: str, venue: str, known: Iterable[str]) -> str:
    """Return one sentence that says what is not there and what is."""
    where = f" on {venue}" if venue else ""
    return f"there is no symbol {symbol or '(any)'}{where}; there is {', '.join(known)}"
