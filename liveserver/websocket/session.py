"""State machine of a viewer's connection: handshake, frames, pings, close. No I/O, no clock.

    CONNECTING --handshake--> OPEN --close sent or received--> CLOSING --> closed

Outgoing frames are written at once while the transport accepts them, and else wait in a bounded backlog. A viewer whose
backlog overflows is disconnected, so that no viewer delays others. Unsent data per viewer is bounded by the backlog plus
the transport's buffer, which may exceed its limit by one write. Idle viewers are cheap: the frame parser is created when
bytes arrive, and released when they ended with a complete frame and a complete message.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from urllib.parse import urlsplit

from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import State

from liveserver.auth.authenticator import Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.rate_limit import TokenBucket
from liveserver.auth.roles import LOCAL
from liveserver.hub.group import CloseCode
from liveserver.protocol.client_messages import Control, InvalidRequest, RequestedTopic, decode_request
from liveserver.protocol.cursors import StreamCursors, parse_cursors
from liveserver.protocol.encoding import PING, Encoding, wire_size
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ErrorData
from liveserver.websocket.backlog import Backlog
from liveserver.websocket.context import SessionContext, Transport
from liveserver.websocket.ws_protocol import NotUtf8, TextMessage, ViewerProtocol, reject

TOO_MANY_REQUESTS = 429

END_OF_HEADERS = b"\r\n\r\n"

MAX_REASON_BYTES = 120
"""Size of a close frame's reason: a control frame has at most 125 bytes, two of them for the code."""


