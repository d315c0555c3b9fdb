"""Documented faults of the real server, for the model to suffer: each says where it was seen.

Core messages are never delivered twice: no fault of the server is documented that does so. What is published while a
connection is lost, is lost.
"""

from collections import deque
from enum import StrEnum

from lab.simulation.bus_model.clients.connection import Connection
from lab.simulation.bus_model.streams.jetstream import JetStream
from lab.simulation.bus_model.streams.store import Store
from lab.simulation.bus_model.streams.stream import Stream


class PublishFault(StrEnum):
    """What becomes of a message that is published while a cluster changes the stream's leader."""

    LOST = "lost"
    """Not stored, no reply."""
    UNACKNOWLEDGED = "unacknowledged"
    """Stored, no reply."""
    UNAVAILABLE = "unavailable"
    """Not stored; the reply says 503."""
    STORED_UNAVAILABLE = "stored_unavailable"
    """Stored by the followers; the reply of the former leader says 503."""


class Faults:
    """The faults that a model suffers. All methods take effect at once."""

    def __init__(self, jetstream: JetStream) -> None:
        self._jetstream = jetstream
        self._publishes: dict[str, deque[PublishFault]] = {}
        self._leaderless: set[str] = set()
        self._broken: set[str] = set()
        self._full: set[bool] = set()
        self._lagging: dict[str, Store] = {}
        self._alternates: dict[str, bool] = {}
        self._gets = 0
        self._checkpoints: dict[str, Store] = {}

    def lose_tail(self, stream: str, count: int) -> int:
        """Lose the last sequences of a stream, acknowledged ones too; return the new last sequence.

        Seen when power fails before the store is synced to disk, every two minutes by default (Jepsen, NATS 2.12.1).
        """
        found = self._jetstream.streams[stream]
        found.store.truncate(max(found.store.last - count, 0))
        found.recover(self._jetstream.now_ns)
        return found.store.last

    def checkpoint(self, stream: str) -> None:
        """Remember the state of a stream for `roll_back`."""
        self._checkpoints[stream] = self._jetstream.streams[stream].store.copy()

    def roll_back(self, stream: str) -> None:
        """Return a stream to its checkpoint, with the messages that were removed since.

        Seen when a server that missed messages becomes the leader (Jepsen: a damaged or truncated minority).
        """
        found = self._jetstream.streams[stream]
        found.store = self._checkpoints[stream].copy()
        found.store.set_limits(found.config.limits)
        found.recover(self._jetstream.now_ns)

    def stale_follower(self, stream: str, *, is_only_one: bool = False) -> None:
        """Let direct gets be answered by a follower that stops at the present state: every second one, or all.

        Documented: direct gets are answered by any replica, and are not read-after-write. A stream with one replica has
        no followers.
        """
        assert self._jetstream.streams[stream].config.num_replicas > 1, f"{stream} has no followers"
        self._lagging[stream] = self._jetstream.streams[stream].store.copy()
        self._alternates[stream] = not is_only_one

    def catch_up(self, stream: str) -> None:
        """End `stale_follower`."""
        self._lagging.pop(stream, None)

    def change_leader(self, stream: str, *publishes: PublishFault) -> None:
        """Let the next published messages of a stream suffer a change of its leader, one for each fault named."""
        self._publishes.setdefault(stream, deque()).extend(publishes)

    def keep_leader(self, stream: str) -> None:
        """End `change_leader` for messages that were not published yet."""
        self._publishes.pop(stream, None)

    def lose_leader(self, stream: str) -> None:
        """Leave a stream without a leader: no publish and no request is answered, direct gets are."""
        self._leaderless.add(stream)

    def elect_leader(self, stream: str) -> None:
        """End `lose_leader`."""
        self._leaderless.discard(stream)

    def recreate_stream(self, stream: str) -> None:
        """Delete a stream and create it again: same configuration, no messages, a later creation time.

        Seen when a cluster takes a stream for orphaned (Jepsen: a damaged snapshot of one server), or by an operator.
        """
        found = self._jetstream.streams[stream]
        self._jetstream.delete(found)
        self._jetstream.now_ns += 1
        self._jetstream.create(found.config)

    def empty_memory_streams(self) -> None:
        """Empty the memory streams, which keep their name and creation time.

        Seen in a cluster when all its servers die together.
        """
        for found in self._jetstream.streams.values():
            if not found.store.is_file:
                found.empty(self._jetstream.now_ns)

    def drop_slow_consumer(self, connection: Connection) -> None:
        """Close a connection as one whose client reads too slowly."""
        connection.disconnect("Slow Consumer")

    def flip_bit(self, stream: str, sequence: int, bit: int = 0, *, is_detected: bool = False) -> None:
        """Flip a bit of a stored message's body.

        Detected by the checksum of a file, the message is gone (Jepsen); undetected, in memory, it is delivered.
        Raises: KeyError when the message is not stored.
        """
        store = self._jetstream.streams[stream].store
        message = store.messages[sequence]
        if is_detected or not message.data:
            store.remove(sequence)
            return
        data = bytearray(message.data)
        data[bit // 8 % len(data)] ^= 1 << bit % 8
        message.data = bytes(data)

    def fill_store(self, *, is_file: bool = True) -> None:
        """Reject new messages for lack of space in all file or all memory streams: the store's limit is reached."""
        self._full.add(is_file)

    def free_store(self, *, is_file: bool = True) -> None:
        """End `fill_store`."""
        self._full.discard(is_file)

    def disk_full(self, *streams: str) -> None:
        """Let writes of these streams fail, all file streams by default: nothing is stored and nothing is answered.

        So the server does after an error of the disk, until it is restarted.
        """
        files = [each.name for each in self._jetstream.streams.values() if each.store.is_file]
        self._broken.update(streams or files)

    def on_restart(self) -> None:
        """End the faults that a restart ends."""
        self._broken.clear()
        self._publishes.clear()
        self._leaderless.clear()
        self._lagging.clear()

    def next_publish(self, stream: str) -> PublishFault | None:
        """Return what becomes of the message that is published now; None for a healthy stream."""
        if stream in self._leaderless or stream in self._broken:
            return PublishFault.LOST
        planned = self._publishes.get(stream)
        return planned.popleft() if planned else None

    def is_full(self, *, is_file: bool) -> bool:
        return is_file in self._full

    def is_leaderless(self, stream: str) -> bool:
        return stream in self._leaderless

    def replica(self, stream: Stream) -> Store:
        """Return the store of the replica that answers the next direct get."""
        lagging = self._lagging.get(stream.name)
        if lagging is None:
            return stream.store
        self._gets += 1
        return stream.store if self._alternates[stream.name] and self._gets % 2 else lagging
