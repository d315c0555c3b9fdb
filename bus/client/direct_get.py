r"""Read stored messages by batched direct gets: requests that any replica of a stream answers, without a consumer.

    -> $JS.API.DIRECT.GET.ORDERS  {"seq": 43, "next_by_subj": "order.sim.*.trade", "batch": 256, "max_bytes": 524288}
    <- NATS/1.0\r\nschema: ...\r\nNats-Stream: ORDERS\r\nNats-Subject: ...\r\nNats-Sequence: 44\r\nNats-Time-Stamp: ...\r\n
       Nats-Num-Pending: 7\r\nNats-Last-Sequence: 0\r\n\r\n{...}                      # the previous message of the reply
    <- NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 61\r\n\r\n      # the end of the reply

`{"multi_last": ["order.>"], "seq": 43}` asks for the last message of each subject that is not older than 43; the end of the
reply then has `Nats-UpTo-Sequence`, the last sequence of the replica that answers. A replica may lag behind the leader.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import nats.errors
from nats.aio.subscription import Subscription

from bus.client.connection import Bus
from bus.client.headers import Headers, parse_headers, parse_status
from bus.client.jetstream import parse_time_ns
from bus.client.message import Received
from bus.client.request_reply import nats_inbox
from bus.errors import Ambiguous, BusError, Rejected

REPLY_TIMEOUT_S = 1.0
"""A reply has ended when no message of it arrives for this long."""
MAX_PAGE_BYTES = 1024 * 1024
"""A reply ends with the message that exceeds this size."""
END_OF_BATCH, NOT_FOUND, TOO_MANY_SUBJECTS, UNAVAILABLE = "204", "404", 413, "503"
NO_RESULTS = "No Results"
_OWN_HEADERS = re.compile(
    rb"\r\nNats-Stream: *([^\r]*)\r\nNats-Subject: *([^\r]*)\r\nNats-Sequence: *(\d+)\r\nNats-Time-Stamp: *([0-9TZ.:-]+)"
    rb"(?:\r\nNats-Num-Pending: *\d+)?(?:\r\nNats-Last-Sequence: *(\d+))?"
)


class Stored(NamedTuple):
    """What the server says of a stored message, in headers of its own behind those of the message."""

    headers: Headers
    """The headers of the message."""
    stream: str
    subject: str
    sequence: int
    time: str
    previous: int
    """Of a republished message, the sequence of the previous one on its subject; in a reply, of the previous one in it."""


class Page(NamedTuple):
    """The reply to a direct get."""

    messages: list[Received]
    """In stream order."""
    pending: int
    """How many further messages match, as far as the replica knows."""
    up_to: int
    """For `multi_last`: the last sequence of the replica; 0 when no subject of its matches."""
    is_whole: bool
    """Whether the reply arrived to its end. If not, `messages` has those before the first missing one."""


def parse_stored(block: bytes) -> Stored | None:
    """Parse the headers of a message in a reply, or of a republished one; None for any other message."""
    at = block.rfind(b"\r\nNats-Stream:")
    own = _OWN_HEADERS.match(block, at) if at >= 0 else None
    if own is None:
        return None
    stream, subject, sequence, time, previous = own.groups()
    headers = Headers(block[:at] + b"\r\n\r\n")
    return Stored(
        headers, stream.decode(), subject.decode(), int(sequence), time.decode(), int(previous or 0)
    )


def received_of(stored: Stored, data: bytes) -> Received:
    """Return the message that these headers belong to."""
    return Received(
        stored.subject, data, stored.headers, stored.stream, stored.sequence, parse_time_ns(stored.time)
    )


class DirectGets:
    """Sends direct gets to one stream. Use it as an async context manager."""

    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._subject = f"{bus.api_prefix}.DIRECT.GET.{stream}"
        self._inbox = nats_inbox(bus.nc)
        self._subscription: Subscription | None = None
        self._count = 0
        self._replies: dict[bytes, _Reply] = {}

    async def __aenter__(self) -> Self:
        self._subscription = await self._bus.nc.subscribe_direct(f"{self._inbox}*", self._on_message)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupt()
        if self._subscription is not None:
            with suppress(nats.errors.Error):
                await self._bus.nc.unsubscribe_direct(self._subscription)

    async def get(self, body: Mapping[str, object]) -> Page:
        """Send a request and return the reply.

        Raises: Ambiguous when there is none at the moment, Rejected.
        """
        return await (await self.send(body))

    async def send(self, body: Mapping[str, object]) -> "asyncio.Future[Page]":
        """Send a request and return the future of the reply, which fails as `get` does."""
        self._count += 1
        inbox = f"{self._inbox}{self._count}"
        reply = self._replies[inbox.encode()] = _Reply(self._subject, is_multi="multi_last" in body)
        reply.future.add_done_callback(lambda _: self._replies.pop(inbox.encode(), None))
        await self._bus.publish(self._subject, msgspec.json.encode(body), reply=inbox)
        return reply.future

    def interrupt(self) -> None:
        """End all replies: what is missing of them was lost with the connection."""
        for reply in tuple(self._replies.values()):
            reply.end()

    def _on_message(self, subject: bytes, _: bytes, headers: bytes, data: bytes) -> None:
        reply = self._replies.get(subject)
        if reply is not None:
            reply.add(headers, data)


class _Reply:
    """The messages of a reply that have arrived so far."""

    def __init__(self, subject: str, *, is_multi: bool) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Page] = loop.create_future()
        self.future.add_done_callback(_retrieve)
        self._subject = subject
        self._is_multi = is_multi
        self._messages: list[Received] = []
        self._last = 0
        self._seen = 0  # how many had arrived when the time-out was checked last
        self._timer = loop.call_later(REPLY_TIMEOUT_S, self._check_progress)

    def add(self, headers: bytes, data: bytes) -> None:
        status, description = parse_status(headers) if headers.startswith(b"NATS/1.0 ") else ("", "")
        if status:
            self._finish(status, description, headers)
            return
        stored = parse_stored(headers)
        if stored is None or stored.previous != self._last:
            self.end()
            return
        self._last = stored.sequence
        self._messages.append(received_of(stored, data))

    def end(self) -> None:
        """End the reply before it has arrived completely."""
        if self._messages:
            self._set(Page(self._messages, 1, 0, is_whole=False))
        else:
            self._fail(Ambiguous(f"no reply from {self._subject}, or not from its beginning"))

    def _finish(self, status: str, description: str, block: bytes) -> None:
        if status == NOT_FOUND and self._is_multi and description != NO_RESULTS:
            self._fail(Ambiguous(f"a message was discarded while it was read by {self._subject}"))
        elif status == NOT_FOUND:
            self._set(Page(self._messages, 0, 0, is_whole=True))
        elif status == UNAVAILABLE:
            self._fail(Ambiguous(f"nothing answers on {self._subject}"))
        elif status != END_OF_BATCH:
            self._fail(Rejected(int(status), f"{description} on {self._subject}", int(status)))
        else:
            end = parse_headers(block)
            if int(end.get("Nats-Last-Sequence", 0)) != self._last:
                self.end()
                return
            pending, up_to = int(end.get("Nats-Num-Pending", 0)), int(end.get("Nats-UpTo-Sequence", 0))
            self._set(Page(self._messages, pending, up_to, is_whole=True))

    def _check_progress(self) -> None:
        if len(self._messages) > self._seen:
            self._seen = len(self._messages)
            self._timer = asyncio.get_running_loop().call_later(REPLY_TIMEOUT_S, self._check_progress)
        else:
            self.end()

    def _set(self, page: Page) -> None:
        self._timer.cancel()
        if not self.future.done():
            self.future.set_result(page)

    def _fail(self, error: BusError) -> None:
        self._timer.cancel()
        if not self.future.done():
            self.future.set_exception(error)


def _retrieve(future: "asyncio.Future[Page]") -> None:
    """Mark the exception of a reply as retrieved: its reader may have been closed."""
    if not future.cancelled():
        future.exception()
