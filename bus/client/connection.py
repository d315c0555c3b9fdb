"""The connection to the bus: publish, store with acknowledgement, request, subscribe. Reconnects for ever."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

import msgspec
import nats.errors
from nats.aio.msg import Msg

from bus.client.context import BusContext, as_context
from bus.client.fast_client import FastClient
from bus.client.jetstream import is_no_responders, store_headers, stored_sequence_parser
from bus.client.jetstream_api import JetStreamApi
from bus.client.message import Message
from bus.client.request_reply import RawReply, Requests, publish
from bus.errors import (
    Ambiguous,
    BusError,
    ConnectionClosed,
    NoResponders,
    NotAuthorized,
    NotPermitted,
)
from bus.log import Logger, get_logger
from bus.marks import reached
from bus.runtime import monotonic_s
from schemas.codec import encode

MAX_UNACKNOWLEDGED = 1000
"""Maximum number of messages sent and not yet acknowledged."""
RECONNECT_WAIT_S = 0.2
PING_INTERVAL_S = 2
"""The connection is dropped after two unanswered pings."""
UNREACHABLE_LOG_INTERVAL_S = 10.0
CLOSE_TIMEOUT_S, PATIENCE_S = 2.0, 120
AUTHORIZATION_VIOLATION = "authorization violation"
DENIED_PUBLISH = re.compile(r'permissions violation for publish to "([^"]+)"')
"""The client passes on the server's error in lower case."""

Unsubscribe = Callable[[], Awaitable[None]]


