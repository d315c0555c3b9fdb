"""Who watches what: a viewer gets its snapshot and then the tail, each message encoded once; no sockets here.

Messages are gathered until `flush`, which a loop calls once a tick: one write a viewer then, however many there were.
Whenever a viewer's topics change it is sent a snapshot of what is new to it; what it saw before goes on as it was.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from liveserver.audience import Audience, CloseCode, Dialect, Viewer, written
from liveserver.messages import ErrorData, Message, MessageType
from liveserver.metrics import Metrics
from liveserver.projection import Channel, Outgoing, Projection
from liveserver.redaction import UNKEYED, Pseudonym
from liveserver.topics import Unknown, Wanted, resolve

Soon = Callable[[Callable[[], None]], object]
"""Calls a function later in this tick, or at the next: a loop's `call_soon`."""
Key = tuple[frozenset[Channel], Dialect]
NOTHING: frozenset[Channel] = frozenset()


class Hub:
    """Seats viewers by the channels they hear. While nothing is known, they wait and hear of the server alone."""

    def __init__(self, metrics: Metrics, soon: Soon = lambda flush: None, alias: Pseudonym = UNKEYED) -> None:
        self._metrics = metrics
        self._alias = alias
        self._soon = soon
        self._projection: Projection | None = None
        self._markets_known = 0
        self._topics: dict[Viewer, Sequence[Wanted]] = {}
        self._seats: dict[Viewer, Audience] = {}
        self._audiences: dict[Key, Audience] = {}
        self._listeners: dict[Channel, list[Audience]] = {}
        self._dirty: dict[Audience, None] = {}
        self._began: float | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._seats)

    def join(
        self,
        viewer: Viewer,
        topics: Sequence[Wanted],
        greeting: Sequence[Message] = (),
        dialect: Dialect = Dialect.PLAIN,
    ) -> None:
        """Seat a viewer and send it the snapshot, or let it wait when nothing is known yet; then greet it."""
        self._topics[viewer] = topics
        self._sit(viewer, self._audience_at(NOTHING, dialect))
        self._count()
        self._settle(viewer)
        self._deliver(viewer, [(None, message) for message in greeting])

    def subscribe(self, viewer: Viewer, topics: Sequence[Wanted]) -> None:
        """Show a viewer other topics from now on; it is told when there is no such topic, and goes on as before."""
        before = self._topics.get(viewer)
        if before is None:
            return
        self._topics[viewer] = topics
        unknown = self._settle(viewer, is_leaving=False)
        if unknown is not None:
            self._topics[viewer] = before

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; it may have been forgotten before."""
        self._topics.pop(viewer, None)
        self._stand_up(viewer)
        self._count()

    def show(self, projection: Projection) -> None:
        """Show this projection from now on; everybody starts anew with a snapshot of it."""
        self.flush()
        self._projection = projection
        for viewer, audience in list(self._seats.items()):
            self._sit(viewer, self._audience_at(NOTHING, audience.dialect))
        self._settle_all()

    def publish(self, outgoing: Iterable[Outgoing], began: float | None = None) -> None:
        """Have each message sent to the viewers of its channel; `began` is when the first arrived (perf_counter)."""
        for channel, message, seq in outgoing:
            audiences = self._listeners.get(channel)
            if audiences is None:
                audiences = self._listeners[channel] = self._find_listeners(channel)
            if audiences:
                self._put(audiences, message, channel, seq)
        if self._dirty and self._began is None:
            self._began = began
        if self._projection is not None and len(self._projection) != self._markets_known:
            self._settle_all()

    def broadcast(self, message: Message) -> None:
        """Have a message sent to everybody, those who wait included."""
        self._put(self._audiences.values(), message)

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
        for viewer in list(self._seats):
            viewer.close(code, reason)

    async def emptied(self) -> None:
        """Return when nobody is connected."""
        await self._empty.wait()

    def _settle_all(self) -> None:
        self._markets_known = len(self._projection or ())
        for viewer in list(self._seats):
            self._settle(viewer)

    def _settle(self, viewer: Viewer, *, is_leaving: bool = True) -> Unknown | None:
        """Seat a viewer according to its topics; return the topic that there is not."""
        projection = self._projection
        if not projection or viewer not in self._topics:
            return None
        found = resolve(projection, self._topics[viewer])
        if isinstance(found, Unknown):
            self._say_unknown(viewer, found.wanted, projection, is_leaving=is_leaving)
            return found
        channels, self._topics[viewer] = found
        self._move(viewer, channels, projection)
        return None

    def _move(self, viewer: Viewer, channels: Sequence[Channel], projection: Projection) -> None:
        before = self._seats[viewer]
        if before.channels == frozenset(channels):
            return
        # What still waits for those who sit there is part of the snapshot.
        self._flush(before)
        if viewer not in self._seats:
            return  # too slow even for what it was told before
        self._sit(viewer, self._audience_at(frozenset(channels), before.dialect))
        told: list[tuple[Channel | None, Message]] = [
            (channel, message)
            for channel in channels
            if channel not in before.channels
            for message in projection.of_market(channel)
        ]
        self._deliver(viewer, [*told, (None, Message(MessageType.SYMBOLS, projection.summary()))])

    def _say_unknown(
        self, viewer: Viewer, wanted: Wanted, projection: Projection, *, is_leaving: bool
    ) -> None:
        known = tuple(projection.names.values())
        error = unknown_symbol(wanted.symbol, wanted.venue, known)
        self._deliver(viewer, [(None, Message(MessageType.ERROR, ErrorData(error=error, known=known)))])
        if is_leaving:
            viewer.close(CloseCode.UNKNOWN_SYMBOL, f"unknown symbol: {wanted.symbol}")
            self.leave(viewer)

    def _sit(self, viewer: Viewer, audience: Audience) -> None:
        self._flush(audience)
        self._stand_up(viewer)
        # It may have emptied meanwhile, and been forgotten.
        audience = self._audience_at(audience.channels, audience.dialect)
        self._seats[viewer] = audience
        audience.viewers[viewer] = None

    def _stand_up(self, viewer: Viewer) -> None:
        audience = self._seats.pop(viewer, None)
        if audience is None:
            return
        audience.viewers.pop(viewer, None)
        if not audience.viewers:
            self._audiences.pop((audience.channels, audience.dialect), None)
            self._listeners.clear()

    def _audience_at(self, channels: frozenset[Channel], dialect: Dialect) -> Audience:
        key = (channels, dialect)
        if key not in self._audiences:
            self._audiences[key] = Audience(channels, dialect)
            self._listeners.clear()
        return self._audiences[key]

    def _find_listeners(self, channel: Channel) -> list[Audience]:
        return [audience for audience in self._audiences.values() if audience.hears(channel)]

    def _count(self) -> None:
        self._metrics.connected_clients.set(len(self))
        if len(self):
            self._empty.clear()
        else:
            self._empty.set()

    def _deliver(self, viewer: Viewer, messages: Sequence[tuple[Channel | None, Message]]) -> None:
        audience = self._seats.get(viewer)
        if audience is None or not messages:
            return
        frames = b"".join(
            [written(message, audience.dialect, channel, "", self._alias) for channel, message in messages]
        )
        if not viewer.send(frames, len(messages)):
            self.leave(viewer)
            return
        for _, message in messages:
            self._metrics.messages_sent.labels(message.type).inc()

    def _put(
        self, audiences: Iterable[Audience], message: Message, channel: Channel | None = None, seq: str = ""
    ) -> None:
        if not self._dirty:
            self._soon(self.flush)
        frames: dict[Dialect, bytes] = {}
        for audience in tuple(audiences):
            frame = frames.get(audience.dialect)
            if frame is None:
                frame = frames[audience.dialect] = written(
                    message, audience.dialect, channel, seq, self._alias
                )
            self._dirty[audience] = None
            if audience.put(message.type, frame):
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
