r"""The model of a nats-server with JetStream: connections, routing of messages, restarts.

model = BusModel(now_ns=1_700_000_000_000_000_000, random=random.Random(1))
connection = model.connect(transport.write, transport.close, "10.0.0.2", 40001)
connection.receive(b"CONNECT {}\r\nPING\r\n")
model.advance(model.now_ns + 5_000_000_000)
"""

import random
from collections.abc import Callable

from lab.simulation.bus_model import errors
from lab.simulation.bus_model.clients.connection import Connection, Subscription
from lab.simulation.bus_model.clients.monitoring import CONNECTIONS_SUBJECT, connections_reply
from lab.simulation.bus_model.faults import Faults, PublishFault
from lab.simulation.bus_model.gojson import encode
from lab.simulation.bus_model.streams import direct
from lab.simulation.bus_model.streams.api import Api
from lab.simulation.bus_model.streams.config import API_LEVEL, VERSION
from lab.simulation.bus_model.streams.jetstream import JetStream
from lab.simulation.bus_model.streams.store import Stored
from lab.simulation.bus_model.streams.stream import Stream
from lab.simulation.bus_model.subjects import SubjectIndex

MEBIBYTE = 1024 * 1024
API_PREFIX = "$JS.API."
DIRECT_PREFIX = "$JS.API.DIRECT.GET."
FIRST_CONNECTION = 5


