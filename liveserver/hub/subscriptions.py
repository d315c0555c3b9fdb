"""Where viewers sit, by what they hear and how: each message is encoded once for those who hear the same."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from liveserver.hub.group import Audience, ProtocolVersion, Viewer, written, written_alike
from liveserver.metrics import Metrics
from liveserver.protocol.redaction import UNKEYED, Pseudonym
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.view.projection import Channel, Outgoing, Reach

Soon = Callable[[Callable[[], None]], object]
"""Calls a function later in this tick, or at the next: a loop's `call_soon`."""
Key = tuple[frozenset[Channel], ProtocolVersion]
NOTHING: frozenset[Channel] = frozenset()

ALIKE = 32
"""So many messages for the same viewers are put at once at most, so that what waits to be joined stays small."""


class Frame(NamedTuple):
    """One written message."""

    data: bytes
    type: MessageType


class Seating:
    """Gathers messages for audiences and sends them; `forget` is called for a viewer that took no more."""

    def __init__(
        self, metrics: Metrics, soon: Soon, forget: Callable[[Viewer], None], alias: Pseudonym = UNKEYED
    ) -> None:
        self._metrics = metrics
        self._alias = alias
        self._soon = soon
        self._forget = forget
        self._seats: dict[Viewer, Audience] = {}
        self._audiences: dict[Key, Audience] = {}
        self._listeners: dict[tuple[Channel, Reach], list[Audience]] = {}
        self._dirty: dict[Audience, None] = {}
        self._began: float | None = None

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, viewer: Viewer) -> bool:
        return viewer in self._seats

    def __getitem__(self, viewer: Viewer) -> Audience:
        return self._seats[viewer]

    def viewers(self) -> list[tuple[Viewer, Audience]]:
        """Return everybody, and where they sit."""
        return list(self._seats.items())

    def audiences(self) -> list[Audience]:
        return list(self._audiences.values())

    def sit(self, viewer: Viewer, channels: frozenset[Channel], dialect: ProtocolVersion) -> None:
        """Seat a viewer, from another seat if it has one: it hears what is put from now on."""
        self.send(self._audience_at(channels, dialect))
        self.stand_up(viewer)
        # It may have emptied meanwhile, and been forgotten.
        audience = self._audience_at(channels, dialect)
        self._seats[viewer] = audience
        audience.viewers[viewer] = None

    def stand_up(self, viewer: Viewer) -> None:
        """Forget a viewer; it may have been forgotten before."""
        audience = self._seats.pop(viewer, None)
        if audience is None:
            return
        audience.viewers.pop(viewer, None)
        if not audience.viewers:
            self._audiences.pop((audience.channels, audience.dialect), None)
            self._listeners.clear()

    def publish(self, outgoing: Iterable[Outgoing], began: float | None = None) -> None:
        """Put each message for those who hear its channel; `began` is when the first arrived (perf_counter)."""
        # What comes together is mostly for the same viewers.
        at: tuple[Channel, Reach] | None = None
        audiences: list[Audience] = []
        alike: list[tuple[Message, str]] = []
        for channel, said, seq, reach in outgoing:
            if at is None or (channel is not at[0] and channel != at[0]) or reach is not at[1]:
                self._put_alike(audiences, alike, at)
                at, alike = (channel, reach), []
                audiences = self._listeners_of(channel, reach)
            if audiences:
                alike.append((said if isinstance(said, Message) else said.message(), seq))
                if len(alike) == ALIKE:
                    self._put_alike(audiences, alike, at)
                    alike = []
        self._put_alike(audiences, alike, at)
        if self._dirty and self._began is None:
            self._began = began

    def _put_alike(
        self,
        audiences: Sequence[Audience],
        alike: Sequence[tuple[Message, str]],
        at: tuple[Channel, Reach] | None,
    ) -> None:
        if not alike or at is None:
            return
        if not self._dirty:
            self._soon(self.flush)
        kinds = [message.type for message, _ in alike]
        frames: dict[ProtocolVersion, list[bytes]] = {}
        for audience in tuple(audiences):
            dialect = audience.dialect
            if dialect not in frames:
                frames[dialect] = written_alike(alike, dialect, at[0], self._alias)
            self._dirty[audience] = None
            if audience.extend(kinds, frames[dialect]):
                self.send(audience)

    def put(
        self, audiences: Iterable[Audience], message: Message, channel: Channel | None = None, seq: str = ""
    ) -> None:
        """Have a message sent to these audiences at the next flush."""
        if not self._dirty:
            self._soon(self.flush)
        frames: dict[ProtocolVersion, bytes] = {}
        for audience in tuple(audiences):
            frame = frames.get(audience.dialect)
            if frame is None:
                frame = frames[audience.dialect] = written(
                    message, audience.dialect, channel, seq, 0, self._alias
                )
            self._dirty[audience] = None
            if audience.put(message.type, frame):
                self.send(audience)

    def written(
        self,
        message: Message,
        dialect: ProtocolVersion,
        channel: Channel | None = None,
        seq: str = "",
        replayed: int = 0,
    ) -> bytes:
        """Return the frame of a message, with the pseudonyms that this server gives."""
        return written(message, dialect, channel, seq, replayed, self._alias)

    def flush(self) -> None:
        """Send what was gathered."""
        dirty, self._dirty = self._dirty, {}
        for audience in dirty:
            self.send(audience)
        if self._began is not None:
            self._metrics.broadcast_latency.observe(time.perf_counter() - self._began)
            self._began = None

    def send(self, audience: Audience) -> None:
        """Send an audience what was gathered for it."""
        counts, refused = audience.flush()
        for kind, count in counts.items():
            self._metrics.messages_sent.labels(kind).inc(count)
        for viewer in refused:
            self._forget(viewer)

    def deliver(self, viewer: Viewer, messages: Sequence[tuple[Channel | None, Message]]) -> None:
        """Send messages to one viewer now."""
        audience = self._seats.get(viewer)
        if audience is not None:
            told = ((self.written(message, audience.dialect, at), message.type) for at, message in messages)
            self.deliver_frames(viewer, [Frame(*each) for each in told])

    def deliver_frames(self, viewer: Viewer, frames: Sequence[Frame]) -> None:
        """Send one viewer frames that were written before, in one write."""
        if not frames:
            return
        if not viewer.send(b"".join([frame for frame, _ in frames]), len(frames)):
            self._forget(viewer)
            return
        for _, kind in frames:
            self._metrics.messages_sent.labels(kind).inc()

    def _audience_at(self, channels: frozenset[Channel], dialect: ProtocolVersion) -> Audience:
        key = (channels, dialect)
        if key not in self._audiences:
            self._audiences[key] = Audience(channels, dialect)
            self._listeners.clear()
        return self._audiences[key]

    def _listeners_of(self, channel: Channel, reach: Reach) -> list[Audience]:
        audiences = self._listeners.get((channel, reach))
        if audiences is None:
            audiences = self._listeners[channel, reach] = self._find_listeners(channel, reach)
        return audiences

    def _find_listeners(self, channel: Channel, reach: Reach) -> list[Audience]:
        listeners = [audience for audience in self._audiences.values() if audience.hears(channel)]
        if reach is Reach.BOTH:
            return listeners
        return [audience for audience in listeners if audience.dialect.is_v2 is (reach is Reach.V2)]
