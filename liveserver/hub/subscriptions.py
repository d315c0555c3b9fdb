"""Subscriptions, grouped by (channels, encoding): a message is encoded once per encoding and sent per group."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from bus.runtime import monotonic_s
from liveserver.hub.group import SubscriberGroup, Viewer
from liveserver.hub.snapshots import Frames
from liveserver.hub.viewers import ViewerRecord
from liveserver.metrics import Metrics
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.encoding import Encoding, Frame, encode_frame, encode_frames
from liveserver.protocol.pseudonyms import UNKEYED_PSEUDONYM, PseudonymFunction
from liveserver.protocol.server_messages import Message
from liveserver.protocol.symbol_names import Channel
from liveserver.view.projection import Outgoing, ProtocolFilter

CallSoon = Callable[[Callable[[], None]], object]
"""Calls a function in the next iteration of the event loop: `loop.call_soon`."""
GroupKey = tuple[frozenset[Channel], Encoding]
NO_CHANNELS: frozenset[Channel] = frozenset()

MAX_RUN = 32
"""A run, consecutive messages of one channel, is encoded and queued in slices of at most this many messages."""


class Subscriptions:
    """Queues messages for groups and sends them; calls `remove_viewer` for a viewer that does not accept frames.

    Queued messages are sent by `flush`, once per iteration of the event loop; a group with many pending bytes earlier.
    """

    def __init__(
        self,
        metrics: Metrics,
        call_soon: CallSoon,
        remove_viewer: Callable[[Viewer], None],
        pseudonym: PseudonymFunction = UNKEYED_PSEUDONYM,
    ) -> None:
        self._metrics = metrics
        self._pseudonym = pseudonym
        self._call_soon = call_soon
        self._remove_viewer = remove_viewer
        self.delivered_bytes = 0
        """Bytes sent to single viewers by `deliver`, `deliver_frames` and `deliver_snapshot`."""
        self._groups: dict[GroupKey, SubscriberGroup] = {}
        self._receivers: dict[tuple[Channel, ProtocolFilter], list[SubscriberGroup]] = {}
        """Cache of the groups that receive a channel."""
        self._dirty: dict[SubscriberGroup, None] = {}
        """Groups with unsent frames, in the order of their first one: an ordered set."""
        self._received_at_s: float | None = None
        """When the oldest queued event was received (perf_counter), for the latency metric."""

    def groups(self) -> list[SubscriberGroup]:
        return list(self._groups.values())

    def add(self, viewer: Viewer, topics: Sequence[RequestedTopic], encoding: Encoding) -> ViewerRecord:
        """Add a viewer to the group without channels; what is queued for the group at present is not sent to it."""
        self.send(self._group(NO_CHANNELS, encoding))
        group = self._group(NO_CHANNELS, encoding)
        group.viewers[viewer] = None
        return ViewerRecord(viewer, topics, group)

    def move(self, record: ViewerRecord, channels: frozenset[Channel]) -> None:
        """Move a viewer to the group of these channels; it receives the messages published from now on."""
        self.send(self._group(channels, record.encoding))
        if record.is_gone:
            return
        self.remove(record)
        # Sending may have emptied the group, which removes it.
        record.group = self._group(channels, record.encoding)
        record.group.viewers[record.viewer] = None

    def remove(self, record: ViewerRecord) -> None:
        """Remove a viewer from its group."""
        group = record.group
        group.viewers.pop(record.viewer, None)
        if not group.viewers:
            self._groups.pop((group.channels, group.encoding), None)
            self._receivers.clear()

    def publish(self, outgoing: Iterable[Outgoing], received_at_s: float | None = None) -> None:
        """Queue each message for the groups that receive its channel.

        `received_at_s` is when the first one's event was received (perf_counter); None is not measured.
        """
        # Consecutive messages are mostly of the same channel; identity is compared first, as it is faster.
        address: tuple[Channel, ProtocolFilter] | None = None
        groups: list[SubscriberGroup] = []
        run: list[tuple[Message, str]] = []
        for channel, payload, seq, protocols in outgoing:
            is_same_address = (
                address is not None
                and (channel is address[0] or channel == address[0])
                and protocols is address[1]
            )
            if not is_same_address:
                self._put_run(groups, run, address)
                address, run = (channel, protocols), []
                groups = self._receivers_of(channel, protocols)
            if groups:
                run.append((payload if isinstance(payload, Message) else payload.message(), seq))
                if len(run) == MAX_RUN:
                    self._put_run(groups, run, address)
                    run = []
        self._put_run(groups, run, address)
        if self._dirty and self._received_at_s is None:
            self._received_at_s = received_at_s

    def _put_run(
        self,
        groups: Sequence[SubscriberGroup],
        run: Sequence[tuple[Message, str]],
        address: tuple[Channel, ProtocolFilter] | None,
    ) -> None:
        if not run or address is None:
            return
        if not self._dirty:
            self._call_soon(self.flush)
        message_types = [message.type for message, _ in run]
        frames: dict[Encoding, list[bytes]] = {}
        for group in tuple(groups):
            encoding = group.encoding
            if encoding not in frames:
                frames[encoding] = encode_frames(run, encoding, address[0], self._pseudonym)
            self._dirty[group] = None
            if group.extend(message_types, frames[encoding]):
                self.send(group)

    def put(self, groups: Iterable[SubscriberGroup], message: Message) -> None:
        """Queue a message that concerns no market for these groups."""
        if not self._dirty:
            self._call_soon(self.flush)
        frames: dict[Encoding, bytes] = {}
        for group in tuple(groups):
            frame = frames.get(group.encoding)
            if frame is None:
                frame = frames[group.encoding] = encode_frame(
                    message, group.encoding, pseudonym=self._pseudonym
                )
            self._dirty[group] = None
            if group.put(message.type, frame):
                self.send(group)

    def flush(self) -> None:
        """Send all queued messages."""
        dirty, self._dirty = self._dirty, {}
        for group in dirty:
            self.send(group)
        if self._received_at_s is not None:
            self._metrics.broadcast_latency.observe(monotonic_s() - self._received_at_s)
            self._received_at_s = None

    def send(self, group: SubscriberGroup) -> None:
        """Send the queued messages of one group."""
        counts, rejecting = group.flush()
        for message_type, count in counts.items():
            self._metrics.messages_sent.labels(message_type).inc(count)
        for viewer in rejecting:
            self._remove_viewer(viewer)

    def deliver(self, record: ViewerRecord, messages: Sequence[tuple[Channel | None, Message]]) -> None:
        """Send messages to one viewer now, ahead of what is queued for its group."""
        if record.is_gone:
            return
        encoded = [
            Frame(encode_frame(message, record.encoding, channel, pseudonym=self._pseudonym), message.type)
            for channel, message in messages
        ]
        self.deliver_frames(record, encoded)

    def deliver_frames(self, record: ViewerRecord, frames: Sequence[Frame]) -> None:
        """Send encoded frames to one viewer now, in one write."""
        if not frames or record.is_gone:
            return
        data, types = b"".join([frame for frame, _ in frames]), Counter(kind for _, kind in frames)
        self.deliver_snapshot(record, [Frames(data, types)])

    def deliver_snapshot(self, record: ViewerRecord, parts: Sequence[Frames]) -> None:
        """Send encoded parts to one viewer now, in one write."""
        if record.is_gone:
            return
        data = parts[0].data if len(parts) == 1 else b"".join([part.data for part in parts])
        self.delivered_bytes += len(data)
        if not record.viewer.send(data, sum(part.message_count for part in parts)):
            self._remove_viewer(record.viewer)
            return
        for part in parts:
            for message_type, count in part.types.items():
                self._metrics.messages_sent.labels(message_type).inc(count)

    def _group(self, channels: frozenset[Channel], encoding: Encoding) -> SubscriberGroup:
        key = (channels, encoding)
        if key not in self._groups:
            self._groups[key] = SubscriberGroup(channels, encoding)
            self._receivers.clear()
        return self._groups[key]

    def _receivers_of(self, channel: Channel, protocols: ProtocolFilter) -> list[SubscriberGroup]:
        groups = self._receivers.get((channel, protocols))
        if groups is None:
            groups = self._receivers[channel, protocols] = self._find_receivers(channel, protocols)
        return groups

    def _find_receivers(self, channel: Channel, protocols: ProtocolFilter) -> list[SubscriberGroup]:
        groups = [group for group in self._groups.values() if group.receives(channel)]
        if protocols is ProtocolFilter.ALL:
            return groups
        return [group for group in groups if group.encoding.is_v2 is (protocols is ProtocolFilter.V2)]
