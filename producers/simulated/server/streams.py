"""WebSocket streams of the simulated venue: listeners, publishing, and injected delivery faults."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from aiohttp import WSMsgType, web

from producers.ports import AccountUpdate
from producers.simulated.contracts import ContractSizes, event_to_contracts
from producers.simulated.server.faults import FaultInjector
from producers.simulated.wire import AccountFrame, MarketFrame, to_json
from schemas.units import SECOND_NS, Symbol
from schemas.venue.market import ClockRead

MAX_BACKLOG_FRAMES = 10_000
"""Unsent frames after which a listener is disconnected, as on real venues."""
WS_HEARTBEAT_S = 10.0
MAX_REORDER_DELAY_S = 1.0
"""Time after which a reordered event is sent even if no other event follows."""


class Listener:
    """One WebSocket connection and its unsent frames."""

    def __init__(self, request: web.Request, symbols: frozenset[Symbol] = frozenset()) -> None:
        self.symbols = symbols
        self._transport = request.transport
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(MAX_BACKLOG_FRAMES)

    def send(self, frame: bytes) -> None:
        """Queue a frame; disconnect when the queue is full."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.disconnect()

    def disconnect(self) -> None:
        """Abort the connection without a close frame."""
        if self._transport is not None:
            self._transport.abort()

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the queued frames; never ends."""
        while True:
            yield await self._frames.get()


class Streams:
    """The listeners of the market stream and of the account stream."""

    def __init__(self, faults: FaultInjector, sizes: ContractSizes) -> None:
        """Start without listeners; quantities of the account stream are in contracts of these sizes."""
        self._faults = faults
        self._sizes = sizes
        self._reordered: list[bytes] = []
        self.market: dict[Listener, None] = {}
        self.account: dict[Listener, None] = {}
        """In the order in which they connected: a set's order would differ between runs."""
        self.is_silent = False
        """Market frames are not sent, while the market advances and the connections stay open."""

    def publish_market(self, frame: MarketFrame) -> None:
        """Send a tick to all market listeners, each with its subscribed symbols only."""
        if self.is_silent:
            return
        if self._faults.disconnects_market(frame.tick):
            disconnect_all(self.market)
        encoded: dict[frozenset[Symbol], bytes] = {}
        for listener in self.market:
            if listener.symbols not in encoded:
                encoded[listener.symbols] = to_json(filter_frame(frame, listener.symbols))
            listener.send(encoded[listener.symbols])

    def publish_account(self, updates: Sequence[AccountUpdate]) -> None:
        """Send account events to all account listeners, with injected faults."""
        if self.account:
            for update in updates:
                self._deliver(update)

    def _deliver(self, update: AccountUpdate) -> None:
        faults = self._faults.for_event(update.sequence)
        if faults.disconnects:
            disconnect_all(self.account)
        event = update.event and event_to_contracts(update.event, self._sizes)
        frames = [to_json(AccountFrame(sequence=update.sequence, event=event))] * faults.copies
        loop = asyncio.get_running_loop()
        if faults.is_late:
            loop.call_later(self._faults.settings.late_by / SECOND_NS, self._send, frames)
        elif faults.is_reordered:
            self._reordered += frames
            loop.call_later(MAX_REORDER_DELAY_S, self._send_reordered)
        else:
            self._send(frames)
            self._send_reordered()

    def _send_reordered(self) -> None:
        frames, self._reordered = self._reordered, []
        self._send(frames)

    def _send(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            for listener in self.account:
                listener.send(frame)


def filter_frame(frame: MarketFrame, symbols: frozenset[Symbol]) -> MarketFrame:
    """Return a frame with the events of these symbols only."""
    events = tuple(e for e in frame.events if isinstance(e, ClockRead) or e.symbol in symbols)
    return frame if len(events) == len(frame.events) else msgspec.structs.replace(frame, events=events)


def disconnect_all(listeners: dict[Listener, None]) -> None:
    """Disconnect and remove all listeners."""
    for listener in listeners:
        listener.disconnect()
    listeners.clear()


async def serve_stream(
    request: web.Request,
    listeners: dict[Listener, None],
    listener: Listener,
    *,
    first_frame: Callable[[], bytes],
    on_message: Callable[[bytes], None] = lambda _: None,
) -> web.WebSocketResponse:
    """Serve one listener until it disconnects.

    Sends `first_frame()`, then the frames of the listener; passes text messages of the client to `on_message`.
    """
    socket = web.WebSocketResponse(heartbeat=WS_HEARTBEAT_S, compress=False)
    await socket.prepare(request)
    listener.send(first_frame())
    listeners[listener] = None
    pump = asyncio.create_task(_pump(socket, listener), name="listener")
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                on_message(message.data.encode())
    finally:
        listeners.pop(listener, None)
        pump.cancel()
        await asyncio.wait([pump])
    return socket


async def _pump(socket: web.WebSocketResponse, listener: Listener) -> None:
    try:
        async for frame in listener.frames():
            await socket.send_frame(frame, WSMsgType.TEXT)
    except ConnectionError:
        # The receive loop of `serve_stream` ends too, and cleans up.
        return
