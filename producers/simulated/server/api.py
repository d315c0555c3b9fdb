"""The venue's HTTP and WebSocket interface for trading."""

import asyncio
from collections.abc import Awaitable, Callable
from time import time_ns

import msgspec
from aiohttp import web

from producers.simulated.market.tape import INTERVAL, PAST
from producers.simulated.matching.orders import Refusal
from producers.simulated.server.faults import Faults, Rejection, RequestFate
from producers.simulated.server.pacer import Pacer
from producers.simulated.server.streams import Listener, Streams, cut, only, serve
from producers.simulated.server.venue import Venue
from producers.simulated.wire import (
    AccountFrame,
    EventNumber,
    MarketFrame,
    PlaceRequest,
    Proceed,
    Refused,
    ServerTime,
    to_json,
)
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Symbol, TimeNs
from schemas.venue.orders import RejectReason

EARLY_NS: DurationNs = SECOND_NS
"""How far in the future a request may claim to have been sent."""
LONGEST_WINDOW_NS: DurationNs = 60 * SECOND_NS

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TradingApi:
    """What an account can ask of the venue."""

    def __init__(self, venue: Venue, streams: Streams, pacer: Pacer, faults: Faults) -> None:
        self._venue = venue
        self._streams = streams
        self._pacer = pacer
        self._faults = faults
        self._closing = asyncio.Event()
        self._switches: dict[Symbol, asyncio.TimerHandle] = {}
        """What cancels everything of a symbol when nobody asks again in time."""
        self.count: Callable[[str, int], None] = lambda _what, _status: None
        """Called with what was asked and the status of the answer, for counting."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: market data as they are, the private ones with their faults."""
        return [
            web.get("/api/instruments", self._open(self._instruments)),
            web.get("/api/candles", self._open(self._candles)),
            web.get("/api/clock", self._open(self._clock)),
            web.get("/api/sequence", self._open(self._sequence)),
            web.post("/api/order", self._noted(self._private(self._place, acts=True))),
            web.delete("/api/order", self._private(self._cancel, acts=True)),
            web.get("/api/order", self._private(self._order)),
            web.get("/api/orders", self._private(self._orders)),
            web.get("/api/trades", self._private(self._trades)),
            web.get("/api/fundings", self._private(self._fundings)),
            web.post("/api/cancel_all_after", self._private(self._cancel_all_after)),
            web.get("/api/positions", self._private(self._positions)),
            web.get("/api/balances", self._private(self._balances)),
            web.get("/ws/market", self._market_stream),
            web.get("/ws/account", self._account_stream),
        ]

    def close(self) -> None:
        """Let go of the requests that are being held, and of the listeners."""
        self._closing.set()
        for switch in self._switches.values():
            switch.cancel()
        cut(self._streams.market)
        cut(self._streams.account)

    async def _instruments(self, request: web.Request) -> object:
        return self._venue.instruments()

    async def _candles(self, request: web.Request) -> object:
        interval = request.query.get("interval", INTERVAL)
        return self._venue.candles(_symbol(request), interval, _number(request, "limit", PAST))

    async def _clock(self, request: web.Request) -> object:
        return ServerTime(time=self._venue.now())

    async def _sequence(self, request: web.Request) -> object:
        return EventNumber(sequence=self._venue.books.counters.event)

    async def _place(self, request: web.Request) -> object:
        try:
            new = msgspec.json.decode(await request.read(), type=PlaceRequest)
        except msgspec.MsgspecError as error:
            raise Refusal(RejectReason.OTHER, str(error)) from error
        self._check_window(new.timestamp, new.receive_window)
        if (reason := self._faults.refusal()) is not None:
            raise Refusal(reason, "as it was told to")
        return self._venue.place(new)

    async def _cancel(self, request: web.Request) -> object:
        window = _number(request, "receive_window", self._venue.settings.receive_window)
        self._check_window(_number(request, "timestamp", 0), window)
        return self._venue.cancel(_symbol(request), _order_id(request))

    async def _order(self, request: web.Request) -> object:
        return self._venue.order(_symbol(request), _order_id(request))

    async def _orders(self, request: web.Request) -> object:
        return self._venue.open_orders(_symbol(request))

    async def _trades(self, request: web.Request) -> object:
        return self._venue.trades(_symbol(request), _number(request, "after", 0))

    async def _fundings(self, request: web.Request) -> object:
        return self._venue.fundings(_symbol(request), _number(request, "after", 0))

    async def _cancel_all_after(self, request: web.Request) -> object:
        symbol = self._venue.books.listing(_symbol(request)).rules.symbol
        milliseconds = _number(request, "timeout_ms", 0)
        if (switch := self._switches.pop(symbol, None)) is not None:
            switch.cancel()
        if milliseconds:
            loop = asyncio.get_running_loop()
            self._switches[symbol] = loop.call_later(milliseconds / 1000, self._venue.cancel_all, symbol)
        return ServerTime(time=self._venue.now())

    async def _positions(self, request: web.Request) -> object:
        return self._venue.positions()

    async def _balances(self, request: web.Request) -> object:
        return self._venue.balances()

    async def _market_stream(self, request: web.Request) -> web.StreamResponse:
        names = [name for name in request.query.get("symbols", "").split(",") if name]
        try:
            symbols = frozenset(self._venue.books.listing(Symbol(name)).rules.symbol for name in names)
        except Refusal as refusal:
            return _refused(refusal)
        return await serve(
            request,
            self._streams.market,
            Listener(request, symbols),
            first=lambda: to_json(self._first_frame(symbols)),
            heard=self._proceed,
        )

    async def _account_stream(self, request: web.Request) -> web.StreamResponse:
        return await serve(
            request,
            self._streams.account,
            Listener(request),
            first=lambda: to_json(AccountFrame(sequence=self._venue.books.counters.event)),
        )

    def _first_frame(self, symbols: frozenset[Symbol]) -> MarketFrame:
        newest = self._pacer.newest
        if self._venue.settings.is_lock_step and newest is not None:
            # Whole, as it may not have arrived before the connection was lost.
            return only(newest, symbols)
        return self._venue.standing(symbols)

    def _proceed(self, text: bytes) -> None:
        try:
            done = msgspec.json.decode(text, type=Proceed).proceed
        except msgspec.MsgspecError:
            return
        self._pacer.proceed(done)

    def _check_window(self, sent: TimeNs, window: DurationNs | None) -> None:
        window = min(self._venue.settings.receive_window if window is None else window, LONGEST_WINDOW_NS)
        age = time_ns() - sent
        if not -EARLY_NS <= age <= window:
            raise Refusal(
                RejectReason.TOO_LATE,
                f"sent {age / SECOND_NS:.3f} s ago, the receive window is {window / SECOND_NS:g} s",
            )

    def _open(self, ask: Callable[[web.Request], Awaitable[object]]) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                response = _json(await ask(request))
            except Refusal as refusal:
                response = _refused(refusal)
            self.count(ask.__name__.lstrip("_"), response.status)
            return response

        return answer

    def _private(self, ask: Callable[[web.Request], Awaitable[object]], *, acts: bool = False) -> Answer:
        answer_truly = self._open(ask)

        async def answer(request: web.Request) -> web.StreamResponse:
            fate = self._faults.request(acts=acts)
            if fate.rejection is not None:
                self.count(ask.__name__.lstrip("_"), fate.rejection.value)
                return self._rejected(fate.rejection)
            return await self._suffer(fate, request, answer_truly)

        return answer

    def _noted(self, answer: Answer) -> Answer:
        # Before any fault: what is refused, late or never answered was sent all the same.
        async def note(request: web.Request) -> web.StreamResponse:
            try:
                new = msgspec.json.decode(await request.read(), type=PlaceRequest)
            except msgspec.MsgspecError:
                return await answer(request)
            self._venue.arrived(new.symbol, new.client_order_id)
            return await answer(request)

        return note

    async def _suffer(self, fate: RequestFate, request: web.Request, answer: Answer) -> web.StreamResponse:
        # The body has to be here before the client goes away.
        await request.read()
        if fate.delay:
            await self._hold(fate.delay)
        response = await answer(request)
        if fate.answer_is_lost:
            await self._hold(self._faults.settings.answer_delay)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _hold(self, duration: DurationNs) -> None:
        try:
            async with asyncio.timeout(duration / SECOND_NS):
                await self._closing.wait()
        except TimeoutError:
            return
        raise web.HTTPServiceUnavailable(text="the venue is ending")

    def _rejected(self, rejection: Rejection) -> web.Response:
        seconds = self._faults.settings.retry_after_s
        response = _json(Refused(reason=RejectReason.RATE_LIMITED, detail=rejection.name.lower()))
        response.set_status(rejection.value)
        response.headers["Retry-After"] = f"{seconds:g}"
        return response


def _json(body: object) -> web.Response:
    return web.Response(body=to_json(body), content_type="application/json")


def _refused(refusal: Refusal) -> web.Response:
    response = _json(Refused(reason=refusal.reason, detail=refusal.detail))
    response.set_status(404 if refusal.reason is RejectReason.NOT_FOUND else 400)
    return response


def _symbol(request: web.Request) -> Symbol:
    return Symbol(request.query.get("symbol", ""))


def _order_id(request: web.Request) -> ClientOrderId:
    return ClientOrderId(request.query.get("client_order_id", ""))


def _number(request: web.Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refusal(RejectReason.OTHER, f"{name} is not a whole number: {text!r}")
    return int(text) if text else otherwise