class Bus(JetStreamApi):
    """A connection that reconnects until it is closed. Created by `connect`."""

    def __init__(self, where: BusContext | str, name: str, log: Logger) -> None:
        context, client = as_context(where), FastClient()
        super().__init__(Requests(client), context.api_prefix)
        self.context = context
        self.url = context.url
        """One URL, or several separated by commas, without credentials."""
        self.name = name
        self.nc = client
        self.reconnects = 0
        """Number of reconnects so far."""
        self._log = log.bind(url=_without_secrets(self.url))
        self._window = asyncio.Semaphore(MAX_UNACKNOWLEDGED)
        self._connected = asyncio.Event()
        self._is_closed = False
        self._is_opening = False
        self._is_started = False
        """Whether the client has begun to connect."""
        self._listeners: list[Callable[[], object]] = []
        self._unreachable_logged_at = -UNREACHABLE_LOG_INTERVAL_S

    @property
    def is_connected(self) -> bool:
        return self._connected.is_set() and not self._is_closed

    async def wait_connected(self) -> None:
        """Wait until connected.

        Raises: ConnectionClosed when the connection was closed for good.
        """
        await self._connected.wait()
        if self._is_closed:
            raise ConnectionClosed(
                "the server closed the connection for good; check the log of nats-server for the reason"
            )

    def on_reconnect(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register a callback for when core messages may have been missed; return a function that removes it.

        Messages are missed during a reconnect, and when this process is too slow and the client drops them.
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Publish to the current subscribers, without acknowledgement. Dropped while there is no connection.

        Raises: Rejected when the message is too large, ConnectionClosed.
        """
        if self._is_closed or self._connected.is_set():
            await publish(self.nc, subject, data, reply, headers)

    async def store(
        self,
        subject: str,
        event: msgspec.Struct,
        *,
        message_id: str | None = None,
        expect_last: int | None = None,
        expect_subject: str | None = None,
        headers: Mapping[str, str] | None = None,
        encoded: bytes | None = None,
        timeout_s: float = 5.0,
    ) -> int:
        """Store an event in the stream of its subject and return its stream sequence.

        A second event with the same `message_id` within the stream's window of two minutes is not stored. `expect_last`
        is the required sequence of the last message on the subject, or on `expect_subject`; 0 requires that there is
        none. `encoded` is the event's encoding, if the caller has it.
        Raises: Conflict, NoSpace, Rejected, StreamGone: not stored. Ambiguous: perhaps stored, now or later.
        """
        return await (
            await self.send(
                subject,
                event,
                message_id=message_id,
                expect_last=expect_last,
                expect_subject=expect_subject,
                headers=headers,
                encoded=encoded,
                timeout_s=timeout_s,
            )
        )

    async def send(
        self,
        subject: str,
        event: msgspec.Struct,
        *,
        message_id: str | None = None,
        expect_last: int | None = None,
        expect_subject: str | None = None,
        headers: Mapping[str, str] | None = None,
        encoded: bytes | None = None,
        timeout_s: float = 5.0,
    ) -> "asyncio.Future[int]":
        """Send an event to be stored and return a future of its sequence, which fails as `store` does.

        Waits while MAX_UNACKNOWLEDGED messages are in flight. Those that are stored are stored in the order they were sent.
        """
        await self._window.acquire()
        try:
            future = await self._send(
                subject,
                encode(event) if encoded is None else encoded,
                store_headers(event, message_id, expect_last, expect_subject, headers),
                timeout_s,
            )
        except BaseException:
            self._window.release()
            raise
        future.add_done_callback(lambda _: self._window.release())
        return future

    async def flush_window(self) -> None:
        """Wait until every message sent so far is acknowledged or failed. Failures stay in their futures."""
        if futures := self._requests.pending:
            await asyncio.wait(futures)

    async def request(self, subject: str, data: bytes, timeout_s: float = 2.0) -> bytes:
        """Send a request and return the reply.

        Raises: NoResponders; Ambiguous when no reply arrived in time.
        """

        def parse(reply: RawReply) -> bytes:
            if is_no_responders(reply):
                raise NoResponders(subject)
            return reply.data

        return await (await self._requests.send(subject, data, parse, timeout_s=timeout_s))

    async def subscribe(
        self, subject: str, callback: Callable[[Message], object], queue: str = ""
    ) -> Unsubscribe:
        """Call back with each message published from now on; return a function that unsubscribes.

        Messages published while there is no connection are missed. With `queue`, each message goes to one member of
        the queue group.
        """

        async def on_message(message: Msg) -> None:
            callback(Message(message.subject, message.data, message.headers or {}, message.reply))

        subscription = await self.nc.subscribe(subject, queue=queue, cb=on_message)

        async def unsubscribe() -> None:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

        return unsubscribe

    async def open(self) -> None:
        """Connect, retrying until the server can be reached.

        Raises: InvalidContext, NotAuthorized.
        """
        options = self.context.options()
        self.nc.server_check = self.context.server_check()
        self._is_opening = self._is_started = True
        await self.nc.connect(
            self.url.split(","),
            **options,
            name=self.name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
            ping_interval=PING_INTERVAL_S,
        )
        self._is_opening = False
        await self._requests.start()
        self._connected.set()
        self._log.info("bus_connected")

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Keep the connection for PATIENCE_S without answers: a server restores a stream on its read loop."""
        options, name = self.nc.options, "max_outstanding_pings"
        before, options[name] = options[name], PATIENCE_S // PING_INTERVAL_S
        try:
            yield
        finally:
            options[name] = before

    async def close(self) -> None:
        """Flush published messages and close the connection, within CLOSE_TIMEOUT_S."""
        self._is_closed = True
        with suppress(TimeoutError, OSError, nats.errors.Error):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._connected.is_set():
                    await self.nc.flush()
                if self._is_started:
                    await self.nc.close()
        self._requests.fail_all(lambda: Ambiguous("the connection was closed"))

    async def _send(
        self, subject: str, data: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> "asyncio.Future[int]":
        if not self.is_connected:
            # Do not use the client's buffer: a buffered message may be sent at any later time.
            try:
                async with asyncio.timeout(timeout_s):
                    await self.wait_connected()
            except TimeoutError:
                return _failed(Ambiguous(f"no connection within {timeout_s:g} s: {subject}"))
        return await self._requests.send(
            subject, data, stored_sequence_parser(subject), timeout_s=timeout_s, headers=headers
        )

    async def _on_error(self, error: Exception) -> None:
        text = str(error).lower()
        if self._is_opening and AUTHORIZATION_VIOLATION in text:
            # Raised by `open`: at the first connection, a retry would not mend it.
            raise NotAuthorized(f"the bus at {self.url} rejects the credentials{self._credentials}")
        if denied := DENIED_PUBLISH.search(text):
            self._requests.reject(denied[1], NotPermitted)
        if isinstance(error, nats.errors.SlowConsumerError):
            self._log.error("slow_consumer", subject=error.subject, detail="messages were dropped")
            self._notify_listeners()
        elif self.is_connected and not isinstance(error, OSError | nats.errors.UnexpectedEOF):
            self._log.error("bus_error", detail=error)
        elif monotonic_s() - self._unreachable_logged_at >= UNREACHABLE_LOG_INTERVAL_S:
            self._unreachable_logged_at = monotonic_s()
            self._log.warning("bus_unreachable", detail=error, do="retrying until it answers")

    async def _on_disconnect(self) -> None:
        if self._connected.is_set() and not self._is_closed:
            self._log.warning("bus_disconnected")
        self._connected.clear()
        self._requests.fail_all(lambda: Ambiguous("the connection was lost before the reply arrived"))

    async def _on_reconnect(self) -> None:
        reached("bus_reconnected")
        self.reconnects += 1
        self._unreachable_logged_at = -UNREACHABLE_LOG_INTERVAL_S
        self._connected.set()
        self._log.info("bus_connected", reconnects=self.reconnects)
        self._notify_listeners()

    async def _on_closed(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._log.error("bus_closed", detail=self.nc.last_error)
        self._requests.fail_all(lambda: Ambiguous("the connection was closed before the reply arrived"))
        self._connected.set()  # wakes `wait_connected`, which then raises
        self._notify_listeners()

    @property
    def _credentials(self) -> str:
        context = self.context
        if context.nkey:
            return f" of the NKey in {context.nkey}"
        if context.user:
            return f" of the user {context.user}"
        return "" if context.token else ": it needs some; name a context file with --bus-context"

    def _notify_listeners(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as error:  # noqa: BLE001 - a failing listener must not stop the client from reconnecting
                self._log.error("listener_failed", detail=error)


@asynccontextmanager
async def connect(where: BusContext | str, *, name: str, log: Logger | None = None) -> AsyncIterator[Bus]:
    """Connect to the bus as `name`, retrying until it can be reached. A URL may be a comma-separated list of servers.

    Raises: InvalidContext, NotAuthorized.
    """
    async with opened(Bus(where, name, log or get_logger(name))) as bus:
        yield bus


@asynccontextmanager
async def opened(bus: Bus) -> AsyncIterator[Bus]:
    """Connect a bus, retrying until it can be reached, and close it when the context ends.

    Raises: InvalidContext, NotAuthorized.
    """
    try:
        await bus.open()
        yield bus
    finally:
        await bus.close()


def _failed(error: BusError) -> "asyncio.Future[int]":
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


def _without_secrets(url: str) -> str:
    parts = (urlsplit(one if "://" in one else f"nats://{one}") for one in url.split(","))
    return ",".join(f"{part.scheme}://{part.hostname}:{part.port or 4222}" for part in parts)