class BusModel:
    """A server. It does nothing by itself: bytes arrive by `Connection.receive`, time passes by `advance`."""

    def __init__(
        self,
        *,
        now_ns: int,
        random: random.Random,
        name: str = "opensqt",
        max_memory_bytes: int = 512 * MEBIBYTE,
        max_store_bytes: int = 20 * 1024 * MEBIBYTE,
        max_payload: int = MEBIBYTE,
        servers: int = 1,
    ) -> None:
        """With several `servers` the model stands for a cluster, whose streams may have replicas."""
        self.server_id = "N" + "".join(random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=55))
        self.max_payload = max_payload
        self.jetstream = JetStream(name, now_ns, max_memory_bytes, max_store_bytes, servers)
        self.faults = Faults(self.jetstream)
        self.connections: dict[int, Connection] = {}
        """The open connections, by their numbers."""
        self.subscriptions: SubjectIndex[Subscription] = SubjectIndex()
        self.unflushed: dict[Connection, None] = {}
        self.on_stored: list[Callable[[Stream, Stored], None]] = []
        """Observers of each stored message; called before it is acknowledged or delivered."""
        self.api = Api(self.jetstream, self.faults.is_leaderless, self._reply)
        self._random = random
        self._next_connection = FIRST_CONNECTION

    @property
    def now_ns(self) -> int:
        """The server's time, in nanoseconds since the epoch."""
        return self.jetstream.now_ns

    @property
    def wake_ns(self) -> int:
        """The time before which `advance` has nothing to do."""
        return self.jetstream.wake_ns

    @property
    def streams(self) -> dict[str, Stream]:
        return self.jetstream.streams

    def connect(
        self,
        send: Callable[[bytes], None],
        close: Callable[[], None],
        ip: str = "127.0.0.1",
        port: int = 0,
    ) -> Connection:
        """Accept a client, to which bytes go by `send`; `close` ends the connection from the server's side."""
        connection = Connection(self, self._next_connection, send, close)
        self._next_connection += 1
        connection.ip, connection.port, connection.start_ns = ip, port, self.now_ns
        self.connections[connection.number] = connection
        info = {
            "server_id": self.server_id,
            "server_name": self.jetstream.name,
            "version": VERSION,
            "proto": 1,
            "git_commit": "b2fd3ef",
            "go": "go1.27.2",
            "host": "127.0.0.1",
            "port": 4222,
            "headers": True,
            "max_payload": self.max_payload,
            "jetstream": True,
            "client_id": connection.number,
            "client_ip": ip,
            "api_lvl": API_LEVEL,
        }
        connection.write(b"INFO %b \r\n" % encode(info))
        self.flush()
        return connection

    def advance(self, now_ns: int) -> None:
        """Let time pass: messages and message ids expire."""
        self.jetstream.advance(now_ns)

    def restart(self) -> None:
        """Stop and start the server: connections and memory streams are lost, file streams stay."""
        for connection in list(self.connections.values()):
            connection.disconnect()
        self.jetstream.restart()
        self.faults.on_restart()
        self.api.reset()
        self._next_connection = FIRST_CONNECTION

    def publish(self, source: Connection, subject: str, reply: str, block: bytes, data: bytes) -> bool:
        """Deliver a message from a client; return whether something received it."""
        is_delivered = self._deliver(subject, reply, block, data, source)
        if subject.startswith("$"):
            if subject.startswith(DIRECT_PREFIX):
                return self._direct_get(subject, reply, block, data) or is_delivered
            if subject.startswith(API_PREFIX):
                self.api.request(subject, reply, block, data)
                return True
            if subject == CONNECTIONS_SUBJECT:
                connections = self.connections.values()
                name, now_ns = self.jetstream.name, self.now_ns
                self._reply(reply, connections_reply(name, self.server_id, now_ns, connections))
                return True
        for stream in self.jetstream.capturing(subject):
            self._store(stream, subject, reply, block, data)
            is_delivered = True
        return is_delivered

    def forget(self, connection: Connection) -> None:
        """Remove a closed connection."""
        del self.connections[connection.number]
        self.unflushed.pop(connection, None)

    def flush(self) -> None:
        """Send what was written to the connections."""
        while self.unflushed:
            connection = next(iter(self.unflushed))
            del self.unflushed[connection]
            connection.flush()

    def _reply(self, subject: str, data: bytes, block: bytes = b"") -> None:
        if subject:
            self._deliver(subject, "", block, data, None)

    def _deliver(
        self, subject: str, reply: str, block: bytes, data: bytes, source: Connection | None
    ) -> bool:
        matching = self.subscriptions.match(subject)
        if not matching:
            return False
        is_delivered = False
        queues: dict[str, list[Subscription]] = {}
        for subscription in matching:
            if source is not None and subscription.connection is source and not source.has_echo:
                continue
            if subscription.queue:
                queues.setdefault(subscription.queue, []).append(subscription)
            else:
                subscription.connection.deliver(subscription, subject, reply, block, data)
                is_delivered = True
        for members in queues.values():
            chosen = self._random.choice(members) if len(members) > 1 else members[0]
            chosen.connection.deliver(chosen, subject, reply, block, data)
            is_delivered = True
        return is_delivered

    def _store(self, stream: Stream, subject: str, reply: str, block: bytes, data: bytes) -> None:
        fault = self.faults.next_publish(stream.name)
        if fault is None or fault in {PublishFault.UNACKNOWLEDGED, PublishFault.STORED_UNAVAILABLE}:
            is_file = stream.store.is_file
            has_room = self.jetstream.has_room(is_file=is_file) and not self.faults.is_full(is_file=is_file)
            outcome = stream.publish(subject, block, data, self.now_ns, has_room=has_room)
            if outcome.stored is not None:
                self.jetstream.note_stored(stream)
                for observe in self.on_stored:
                    observe(stream, outcome.stored)
            if outcome.republished is not None:
                again = outcome.republished
                self._deliver(again.subject, "", again.headers, again.data, None)
            if fault is None:
                self._reply(reply, outcome.reply)
        if fault in {PublishFault.UNAVAILABLE, PublishFault.STORED_UNAVAILABLE}:
            self._reply(reply, stream.rejection(errors.NOT_AVAILABLE))

    def _direct_get(self, subject: str, reply: str, block: bytes, data: bytes) -> bool:
        name, _, rest = subject.removeprefix(DIRECT_PREFIX).partition(".")
        stream = self.streams.get(name)
        if stream is None or not stream.config.allow_direct:
            return False
        if reply:
            store = self.faults.replica(stream)
            for found_headers, found in direct.answer(name, store, block, data, rest):
                self._reply(reply, found, found_headers)
        return True
