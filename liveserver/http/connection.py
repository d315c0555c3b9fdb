"""HTTP connections with deadlines and limits: a client that sends half a request, or nothing, does not stay.

    phase     from                                    until                                deadline
    HEAD      accept, or the next request's first byte  the head of a request is complete    `Limits.head_s`
    BODY      the head is complete                      the body is complete                 `Limits.body_s`
    ANSWER    the request is complete                   the answer is written                `Limits.answer_s`
    IDLE      the answer is written                     the next request; Uvicorn closes     `Limits.answer_s`

Connections are counted by address from accept on, so also those that never send anything.
"""

import asyncio
from enum import Enum, auto
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from bus import RepeatLimit, get_logger
from bus.peer import ALLOW_HINT, PeerCheck
from liveserver.auth.addresses import rate_limit_key
from liveserver.auth.authenticator import Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.http.errors import encode_error
from liveserver.websocket.connection_limit import ConnectionLimit
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import NO_AUTHENTICATION

REFUSAL_S = 1.0
"""Time for a refused client to send its request: an answer that is sent before may be lost."""

MAX_REFUSED = 100
"""Refused connections that get an answer at the same time; further ones are closed at once."""


class Phase(Enum):
    """What a connection waits for; see the table above."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    IDLE = auto()


class ConnectionPolicy:
    """The deadlines and limits of all HTTP connections of a server."""

    def __init__(
        self,
        limits: Limits,
        connection_limit: ConnectionLimit,
        authenticator: Authenticator | None = None,
    ) -> None:
        authenticator = authenticator or Authenticator(NO_AUTHENTICATION)
        # Without authentication the server listens on loopback, and all of its clients may do everything.
        self.peers = PeerCheck() if authenticator.access.is_closed_to_users else None
        self.limit = connection_limit
        self.linger_s = limits.linger_s
        self.deadlines_s = {
            Phase.HEAD: limits.head_s,
            Phase.BODY: limits.body_s,
            Phase.ANSWER: limits.answer_s,
            Phase.IDLE: limits.answer_s,
        }
        self.count_rejection = authenticator.count_rejection
        self.refused = 0
        """Refused connections that are open."""
        self._authenticator = authenticator

    def address_of(self, transport: asyncio.BaseTransport) -> str | None:
        """Return the `rate_limit_key` of a peer; None for a trusted proxy, which stands for many clients."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else ""
        return None if self._authenticator.proxies.is_trusted(host) else rate_limit_key(host)

    def refusal(self, transport: asyncio.BaseTransport) -> ErrorResponse | None:
        """Return the answer to a connection of another user of this machine; None if it may be used."""
        if self.peers is None:
            return None
        reason = self.peers.refusal(transport.get_extra_info("socket"))
        if reason is None:
            return None
        self.count_rejection("other_user")
        hint = f"configure keys for further users (docs/secure.md), or for a local proxy: {ALLOW_HINT}"
        return ErrorResponse(403, "other_user", reason, hint)

    def acquire(self, address: str | None, now: float) -> str | None:
        """Count a connection and return None, or return the text that names the limit that was reached."""
        if address is not None and not self._authenticator.allow_connection(address, now):
            return "too many new connections from this address"
        return self.limit.acquire(address)


class HttpConnection(H11Protocol):
    """Uvicorn's HTTP connection with deadlines, and counted from accept until it ends or becomes a WebSocket."""

    def __init__(self, *arguments: Any, policy: ConnectionPolicy, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._policy = policy
        self._address: str | None = None
        self._is_counted = False
        self._refusal: ErrorResponse | None = None
        self._phase: tuple[Phase, RequestResponseCycle | None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        policy = self._policy
        if (refused := policy.refusal(transport)) is not None:
            self._refuse(refused)
            return
        self._address = policy.address_of(transport)
        reached_limit = policy.acquire(self._address, self.loop.time())
        if reached_limit is None:
            self._is_counted = True
            self._watch(is_receiving=True)
            return
        policy.count_rejection("too_many_connections")
        hint = "close connections, or retry later"
        self._refuse(ErrorResponse(429, "too_many_connections", reached_limit, hint, retry_after_s=5))

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            self._end(self._refusal)
            return
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 - whatever a stranger sends ends this connection alone
            _repeat_limit.write(_log, "error", "http_connection_failed", type(error).__name__, detail=error)
            self.transport.abort()
        else:
            self._watch(is_receiving=True)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch(is_receiving=False)

    def handle_websocket_upgrade(self, event: Any) -> None:
        # The session counts itself, by the address that a proxy reports.
        self._release()
        super().handle_websocket_upgrade(event)

    def _should_upgrade(self) -> bool:
        # Only a GET can become a WebSocket (RFC 6455, 4.1); the application answers any other request.
        return (
            self.scope["method"] == "GET" and not is_head_too_large(self.scope) and super()._should_upgrade()
        )

    def _watch(self, *, is_receiving: bool) -> None:
        """Set the deadline of the phase that the connection is in, once for each phase of each request."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if cycle is not None and not cycle.response_complete:
            phase = Phase.BODY if cycle.more_body else Phase.ANSWER
        else:
            phase = Phase.HEAD if is_receiving else Phase.IDLE
        if (phase, cycle) == self._phase:
            return
        self._phase = (phase, cycle)
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self._policy.deadlines_s[phase], self._time_out, phase)

    def _time_out(self, phase: Phase) -> None:
        self._policy.count_rejection("too_slow_request")
        # An answer that was begun cannot be replaced by another one.
        if phase in {Phase.ANSWER, Phase.IDLE} or self.transport.is_closing():
            self.transport.abort()
            return
        what = f"the request was not complete within {self._policy.deadlines_s[phase]:g} s"
        self._end(ErrorResponse(408, "request_timeout", what, "send it at once"))

    def _end(self, error: ErrorResponse) -> None:
        """Answer with an error and close; abort a client that does not read it."""
        body = encode_error(error)
        lines = {**error.headers, "content-type": "application/json", "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in {**lines, "connection": "close"}.items())
        self.transport.write(f"HTTP/1.1 {error.status} {error.phrase}\r\n{head}\r\n".encode() + body)
        self.transport.close()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self._policy.linger_s, self.transport.abort)

    def _refuse(self, error: ErrorResponse) -> None:
        """Answer whatever the client sends with an error."""
        if self._policy.refused >= MAX_REFUSED:
            self.transport.abort()
            return
        self._policy.refused += 1
        self._refusal = error
        self._deadline = self.loop.call_later(REFUSAL_S, self.transport.abort)

    def _release(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._is_counted:
            self._is_counted = False
            self._policy.limit.release(self._address)
        elif self._refusal is not None:
            self._refusal = None
            self._policy.refused -= 1


MAX_HEADERS = 100
MAX_HEAD_BYTES = 16 * 1024
MAX_LINE_BYTES = 8 * 1024


def is_head_too_large(scope: Any) -> bool:
    """Return whether the head of a request has too many or too long lines."""
    sizes = [len(name) + len(value) for name, value in scope["headers"]]
    return len(sizes) > MAX_HEADERS or max(sizes, default=0) > MAX_LINE_BYTES or sum(sizes) > MAX_HEAD_BYTES


_log = get_logger("liveserver")
_repeat_limit = RepeatLimit()
