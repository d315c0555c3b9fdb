"""WebSocket streams of the client: reconnection, and a conflated market feed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from bus import Backoff
from producers.ports import MarketEvent, MarketUpdate, RequestRejected
from producers.simulated.wire import MarketFrame, Proceed, to_json
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import RejectReason

WS_HEARTBEAT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
MIN_RECONNECT_S = 0.1
MAX_RECONNECT_S = 2.0

T = TypeVar("T")
Socket = aiohttp.ClientWebSocketResponse
ConflationKey = tuple[str, Symbol] | int


async def frames(
    session: aiohttp.ClientSession,
    url: str,
    kind: type[T],
    on_connection: Callable[["Socket[bool] | None"], None] = lambda _: None,
    on_frame: Callable[[], None] = lambda: None,
    decode: Callable[[str], T] | None = None,
) -> AsyncGenerator[T | None, None]:
    """Yield the frames of a stream, and None for each lost or failed connection. Reconnects without end.

    `on_connection` is called with each new connection, and with None when it is lost; `on_frame` with each frame. `decode`
    decodes a frame, by default as JSON.
    Raises: RequestRejected when the venue answers with a 4xx status.
    """
    decoded = decode or msgspec.json.Decoder(kind).decode
    backoff = Backoff(MIN_RECONNECT_S, MAX_RECONNECT_S)
    while True:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(url, heartbeat=WS_HEARTBEAT_S, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            if 400 <= error.status < 500:
                raise RequestRejected(RejectReason.OTHER, f"{url}: status {error.status}") from error
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        else:
            try:
                on_connection(socket)
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        on_frame()
                        yield decoded(message.data)
                        backoff.reset()
            except (aiohttp.ClientError, OSError):
                pass  # a ping of the venue could not be answered: the connection is lost
            finally:
                on_connection(None)
                await socket.close()
        yield None
        await backoff.wait()


class _RawFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of the market whose events are not decoded yet."""

    tick: int
    events: tuple[msgspec.Raw, ...]
    account_sequence: int
    time: TimeNs
    is_last: bool = False
    is_lock_step: bool = False


_frames = msgspec.json.Decoder(MarketFrame)
_raw_frames = msgspec.json.Decoder(_RawFrame)
_events = msgspec.json.Decoder(MarketEvent)


class MarketFeed:
    """The market stream of some symbols, read ahead of the consumer. Use it as a context manager.

    By the clock, unread events are conflated into one update: the newest ticker and open candle of each symbol, and all
    closed candles and feed changes. In lock-step there are none to conflate, because each tick is requested.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        venue: VenueId,
        symbols: Sequence[Symbol],
        on_frame: Callable[[], None] = lambda: None,
        on_undecodable: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_undecodable` is called for each event that cannot be decoded; the other events of its frame count."""
        self._session = session
        self._on_undecodable = on_undecodable
        self._on_frame = on_frame
        self._url = f"{url}/ws/market?{urlencode({'symbols': ','.join(symbols)})}"
        self._venue = venue
        self._symbols = symbols
        self._reader: asyncio.Task[None] | None = None
        self._socket: Socket[bool] | None = None
        self._unread: dict[ConflationKey, MarketEvent] = {}
        self._last_frame: MarketFrame | None = None
        self._has_unread = asyncio.Event()
        self._state: FeedState | None = None
        self._yielded_tick = -1
        self._proceeded_tick = -1
        self._unconflated = 0
        """Number of events that are never conflated so far: the key of the next one."""

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read(), name="market feed")
        self._reader.add_done_callback(lambda _: self._has_unread.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def updates(self) -> AsyncGenerator[MarketUpdate, None]:
        """Yield market updates until the market ends.

        Raises: RequestRejected when the venue does not trade one of the symbols.
        """
        assert self._reader is not None, "updates() belongs into the context of the feed"
        while True:
            await self._has_unread.wait()
            self._has_unread.clear()
            if self._reader.done():
                self._reader.result()
            update = self._take_update()
            yield update
            if update.is_last:
                return

    async def proceed(self) -> None:
        """Request the next tick; the request is repeated after a reconnection until the tick arrives."""
        self._proceeded_tick = self._yielded_tick
        if self._socket is None:
            return
        try:
            await self._socket.send_str(to_json(Proceed(proceed=self._proceeded_tick)).decode())
        except (ConnectionError, aiohttp.ClientError):
            # The reader notices the lost connection, too, and reconnects.
            return

    async def _read(self) -> None:
        reading = frames(
            self._session, self._url, MarketFrame, self._set_socket, self._on_frame, self._decode
        )
        async with aclosing(reading) as received:
            async for frame in received:
                if frame is not None:
                    await self._accept(frame)
                elif self._last_frame is not None:
                    # The time of the venue: that of a recording is not the wall clock.
                    self._change_state(FeedState.DOWN, "no connection", self._last_frame.time)

    def _decode(self, data: str) -> MarketFrame:
        try:
            return _frames.decode(data)
        except msgspec.ValidationError:
            raw = _raw_frames.decode(data)
        events = []
        for each in raw.events:
            try:
                events.append(_events.decode(each))
            except msgspec.ValidationError:
                self._on_undecodable()
        return MarketFrame(
            tick=raw.tick,
            events=tuple(events),
            account_sequence=raw.account_sequence,
            time=raw.time,
            is_last=raw.is_last,
            is_lock_step=raw.is_lock_step,
        )

    def _set_socket(self, socket: "Socket[bool] | None") -> None:
        self._socket = socket

    async def _accept(self, frame: MarketFrame) -> None:
        self._change_state(FeedState.UP, "connected", frame.time)
        is_repeated = frame.is_lock_step and frame.tick == self._yielded_tick
        if not is_repeated:
            self._last_frame = frame
            for event in frame.events:
                self._add_unread(event)
            self._has_unread.set()
        elif self._proceeded_tick == frame.tick:
            await self.proceed()

    def _change_state(self, state: FeedState, reason: str, time: TimeNs) -> None:
        if state is self._state:
            return
        self._state = state
        for symbol in self._symbols:
            self._add_unread(
                FeedChanged(venue=self._venue, symbol=symbol, state=state, reason=reason, time=time)
            )
        self._has_unread.set()

    def _add_unread(self, event: MarketEvent) -> None:
        key: ConflationKey
        match event:
            case Ticker():
                key = ("ticker", event.symbol)
            case Candle(closed=False):
                key = (event.interval, event.symbol)
            case _:
                self._unconflated += 1
                key = self._unconflated
        # Removed first, so that the newest event also comes last.
        self._unread.pop(key, None)
        self._unread[key] = event

    def _take_update(self) -> MarketUpdate:
        events, self._unread = tuple(self._unread.values()), {}
        assert self._last_frame is not None
        self._yielded_tick = self._last_frame.tick
        return MarketUpdate(events, self._last_frame.account_sequence, self._last_frame.is_last)
