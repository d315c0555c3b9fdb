"""The venue's WebSocket streams: who listens, what each is sent, and what goes wrong on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from aiohttp import WSMsgType, web

from producers.ports import AccountUpdate
from producers.simulated.server.faults import Faults
from producers.simulated.wire import AccountFrame, MarketFrame, to_json
from schemas.units import SECOND_NS, Symbol
from schemas.venue.market import ClockRead

BACKLOG = 10_000
"""Frames that a listener may be behind before it is cut off, as real venues do."""
HEARTBEAT_S = 10.0
HELD_S = 1.0
"""How long an event that is to come after the next one waits for it."""


class Listener:
    """One connection and what waits to be sent on it."""

    def __init__(self, request: web.Request, symbols: frozenset[Symbol] = frozenset()) -> None:
        self.symbols = symbols
        self._transport = request.transport
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)

    def send(self, frame: bytes) -> None:
        """Send a frame when its turn comes; who is too far behind is cut off."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.cut()

    def cut(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent, for ever."""
        while True:
            yield await self._frames.get()


class Streams:
    """All listeners of the market and of the account."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: list[bytes] = []
        self.market: set[Listener] = set()
        self.account: set[Listener] = set()
        self.is_silent = False
        """The market goes on and nobody is told, with every socket open."""

    def tell_market(self, frame: MarketFrame) -> None:
        """Send a tick to everybody who listens to one of its symbols."""
        if self.is_silent:
            return
        if self._faults.cuts_market(frame.tick):
            cut(self.market)
        encoded: dict[frozenset[Symbol], bytes] = {}
        for listener in self.market:
            if listener.symbols not in encoded:
                encoded[listener.symbols] = to_json(only(frame, listener.symbols))
            listener.send(encoded[listener.symbols])

    def tell_account(self, updates: Sequence[AccountUpdate]) -> None:
        """Send account events, each as its fate will have it."""
        if self.account:
            for update in updates:
                self._deliver(update)

    def _deliver(self, update: AccountUpdate) -> None:
        fate = self._faults.delivery(update.sequence)
        if fate.cuts:
            cut(self.account)
        frames = [to_json(AccountFrame(sequence=update.sequence, event=update.event))] * fate.copies
        loop = asyncio.get_running_loop()
        if fate.is_late:
            loop.call_later(self._faults.settings.late_by / SECOND_NS, self._send, frames)
        elif fate.is_reordered:
            self._held += frames
            loop.call_later(HELD_S, self._send_held)
        else:
            self._send(frames)
            self._send_held()

    def _send_held(self) -> None:
        held, self._held = self._held, []
        self._send(held)

    def _send(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            for listener in self.account:
                listener.send(frame)


def only(frame: MarketFrame, symbols: frozenset[Symbol]) -> MarketFrame:
    """Return what of a frame concerns some symbols."""
    events = tuple(e for e in frame.events if isinstance(e, ClockRead) or e.symbol in symbols)
    return frame if len(events) == len(frame.events) else msgspec.structs.replace(frame, events=events)


def cut(listeners: set[Listener]) -> None:
    """Break the connections of all listeners; they are sent nothing more."""
    for listener in listeners:
        listener.cut()
    listeners.clear()


async def serve(
    request: web.Request,
    listeners: set[Listener],
    listener: Listener,
    *,
    first: Callable[[], bytes],
    heard: Callable[[bytes], None] = lambda _: None,
) -> web.WebSocketResponse:
    """Serve one listener until it goes: `first`, and then what it is sent; `heard` gets what it says."""
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, compress=False)
    await socket.prepare(request)
    listener.send(first())
    listeners.add(listener)
    pump = asyncio.create_task(_pump(socket, listener), name="listener")
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                heard(message.data.encode())
    finally:
        listeners.discard(listener)
        pump.cancel()
        await asyncio.wait([pump])
    return socket


async def _pump(socket: web.WebSocketResponse, listener: Listener) -> None:
    try:
        async for frame in listener.frames():
            await socket.send_frame(frame, WSMsgType.TEXT)
    except ConnectionError:
        # The reading side sees the end of the connection, too, and cleans up.
        return
