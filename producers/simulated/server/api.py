"""HTTP and WebSocket API of the simulated venue for trading and market data."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from bus.runtime import time_ns
from producers.simulated.contracts import quantity_to_base, quantity_to_contracts, to_contracts
from producers.simulated.market.tape import CANDLE_INTERVAL, HISTORY_CANDLES
from producers.simulated.matching.conditionals import Conditional
from producers.simulated.matching.orders import VenueRejection
from producers.simulated.server.faults import FaultInjector, HttpRejection, RequestFaults
from producers.simulated.server.order_rates import OrderRates
from producers.simulated.server.pacer import Pacer
from producers.simulated.server.responses import json_response
from producers.simulated.server.streams import Listener, Streams, disconnect_all, filter_frame, serve_stream
from producers.simulated.server.venue import Venue
from producers.simulated.wire import (
    AccountFrame,
    ConditionalRequest,
    EventNumber,
    MarketFrame,
    PlaceRequest,
    Proceed,
    RejectionBody,
    ServerTime,
    to_json,
)
from schemas.codec import INVALID_JSON
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Symbol, TimeNs
from schemas.venue.orders import RejectReason

MAX_CLOCK_AHEAD_NS: DurationNs = SECOND_NS
"""How far a request's timestamp may be in the future."""
MAX_RECEIVE_WINDOW_NS: DurationNs = 60 * SECOND_NS
"""Upper bound of the receive window that a request may ask for."""

RouteHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TooManyOrders(Exception):
    """An order-rate window is full for `wait_s` more seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"{wait_s:g} s")
        self.wait_s = wait_s


class TradingApi:
    """Routes for trading and market data.

    `count_request` is called with each request's name and response status.
    """

    def __init__(
        self,
        venue: Venue,
        streams: Streams,
        pacer: Pacer,
        faults: FaultInjector,
        count_request: Callable[[str, int], None],
    ) -> None:
        self._venue = venue
        self._streams = streams
        self._pacer = pacer
        self._faults = faults
        self._count_request = count_request
        self._sizes = venue.contract_sizes()
        self._rates = OrderRates(venue.settings.order_rate_windows)
        self._closing = asyncio.Event()
        self._dead_man_switches: dict[Symbol, asyncio.TimerHandle] = {}
        """Timers that cancel all orders of a symbol unless they are renewed."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes. Faults are injected into the private ones only.

        The name of a handler is its label in `venue_requests_total`.
        """
        return [
            web.get("/api/instruments", self._public(self._instruments)),
            web.get("/api/candles", self._public(self._candles)),
            web.get("/api/clock", self._public(self._clock)),
            web.get("/api/sequence", self._public(self._sequence)),
            web.post("/api/order", self._recording_arrival(self._private(self._place, is_write=True))),
            web.delete("/api/order", self._private(self._cancel, is_write=True)),
            web.get("/api/order", self._private(self._order)),
            web.get("/api/orders", self._private(self._orders)),
            web.get("/api/trades", self._private(self._trades)),
            web.get("/api/fundings", self._private(self._fundings)),
            web.post("/api/conditional", self._private(self._place_conditional, is_write=True)),
            web.delete("/api/conditional", self._private(self._cancel_conditional, is_write=True)),
            web.get("/api/conditional", self._private(self._conditional)),
            web.get("/api/conditionals", self._private(self._conditionals)),
            web.get("/api/marks", self._public(self._marks)),
            web.post("/api/cancel_all_after", self._private(self._cancel_all_after)),
            web.get("/api/positions", self._private(self._positions)),
            web.get("/api/balances", self._private(self._balances)),
            web.get("/ws/market", self._market_stream),
            web.get("/ws/account", self._account_stream),
        ]

    def close(self) -> None:
        """End delayed requests, cancel the dead man's switches and disconnect all listeners."""
        self._closing.set()
        for timer in self._dead_man_switches.values():
            timer.cancel()
        disconnect_all(self._streams.market)
        disconnect_all(self._streams.account)

    async def _instruments(self, request: web.Request) -> object:
        return self._venue.instruments()

    async def _candles(self, request: web.Request) -> object:
        interval = request.query.get("interval", CANDLE_INTERVAL)
        return self._venue.candles(_symbol(request), interval, _number(request, "limit", HISTORY_CANDLES))

    async def _clock(self, request: web.Request) -> object:
        return ServerTime(time=self._venue.now(), recording=self._venue.settings.replayed)

    async def _sequence(self, request: web.Request) -> object:
        return EventNumber(sequence=self._venue.matching.counters.event)

    async def _place(self, request: web.Request) -> object:
        try:
            new = msgspec.json.decode(await request.read(), type=PlaceRequest)
        except INVALID_JSON as error:
            raise VenueRejection(RejectReason.OTHER, str(error)) from error
        self._check_window(new.timestamp, new.receive_window)
        if (reason := self._faults.take_order_rejection()) is not None:
            raise VenueRejection(reason, "scripted by POST /admin/refusals")
        if (wait_s := self._rates.count_or_wait(self._venue.now())) is not None:
            raise TooManyOrders(wait_s / self._venue.settings.clock_speed)
        quantity = quantity_to_base(new.quantity, new.symbol, self._sizes)
        report = self._venue.place(msgspec.structs.replace(new, quantity=quantity))
        return to_contracts(report, new.symbol, self._sizes)

    async def _cancel(self, request: web.Request) -> object:
        window = _number(request, "receive_window", self._venue.settings.receive_window)
        self._check_window(_number(request, "timestamp", 0), window)
        symbol = _symbol(request)
        return to_contracts(self._venue.cancel(symbol, _order_id(request)), symbol, self._sizes)

    async def _order(self, request: web.Request) -> object:
        symbol = _symbol(request)
        return to_contracts(self._venue.order(symbol, _order_id(request)), symbol, self._sizes)

    async def _orders(self, request: web.Request) -> object:
        symbol = _symbol(request)
        return [to_contracts(each, symbol, self._sizes) for each in self._venue.open_orders(symbol)]

    async def _trades(self, request: web.Request) -> object:
        symbol = _symbol(request)
        trades = self._venue.trades(symbol, _number(request, "since", 0), _number(request, "after", 0))
        return [to_contracts(each, symbol, self._sizes) for each in trades]

    async def _fundings(self, request: web.Request) -> object:
        symbol = _symbol(request)
        fundings = self._venue.fundings(symbol, _number(request, "since", 0), _number(request, "after", 0))
        return [to_contracts(each, symbol, self._sizes) for each in fundings]

    async def _place_conditional(self, request: web.Request) -> object:
        try:
            new = msgspec.json.decode(await request.read(), type=ConditionalRequest)
        except INVALID_JSON as error:
            raise VenueRejection(RejectReason.OTHER, str(error)) from error
        self._check_window(new.timestamp, new.receive_window)
        quantity = quantity_to_base(new.quantity, new.symbol, self._sizes)
        return self._conditional_body(self._venue.place_conditional(new.in_base(quantity)))

    async def _cancel_conditional(self, request: web.Request) -> object:
        window = _number(request, "receive_window", self._venue.settings.receive_window)
        self._check_window(_number(request, "timestamp", 0), window)
        return self._conditional_body(self._venue.cancel_conditional(_symbol(request), _order_id(request)))

    async def _conditional(self, request: web.Request) -> object:
        return self._conditional_body(self._venue.conditional(_symbol(request), _order_id(request)))

    async def _conditionals(self, request: web.Request) -> object:
        return [self._conditional_body(each) for each in self._venue.conditionals(_symbol(request))]

    def _conditional_body(self, conditional: Conditional) -> Conditional:
        new = conditional.new
        quantity = quantity_to_contracts(new.quantity, new.symbol, self._sizes)
        return msgspec.structs.replace(conditional, new=msgspec.structs.replace(new, quantity=quantity))

    async def _marks(self, request: web.Request) -> object:
        return self._venue.marks(_symbol(request))

    async def _cancel_all_after(self, request: web.Request) -> object:
        symbol = self._venue.matching.listing(_symbol(request)).rules.symbol
        milliseconds = _number(request, "timeout_ms", 0)
        if (timer := self._dead_man_switches.pop(symbol, None)) is not None:
            timer.cancel()
        if milliseconds:
            loop = asyncio.get_running_loop()
            self._dead_man_switches[symbol] = loop.call_later(
                milliseconds / 1000, self._venue.cancel_all, symbol
            )
        return ServerTime(time=self._venue.now())

    async def _positions(self, request: web.Request) -> object:
        positions = self._venue.positions()
        return [to_contracts(each, each.symbol, self._sizes) for each in positions]

    async def _balances(self, request: web.Request) -> object:
        return self._venue.balances()

    async def _market_stream(self, request: web.Request) -> web.StreamResponse:
        if (wait_s := self._venue.maintenance_left_s()) is not None:
            return _busy_response("maintenance", 503, wait_s)
        names = [name for name in request.query.get("symbols", "").split(",") if name]
        try:
            symbols = frozenset(self._venue.matching.listing(Symbol(name)).rules.symbol for name in names)
        except VenueRejection as rejection:
            return _rejection_response(rejection)
        return await serve_stream(
            request,
            self._streams.market,
            Listener(request, symbols),
            first_frame=lambda: to_json(self._first_frame(symbols)),
            on_message=self._proceed,
        )

    async def _account_stream(self, request: web.Request) -> web.StreamResponse:
        if (wait_s := self._venue.maintenance_left_s()) is not None:
            return _busy_response("maintenance", 503, wait_s)
        return await serve_stream(
            request,
            self._streams.account,
            Listener(request),
            first_frame=lambda: to_json(
                AccountFrame(sequence=self._venue.matching.counters.event, contract_sizes=self._sizes)
            ),
        )

    def _first_frame(self, symbols: frozenset[Symbol]) -> MarketFrame:
        last_frame = self._pacer.last_frame
        if self._venue.settings.is_lock_step and last_frame is not None:
            # The whole last tick: it may not have arrived before the connection was lost.
            return filter_frame(last_frame, symbols)
        return self._venue.snapshot(symbols)

    def _proceed(self, text: bytes) -> None:
        try:
            tick = msgspec.json.decode(text, type=Proceed).proceed
        except INVALID_JSON:
            return
        self._pacer.proceed(tick)

    def _check_window(self, sent: TimeNs, window: DurationNs | None) -> None:
        window = min(self._venue.settings.receive_window if window is None else window, MAX_RECEIVE_WINDOW_NS)
        age = time_ns() - sent
        if not -MAX_CLOCK_AHEAD_NS <= age <= window:
            raise VenueRejection(
                RejectReason.TOO_LATE,
                f"sent {age / SECOND_NS:.3f} s ago, outside the receive window of {window / SECOND_NS:g} s",
            )

    def _public(self, handler: Callable[[web.Request], Awaitable[object]]) -> RouteHandler:
        async def respond(request: web.Request) -> web.StreamResponse:
            left_s = self._venue.maintenance_left_s()
            try:
                if left_s is not None:
                    response = _busy_response("maintenance", 503, left_s)
                else:
                    response = json_response(await handler(request))
            except TooManyOrders as error:
                response = _busy_response("too many orders", 429, error.wait_s)
            except VenueRejection as rejection:
                response = _rejection_response(rejection)
            self._count_request(handler.__name__.lstrip("_"), response.status)
            return response

        return respond

    def _private(
        self, handler: Callable[[web.Request], Awaitable[object]], *, is_write: bool = False
    ) -> RouteHandler:
        handle = self._public(handler)

        async def respond(request: web.Request) -> web.StreamResponse:
            faults = self._faults.for_request(is_write=is_write)
            if faults.rejection is not None:
                self._count_request(handler.__name__.lstrip("_"), faults.rejection.value)
                return self._overload_response(faults.rejection)
            return await self._answer_with_faults(faults, request, handle)

        return respond

    def _recording_arrival(self, handler: RouteHandler) -> RouteHandler:
        # Before fault injection: also a request that is rejected, delayed or not answered counts as arrived.
        async def record(request: web.Request) -> web.StreamResponse:
            try:
                new = msgspec.json.decode(await request.read(), type=PlaceRequest)
            except INVALID_JSON:
                return await handler(request)
            self._venue.record_arrival(new.symbol, new.client_order_id)
            return await handler(request)

        return record

    async def _answer_with_faults(
        self, faults: RequestFaults, request: web.Request, handler: RouteHandler
    ) -> web.StreamResponse:
        # Read the body first: the client may disconnect during the delay.
        await request.read()
        if faults.delay:
            await self._delay(faults.delay)
        response = await handler(request)
        if faults.answer_is_lost:
            await self._delay(self._faults.settings.answer_delay)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _delay(self, duration: DurationNs) -> None:
        try:
            async with asyncio.timeout(duration / SECOND_NS):
                await self._closing.wait()
        except TimeoutError:
            return
        raise web.HTTPServiceUnavailable(text="the venue is shutting down")

    def _overload_response(self, rejection: HttpRejection) -> web.Response:
        return _busy_response(rejection.name.lower(), rejection.value, self._faults.settings.retry_after_s)


def _busy_response(detail: str, status: int, retry_after_s: float) -> web.Response:
    response = json_response(RejectionBody(reason=RejectReason.RATE_LIMITED, detail=detail), status)
    response.headers["Retry-After"] = f"{retry_after_s:g}"
    return response


def _rejection_response(rejection: VenueRejection) -> web.Response:
    body = RejectionBody(reason=rejection.reason, detail=rejection.detail)
    return json_response(body, 404 if rejection.reason is RejectReason.NOT_FOUND else 400)


def _symbol(request: web.Request) -> Symbol:
    return Symbol(request.query.get("symbol", ""))


def _order_id(request: web.Request) -> ClientOrderId:
    return ClientOrderId(request.query.get("client_order_id", ""))


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise VenueRejection(RejectReason.OTHER, f"{name} must be a non-negative integer, not {text!r}")
    return int(text) if text else default
