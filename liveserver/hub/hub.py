"""Who watches what: a viewer gets its snapshot and then the tail, each message encoded once; no sockets here.

Messages are gathered until `flush`, which a loop calls once a tick: one write a viewer then, however many there were.
Whenever a viewer's topics change it is sent a snapshot of what is new to it; what it saw before goes on as it was.
A viewer that returns, or watches the past, has its topics but no seat among those who hear of them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from liveserver.hub.group import CloseCode, ProtocolVersion, Viewer
from liveserver.hub.resume import Anew, Piece, Returning, Wait
from liveserver.hub.retelling import Replayed, missed, replayed
from liveserver.hub.subscriptions import NOTHING, Frame, Seating, Soon
from liveserver.metrics import Metrics
from liveserver.protocol.answers import Shown, SnapshotData, StreamsData
from liveserver.protocol.cursors import DURABLE, Positions, Reason
from liveserver.protocol.redaction import UNKEYED, Pseudonym
from liveserver.protocol.server_messages import ErrorData, Message, MessageType
from liveserver.view.event_log import Entry
from liveserver.view.projection import Channel, Outgoing, Projection
from liveserver.view.topics import Unknown, Wanted, resolve, unknown_symbol


class Hub:
    """Seats viewers by the channels they hear. While nothing is known, they wait and hear of the server alone."""

    def __init__(self, metrics: Metrics, soon: Soon = lambda flush: None, alias: Pseudonym = UNKEYED) -> None:
        self._metrics = metrics
        self._seating = Seating(metrics, soon, self.leave, alias)
        self._projection: Projection | None = None
        self._markets_known = 0
        self._topics: dict[Viewer, Sequence[Wanted]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._returning: dict[Viewer, Returning] = {}
        self._away: set[Viewer] = set()
        self._shown = asyncio.Event()
        self._positions_told: Positions = {}
        self.fetch: Callable[[Viewer], object] = lambda viewer: None
        """Called for a viewer that cannot return at once: somebody has to `advance` it until it has."""

    def __len__(self) -> int:
        return len(self._seating)

    def join(
        self,
        viewer: Viewer,
        topics: Sequence[Wanted],
        greeting: Sequence[Message] = (),
        dialect: ProtocolVersion = ProtocolVersion.PLAIN,
        positions: Positions | None = None,
    ) -> None:
        """Seat a viewer and greet it, with a snapshot first, or with what it missed since `positions`.

        It waits as long as nothing is known. Without topics it hears nothing until it asks for something.
        """
        self._topics[viewer] = topics
        self._seating.sit(viewer, NOTHING, dialect)
        self._count()
        if positions is None:
            self._settle(viewer)
        else:
            self._return(viewer, topics, positions)
        self._seating.deliver(viewer, [(None, message) for message in greeting])

    def subscribe(self, viewer: Viewer, topics: Sequence[Wanted]) -> None:
        """Show a viewer other topics from now on; it is told when there is no such topic, and goes on as before."""
        before = self._topics.get(viewer)
        if before is None:
            return
        self._topics[viewer] = topics
        returning, is_away = self._returning.pop(viewer, None), viewer in self._away
        self._away.discard(viewer)
        unknown = self._settle(viewer, Reason.SUBSCRIBED, is_leaving=False)
        if unknown is not None:
            self._topics[viewer] = before
            if returning is not None:
                self._returning[viewer] = returning
            if is_away:
                self._away.add(viewer)

    def resume(self, viewer: Viewer, topics: Sequence[Wanted], positions: Positions) -> None:
        """Tell a viewer what these topics have behind `positions`, each event once and in order, and go on from there."""
        if viewer in self._topics:
            self._stand_aside(viewer)
            self._return(viewer, topics, positions)

    def advance(self, viewer: Viewer) -> Wait | None:
        """Bring a returning viewer as far as it gets; return what it waits for, None when nothing is left to do."""
        returning, projection = self._returning.get(viewer), self._projection
        if returning is None:
            return None
        if projection is None:
            return Wait.VIEW
        found = resolve(projection, self._topics[viewer])
        assert not isinstance(found, Unknown), "it waits for what there is not"
        channels, self._topics[viewer] = found
        match returning.next(projection.log, channels):
            case Anew(reason):
                self.start_anew(viewer, reason)
                return None
            case Piece(entries, is_last=True):
                self._take_seat(viewer, returning, entries, channels)
                return None
            case Piece(entries):
                return Wait.ROOM if self.hand(viewer, returning, entries) else None
            case wait:
                return wait

    def hand(self, viewer: Viewer, returning: Returning, entries: Sequence[Entry]) -> bool:
        """Send missed events to a viewer; False when that is not, or no more, how it returns."""
        if self._returning.get(viewer) is not returning:
            return False
        assert self._projection is not None, "whoever is handed something was shown something"
        told = missed(self._seating, viewer, self._projection, returning, entries)
        self._seating.deliver_frames(viewer, told)
        return viewer in self._seating

    def returning(self, viewer: Viewer) -> Returning | None:
        """Return how far a viewer has returned, None when it does not."""
        return self._returning.get(viewer)

    def topics_of(self, viewer: Viewer) -> Sequence[Channel]:
        """Return the channels that a viewer's topics come to now, each once."""
        projection = self._projection
        found = resolve(projection, self._topics.get(viewer, ())) if projection else None
        return () if found is None or isinstance(found, Unknown) else found[0]

    def start_anew(self, viewer: Viewer, reason: Reason) -> None:
        """Send a viewer that has no seat a snapshot of its topics, and go on from there."""
        self._returning.pop(viewer, None)
        self._away.discard(viewer)
        self._settle(viewer, reason)

    def go_away(self, viewer: Viewer) -> bool:
        """Tell a viewer nothing of the present until it starts anew; False when it is none of ours."""
        if viewer not in self._topics:
            return False
        self._stand_aside(viewer)
        self._away.add(viewer)
        return True

    def is_away(self, viewer: Viewer) -> bool:
        return viewer in self._away

    def send_past(self, viewer: Viewer, told: Sequence[Replayed]) -> bool:
        """Send messages of the past to a viewer that is away from the present; False when it is not."""
        if viewer not in self._away or viewer not in self._seating:
            return False
        self._seating.deliver_frames(viewer, [replayed(self._seating, viewer, each) for each in told])
        return viewer in self._away

    def tell(self, viewer: Viewer, message: Message) -> None:
        """Send one viewer a message that is about no market."""
        self._seating.deliver(viewer, [(None, message)])

    async def shown(self) -> None:
        """Return when there is a view."""
        await self._shown.wait()

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; it may have been forgotten before."""
        self._topics.pop(viewer, None)
        self._returning.pop(viewer, None)
        self._away.discard(viewer)
        self._seating.stand_up(viewer)
        self._count()

    def show(self, projection: Projection) -> None:
        """Show this projection from now on; plain viewers start anew with a snapshot of it, others go on."""
        self.flush()
        before, self._projection = self._projection, projection
        for viewer, audience in self._seating.viewers():
            if before is not None and audience.channels and audience.dialect.is_v2:
                self._returning[viewer] = Returning(before.log.positions)
            self._seating.sit(viewer, NOTHING, audience.dialect)
        self._shown.set()
        self._settle_all()
        for viewer in list(self._returning):
            self._go_on(viewer)

    def publish(self, outgoing: Iterable[Outgoing], began: float | None = None) -> None:
        """Have each message sent to the viewers of its channel; `began` is when the first arrived (perf_counter)."""
        self._seating.publish(outgoing, began)
        if self._projection is not None and len(self._projection) != self._markets_known:
            self._settle_all()

    def flush(self) -> None:
        """Send what was gathered."""
        self._seating.flush()

    def broadcast(self, message: Message) -> None:
        """Have a message sent to everybody, those who wait included."""
        self._seating.put(self._seating.audiences(), message)

    def tell_streams(self) -> None:
        """Have every viewer told up to where it has everything, when that has changed."""
        positions = self._projection.log.positions if self._projection else {}
        if positions != self._positions_told:
            self._positions_told = positions
            message = Message(MessageType.STREAMS, StreamsData(streams=positions))
            self._seating.put([each for each in self._seating.audiences() if each.is_told_streams], message)

    def close_all(self, code: CloseCode, reason: str) -> None:
        """Close every connection."""
        self.flush()
        for viewer, _ in self._seating.viewers():
            viewer.close(code, reason)

    async def emptied(self) -> None:
        """Return when nobody is connected."""
        await self._empty.wait()

    def _settle_all(self) -> None:
        self._markets_known = len(self._projection or ())
        for viewer, _ in self._seating.viewers():
            self._settle(viewer)

    def _return(self, viewer: Viewer, topics: Sequence[Wanted], positions: Positions) -> None:
        # It was shown these before: what is not there now it waits for.
        self._topics[viewer] = [wanted._replace(is_patient=True) for wanted in topics]
        self._returning[viewer] = Returning({s: at for s, at in positions.items() if s in DURABLE})
        self._go_on(viewer)

    def _go_on(self, viewer: Viewer) -> None:
        if viewer.is_blocked or self.advance(viewer) is not None:
            self.fetch(viewer)

    def _stand_aside(self, viewer: Viewer) -> None:
        before = self._seating[viewer]
        self._seating.send(before)
        self._returning.pop(viewer, None)
        self._away.discard(viewer)
        if viewer in self._seating:
            self._seating.sit(viewer, NOTHING, before.dialect)

    def _take_seat(
        self, viewer: Viewer, returning: Returning, entries: Sequence[Entry], channels: Sequence[Channel]
    ) -> None:
        before, projection = self._seating[viewer], self._projection
        assert projection is not None, "whoever is seated was shown something"
        self._seating.send(before)
        if viewer not in self._seating:
            return
        told = missed(self._seating, viewer, projection, returning, entries)
        del self._returning[viewer]
        self._seating.sit(viewer, frozenset(channels), before.dialect)
        after: list[tuple[Channel | None, Message]] = [
            *((channel, level) for channel in channels for level in projection.levels(channel)),
            (None, Message(MessageType.SYMBOLS, projection.summary())),
            (None, Message(MessageType.STREAMS, StreamsData(streams=projection.log.positions))),
        ]
        told += [
            Frame(self._seating.written(message, before.dialect, channel), message.type)
            for channel, message in after
        ]
        # One write: what the connection takes at once never has to wait in the backlog.
        self._seating.deliver_frames(viewer, told)

    def _settle(
        self, viewer: Viewer, reason: Reason | None = None, *, is_leaving: bool = True
    ) -> Unknown | None:
        """Seat a viewer according to its topics; return the topic that there is not."""
        projection = self._projection
        is_elsewhere = viewer in self._returning or viewer in self._away
        if not projection or viewer not in self._topics or is_elsewhere:
            return None
        found = resolve(projection, self._topics[viewer])
        if isinstance(found, Unknown):
            self._say_unknown(viewer, found.wanted, projection, is_leaving=is_leaving)
            return found
        channels, self._topics[viewer] = found
        self._move(viewer, channels, projection, reason)
        return None

    def _move(
        self, viewer: Viewer, channels: Sequence[Channel], projection: Projection, reason: Reason | None
    ) -> None:
        before = self._seating[viewer]
        if before.channels == frozenset(channels):
            return
        # What still waits for those who sit there is part of the snapshot.
        self._seating.send(before)
        if viewer not in self._seating:
            return  # too slow even for what it was told before
        self._seating.sit(viewer, frozenset(channels), before.dialect)
        new = [channel for channel in channels if channel not in before.channels]
        told: list[tuple[Channel | None, Message]] = [
            (channel, message) for channel in new for message in projection.of_market(channel)
        ]
        if before.dialect.is_v2:
            reason = reason or (Reason.NEW_SYMBOL if before.channels else Reason.FIRST)
            told.insert(0, (None, _announced(new, projection, reason)))
        self._seating.deliver(viewer, [*told, (None, Message(MessageType.SYMBOLS, projection.summary()))])

    def _say_unknown(
        self, viewer: Viewer, wanted: Wanted, projection: Projection, *, is_leaving: bool
    ) -> None:
        known = tuple(projection.names.values())
        error = unknown_symbol(wanted.symbol, wanted.venue, known)
        self._seating.deliver(
            viewer, [(None, Message(MessageType.ERROR, ErrorData(error=error, known=known)))]
        )
        if is_leaving:
            viewer.close(CloseCode.UNKNOWN_SYMBOL, f"unknown symbol: {wanted.symbol}")
            self.leave(viewer)

    def _count(self) -> None:
        self._metrics.connected_clients.set(len(self))
        if len(self):
            self._empty.clear()
        else:
            self._empty.set()


def _announced(channels: Sequence[Channel], projection: Projection, reason: Reason) -> Message:
    shown = tuple(Shown(*channel.market, channel.interval) for channel in channels)
    data = SnapshotData(reason=reason, streams=projection.log.positions, markets=shown)
    return Message(MessageType.SNAPSHOT, data)
