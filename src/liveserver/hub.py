"""Who watches what: a viewer gets its snapshot and then the tail, each message encoded once; no sockets here."""

import asyncio
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from liveserver.messages import ErrorData, Message, MessageType, frame
from liveserver.metrics import Metrics
from liveserver.projection import Channel, Outgoing, Projection


class CloseCode(IntEnum):
    """Why a socket was closed; 4000 and up are ours."""

    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    POLICY_VIOLATION = 1008
    UNKNOWN_SYMBOL = 4404
    TOO_SLOW = 4408


class Viewer(Protocol):
    """One browser's end of a connection: takes frames without ever making anyone wait."""

    def send(self, frames: Sequence[bytes]) -> bool:
        """Take frames in order; False when the viewer is closed, or closed now because it is too slow."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection, once what was taken before is out."""
        ...


class Wanted(NamedTuple):
    """What a viewer asked for: an empty `symbol` or `interval` means the first."""

    symbol: str = ""
    venue: str = ""
    interval: str = ""
    is_patient: bool = False
    """It was shown this symbol before, and waits for it to come back."""


class Hub:
    """Seats viewers by channel. While nothing is known, they wait and hear of the server alone."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._projection: Projection | None = None
        self._waiting: dict[Viewer, Wanted] = {}
        self._seated: dict[Viewer, Channel] = {}
        self._audience: dict[Channel, dict[Viewer, None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._seated)

    def join(self, viewer: Viewer, wanted: Wanted, greeting: Sequence[Message] = ()) -> None:
        """Seat a viewer and send it the snapshot, or let it wait when nothing is known yet; then greet it."""
        self._waiting[viewer] = wanted
        self._count()
        self._seat(viewer, wanted)
        self._deliver(viewer, greeting)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; it may have been forgotten before."""
        self._waiting.pop(viewer, None)
        channel = self._seated.pop(viewer, None)
        if channel is not None:
            for heard in _heard_at(channel):
                self._audience[heard].pop(viewer, None)
        self._count()

    def show(self, projection: Projection) -> None:
        """Show this projection from now on; everybody starts anew with a snapshot of it."""
        self._projection = projection
        self._audience.clear()
        for viewer, (market, interval) in self._seated.items():
            self._waiting[viewer] = Wanted(market.symbol, market.venue, interval, is_patient=True)
        self._seated.clear()
        self._seat_waiting()

    def publish(self, outgoing: Iterable[Outgoing]) -> None:
        """Send each message to the viewers of its channel."""
        for channel, message in outgoing:
            audience = self._audience.get(channel)
            if audience:
                self._send(list(audience), message)
        if self._waiting:
            self._seat_waiting()

    def broadcast(self, message: Message) -> None:
        """Send a message to everybody, those who wait included."""
        self._send([*self._seated, *self._waiting], message)

    def close_all(self, code: CloseCode, reason: str) -> None:
        """Close every connection."""
        for viewer in [*self._seated, *self._waiting]:
            viewer.close(code, reason)

    async def emptied(self) -> None:
        """Return when nobody is connected."""
        await self._empty.wait()

    def _seat_waiting(self) -> None:
        for viewer, wanted in list(self._waiting.items()):
            self._seat(viewer, wanted)

    def _seat(self, viewer: Viewer, wanted: Wanted) -> None:
        projection = self._projection
        if projection is None or not projection.names:
            return
        market = projection.find(wanted.symbol, wanted.venue)
        if market is not None:
            channel = Channel(market, projection.interval(market, wanted.interval))
            del self._waiting[viewer]
            self._seated[viewer] = channel
            for heard in _heard_at(channel):
                self._audience.setdefault(heard, {})[viewer] = None
            self._deliver(viewer, projection.snapshot(channel))
        elif not wanted.is_patient:
            self._turn_away(viewer, wanted, projection)

    def _turn_away(self, viewer: Viewer, wanted: Wanted, projection: Projection) -> None:
        known = tuple(projection.names.values())
        error = unknown_symbol(wanted.symbol, wanted.venue, known)
        self._deliver(viewer, [Message(MessageType.ERROR, ErrorData(error=error, known=known))])
        viewer.close(CloseCode.UNKNOWN_SYMBOL, f"unknown symbol: {wanted.symbol}")
        self.leave(viewer)

    def _count(self) -> None:
        self._metrics.connected_clients.set(len(self))
        if len(self):
            self._empty.clear()
        else:
            self._empty.set()

    def _deliver(self, viewer: Viewer, messages: Sequence[Message]) -> None:
        if not viewer.send([frame(message) for message in messages]):
            self.leave(viewer)
            return
        for message in messages:
            self._metrics.messages_sent.labels(message.type).inc()

    def _send(self, viewers: Sequence[Viewer], message: Message) -> None:
        encoded = (frame(message),)
        refused = [viewer for viewer in viewers if not viewer.send(encoded)]
        self._metrics.messages_sent.labels(message.type).inc(len(viewers) - len(refused))
        for viewer in refused:
            self.leave(viewer)


def _heard_at(channel: Channel) -> tuple[Channel, Channel]:
    return channel, Channel(channel.market)


def unknown_symbol(symbol: str, venue: str, known: Iterable[str]) -> str:
    """Return one sentence that says what is not there and what is."""
    where = f" on {venue}" if venue else ""
    return f"there is no symbol {symbol or '(any)'}{where}; there is {', '.join(known)}"
