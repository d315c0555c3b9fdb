"""Subscriptions, grouped by (channels, protocol version), so that each message is encoded once per group."""

import time
from collections.abc import Callable, Iterable, Sequence

from liveserver.hub.group import (
    Frame,
    ProtocolVersion,
    SubscriberGroup,
    Viewer,
    encode_frame,
    encode_frames,
)
from liveserver.hub.viewers import ViewerRecord
from liveserver.metrics import Metrics
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.redaction import UNKEYED, Pseudonym
from liveserver.protocol.server_messages import Message
from liveserver.protocol.symbol_names import Channel
from liveserver.view.projection import Outgoing, VersionFilter

CallSoon = Callable[[Callable[[], None]], object]
"""Calls a function later in this tick, or in the next one: `loop.call_soon`."""
GroupKey = tuple[frozenset[Channel], ProtocolVersion]
NO_CHANNELS: frozenset[Channel] = frozenset()

MAX_RUN = 32
"""Consecutive messages of one channel that are queued at once, to keep the lists to be joined small."""


class Subscriptions:
    """Queues messages for groups and sends them; calls `remove_viewer` for a viewer that does not accept frames."""

    def __init__(
        self,
        metrics: Metrics,
        call_soon: CallSoon,
        remove_viewer: Callable[[Viewer], None],
        alias: Pseudonym = UNKEYED,
    ) -> None:
        self._metrics = metrics
        self._alias = alias
        self._call_soon = call_soon
        self._remove_viewer = remove_viewer
        self._groups: dict[GroupKey, SubscriberGroup] = {}
        self._receivers: dict[tuple[Channel, VersionFilter], list[SubscriberGroup]] = {}
        """Cache of the groups that receive a channel."""
        self._dirty: dict[SubscriberGroup, None] = {}
        """Groups with unsent frames, in the order of their first one."""
        self._began: float | None = None

    def groups(self) -> list[SubscriberGroup]:
        return list(self._groups.values())

    def add(self, viewer: Viewer, topics: Sequence[RequestedTopic], version: ProtocolVersion) -> ViewerRecord:
        """Add a viewer to the group without channels."""
        self.send(self._group(NO_CHANNELS, version))
        group = self._group(NO_CHANNELS, version)
        group.viewers[viewer] = None
        return ViewerRecord(viewer, topics, group)

    def move(self, record: ViewerRecord, channels: frozenset[Channel]) -> None:
        """Move a viewer to the group of these channels; it receives the messages published from now on."""
        self.send(self._group(channels, record.version))
        if record.is_gone:
            return
        self.remove(record)
        # Sending may have emptied the group, which removes it.
        record.group = self._group(channels, record.version)
        record.group.viewers[record.viewer] = None

    def remove(self, record: ViewerRecord) -> None:
        """Remove a viewer from its group."""
        group = record.group
        group.viewers.pop(record.viewer, None)
        if not group.viewers:
            self._groups.pop((group.channels, group.version), None)
            self._receivers.clear()

    def publish(self, outgoing: Iterable[Outgoing], began: float | None = None) -> None:
        """Queue each message for the groups of its channel; `began` is when the first one arrived (perf_counter)."""
        # Consecutive messages are mostly of the same channel.
        address: tuple[Channel, VersionFilter] | None = None
        groups: list[SubscriberGroup] = []
        run: list[tuple[Message, str]] = []
        for channel, payload, seq, versions in outgoing:
            if (
                address is None
                or (channel is not address[0] and channel != address[0])
                or versions is not address[1]
            ):
                self._put_run(groups, run, address)
                address, run = (channel, versions), []
                groups = self._receivers_of(channel, versions)
            if groups:
                run.append((payload if isinstance(payload, Message) else payload.message(), seq))
                if len(run) == MAX_RUN:
                    self._put_run(groups, run, address)
                    run = []
        self._put_run(groups, run, address)
        if self._dirty and self._began is None:
            self._began = began

    def _put_run(
        self,
        groups: Sequence[SubscriberGroup],
        run: Sequence[tuple[Message, str]],
        address: tuple[Channel, VersionFilter] | None,
    ) -> None:
        if not run or address is None:
            return
        if not self._dirty:
            self._call_soon(self.flush)
        kinds = [message.type for message, _ in run]
        frames: dict[ProtocolVersion, list[bytes]] = {}
        for group in tuple(groups):
            version = group.version
            if version not in frames:
                frames[version] = encode_frames(run, version, address[0], self._alias)
            self._dirty[group] = None
            if group.extend(kinds, frames[version]):
                self.send(group)

    def put(self, groups: Iterable[SubscriberGroup], message: Message) -> None:
        """Queue a message that concerns no market for these groups."""
        if not self._dirty:
            self._call_soon(self.flush)
        frames: dict[ProtocolVersion, bytes] = {}
        for group in tuple(groups):
            frame = frames.get(group.version)
            if frame is None:
                frame = frames[group.version] = encode_frame(message, group.version, alias=self._alias)
            self._dirty[group] = None
            if group.put(message.type, frame):
                self.send(group)

    def flush(self) -> None:
        """Send all queued messages."""
        dirty, self._dirty = self._dirty, {}
        for group in dirty:
            self.send(group)
        if self._began is not None:
            self._metrics.broadcast_latency.observe(time.perf_counter() - self._began)
            self._began = None

    def send(self, group: SubscriberGroup) -> None:
        """Send the queued messages of one group."""
        counts, rejected = group.flush()
        for kind, count in counts.items():
            self._metrics.messages_sent.labels(kind).inc(count)
        for viewer in rejected:
            self._remove_viewer(viewer)

    def deliver(self, record: ViewerRecord, messages: Sequence[tuple[Channel | None, Message]]) -> None:
        """Send messages to one viewer now."""
        if record.is_gone:
            return
        encoded = [
            Frame(encode_frame(message, record.version, channel, alias=self._alias), message.type)
            for channel, message in messages
        ]
        self.deliver_frames(record, encoded)

    def deliver_frames(self, record: ViewerRecord, frames: Sequence[Frame]) -> None:
        """Send encoded frames to one viewer now, in one write."""
        if not frames or record.is_gone:
            return
        if not record.viewer.send(b"".join([frame for frame, _ in frames]), len(frames)):
            self._remove_viewer(record.viewer)
            return
        for _, kind in frames:
            self._metrics.messages_sent.labels(kind).inc()

    def _group(self, channels: frozenset[Channel], version: ProtocolVersion) -> SubscriberGroup:
        key = (channels, version)
        if key not in self._groups:
            self._groups[key] = SubscriberGroup(channels, version)
            self._receivers.clear()
        return self._groups[key]

    def _receivers_of(self, channel: Channel, versions: VersionFilter) -> list[SubscriberGroup]:
        groups = self._receivers.get((channel, versions))
        if groups is None:
            groups = self._receivers[channel, versions] = self._find_receivers(channel, versions)
        return groups

    def _find_receivers(self, channel: Channel, versions: VersionFilter) -> list[SubscriberGroup]:
        groups = [group for group in self._groups.values() if group.receives(channel)]
        if versions is VersionFilter.ALL:
            return groups
        return [group for group in groups if group.version.is_v2 is (versions is VersionFilter.V2)]
