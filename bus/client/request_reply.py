"""Concurrent requests over one inbox. Each is replied to, times out, or fails on disconnect."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client

from bus.client.fast_client import FastClient
from bus.client.headers import parse_status
from bus.errors import Ambiguous, BusError, ConnectionClosed, Rejected

T = TypeVar("T")


class RawReply(NamedTuple):
    """A reply as it arrived."""

    data: bytes
    status: str
    """A status of the server, such as `503`; empty for the reply of a responder."""


class _Pending(NamedTuple, Generic[T]):
    subject: str
    future: "asyncio.Future[T]"
    parse: Callable[[RawReply], T]
    timer: asyncio.TimerHandle


class Requests:
    """The pending requests of a connection. No future outlives its time-out or its connection."""

    def __init__(self, nc: FastClient) -> None:
        self._nc = nc
        self._inbox = ""
        self._count = 0
        self._entries: dict[str, _Pending[Any]] = {}

    async def start(self) -> None:
        """Subscribe to the inbox; called once, when connected."""
        self._inbox = nats_inbox(self._nc)
        await self._nc.subscribe_direct(f"{self._inbox}*", self._on_reply)

    async def send(
        self,
        subject: str,
        data: bytes,
        parse: Callable[[RawReply], T],
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> "asyncio.Future[T]":
        """Send a request and return the future of its reply, as parsed by `parse`.

        The future fails with the errors of `parse`, or with Ambiguous.
        Raises: Rejected when the request is too large, Ambiguous when the send buffer is full, ConnectionClosed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._count += 1
        token = str(self._count)
        timer = loop.call_later(timeout_s, self._expire, token, subject, timeout_s)
        self._entries[token] = _Pending(subject, future, parse, timer)
        try:
            await publish(self._nc, subject, data, f"{self._inbox}{token}", headers)
        except BaseException:
            self._pop(token)
            raise
        return future

    def fail_all(self, error: Callable[[], BusError]) -> None:
        """Fail all pending requests: their replies were lost with the connection."""
        for token in list(self._entries):
            entry = self._pop(token)
            if entry is not None and not entry.future.done():
                entry.future.set_exception(error())

    def reject(self, subject: str, error: Callable[[str], BusError]) -> None:
        """Fail the pending requests on a subject, named in lower case: the server did not accept them."""
        for token, entry in list(self._entries.items()):
            if entry.subject.lower() == subject:
                self._pop(token)
                if not entry.future.done():
                    entry.future.set_exception(error(entry.subject))

    @property
    def pending(self) -> "list[asyncio.Future[Any]]":
        return [entry.future for entry in self._entries.values()]

    def _on_reply(self, subject: bytes, _: bytes, headers: bytes, data: bytes) -> None:
        entry = self._pop(subject[len(self._inbox) :].decode())
        if entry is None or entry.future.done():
            return
        status = parse_status(headers)[0] if headers else ""
        try:
            entry.future.set_result(entry.parse(RawReply(data, status)))
        except BusError as error:
            entry.future.set_exception(error)
        except msgspec.DecodeError as error:
            entry.future.set_exception(Ambiguous(f"the reply cannot be decoded: {error}"))

    def _expire(self, token: str, subject: str, timeout_s: float) -> None:
        entry = self._pop(token)
        if entry is not None and not entry.future.done():
            entry.future.set_exception(Ambiguous(f"no reply on {subject} within {timeout_s:g} s"))

    def _pop(self, token: str) -> _Pending[Any] | None:
        entry = self._entries.pop(token, None)
        if entry is not None:
            entry.timer.cancel()
        return entry


def nats_inbox(nc: Client) -> str:
    """Return a new inbox prefix of the connection, with its trailing dot: `_INBOX.x7Qk2.`."""
    return f"{nc.new_inbox()}."


async def publish(
    nc: Client, subject: str, data: bytes, reply: str = "", headers: Mapping[str, str] | None = None
) -> None:
    """Publish a message on the connection.

    Raises: Rejected, Ambiguous, ConnectionClosed.
    """
    try:
        await nc.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)
    except nats.errors.MaxPayloadError:
        raise Rejected(10054, f"{len(data)} bytes are too large for one message on {subject}", 413) from None
    except nats.errors.OutboundBufferLimitError:
        raise Ambiguous(f"no connection and the send buffer is full: {subject}") from None
    except nats.errors.ConnectionClosedError:
        raise ConnectionClosed("the connection to the bus was closed") from None
