"""Account publisher: the venue's private stream, and sweeps: periodic queries for what the stream missed."""

import asyncio
import contextlib
from collections.abc import Iterable

import msgspec

from bus import Bus, Service, StepGate, follow_venue_symbols, trace_context
from bus.marks import reached
from bus.metrics import Counter
from bus.runtime import time_ns
from producers.account.order_traces import OrderTraces
from producers.account.own_events import own_event_id
from producers.account.symbol_sweeper import SweepContext, SymbolSweeper
from producers.ports import AccountEvent, AccountSource
from producers.retry import Outbox, retry
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.subjects import ALL
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, Position, SweepRequest
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import Funding, OrderReport, ReportSource, Trade


class AccountPublisher:
    """Publishes the account at one venue: orders, trades, funding, balances, positions.

    The private stream covers the whole account; trades, funding and open orders are swept for the registered symbols only.
    """

    def __init__(self, service: Service, source: AccountSource, venue: VenueId, gate: StepGate) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._source = source
        self._venue = venue
        self._gate = gate
        self._outbox = Outbox(service.bus, service.log)
        self.traces = OrderTraces()
        """The traces that reports and trades continue; the intents are passed to it."""
        self._wake = asyncio.Event()
        self._is_sweep_requested = False
        self._sweep_lock = asyncio.Lock()
        self._swept_time: TimeNs = 0
        self._sweepers: dict[Symbol, SymbolSweeper] = {}
        self._ignored_request = ""
        self._published = Counter(
            "account_events_published_total", "Account events published", ["type"], registry=service.registry
        )
        found = Counter(
            "account_trades_found_by_sweep_total",
            "Own trades that the private stream did not deliver",
            registry=service.registry,
        )
        self._context = SweepContext(self._bus, self._log, source, venue, self._outbox, found)

    def request_sweep(self) -> None:
        """Make the next sweep of all symbols start now, or right after the one that is running."""
        self._is_sweep_requested = True
        self._wake.set()

    def on_sweep_message(self, data: bytes) -> None:
        """Apply a message on the subject `sweep.V`: a SweepRequest, or an empty message for a sweep of all symbols."""
        if not data:
            self.request_sweep()
            return
        try:
            request = decode_as(data, SweepRequest)
        except UndecodableError as error:
            self._log.error("undecodable", subject=subjects.sweep(self._venue), detail=str(error))
            return
        sweeper = self._sweepers.get(request.symbol)
        if sweeper is not None and request.venue == self._venue:
            if sweeper.request(request):
                self._wake.set()
        elif request.request_id != self._ignored_request:
            self._ignored_request = request.request_id
            self._log.warning(
                "sweep_request_ignored",
                venue=request.venue,
                symbol=request.symbol,
                request_id=request.request_id,
                detail="the symbol is not swept here",
            )

    def watch(self, symbols: Iterable[Symbol]) -> None:
        """Sweep these symbols from now on, and no others. What is stored of them is read from the bus again."""
        self._sweepers = {symbol: SymbolSweeper(self._context, symbol) for symbol in symbols}

    async def follow_roster(self) -> None:
        """Start and stop sweeping symbols as the roster changes, for ever.

        Events of a symbol that is not swept are still published while the private stream reports them.
        """
        async with contextlib.aclosing(follow_venue_symbols(self._bus, self._venue, self._log)) as changes:
            async for symbol, is_registered in changes:
                if not is_registered:
                    self._sweepers.pop(symbol, None)
                elif symbol not in self._sweepers:
                    self._sweepers[symbol] = SymbolSweeper(self._context, symbol)
                    self.request_sweep()

    async def follow(self) -> None:
        """Publish the events of the private stream, for ever."""
        await self._publish_feed(FeedState.DOWN, "not connected yet", time_ns())
        async for update in self._source.account():
            if update.is_lost:
                reached("private_stream_lost")
                self._log.warning("private_stream_down", sequence=update.sequence)
                await self._publish_feed(FeedState.DOWN, "no connection", time_ns())
                continue
            await self._gate.enter(update.sequence)
            if update.event is None:
                self._log.info("private_stream_up", sequence=update.sequence)
                await self.sweep()
                clock = await retry(self._source.clock, self._log)
                await self._publish_feed(FeedState.UP, "connected, and swept", clock.time)
            else:
                await self._publish(update.event)
            self._gate.leave(update.sequence, 0)

    async def run_sweeps(self, interval_s: float) -> None:
        """Sweep on request, or else `interval_s` seconds after the previous sweep of all symbols; for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time() + interval_s
        while True:
            if not self._is_sweep_requested:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
            if self._is_sweep_requested or loop.time() >= due:
                await self.sweep(is_full=self._is_sweep_requested)
                due = loop.time() + interval_s
            else:
                await self._answer_requests()

    async def sweep(self, *, is_full: bool = True) -> None:
        """Query the venue and publish missing trades and funding, open orders, positions and balances.

        A full sweep starts at the engine's mark of booked trades, another one where the sweep before it ended.
        """
        async with self._sweep_lock:
            self._is_sweep_requested = False
            await self._sweep(self._sweepers.values(), is_full=is_full)
            self._swept_time = time_ns()

    def status(self) -> dict[str, object]:
        """Return the account's part of /status."""
        age_s = (time_ns() - self._swept_time) / SECOND_NS if self._swept_time else None
        return {"symbols": sorted(self._sweepers), "sweep_age_s": age_s and round(age_s, 1)}

    async def _answer_requests(self) -> None:
        async with self._sweep_lock:
            await self._sweep((each for each in self._sweepers.values() if each.has_requests), is_full=False)

    async def _sweep(self, sweepers: Iterable[SymbolSweeper], *, is_full: bool) -> None:
        self._wake.clear()
        for sweeper in tuple(sweepers):
            await sweeper.sweep(is_full=is_full)
        for position in await retry(self._source.positions, self._log):
            await self._publish(position)
        for balance in await retry(self._source.balances, self._log):
            await self._publish(balance)

    async def _publish_feed(self, state: FeedState, reason: str, now: TimeNs) -> None:
        event = FeedChanged(venue=self._venue, symbol=Symbol(ALL), state=state, reason=reason, time=now)
        await self._outbox.store(subjects.account_feed(self._venue), event)

    async def _publish(self, event: AccountEvent) -> None:
        self._published.labels(type(event).__name__).inc()
        match event:
            case OrderReport():
                subject = subjects.order_report(event.venue, event.symbol)
                report = msgspec.structs.replace(event, source=ReportSource.STREAM)
                with trace_context(self.traces.of(event.client_order_id)):
                    await self._outbox.store(subject, report, message_id=report_id(report))
            case Trade():
                trade = msgspec.structs.replace(event, source=ReportSource.STREAM)
                with trace_context(self.traces.of(event.client_order_id)):
                    await self._store(subjects.own_trade(event.venue, event.symbol), trade)
            case Funding():
                await self._store(subjects.funding(event.venue, event.symbol), event)
            case Balance():
                await self._outbox.store(subjects.balance(event.venue, event.asset), event)
            case Position():
                await self._outbox.store(subjects.position(event.venue, event.symbol), event)

    async def _store(self, subject: str, event: Trade | Funding) -> None:
        sweeper = self._sweepers.get(event.symbol)
        if sweeper is not None:
            await sweeper.store(event)
        else:
            await self._outbox.store(subject, event, message_id=own_event_id(subject, event))


def report_id(report: OrderReport) -> str:
    """Return the message id of a report, which account publisher and gateway share.

    Example: `order.sim.BTC-USDT_USDT.report.sqt5ouqa01m00002B00000c.filled.2`.
    """
    return (
        f"{subjects.order_report(report.venue, report.symbol)}"
        f".{report.client_order_id or report.venue_order_id}.{report.status}.{report.cumulative_quantity}"
    )
