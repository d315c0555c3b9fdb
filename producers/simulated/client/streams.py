"""The client's side of the venue's streams: connecting for ever, and a market that a slow reader sees the newest of."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from producers.ports import MarketEvent, MarketUpdate, RequestRefused
from producers.simulated.wire import MarketFrame, Proceed, to_json
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import RejectReason

HEARTBEAT_S = 5.0
CONNECT_S = 2.0
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0

T = TypeVar("T")
Socket = aiohttp.ClientWebSocketResponse
Key = tuple[str, Symbol] | int


async def frames(
    session: aiohttp.ClientSession,
    url: str,
    kind: type[T],
    connected: Callable[["Socket[bool] | None"], None] = lambda _: None,
) -> AsyncGenerator[T | None, None]:
    """Yield what a stream sends, for ever, and None each time that there is no connection.

    Raises: RequestRefused when the venue has no such stream.
    """
    decoder = msgspec.json.Decoder(kind)
    wait_s = FIRST_WAIT_S
    while True:
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await session.ws_connect(url, heartbeat=HEARTBEAT_S, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            if 400 <= error.status < 500:
                raise RequestRefused(RejectReason.OTHER, f"{url}: status {error.status}") from error
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        else:
            try:
                connected(socket)
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        yield decoder.decode(message.data)
                        wait_s = FIRST_WAIT_S
            finally:
                connected(None)
                await socket.close()
        yield None
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


class MarketFeed:
    """The market stream of some symbols, read ahead of whoever iterates over it.

    By the clock, what waits is conflated: one update with the newest ticker and forming candle of each symbol, and all
    that closed or changed. In lock-step nothing ever waits, as each tick is asked for.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, venue: VenueId, symbols: Sequence[Symbol]
    ) -> None:
        self._session = session
        self._url = f"{url}/ws/market?{urlencode({'symbols': ','.join(symbols)})}"
        self._venue = venue
        self._symbols = symbols
        self._socket: Socket[bool] | None = None
        self._waiting: dict[Key, MarketEvent] = {}
        self._newest: MarketFrame | None = None
        self._arrived = asyncio.Event()
        self._state: FeedState | None = None
        self._yielded = -1
        self._proceeded = -1
        self._kept = 0

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read(), name="market feed")
        self._reader.add_done_callback(lambda _: self._arrived.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def updates(self) -> AsyncGenerator[MarketUpdate, None]:
        """Yield what happens, to the market's end.

        Raises: RequestRefused when the venue does not trade one of the symbols.
        """
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._reader.done():
                self._reader.result()
            update = self._take()
            yield update
            if update.is_last:
                return

    async def proceed(self) -> None:
        """Ask for the next tick; after a lost connection it is asked for again, as long as it has not come."""
        self._proceeded = self._yielded
        if self._socket is None:
            return
        try:
            await self._socket.send_str(to_json(Proceed(proceed=self._proceeded)).decode())
        except (ConnectionError, aiohttp.ClientError):
            # The reader sees it, too, and connects again.
            return

    async def _read(self) -> None:
        async with aclosing(frames(self._session, self._url, MarketFrame, self._connected)) as received:
            async for frame in received:
                if frame is not None:
                    await self._accept(frame)
                elif self._newest is not None:
                    # By the venue's clock, which in a recording is not ours.
                    self._change_state(FeedState.DOWN, "no connection", self._newest.time)

    def _connected(self, socket: "Socket[bool] | None") -> None:
        self._socket = socket

    async def _accept(self, frame: MarketFrame) -> None:
        self._change_state(FeedState.UP, "connected", frame.time)
        is_repeated = frame.is_lock_step and frame.tick == self._yielded
        if not is_repeated:
            self._newest = frame
            for event in frame.events:
                self._wait(event)
            self._arrived.set()
        elif self._proceeded == frame.tick:
            await self.proceed()

    def _change_state(self, state: FeedState, reason: str, time: TimeNs) -> None:
        if state is self._state:
            return
        self._state = state
        for symbol in self._symbols:
            self._wait(FeedChanged(venue=self._venue, symbol=symbol, state=state, reason=reason, time=time))
        self._arrived.set()

    def _wait(self, event: MarketEvent) -> None:
        key: Key
        match event:
            case Ticker():
                key = ("ticker", event.symbol)
            case Candle(closed=False):
                key = (event.interval, event.symbol)
            case _:
                self._kept += 1
                key = self._kept
        # Taken out first, so that what is newest also comes last.
        self._waiting.pop(key, None)
        self._waiting[key] = event

    def _take(self) -> MarketUpdate:
        events, self._waiting = tuple(self._waiting.values()), {}
        assert self._newest is not None
        self._yielded = self._newest.tick
        return MarketUpdate(events, self._newest.account_sequence, self._newest.is_last)
