"""The recent durable events, stream by stream: where a viewer that was away goes on."""

import asyncio
import heapq
from bisect import bisect_right
from collections.abc import Collection, Iterable
from operator import attrgetter

from liveserver.protocol.cursors import Position, Positions, Reason
from liveserver.protocol.server_messages import Message
from liveserver.protocol.symbol_names import Market
from liveserver.view.durable import About, about, kind_of, worded
from schemas.codec import Event, decode
from schemas.units import TimeNs

RING_EVENTS = 10_000
RING_BYTES = 8 << 20
"""Of one stream, as it is on the bus."""

_sequence = attrgetter("sequence")
_time = attrgetter("time")


class Entry:
    """One durable event as the bus has it: read again when somebody has missed it."""

    __slots__ = ("data", "frames", "interval", "kind", "market", "sequence", "stream", "time")

    def __init__(
        self, stream: str, sequence: int, time: TimeNs, event: Event, data: bytes, found: About | None = None
    ) -> None:
        found = found or about(event)
        assert found is not None, "viewers are told of it"
        self.stream = stream
        self.sequence = sequence
        self.time = time
        """When the bus stored it."""
        self.kind = kind_of(event)
        self.market, self.interval = found
        self.data = data
        self.frames: dict[object, bytes] | None = None
        """As it was written, by the form it was written in; few are ever written again."""

    @property
    def seq(self) -> str:
        return f"{self.stream}:{self.sequence}"

    def message(self, name: str) -> Message:
        """Return the message; `name` is what browsers call the market."""
        return worded(decode(self.data), name)


class Ring:
    """The newest events of one stream: all behind `after`. `floor` is the last that was stored before it began."""

    def __init__(self, created: str, floor: int, events: int = 0, size: int = 0) -> None:
        self.created = created
        self.position = floor
        self.after = floor
        self._events_limit = events or RING_EVENTS
        self._size_limit = size or RING_BYTES
        self._entries: list[Entry] = []
        self._head = 0
        self._size = 0

    def append(self, entry: Entry) -> None:
        """Keep an event; its sequence is above those before."""
        if not self._entries:
            self.after = min(self.after, entry.sequence - 1)
        self._entries.append(entry)
        self._size += len(entry.data)
        self.position = max(self.position, entry.sequence)
        while len(self._entries) - self._head > self._events_limit or self._size > self._size_limit:
            self._drop()
        if self._head > self._events_limit:
            del self._entries[: self._head]
            self._head = 0

    def since(self, sequence: int) -> list[Entry] | None:
        """Return what came behind a sequence; None when it does not reach back so far."""
        if sequence < self.after:
            return None
        return self._entries[bisect_right(self._entries, sequence, self._head, key=_sequence) :]

    def _drop(self) -> None:
        oldest = self._entries[self._head]
        self._head += 1
        self._size -= len(oldest.data)
        self.after = oldest.sequence
        # It stays in the list until that is cut, which is not done each time.
        oldest.data = b""
        oldest.frames = None


class EventLog:
    """The rings of all durable streams."""

    def __init__(self) -> None:
        self.rings: dict[str, Ring] = {}
        self._grown = asyncio.Event()

    def begin(self, stream: str, created: str, floor: int) -> None:
        """Keep a stream's events from now on."""
        self.rings[stream] = Ring(created, floor)

    def append(self, entry: Entry) -> None:
        """Keep an event, if its stream was begun."""
        ring = self.rings.get(entry.stream)
        if ring is not None:
            ring.append(entry)
            self._grown.set()

    def passed(self, stream: str, sequence: int) -> None:
        """Hear that nobody is told of a message, so that a stream's position is the same on every replica."""
        ring = self.rings.get(stream)
        if ring is not None:
            ring.position = max(ring.position, sequence)
            self._grown.set()

    @property
    def positions(self) -> dict[str, Position]:
        """Return how far each stream is known."""
        return {stream: Position(ring.created, ring.position) for stream, ring in self.rings.items()}

    def why_anew(self, positions: Positions) -> Reason | None:
        """Return why nobody can go on from there, None when somebody might."""
        if not self.rings:
            return Reason.NOT_KNOWN
        for stream, ring in self.rings.items():
            position = positions.get(stream)
            if position is None:
                return Reason.NOT_KNOWN
            if position.created != ring.created:
                return Reason.STREAM_RECREATED
        return None

    def is_behind(self, positions: Positions) -> bool:
        """Tell whether a viewer knows more than we do as yet."""
        return any(positions[stream].sequence > ring.position for stream, ring in self.rings.items())

    def too_old(self, positions: Positions) -> list[str]:
        """Return the streams that are not kept so far back."""
        return [stream for stream, ring in self.rings.items() if positions[stream].sequence < ring.after]

    def missing(self, positions: Positions, topics: Collection[tuple[Market, str]]) -> list[Entry]:
        """Return what these topics have behind there, in the order of their times; each stream in its own order."""
        # What has no interval is for whoever sees the market.
        heard = {*topics, *((market, "") for market, _ in topics)}
        streams: list[Iterable[Entry]] = []
        for stream, ring in self.rings.items():
            entries = ring.since(positions[stream].sequence)
            assert entries is not None, "ask `too_old` first"
            streams.append([entry for entry in entries if (entry.market, entry.interval) in heard])
        return list(heapq.merge(*streams, key=_time))

    async def grown(self) -> None:
        """Return when there is more."""
        self._grown.clear()
        await self._grown.wait()
