"""Questions and answers over one inbox: many at once, each answered, timed out, or failed by a disconnect."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from bus.errors import Ambiguous, BusError, ConnectionClosed, Refused

T = TypeVar("T")


class _Open(NamedTuple, Generic[T]):
    future: "asyncio.Future[T]"
    parse: Callable[[Msg], T]
    timer: asyncio.TimerHandle


class Requests:
    """All questions of one connection. A future never outlives its time-out or the connection it was asked on."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._inbox = ""
        self._count = 0
        self._open: dict[str, _Open[Any]] = {}

    async def start(self) -> None:
        """Subscribe to the answers; once, when connected."""
        self._inbox = nats_inbox(self._nc)
        await self._nc.subscribe(f"{self._inbox}*", cb=self._on_answer)

    async def ask(
        self,
        subject: str,
        data: bytes,
        parse: Callable[[Msg], T],
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> "asyncio.Future[T]":
        """Send a question and return the future of what `parse` makes of its answer.

        The future fails with what `parse` raises, or with Ambiguous.
        Raises: Refused when it is too large to be sent, Ambiguous when too much waits to be sent, ConnectionClosed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._count += 1
        token = str(self._count)
        timer = loop.call_later(timeout_s, self._expire, token, subject, timeout_s)
        self._open[token] = _Open(future, parse, timer)
        try:
            await publish(self._nc, subject, data, f"{self._inbox}{token}", headers)
        except BaseException:
            self._take(token)
            raise
        return future

    def fail_all(self, error: Callable[[], BusError]) -> None:
        """Give up on all answers: they went with the connection."""
        for token in list(self._open):
            entry = self._take(token)
            if entry is not None and not entry.future.done():
                entry.future.set_exception(error())

    @property
    def open_futures(self) -> "list[asyncio.Future[Any]]":
        return [entry.future for entry in self._open.values()]

    async def _on_answer(self, message: Msg) -> None:
        entry = self._take(message.subject[len(self._inbox) :])
        if entry is None or entry.future.done():
            return
        try:
            entry.future.set_result(entry.parse(message))
        except BusError as error:
            entry.future.set_exception(error)
        except msgspec.DecodeError as error:
            entry.future.set_exception(Ambiguous(f"an answer that cannot be read: {error}"))

    def _expire(self, token: str, subject: str, timeout_s: float) -> None:
        entry = self._take(token)
        if entry is not None and not entry.future.done():
            entry.future.set_exception(Ambiguous(f"no answer on {subject} within {timeout_s:g} s"))

    def _take(self, token: str) -> _Open[Any] | None:
        entry = self._open.pop(token, None)
        if entry is not None:
            entry.timer.cancel()
        return entry


def nats_inbox(nc: Client) -> str:
    """Return a prefix, with its dot, for subjects that only this connection listens to."""
    return f"{nc.new_inbox()}."


async def publish(
    nc: Client, subject: str, data: bytes, reply: str = "", headers: Mapping[str, str] | None = None
) -> None:
    """Hand a message to the connection.

    Raises: Refused, Ambiguous, ConnectionClosed.
    """
    try:
        await nc.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)
    except nats.errors.MaxPayloadError:
        raise Refused(10054, f"{len(data)} bytes are too large for one message: {subject}", 413) from None
    except nats.errors.OutboundBufferLimitError:
        raise Ambiguous(f"no connection, and too much waits to be sent: {subject}") from None
    except nats.errors.ConnectionClosedError:
        raise ConnectionClosed("the connection to the bus was closed") from None
