"""A client connection: handshake, subscriptions with queues and automatic ends, keep-alive, errors."""

from collections.abc import Callable
from typing import Any, Protocol

from lab.simulation.bus_model import headers
from lab.simulation.bus_model.clients import protocol
from lab.simulation.bus_model.clients.protocol import Parser, ViolationError
from lab.simulation.bus_model.gojson import decode_object
from lab.simulation.bus_model.subjects import SubjectIndex, is_valid

MAX_UNANSWERED_PINGS = 2


class Subscription:
    """A subscription of a connection. It ends after `maximum` messages, if that is not 0."""

    __slots__ = ("connection", "delivered", "maximum", "queue", "sid", "subject")

    def __init__(self, connection: "Connection", subject: str, queue: str, sid: str) -> None:
        self.connection = connection
        self.subject = subject
        self.queue = queue
        self.sid = sid
        self.maximum = 0
        self.delivered = 0


class Router(Protocol):
    """The server of a connection, as far as the connection uses it."""

    max_payload: int
    subscriptions: SubjectIndex[Subscription]
    unflushed: dict["Connection", None]
    """Connections to which something was written."""

    def publish(self, source: "Connection", subject: str, reply: str, block: bytes, data: bytes) -> bool: ...

    def flush(self) -> None: ...

    def forget(self, connection: "Connection") -> None: ...


class Connection:
    """A client. Created by `BusModel.connect`; its owner calls `receive` and `lost`."""

    def __init__(
        self, server: Router, number: int, send: Callable[[bytes], None], close: Callable[[], None]
    ) -> None:
        self.number = number
        """The connection's id, unique in the life of the server."""
        self.options: dict[str, Any] = {}
        self.has_headers, self.has_echo = False, True
        self.max_payload = server.max_payload
        self.ip, self.port, self.start_ns = "", 0, 0
        self.is_open = True
        self.in_messages = self.out_messages = self.in_bytes = self.out_bytes = 0
        self.subscriptions: dict[str, Subscription] = {}
        self._server = server
        self._send = send
        self._close = close
        self._parser = Parser(self)
        self._outgoing: list[bytes] = []
        self._unanswered = 0

    @property
    def name(self) -> str:
        return str(self.options.get("name", ""))

    def receive(self, data: bytes) -> None:
        """Carry out the operations in received bytes, and send the replies."""
        if not self.is_open:
            return
        try:
            self._parser.parse(data)
        except ViolationError as violation:
            self.disconnect(str(violation))
        self._server.flush()

    def lost(self) -> None:
        """Forget the connection: its client is gone."""
        if self.is_open:
            self.is_open = False
            self._parser.stop()
            for subscription in list(self.subscriptions.values()):
                self._end(subscription)
            self._server.forget(self)

    def disconnect(self, error: str = "") -> None:
        """Close the connection, after an error message if there is a text."""
        if self.is_open:
            if error:
                self.write(protocol.error(error))
            self.flush()
            self.lost()
            self._close()

    def write(self, data: bytes) -> None:
        """Send bytes with the next flush."""
        if not self._outgoing:
            self._server.unflushed[self] = None
        self._outgoing.append(data)

    def flush(self) -> None:
        """Send what was written."""
        if self._outgoing:
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            if self.is_open:
                self._send(data)

    def deliver(
        self, subscription: Subscription, subject: str, reply: str, block: bytes, data: bytes
    ) -> None:
        """Send a message to a subscription of this connection."""
        if block and not self.has_headers:
            block = b""
        self.write(protocol.message(subject, subscription.sid, reply, block, data))
        self.out_messages += 1
        self.out_bytes += len(block) + len(data)
        subscription.delivered += 1
        if subscription.delivered == subscription.maximum:
            self._end(subscription)

    def connect(self, options: bytes) -> None:
        try:
            self.options = decode_object(options)
        except ValueError:
            raise ViolationError("") from None
        self.has_headers = bool(self.options.get("headers"))
        self.has_echo = self.options.get("echo") is not False
        if self.options.get("no_responders") and not self.has_headers:
            raise ViolationError("No responders requires headers support")
        self._acknowledge()

    def ping(self) -> None:
        self.write(b"PONG\r\n")

    def pong(self) -> None:
        self._unanswered = 0

    def check_alive(self) -> None:
        """Send a ping; close the connection when too many were not answered."""
        if self._unanswered == MAX_UNANSWERED_PINGS:
            self.disconnect("Stale Connection")
        else:
            self._unanswered += 1
            self.write(b"PING\r\n")
            self.flush()

    def subscribe(self, subject: str, queue: str, sid: str) -> None:
        if sid not in self.subscriptions:
            if not is_valid(subject):
                self.write(protocol.error("Invalid Subject"))
                return
            subscription = self.subscriptions[sid] = Subscription(self, subject, queue, sid)
            self._server.subscriptions.add(subject, subscription)
        self._acknowledge()

    def unsubscribe(self, sid: str, maximum: int) -> None:
        subscription = self.subscriptions.get(sid)
        if subscription is not None:
            if maximum > 0 and maximum > subscription.delivered:
                subscription.maximum = maximum
            else:
                self._end(subscription)
        self._acknowledge()

    def publish(self, subject: str, reply: str, block: bytes, data: bytes) -> None:
        self.in_messages += 1
        self.in_bytes += len(block) + len(data)
        if self.options.get("pedantic", True) and any(
            token in {"", "*", ">"} for token in subject.split(".")
        ):
            self.write(protocol.error("Invalid Publish Subject"))
        self._acknowledge()
        is_delivered = self._server.publish(self, subject, reply, block, data)
        if not is_delivered and reply and self.options.get("no_responders"):
            self._tell_no_responders(subject, reply)

    def _tell_no_responders(self, subject: str, reply: str) -> None:
        for subscription in self._server.subscriptions.match(reply):
            if subscription.connection is self and not subscription.queue:
                block = headers.status(503, "", f"Nats-Subject: {subject}\r\n")
                self.write(protocol.message(reply, subscription.sid, "", block, b""))
                return

    def _end(self, subscription: Subscription) -> None:
        del self.subscriptions[subscription.sid]
        self._server.subscriptions.remove(subscription.subject, subscription)

    def _acknowledge(self) -> None:
        if self.options.get("verbose", True):
            self.write(b"+OK\r\n")
