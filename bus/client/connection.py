"""The connection to the bus: made and made again for ever, storing with acknowledgement, asking, listening."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import nats.errors
from nats.aio.msg import Msg

from bus.client.fast_client import FastClient
from bus.client.jetstream import (
    FoundMessage,
    StreamInfo,
    StreamState,
    api_answer,
    is_unanswerable,
    received,
    state_of,
    store_headers,
    stored_sequence,
)
from bus.client.message import Message, Received
from bus.client.request_reply import Requests, publish
from bus.errors import Ambiguous, BusError, ConnectionClosed, NoResponders, Refused
from bus.log import Logger, get_logger
from bus.streams.reader import last_per_subject
from schemas.codec import encode

T = TypeVar("T")

WINDOW = 1000
"""Messages sent and not yet acknowledged, at most."""
RECONNECT_WAIT_S = 0.2
PING_INTERVAL_S = 2
"""A server that answers no two pings in a row is given up."""
COMPLAIN_EVERY_S = 10.0
LOOK_WITHIN_S = 2.0
"""Nobody answers while a cluster elects a leader: better to ask again soon."""
CLOSE_WITHIN_S = 2.0
NO_MESSAGE_FOUND = 10037

Unsubscribe = Callable[[], Awaitable[None]]


class Bus:
    """A connection that never gives up. To be had from `connect`."""

    def __init__(self, url: str, name: str, log: Logger) -> None:
        self.url = url
        self.name = name
        self.nc = FastClient()
        self.reconnects = 0
        """Grows each time the connection is made again."""
        self._log = log.bind(url=_without_secrets(url))
        self._requests = Requests(self.nc)
        self._window = asyncio.Semaphore(WINDOW)
        self._connected = asyncio.Event()
        self._is_closed = False
        self._listeners: list[Callable[[], object]] = []
        self._complained = -COMPLAIN_EVERY_S

    @property
    def is_connected(self) -> bool:
        return self._connected.is_set() and not self._is_closed

    async def wait_connected(self) -> None:
        """Return when there is a connection.

        Raises: ConnectionClosed when there never will be.
        """
        await self._connected.wait()
        if self._is_closed:
            raise ConnectionClosed("the server closed the connection for good; its log says why")

    def on_reconnect(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back each time that core messages may have been missed; return what takes it back.

        That is after each reconnect, and when this process was too slow to take what came.
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    async def publish(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Publish to whoever listens now, without knowing whether it arrives: without a connection it does not.

        Raises: Refused when it is too large, ConnectionClosed.
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
        timeout_s: float = 5.0,
    ) -> int:
        """Store an event in the stream that takes the subject and return its sequence there.

        `message_id` makes it once within the stream's window of two minutes. `expect_last` is the sequence of the last
        message on the subject, or on `expect_subject`; 0 when there must be none.
        Raises: Conflict, NoSpace, Refused, StreamGone: not stored. Ambiguous: perhaps stored, now or later.
        """
        return await (
            await self.send(
                subject,
                event,
                message_id=message_id,
                expect_last=expect_last,
                expect_subject=expect_subject,
                headers=headers,
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
        timeout_s: float = 5.0,
    ) -> "asyncio.Future[int]":
        """Send an event to be stored, and return the future of its sequence, which fails as `store` does.

        Waits while 1000 are on the way. Messages are stored in the order they were sent.
        """
        await self._window.acquire()
        try:
            future = await self._sent(
                subject,
                encode(event),
                store_headers(event, message_id, expect_last, expect_subject, headers),
                timeout_s,
            )
        except BaseException:
            self._window.release()
            raise
        future.add_done_callback(lambda _: self._window.release())
        return future

    async def flush_window(self) -> None:
        """Return when everything sent before has its answer; failures stay in their futures."""
        if futures := self._requests.open_futures:
            await asyncio.wait(futures)

    async def request(self, subject: str, data: bytes, timeout_s: float = 2.0) -> bytes:
        """Ask whoever listens and return the answer.

        Raises: NoResponders, Ambiguous when no answer came in time.
        """

        def parse(message: Msg) -> bytes:
            if is_unanswerable(message):
                raise NoResponders(subject)
            return message.data

        return await (await self._requests.ask(subject, data, parse, timeout_s=timeout_s))

    async def subscribe(
        self, subject: str, callback: Callable[[Message], object], queue: str = ""
    ) -> Unsubscribe:
        """Call back with each message published from now on, and return what ends it.

        Messages published while there is no connection are missed. `queue`: one of its members gets each message.
        """

        async def on_message(message: Msg) -> None:
            callback(Message(message.subject, message.data, message.headers or {}, message.reply))

        subscription = await self.nc.subscribe(subject, queue=queue, cb=on_message)

        async def unsubscribe() -> None:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

        return unsubscribe

    async def api(self, endpoint: str, body: object, kind: type[T], timeout_s: float = 5.0) -> T:
        """Ask JetStream, `STREAM.INFO.ORDERS` for instance, and return its answer.

        Raises: StreamGone, NoSpace, Refused, Ambiguous.
        """
        data = msgspec.json.encode(body) if body is not None else b""
        answer = api_answer(endpoint, kind)
        return await (await self._requests.ask(f"$JS.API.{endpoint}", data, answer, timeout_s=timeout_s))

    async def last(self, stream: str, subject: str) -> Received | None:
        """Return the last message on a subject, as the stream's leader has it; None when there is none.

        Raises: StreamGone, Refused, Ambiguous.
        """
        try:
            found = await self.api(
                f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}, FoundMessage, LOOK_WITHIN_S
            )
        except Refused as error:
            if error.code == NO_MESSAGE_FOUND:
                return None
            raise
        return received(stream, found.message)

    async def last_per_subject(self, stream: str, filters: Sequence[str]) -> list[Received]:
        """Return the last message of each subject that matches, in the order of the stream.

        Raises: StreamGone.
        """
        return await last_per_subject(self, stream, filters)

    async def stream_state(self, stream: str) -> StreamState:
        """Return what a stream holds now.

        Raises: StreamGone, Refused, Ambiguous.
        """
        return state_of(await self.api(f"STREAM.INFO.{stream}", None, StreamInfo, LOOK_WITHIN_S))

    async def stream_created(self, stream: str) -> str:
        """Return when a stream was created, as the server writes it.

        Raises: StreamGone, Refused, Ambiguous.
        """
        return (await self.stream_state(stream)).created

    async def last_sequence(self, stream: str) -> int:
        """Return the sequence that a stream gave last; 0 before the first.

        Raises: StreamGone, Refused, Ambiguous.
        """
        return (await self.stream_state(stream)).last

    async def open(self) -> None:
        """Connect, however long it takes."""
        await self.nc.connect(
            self.url.split(","),
            name=self.name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
            ping_interval=PING_INTERVAL_S,
        )
        await self._requests.start()
        self._connected.set()
        self._log.info("bus_connected")

    async def close(self) -> None:
        """Close the connection, giving what was published before 2 s to leave."""
        self._is_closed = True
        with suppress(TimeoutError, OSError, nats.errors.Error):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                if self._connected.is_set():
                    await self.nc.flush()
                await self.nc.close()
        self._requests.fail_all(lambda: Ambiguous("the connection was closed"))

    async def _sent(
        self, subject: str, data: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> "asyncio.Future[int]":
        if not self.is_connected:
            # Not into the client's buffer: who knows when that would be sent.
            try:
                async with asyncio.timeout(timeout_s):
                    await self.wait_connected()
            except TimeoutError:
                return _failed(Ambiguous(f"no connection within {timeout_s:g} s: {subject}"))
        return await self._requests.ask(
            subject, data, stored_sequence(subject), timeout_s=timeout_s, headers=headers
        )

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            self._log.error("too_slow", subject=error.subject, detail="messages were dropped")
            self._tell_listeners()
        elif self.is_connected and not isinstance(error, OSError | nats.errors.UnexpectedEOF):
            self._log.error("bus_error", detail=error)
        elif time.monotonic() - self._complained >= COMPLAIN_EVERY_S:
            self._complained = time.monotonic()
            self._log.warning("bus_unreachable", detail=error, do="waiting for it")

    async def _on_disconnect(self) -> None:
        if self._connected.is_set() and not self._is_closed:
            self._log.warning("bus_disconnected")
        self._connected.clear()
        self._requests.fail_all(lambda: Ambiguous("the connection was lost before an answer came"))

    async def _on_reconnect(self) -> None:
        self.reconnects += 1
        self._complained = -COMPLAIN_EVERY_S
        self._connected.set()
        self._log.info("bus_connected", reconnects=self.reconnects)
        self._tell_listeners()

    async def _on_closed(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._log.error("bus_closed", detail=self.nc.last_error)
        self._requests.fail_all(lambda: Ambiguous("the connection was closed before an answer came"))
        self._connected.set()  # whoever waits has to hear that it is in vain
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as error:  # noqa: BLE001 - its fault must not stop the client's reconnecting
                self._log.error("listener_failed", detail=error)


@asynccontextmanager
async def connect(url: str, *, name: str, log: Logger | None = None) -> AsyncIterator[Bus]:
    """Connect to the bus at `url` (several with commas between) as `name`, waiting for it as long as it takes."""
    bus = Bus(url, name, log or get_logger(name))
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
