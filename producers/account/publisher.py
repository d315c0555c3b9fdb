"""Account publisher: the venue's private stream, and sweeps: periodic queries for what the stream missed."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from bus import (
    Bus,
    FromTime,
    Service,
    StepGate,
    decode_or_log,
    follow_venue_symbols,
    newest,
    read,
    trace_context,
)
from bus.metrics import Counter
from producers.account.order_traces import OrderTraces
from producers.ports import AccountEvent, AccountSource
from producers.retry import Outbox, last_stored, retry
from schemas import subjects
from schemas.subjects import ALL, Stream
from schemas.units import SECOND_NS, Symbol, TimeNs, TradeId, VenueId
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import Funding, OrderReport, Trade

E = TypeVar("E", Trade, Funding)

OVERLAP_NS = 60 * SECOND_NS
"""How far before the last sweep stored trades are read: longer than a sweep is expected to take."""


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
        """The traces that reports and trades continue; to be told of the intents."""
        self._sweep_requested = asyncio.Event()
        self._sweep_lock = asyncio.Lock()
        self._swept_time: TimeNs = 0
        self._trades_through: dict[Symbol, TradeId | None] = {}
        self._stored_trades: dict[Symbol, set[TradeId]] = {}
        self._funding_through: dict[Symbol, str | None] = {}
        self._stored_funding: dict[Symbol, set[str]] = {}
        self._published = Counter(
            "account_events_published_total", "Account events published", ["type"], registry=service.registry
        )
        self._found = Counter(
            "account_trades_found_by_sweep_total",
            "Own trades that the private stream did not deliver",
            registry=service.registry,
        )

    def request_sweep(self) -> None:
        """Make the next sweep start now, or right after the one that is running."""
        self._sweep_requested.set()

    async def restore(self, symbols: Sequence[Symbol]) -> None:
        """Read from the bus up to which trade earlier sweeps of the symbols came, and which trades are stored since."""
        async with self._sweep_lock:
            for symbol in symbols:
                await self._restore(symbol)

    async def forget(self, symbol: Symbol) -> None:
        """Stop sweeping a symbol. Its events on the private stream are still published."""
        async with self._sweep_lock:
            self._trades_through.pop(symbol, None)

    async def follow_roster(self) -> None:
        """Start and stop sweeping symbols as the roster changes, for ever."""
        async with contextlib.aclosing(follow_venue_symbols(self._bus, self._venue, self._log)) as changes:
            async for symbol, is_registered in changes:
                if not is_registered:
                    await self.forget(symbol)
                elif symbol not in self._trades_through:
                    await self.restore([symbol])
                    self.request_sweep()

    async def follow(self) -> None:
        """Publish the events of the private stream, for ever."""
        await self._publish_feed(FeedState.DOWN, "not connected yet", time.time_ns())
        async for update in self._source.account():
            if update.is_lost:
                self._log.warning("private_stream_down", sequence=update.sequence)
                await self._publish_feed(FeedState.DOWN, "no connection", time.time_ns())
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
        """Sweep on request, or else `interval_s` seconds after the previous sweep; for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._sweep_requested.wait()
            await self.sweep()

    async def sweep(self) -> None:
        """Query the venue and publish missing trades and funding, open orders, positions and balances."""
        async with self._sweep_lock:
            self._sweep_requested.clear()
            for symbol in tuple(self._trades_through):
                await self._sweep(symbol)
            for position in await retry(self._source.positions, self._log):
                await self._publish(position)
            for balance in await retry(self._source.balances, self._log):
                await self._publish(balance)
            self._swept_time = time.time_ns()

    def status(self) -> dict[str, object]:
        """Return the account's part of /status."""
        age_s = (time.time_ns() - self._swept_time) / SECOND_NS if self._swept_time else None
        return {"symbols": sorted(self._trades_through), "sweep_age_s": age_s and round(age_s, 1)}

    async def _restore(self, symbol: Symbol) -> None:
        subject = subjects.open_orders(self._venue, symbol)
        stored = await last_stored(self._bus, Stream.ACCOUNT, subject, self._log)
        last = await newest(self._bus, Stream.ACCOUNT, subject, OpenOrders, stored)
        since = last.stored.time_ns - OVERLAP_NS if last is not None else 0
        trades = await self._stored_since(subjects.own_trade(self._venue, symbol), Trade, since)
        # The private stream may have delivered some meanwhile.
        self._stored_trades.setdefault(symbol, set()).update(trade.trade_id for trade in trades)
        # Payments are few: all are read, since a sweep may return old ones again.
        payments = await self._stored_since(subjects.funding(self._venue, symbol), Funding, 0)
        self._stored_funding.setdefault(symbol, set()).update(payment.funding_id for payment in payments)
        self._funding_through[symbol] = last.event.funding_through if last is not None else None
        self._trades_through[symbol] = last.event.trades_through if last is not None else None

    async def _sweep(self, symbol: Symbol) -> None:
        order_subjects = subjects.own_order_events(self._venue, symbol)
        last = await asyncio.gather(
            *(last_stored(self._bus, Stream.ORDERS, subject, self._log) for subject in order_subjects)
        )
        includes = max((message.sequence for message in last if message is not None), default=0)
        orders = await retry(partial(self._source.open_orders, symbol), self._log)
        await self._publish_missing_trades(symbol)
        await self._publish_missing_funding(symbol)
        open_orders = OpenOrders(
            venue=self._venue,
            symbol=symbol,
            orders=tuple(orders),
            includes=includes,
            trades_through=self._trades_through[symbol],
            funding_through=self._funding_through[symbol],
            time=(await retry(self._source.clock, self._log)).time,
        )
        await self._outbox.store(subjects.open_orders(self._venue, symbol), open_orders)

    async def _publish_missing_trades(self, symbol: Symbol) -> None:
        after = self._trades_through[symbol]
        stored = self._stored_trades[symbol]
        for trade in await retry(partial(self._source.trades_after, symbol, after), self._log):
            if trade.trade_id not in stored:
                self._found.inc()
                self._log.info("trade_found_by_sweep", symbol=symbol, trade_id=trade.trade_id)
                await self._publish(trade)
            stored.discard(trade.trade_id)
            self._trades_through[symbol] = trade.trade_id

    async def _publish_feed(self, state: FeedState, reason: str, now: TimeNs) -> None:
        event = FeedChanged(venue=self._venue, symbol=Symbol(ALL), state=state, reason=reason, time=now)
        await self._outbox.store(subjects.account_feed(self._venue), event)

    async def _publish_missing_funding(self, symbol: Symbol) -> None:
        after = self._funding_through[symbol]
        for payment in await retry(partial(self._source.funding_after, symbol, after), self._log):
            await self._publish(payment)
            self._funding_through[symbol] = payment.funding_id

    async def _publish(self, event: AccountEvent) -> None:
        self._published.labels(type(event).__name__).inc()
        match event:
            case OrderReport():
                subject = subjects.order_report(event.venue, event.symbol)
                with trace_context(self.traces.of(event.client_order_id)):
                    await self._outbox.store(subject, event, message_id=report_id(event))
            case Trade():
                if event.trade_id in self._stored_trades.setdefault(event.symbol, set()):
                    return
                subject = subjects.own_trade(event.venue, event.symbol)
                with trace_context(self.traces.of(event.client_order_id)):
                    await self._outbox.store(subject, event, message_id=f"{subject}.{event.trade_id}")
                self._stored_trades[event.symbol].add(event.trade_id)
            case Funding():
                if event.funding_id in self._stored_funding.setdefault(event.symbol, set()):
                    return
                subject = subjects.funding(event.venue, event.symbol)
                await self._outbox.store(subject, event, message_id=f"{subject}.{event.funding_id}")
                self._stored_funding[event.symbol].add(event.funding_id)
            case Balance():
                await self._outbox.store(subjects.balance(event.venue, event.asset), event)
            case Position():
                await self._outbox.store(subjects.position(event.venue, event.symbol), event)

    async def _stored_since(self, subject: str, kind: type[E], since: TimeNs) -> list[E]:
        stored: list[E] = []
        async for batch in read(self._bus, Stream.ORDERS, (subject,), FromTime(max(since, 0))):
            for message in batch.messages:
                event = decode_or_log(message, kind, self._log)
                if event is not None:
                    stored.append(event)
            if batch.caught_up:
                break
        return stored


def report_id(report: OrderReport) -> str:
    """Return the message id of a report, which account publisher and gateway share.

    Example: `order.sim.BTC-USDT_USDT.report.sqt5ouqa01m00002B00000c.filled.2`.
    """
    return (
        f"{subjects.order_report(report.venue, report.symbol)}"
        f".{report.client_order_id or report.venue_order_id}.{report.status}.{report.cumulative_quantity}"
    )
