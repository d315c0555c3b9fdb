"""HTTP API of the simulated venue for operation and tests: health, status, metrics, faults, complete history."""

from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from bus.metrics import CONTENT_TYPE, CollectorRegistry, Counter, Gauge, exposition
from bus.runtime import monotonic_s, time_s
from producers.ports import AccountUpdate
from producers.simulated.market.recording import RecordingTape
from producers.simulated.server.faults import FaultInjector
from producers.simulated.server.pacer import Pacer
from producers.simulated.server.responses import json_response, read_body
from producers.simulated.server.streams import Streams, disconnect_all
from producers.simulated.server.venue import Venue
from producers.simulated.settings import FaultSettings
from schemas.units import SECOND_NS
from schemas.venue.orders import Trade


class MarketSwitch(msgspec.Struct, frozen=True):
    """Body of POST /admin/market."""

    halted: bool


class Metrics:
    """Prometheus metrics of the venue."""

    def __init__(self, venue: Venue, pacer: Pacer, streams: Streams) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "venue_requests_total", "Requests answered", ["request", "status"], registry=self.registry
        )
        self._trades = Counter(
            "venue_trades_total", "Trades of the account", ["symbol", "side"], registry=self.registry
        )
        self._gauge("venue_ticks", "Ticks since the start of the process", lambda: pacer.ticks)
        self._gauge("venue_account_sequence", "Account events so far", lambda: venue.matching.counters.event)
        self._gauge("venue_market_listeners", "Market streams", lambda: len(streams.market))
        self._gauge("venue_account_listeners", "Account streams", lambda: len(streams.account))
        open_orders = Gauge("venue_open_orders", "Open orders", ["symbol"], registry=self.registry)
        for symbol, orders in venue.matching.account.open_orders.items():
            open_orders.labels(symbol).set_function(orders.__len__)

    def count_request(self, request: str, status: int) -> None:
        self._requests.labels(request, str(status)).inc()

    def count_trades(self, updates: Sequence[AccountUpdate]) -> None:
        for update in updates:
            if isinstance(update.event, Trade):
                self._trades.labels(update.event.symbol, update.event.side).inc()

    def _gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        Gauge(name, help_text, registry=self.registry).set_function(value)


class AdminApi:
    """Routes apart from trading and scripting."""

    def __init__(
        self, venue: Venue, pacer: Pacer, streams: Streams, faults: FaultInjector, metrics: Metrics
    ) -> None:
        self._venue = venue
        self._pacer = pacer
        self._streams = streams
        self._faults = faults
        self._metrics = metrics
        self._started = monotonic_s()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/health", self._health),
            web.get("/status", self._status),
            web.get("/metrics", self._exposition),
            web.get("/admin/books", self._get_history),
            web.get("/admin/arrivals", self._get_arrivals),
            web.get("/admin/faults", self._get_faults),
            web.post("/admin/faults", self._set_faults),
            web.post("/admin/disconnect", self._disconnect),
            web.post("/admin/market", self._set_market),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        uptime = round(monotonic_s() - self._started, 3)
        return json_response(
            {"status": "ok", "uptime": uptime, "time": time_s(), "venue": self._venue.settings.venue}
        )

    async def _status(self, request: web.Request) -> web.Response:
        return json_response(
            {
                "market": self._market_status(),
                "account": self._account_status(),
                "streams": self._streams_status(),
            }
        )

    async def _exposition(self, request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE}
        return web.Response(body=exposition(self._metrics.registry), headers=headers)

    async def _get_history(self, request: web.Request) -> web.Response:
        venue = self._venue
        account, (orders, trades) = venue.matching.account, venue.history()
        return json_response(
            {
                "venue": venue.settings.venue,
                "tick": venue.cursor.tick,
                "time": venue.now(),
                "account_sequence": venue.matching.counters.event,
                "orders": orders,
                "trades": trades,
                "fundings": venue.all_fundings(),
                "wallets": list(account.wallets.values()),
                "holdings": list(account.held.all()),
                "positions": venue.positions(),
                "balances": venue.balances(),
            }
        )

    async def _get_arrivals(self, request: web.Request) -> web.Response:
        return json_response(self._venue.arrivals())

    async def _get_faults(self, request: web.Request) -> web.Response:
        return json_response(self._faults.settings)

    async def _set_faults(self, request: web.Request) -> web.Response:
        self._faults.settings = await read_body(request, FaultSettings)
        return json_response(self._faults.settings)

    async def _set_market(self, request: web.Request) -> web.Response:
        self._pacer.is_halted = (await read_body(request, MarketSwitch)).halted
        return json_response({"halted": self._pacer.is_halted})

    async def _disconnect(self, request: web.Request) -> web.Response:
        listeners = {"market": self._streams.market, "account": self._streams.account}
        stream = request.query.get("stream", "")
        if stream not in listeners:
            return web.Response(status=400, text=f"stream must be one of {', '.join(listeners)}")
        count = len(listeners[stream])
        disconnect_all(listeners[stream])
        return json_response({"disconnected": count})

    def _market_status(self) -> dict[str, object]:
        venue = self._venue
        progress = venue.tape.progress(venue.cursor.tick)
        status: dict[str, object] = {
            "tick": venue.cursor.tick,
            "time": venue.now() / SECOND_NS,
            "speed": venue.settings.speed,
            "has_ended": venue.has_ended,
            "recording": venue.settings.replayed,
            "prices": {symbol: quote.last for symbol, quote in venue.matching.account.quotes.items()},
            "marks": {symbol: quote.mark_price for symbol, quote in venue.matching.account.quotes.items()},
            "fills": venue.settings.fills,
            "latency": venue.settings.latency,
            "in_maintenance": venue.maintenance_left_s() is not None,
        }
        if progress is not None:
            status["progress"] = {progress.unit: progress.done, "of": progress.total}
        if isinstance(venue.tape, RecordingTape):
            status["flaws"] = venue.tape.flaws()
            status["mean_ranges"] = venue.tape.mean_ranges()
        return status

    def _account_status(self) -> dict[str, object]:
        matching = self._venue.matching
        return {
            "sequence": matching.counters.event,
            "orders": matching.counters.order,
            "trades": matching.counters.trade,
            "insurance_paid": matching.counters.insurance_paid,
            "open_orders": {symbol: len(orders) for symbol, orders in matching.account.open_orders.items()},
        }

    def _streams_status(self) -> dict[str, object]:
        return {
            "market": len(self._streams.market),
            "account": len(self._streams.account),
            "faults": self._faults.settings,
        }