class Session:
    """A viewer's connection; implements `Viewer`.

    All times are monotonic seconds. `phase` (0 to 1) spreads the pings of simultaneous connections.
    """

    __slots__ = (
        "_abort_at",
        "_address",
        "_backlog",
        "_context",
        "_encoding",
        "_expires_at",
        "_identity",
        "_inbound_rate",
        "_incomplete_message",
        "_is_blocked",
        "_is_counted",
        "_is_ending",
        "_is_open",
        "_now",
        "_ping_at",
        "_pong_deadline",
        "_protocol",
        "_transport",
        "_unparsed_bytes",
        "_writable",
    )

    def __init__(
        self,
        context: SessionContext,
        transport: Transport,
        now: float,
        phase: float = 1.0,
        address: str = "",
    ) -> None:
        self._context = context
        self._transport = transport
        self._address = address
        self._protocol: ViewerProtocol | None = ViewerProtocol(context.limits.inbound_bytes, State.CONNECTING)
        self._unparsed_bytes = 0
        """Received bytes that are not part of a complete frame yet."""
        self._incomplete_message: TextMessage | None = None
        self._inbound_rate: TokenBucket | None = None
        self._backlog: Backlog | None = None
        self._is_counted = False
        self._identity = LOCAL
        self._expires_at: float | None = None
        self._encoding = Encoding.PLAIN
        self._is_open = False
        self._is_blocked = False
        self._ping_at = now + context.limits.ping_every_s * phase
        self._pong_deadline: float | None = None
        self._is_ending = False
        self._abort_at: float | None = None
        self._now = now
        self._writable: asyncio.Event | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether the transport's write buffer is full."""
        return self._is_blocked

    # Called by the hub.

    def send(self, data: bytes, message_count: int) -> bool:
        if not self._is_open:
            return False
        if not self._is_blocked:
            self._transport.write(data)
            return True
        if self._backlog is None:
            limits = self._context.limits
            self._backlog = Backlog(limits.backlog_messages, limits.backlog_bytes)
        if self._backlog.put(data, message_count):
            return True
        self._backlog = None
        self.close(CloseCode.TOO_SLOW, "too slow: the backlog of unsent messages is full; reconnect")
        self._context.count_dropped()
        return False

    async def wait_writable(self) -> bool:
        while self._is_open and self._is_blocked:
            self._writable = self._writable or asyncio.Event()
            await self._writable.wait()
        return self._is_open

    def close(self, code: CloseCode, reason: str) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._notify_writable()
        protocol = self._parser()
        if protocol.state is State.OPEN:
            protocol.send_close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
        self._write_out(protocol)
        self._abort_at = self._now + self._context.limits.linger_s

    # Called by the connection.

    def receive(self, data: bytes, now: float) -> None:
        """Process bytes from the viewer."""
        self._now = now
        protocol = self._parser()
        self._unparsed_bytes += len(data)
        protocol.receive_data(data)
        # The library's answers: a pong for each ping, and possibly a close.
        answers = deque(protocol.data_to_send())
        is_over = protocol.state is not State.OPEN
        for event in protocol.events_received():
            if isinstance(event, HandshakeRequest):
                self._handshake(protocol, event)
                # Bytes behind the handshake are unusual and not counted: 1 keeps the parser.
                self._unparsed_bytes = 0 if data.endswith(END_OF_HEADERS) else 1
            elif isinstance(event, Frame):
                self._unparsed_bytes -= wire_size(event)
                if event.opcode is Opcode.PING and self._is_open:
                    self.send(answers.popleft(), 1)
                self._receive_frame(event)
        self._write_out(protocol, answers if is_over else ())
        self._release_parser()

    def block(self) -> None:
        """Stop writing: the transport's buffer is full."""
        self._is_blocked = True

    def unblock(self) -> None:
        """Resume writing, beginning with the backlog."""
        self._is_blocked = False
        self._notify_writable()
        self._write_backlog()

    def lost(self) -> None:
        """Release all resources: the connection is closed. May be called again."""
        self._is_open = False
        self._notify_writable()
        self._backlog = None
        self._context.hub.leave(self)
        if self._is_counted:
            self._is_counted = False
            self._context.connection_limit.release(self._address)

    def tick(self, now: float) -> None:
        """Apply the timeouts: abort, token expiry, missing pong, next ping. Call about once a second."""
        self._now = now
        if self._abort_at is not None and now >= self._abort_at:
            self._transport.abort()
        elif self._is_open and self._expires_at is not None and now >= self._expires_at:
            self._count_rejection("expired")
            self.close(CloseCode.LOGIN_REQUIRED, "the token has expired; log in again")
        elif self._pong_deadline is not None and now >= self._pong_deadline:
            self._pong_deadline = None
            self.close(CloseCode.POLICY_VIOLATION, "no answer to a ping")
        elif self._is_open and now >= self._ping_at:
            self._ping()

    def _ping(self) -> None:
        limits = self._context.limits
        self._ping_at = self._now + limits.ping_every_s
        if self._pong_deadline is None:
            self._pong_deadline = self._now + limits.pong_within_s
        self.send(PING, 1)

    def _parser(self) -> ViewerProtocol:
        if self._protocol is None:
            self._protocol = ViewerProtocol(self._context.limits.inbound_bytes, State.OPEN)
        return self._protocol

    def _release_parser(self) -> None:
        if self._is_open and not self._unparsed_bytes and self._incomplete_message is None:
            self._protocol = None

    def _handshake(self, protocol: ViewerProtocol, request: HandshakeRequest) -> None:
        accepted = self._context.handshake_policy.check(request, self._address, self._now)
        if isinstance(accepted, ErrorResponse):
            reject(protocol, request, accepted)
            return
        self._identity, self._address = accepted.identity, accepted.address
        if accepted.lifetime_s is not None:
            self._expires_at = self._now + accepted.lifetime_s
        reached_limit = self._context.connection_limit.acquire(self._address)
        if reached_limit is not None:
            self._count_rejection("too_many_connections")
            reject(protocol, request, ErrorResponse(TOO_MANY_REQUESTS, "too_many_connections", reached_limit))
            return
        self._is_counted = True
        protocol.send_response(protocol.accept(request))
        self._write_out(protocol)
        if protocol.state is State.OPEN:
            self._is_open = True
            is_plain = protocol.subprotocol is None
            self._encoding = Encoding.of(is_v2=not is_plain, is_redacted=self._identity.is_redacted)
            # A plain viewer has one topic and cannot resume.
            topics, cursors = accepted.topics[:1], None
            if not is_plain:
                topics, cursors = _resumption(request, accepted.topics)
            before = self._context.hub.delivered_bytes
            self._context.hub.join(self, topics, self._context.greeting(), self._encoding, cursors)
            self._charge_since(before)

    def _receive_frame(self, frame: Frame) -> None:
        if not self._is_open or frame.opcode is Opcode.CLOSE:
            return
        limits = self._context.limits
        if self._inbound_rate is None:
            self._inbound_rate = TokenBucket(limits.inbound_per_s, limits.inbound_burst, self._now)
        if not self._inbound_rate.spend(self._now):
            self._fail_rate_limit()
        elif frame.opcode is Opcode.PONG:
            self._pong_deadline = None
        elif frame.opcode not in CTRL_OPCODES:
            self._receive_fragment(frame)

    def _receive_fragment(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._fail(CloseCode.UNSUPPORTED_DATA, "only text messages are supported")
            return
        message, self._incomplete_message = self._incomplete_message or TextMessage(), None
        try:
            text = message.put(frame.data, is_last=frame.fin)
        except NotUtf8:
            self._fail(CloseCode.INVALID_DATA, "not valid UTF-8")
            return
        if text is None:
            self._incomplete_message = message
        elif not self._authenticator.allow_message(self._identity, self._address, self._now):
            self._fail_rate_limit()
        # The plain protocol has no client messages: they are ignored.
        elif self._encoding.is_v2:
            self._handle_message(text)

    def _handle_message(self, text: bytes) -> None:
        try:
            request = decode_request(text)
        except InvalidRequest as error:
            self._context.hub.send(self, Message(MessageType.ERROR, ErrorData(error=str(error))))
            return
        if isinstance(request, Control):
            self._context.command(self, self._identity, self._address, request.data)
        else:
            before = self._context.hub.delivered_bytes
            self._context.handle(self, self._identity, request)
            self._charge_since(before)

    def _charge_since(self, delivered_bytes: int) -> None:
        """Let what was delivered to this viewer, such as a snapshot, cost its share of the allowance for messages."""
        size = self._context.hub.delivered_bytes - delivered_bytes
        self._authenticator.charge_messages(self._identity, self._address, size, self._now)

    def _fail(self, code: CloseCode, reason: str) -> None:
        # After a protocol violation nothing more is read (RFC 6455, 7.1.7).
        protocol = self._parser()
        protocol.fail(code, reason)
        self._write_out(protocol)

    def _fail_rate_limit(self) -> None:
        self._count_rejection("too_many_messages")
        self._fail(CloseCode.RATE_LIMITED, "rate limit exceeded: send fewer messages")

    @property
    def _authenticator(self) -> Authenticator:
        return self._context.handshake_policy.authenticator

    def _count_rejection(self, error: str) -> None:
        self._authenticator.count_rejection(error)

    def _notify_writable(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def _write_out(self, protocol: ViewerProtocol, answers: Iterable[bytes] = ()) -> None:
        if protocol.state is not State.OPEN:
            # The close frame is the last frame, so the backlog goes before it.
            self._is_open = False
            self._notify_writable()
            self._write_backlog()
        for data in (*answers, *protocol.data_to_send()):
            if data:
                self._transport.write(data)
            else:
                self._end()

    def _write_backlog(self) -> None:
        backlog, self._backlog = self._backlog, None
        if backlog is not None and backlog.message_count:
            self._transport.write(backlog.take())

    def _end(self) -> None:
        if not self._is_ending:
            self._is_open = False
            self._is_ending = True
            self._abort_at = self._now + self._context.limits.linger_s
            self._transport.write_eof()


def _resumption(
    request: HandshakeRequest, topics: list[RequestedTopic]
) -> tuple[list[RequestedTopic], StreamCursors | None]:
    query = urlsplit(request.path).query
    # `wait=1`: nothing is sent until the viewer subscribes or resumes by a message.
    return ([] if "wait=1" in query.split("&") else topics), parse_cursors(query)
