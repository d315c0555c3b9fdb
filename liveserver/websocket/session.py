"""One viewer's connection as a conversation: handshake, frames in and out, pings, close. No sockets, no clock.

    CONNECTING --handshake--> OPEN --close sent or received--> CLOSING --> gone

What goes out is written at once while the connection takes it, waits in a bounded backlog while it does not, and ends
the conversation when it does not fit: nobody waits for a slow viewer. Memory a viewer is bounded by the backlog and by
one chunk in the transport. A viewer that just watches costs little: what reads frames is made when bytes come, and
forgotten when they were whole frames and whole messages.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from urllib.parse import urlsplit

from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State

from liveserver.auth.rate_limit import Allowance
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import LOCAL
from liveserver.hub.group import CloseCode, ProtocolVersion
from liveserver.protocol.client_messages import Control, NotUnderstood, understand
from liveserver.protocol.cursors import Positions, positions_in
from liveserver.protocol.frames import PING, wire_size
from liveserver.protocol.server_messages import ErrorData, Message, MessageType
from liveserver.view.topics import Wanted
from liveserver.websocket.backlog import Backlog
from liveserver.websocket.context import Outlet, Stage
from liveserver.websocket.fragments import Fragments, NotText
from liveserver.websocket.ws_protocol import ViewerProtocol

TOO_MANY_REQUESTS = 429

END_OF_HEAD = b"\r\n\r\n"

REASON_LIMIT = 120
"""Bytes that fit into a close frame beside its code."""


class Session:
    """Implements `Viewer`. `phase` (0 to 1) spreads the pings of viewers that came together."""

    __slots__ = (
        "_abort_at",
        "_address",
        "_allowance",
        "_backlog",
        "_dialect",
        "_expires_at",
        "_fragments",
        "_identity",
        "_is_blocked",
        "_is_counted",
        "_is_ending",
        "_is_open",
        "_now",
        "_outlet",
        "_ping_at",
        "_protocol",
        "_room",
        "_silent_until",
        "_stage",
        "_unread",
    )

    def __init__(
        self, stage: Stage, outlet: Outlet, now: float, phase: float = 1.0, address: str = ""
    ) -> None:
        self._stage = stage
        self._outlet = outlet
        self._address = address
        self._protocol: ViewerProtocol | None = ViewerProtocol(stage.limits.inbound_bytes, State.CONNECTING)
        # Bytes that came and are part of no whole frame yet.
        self._unread = 0
        self._fragments: Fragments | None = None
        self._allowance: Allowance | None = None
        self._backlog: Backlog | None = None
        self._is_counted = False
        self._identity = LOCAL
        self._expires_at: float | None = None
        self._dialect = ProtocolVersion.PLAIN
        self._is_open = False
        self._is_blocked = False
        self._ping_at = now + stage.limits.ping_every_s * phase
        self._silent_until: float | None = None
        self._is_ending = False
        self._abort_at: float | None = None
        self._now = now
        self._room: asyncio.Event | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether the connection takes nothing at present."""
        return self._is_blocked

    # What the hub does.

    def send(self, data: bytes, messages: int) -> bool:
        if not self._is_open:
            return False
        if not self._is_blocked:
            self._outlet.write(data)
            return True
        if self._backlog is None:
            self._backlog = Backlog(self._stage.limits.backlog_messages, self._stage.limits.backlog_bytes)
        if self._backlog.put(data, messages):
            return True
        self._backlog = None
        self.close(CloseCode.TOO_SLOW, "too slow: more messages waited than may; connect again")
        self._stage.dropped()
        return False

    async def room(self) -> bool:
        while self._is_open and self._is_blocked:
            self._room = self._room or asyncio.Event()
            await self._room.wait()
        return self._is_open

    def close(self, code: CloseCode, reason: str) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._tell_room()
        protocol = self._wire()
        if protocol.state is State.OPEN:
            protocol.send_close(code, reason.encode()[:REASON_LIMIT].decode(errors="ignore"))
        self._write_out(protocol)
        self._abort_at = self._now + self._stage.limits.linger_s

    # What the connection does.
    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the viewer."""
        self._now = now
        protocol = self._wire()
        self._unread += len(data)
        protocol.receive_data(data)
        # A pong for each ping, and at last a close, if it comes to that.
        answers = deque(protocol.data_to_send())
        is_over = protocol.state is not State.OPEN
        for event in protocol.events_received():
            if isinstance(event, Handshake):
                self._shake_hands(protocol, event)
                # What follows a handshake at once is not expected, and kept track of no further.
                self._unread = 0 if data.endswith(END_OF_HEAD) else 1
            elif isinstance(event, Frame):
                self._unread -= wire_size(event)
                if event.opcode is Opcode.PING and self._is_open:
                    self.send(answers.popleft(), 1)
                self._hear(event)
        self._write_out(protocol, answers if is_over else ())
        self._rest()

    def block(self) -> None:
        """Hear that the connection takes no more for now."""
        self._is_blocked = True

    def unblock(self) -> None:
        """Hear that the connection takes again."""
        self._is_blocked = False
        self._tell_room()
        self._write_backlog()

    def lost(self) -> None:
        """Hear that the connection is gone."""
        self._is_open = False
        self._tell_room()
        self._backlog = None
        self._stage.hub.leave(self)
        if self._is_counted:
            self._is_counted = False
            self._stage.turnstile.leave(self._address)

    def tick(self, now: float) -> None:
        """Do what is due: a ping, or the end of a viewer that does not answer. To be called every second or so."""
        self._now = now
        if self._abort_at is not None and now >= self._abort_at:
            self._outlet.abort()
        elif self._is_open and self._expires_at is not None and now >= self._expires_at:
            self._stage.door.guard.count("expired")
            self.close(CloseCode.TOKEN_EXPIRED, "the token has expired; log in again")
        elif self._silent_until is not None and now >= self._silent_until:
            self._silent_until = None
            self.close(CloseCode.POLICY_VIOLATION, "no answer to a ping")
        elif self._is_open and now >= self._ping_at:
            self._ping()

    def _ping(self) -> None:
        limits = self._stage.limits
        self._ping_at = self._now + limits.ping_every_s
        if self._silent_until is None:
            self._silent_until = self._now + limits.pong_within_s
        self.send(PING, 1)

    def _wire(self) -> ViewerProtocol:
        if self._protocol is None:
            self._protocol = ViewerProtocol(self._stage.limits.inbound_bytes, State.OPEN)
        return self._protocol

    def _rest(self) -> None:
        if self._is_open and not self._unread and self._fragments is None:
            self._protocol = None

    def _shake_hands(self, protocol: ViewerProtocol, request: Handshake) -> None:
        asked = self._stage.door.admit(request, self._address, self._now)
        if isinstance(asked, Refusal):
            _refuse(protocol, asked)
            return
        self._identity, self._address = asked.identity, asked.address
        if asked.lasts_s is not None:
            self._expires_at = self._now + asked.lasts_s
        if why_not := self._stage.turnstile.enter(self._address):
            self._stage.door.guard.count("too_many_connections")
            _refuse(protocol, Refusal(TOO_MANY_REQUESTS, "too_many_connections", why_not))
            return
        self._is_counted = True
        protocol.send_response(protocol.accept(request))
        self._write_out(protocol)
        if protocol.state is State.OPEN:
            self._is_open = True
            is_plain = protocol.subprotocol is None
            self._dialect = ProtocolVersion.of(is_v2=not is_plain, is_redacted=self._identity.is_redacted)
            topics, positions = (asked.wanted[:1], None) if is_plain else _came_back(request, asked.wanted)
            self._stage.hub.join(self, topics, self._stage.greeting(), self._dialect, positions)

    def _hear(self, frame: Frame) -> None:
        if not self._is_open or frame.opcode is Opcode.CLOSE:
            return
        limits = self._stage.limits
        if self._allowance is None:
            self._allowance = Allowance(limits.inbound_per_s, limits.inbound_burst, self._now)
        if not self._allowance.spend(self._now):
            self._say_too_much()
        elif frame.opcode is Opcode.PONG:
            self._silent_until = None
        elif frame.opcode not in CTRL_OPCODES:
            self._hear_part(frame)

    def _fail(self, code: CloseCode, reason: str) -> None:
        # Whoever breaks the rules is not waited for, and nothing more is read (RFC 6455, 7.1.7).
        protocol = self._wire()
        protocol.fail(code, reason)
        self._write_out(protocol)

    def _hear_part(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._fail(CloseCode.UNSUPPORTED_DATA, "text only")
            return
        fragments, self._fragments = self._fragments or Fragments(), None
        try:
            whole = fragments.put(frame.data, is_last=frame.fin)
        except NotText:
            self._fail(CloseCode.INVALID_DATA, "not UTF-8")
            return
        if whole is None:
            self._fragments = fragments
        elif not self._stage.door.guard.may_speak(self._identity, self._address, self._now):
            self._say_too_much()
        # A plain socket has nothing to say, and never had: it is passed over.
        elif self._dialect.is_v2:
            self._answer(whole)

    def _answer(self, text: bytes) -> None:
        try:
            said = understand(text)
        except NotUnderstood as error:
            self._stage.hub.tell(self, Message(MessageType.ERROR, ErrorData(error=str(error))))
            return
        if isinstance(said, Control):
            self._stage.command(self, self._identity, said.data)
        else:
            self._stage.asked(self, said)

    def _say_too_much(self) -> None:
        self._stage.door.guard.count("too_many_messages")
        self._fail(CloseCode.TOO_MUCH_SAID, "it said too much; say less, or wait")

    def _tell_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def _write_out(self, protocol: ViewerProtocol, answers: Iterable[bytes] = ()) -> None:
        if protocol.state is not State.OPEN:
            # The close frame is the last that is said.
            self._is_open = False
            self._tell_room()
            self._write_backlog()
        for data in (*answers, *protocol.data_to_send()):
            if data:
                self._outlet.write(data)
            else:
                self._end()

    def _write_backlog(self) -> None:
        backlog, self._backlog = self._backlog, None
        if backlog is not None and backlog.messages:
            self._outlet.write(backlog.take())

    def _end(self) -> None:
        if not self._is_ending:
            self._is_open = False
            self._is_ending = True
            self._abort_at = self._now + self._stage.limits.linger_s
            self._outlet.write_eof()


def _refuse(protocol: ViewerProtocol, why: Refusal) -> None:
    response = protocol.reject(why.status, why.text)
    for name, value in why.headers.items():
        response.headers[name] = value
    protocol.send_response(response)


def _came_back(request: Handshake, topics: list[Wanted]) -> tuple[list[Wanted], Positions | None]:
    query = urlsplit(request.path).query
    # Whoever asks by a message hears nothing before it does.
    return ([] if "wait=1" in query.split("&") else topics), positions_in(query)
