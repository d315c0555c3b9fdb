"""One viewer's connection as a conversation: handshake, frames in and out, pings, close. No sockets, no clock.

    CONNECTING --handshake--> OPEN --close sent or received--> CLOSING --> gone

What goes out is written at once while the connection takes it, waits in a bounded backlog while it does not, and ends
the conversation when it does not fit: nobody waits for a slow viewer. Memory a viewer is bounded by the backlog and by
one chunk in the transport.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from liveserver.allowance import Allowance
from liveserver.audience import CloseCode, Dialect, written
from liveserver.backlog import Backlog
from liveserver.door import Door
from liveserver.hub import Hub
from liveserver.identity import LOCAL, Identity
from liveserver.messages import ErrorData, Message, MessageType
from liveserver.refusal import Refusal
from liveserver.requests import Control, ControlRequest, NotUnderstood, Subscribe, understand
from liveserver.turnstile import Turnstile

TOO_MANY_REQUESTS = 429
SUBPROTOCOL = Subprotocol("opensqt.v2")

REASON_LIMIT = 120
"""Bytes that fit into a close frame beside its code."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer may ask of the server."""

    backlog_messages: int = 256
    backlog_bytes: int = 1 << 20
    connections: int = 20_000
    connections_per_address: int = 2000
    """Many may share an address, and all do behind a proxy."""
    inbound_bytes: int = 4096
    """Of one message; beyond it the connection ends with 1009."""
    inbound_per_s: float = 5.0
    """Frames, control frames included."""
    inbound_burst: float = 50.0
    ping_every_s: float = 54.0
    pong_within_s: float = 60.0
    linger_s: float = 5.0
    """How long a viewer has to answer a close, or to fetch it."""


class Outlet(Protocol):
    """The connection, as far as a session uses it."""

    def write(self, data: bytes) -> None:
        """Send bytes; what the network does not take yet is kept."""
        ...

    def close(self) -> None:
        """End the connection once all is sent."""
        ...

    def abort(self) -> None:
        """End the connection now."""
        ...


class Stage(Protocol):
    """What all sessions of a server share."""

    hub: Hub
    door: Door
    turnstile: Turnstile
    limits: Limits

    def greeting(self) -> Sequence[Message]:
        """Return what a new viewer hears beside the snapshot."""
        ...

    def dropped(self) -> None:
        """Count a viewer that was too slow."""
        ...

    def command(self, session: "Session", identity: Identity, request: ControlRequest) -> None:
        """Give a command, and tell the viewer what became of it."""
        ...


class Session:
    """Implements `Viewer`. `phase` (0 to 1) spreads the pings of viewers that came together."""

    def __init__(
        self, stage: Stage, outlet: Outlet, now: float, phase: float = 1.0, address: str = ""
    ) -> None:
        limits = stage.limits
        self._stage = stage
        self._outlet = outlet
        self._protocol = ServerProtocol(max_size=limits.inbound_bytes, select_subprotocol=_select)
        self._allowance = Allowance(limits.inbound_per_s, limits.inbound_burst, now)
        self._backlog = Backlog(limits.backlog_messages, limits.backlog_bytes)
        self._address = address
        self._is_counted = False
        self._identity = LOCAL
        self._expires_at: float | None = None
        self._dialect = Dialect.PLAIN
        self._is_open = False
        self._is_blocked = False
        self._ping_at = now + limits.ping_every_s * phase
        self._silent_until: float | None = None
        self._fragments: list[bytes] = []
        self._is_ending = False
        self._abort_at: float | None = None
        self._now = now

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
        if self._backlog.put(data, messages):
            return True
        self._backlog.clear()
        self.close(CloseCode.TOO_SLOW, "too slow: more messages waited than may; connect again")
        self._stage.dropped()
        return False

    def tell(self, message: Message) -> None:
        """Send a message that is for this viewer alone."""
        self.send(written(message, self._dialect), 1)

    def close(self, code: CloseCode, reason: str) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._backlog.messages:
            self._outlet.write(self._backlog.take())
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason.encode()[:REASON_LIMIT].decode(errors="ignore"))
        self._write_out()
        self._abort_at = self._now + self._stage.limits.linger_s

    # What the connection does.

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the viewer."""
        self._now = now
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._hear(event)
        self._write_out()

    def block(self) -> None:
        """Hear that the connection takes no more for now."""
        self._is_blocked = True

    def unblock(self) -> None:
        """Hear that the connection takes again."""
        self._is_blocked = False
        if self._backlog.messages:
            self._outlet.write(self._backlog.take())

    def lost(self) -> None:
        """Hear that the connection is gone."""
        self._is_open = False
        self._backlog.clear()
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
        self._protocol.send_ping(b"")
        self._write_out()

    def _shake_hands(self, request: Request) -> None:
        asked = self._stage.door.admit(request, self._address, self._now)
        if isinstance(asked, Refusal):
            self._refuse(asked)
            return
        self._identity, self._address = asked.identity, asked.address
        if asked.lasts_s is not None:
            self._expires_at = self._now + asked.lasts_s
        if why_not := self._stage.turnstile.enter(self._address):
            self._stage.door.guard.count("too_many_connections")
            self._refuse(Refusal(TOO_MANY_REQUESTS, "too_many_connections", why_not))
            return
        self._is_counted = True
        self._protocol.send_response(self._protocol.accept(request))
        self._write_out()
        if self._protocol.state is State.OPEN:
            self._is_open = True
            is_plain = self._protocol.subprotocol is None
            self._dialect = Dialect.of(is_v2=not is_plain, is_redacted=self._identity.is_redacted)
            topics = asked.wanted[:1] if is_plain else asked.wanted
            self._stage.hub.join(self, topics, self._stage.greeting(), self._dialect)

    def _refuse(self, why: Refusal) -> None:
        response = self._protocol.reject(why.status, why.text)
        for name, value in why.headers.items():
            response.headers[name] = value
        self._protocol.send_response(response)

    def _hear(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._is_open = False
        elif not self._is_open:
            return
        elif not self._allowance.spend(self._now):
            self._say_too_much()
        elif frame.opcode is Opcode.PONG:
            self._silent_until = None
        elif frame.opcode not in CTRL_OPCODES:
            self._hear_part(frame)

    def _hear_part(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(CloseCode.UNSUPPORTED_DATA, "text only")
            return
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            whole = b"".join(self._fragments)
            self._fragments.clear()
            try:
                whole.decode()
            except UnicodeDecodeError:
                self.close(CloseCode.INVALID_DATA, "not UTF-8")
                return
            if not self._stage.door.guard.may_speak(self._identity, self._address, self._now):
                self._say_too_much()
                return
            # A plain socket has nothing to say, and never had: it is passed over.
            if self._dialect.is_v2:
                self._answer(whole)

    def _answer(self, text: bytes) -> None:
        try:
            said = understand(text)
        except NotUnderstood as error:
            self.tell(Message(MessageType.ERROR, ErrorData(error=str(error))))
            return
        match said:
            case Subscribe():
                self._stage.hub.subscribe(self, said.wanted)
            case Control():
                self._stage.command(self, self._identity, said.data)

    def _say_too_much(self) -> None:
        self._stage.door.guard.count("too_many_messages")
        self.close(CloseCode.TOO_MUCH_SAID, "it said too much; say less, or wait")

    def _write_out(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._outlet.write(data)
            elif not self._is_ending:
                self._is_open = False
                self._is_ending = True
                self._abort_at = self._now + self._stage.limits.linger_s
                self._outlet.close()


def _select(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # Whoever offers others only is served as a plain socket is.
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
