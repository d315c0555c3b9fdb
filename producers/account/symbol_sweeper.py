"""Sweeps of one symbol: queries of open orders, own trades and funding, and the answers to SweepRequests."""

import asyncio
from dataclasses import dataclass
from functools import partial

import msgspec

from bus import Bus, Logger
from bus.marks import reached
from bus.metrics import Counter
from bus.runtime import monotonic_s
from producers.account.own_events import FUNDING_OVERLAP_NS, OwnEvents
from producers.account.sweep_start import sweep_start
from producers.ports import AccountSource
from producers.retry import Outbox, last_stored, retry
from schemas import subjects
from schemas.formats import TRADE_OVERLAP_NS
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.account import OpenOrders, SweepRequest
from schemas.venue.market import ClockRead
from schemas.venue.orders import Funding, ReportSource, Trade

FULL_SWEEP_INTERVAL_S = 600.0
"""How often a periodic sweep is a full one. The mark of booked trades, where a full sweep starts, is held back by old open
orders; the others start where the sweep before ended. A trade listed later than TRADE_OVERLAP_NS waits for a full one."""
MAX_PASSES = 3
"""How often a sweep stores what is missing in ORDERS, when that changes meanwhile: another process may store trades too."""
MIN_ANSWER_INTERVAL_S = 1.0
MAX_ANSWER_AGE_S = 60.0
"""How long after its last repetition an answered request is remembered. The engine repeats it every second."""


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What the sweeps of all symbols of a venue share."""

    bus: Bus
    log: Logger
    source: AccountSource
    venue: VenueId
    outbox: Outbox
    found: Counter
    """Counts the trades that the private stream did not deliver."""


class _Answer(msgspec.Struct):
    trades_since: TimeNs
    answered: float
    """When a sweep last named the request after it was received, by the monotonic clock."""


class SymbolSweeper:
    """Sweeps one symbol. One sweep at a time; the private stream may store events at any time."""

    def __init__(self, context: SweepContext, symbol: Symbol) -> None:
        self._context = context
        self._symbol = symbol
        self._events = OwnEvents(context.bus, context.outbox, context.venue, symbol, context.log)
        self._complete_through: TimeNs = 0
        self._full_sweep_time = -FULL_SWEEP_INTERVAL_S
        self._requests: dict[str, SweepRequest] = {}
        """Requests to be answered by the next sweep."""
        self._answering: frozenset[str] = frozenset()
        self._answers: dict[str, _Answer] = {}
        """Requests of which the trades were stored again: a repeated one is answered without storing them once more."""

    @property
    def has_requests(self) -> bool:
        return bool(self._requests)

    def request(self, request: SweepRequest) -> bool:
        """Add a request to be answered by the next sweep.

        Return whether it is to be answered: not if that is being done, or was done within the last second.
        """
        answer = self._answers.get(request.request_id)
        is_recent = answer is not None and monotonic_s() - answer.answered < MIN_ANSWER_INTERVAL_S
        if is_recent or request.request_id in self._answering:
            return False
        self._requests[request.request_id] = request
        return True

    async def store(self, event: Trade | Funding) -> None:
        """Store an event of the private stream unless a sweep has stored it."""
        await self._events.store(event)

    async def sweep(self, *, is_full: bool) -> None:
        """Query the venue, store missing trades and payments, answer requests, and publish the open orders.

        A full sweep fetches all trades from the mark of booked trades on, another one those since the sweep before it.
        """
        requests, self._requests = self._requests, {}
        self._answering = frozenset(requests)
        try:
            await self._sweep(list(requests.values()), is_full=is_full)
        finally:
            self._answering = frozenset()

    async def _sweep(self, requests: list[SweepRequest], *, is_full: bool) -> None:
        source, log = self._context.source, self._context.log
        started = monotonic_s()
        clock = await retry(source.clock, log)
        includes = await self._last_sequence()
        orders = await retry(partial(source.open_orders, self._symbol), log)
        is_full |= started - self._full_sweep_time >= FULL_SWEEP_INTERVAL_S
        await self._store_events(requests, clock, is_full=is_full)
        self._complete_through = clock.time
        if is_full:
            self._full_sweep_time = started
        self._remember_answers(requests)
        answers = self._answers
        open_orders = OpenOrders(
            venue=self._context.venue,
            symbol=self._symbol,
            orders=tuple(orders),
            includes=includes,
            complete_through=clock.time,
            trades_sequence=await self._last_sequence(),
            trades_since=min((each.trades_since for each in answers.values()), default=None),
            answers=tuple(answers),
            time=(await retry(source.clock, log)).time,
        )
        await self._context.outbox.store(subjects.open_orders(self._context.venue, self._symbol), open_orders)

    async def _store_events(self, requests: list[SweepRequest], clock: ClockRead, *, is_full: bool) -> None:
        """Store what requests ask for and what is missing, and once more if ORDERS has lost what was stored before."""
        since = min(self._complete_through, clock.time) - TRADE_OVERLAP_NS
        if is_full:
            since = await self._start(clock)
            self._events.forget_before(since)
        is_lost = False
        for _ in range(MAX_PASSES):
            if unanswered := [each for each in requests if not self._is_answered(each)]:
                await self._store_again(unanswered)
            await self._store_missing(since, is_lost=is_lost)
            is_lost = await self._events.is_lost()
            if not is_lost:
                return
            reached("orders_stream_changed")
            self._context.log.warning(
                "orders_stream_changed",
                symbol=self._symbol,
                detail="purged, recreated or restored, or another process stored trades",
                do="reading it again; what is missing is stored",
            )
            self._answers.clear()
            since = await self._start(clock, is_lost=True)

    async def _start(self, clock: ClockRead, *, is_lost: bool = False) -> TimeNs:
        """Return the start of a full sweep, and read from ORDERS which events since then are stored, if needed."""
        context = self._context
        start = await sweep_start(context.bus, context.venue, self._symbol, clock.time, context.log)
        if is_lost or self._events.since is None or start < self._events.since:
            await self._events.read(start, clock.time - clock.received_time)
        return start

    async def _store_missing(self, since: TimeNs, *, is_lost: bool) -> None:
        context = self._context
        for trade in await retry(partial(context.source.trades_since, self._symbol, since), context.log):
            swept = msgspec.structs.replace(trade, source=ReportSource.SWEEP)
            if await self._events.store(swept, is_lost=is_lost):
                reached("trade_found_by_sweep")
                context.found.inc()
                context.log.info("trade_found_by_sweep", symbol=self._symbol, trade_id=trade.trade_id)
        for payment in await self._payments_since(since):
            await self._events.store(payment, is_lost=is_lost)

    async def _store_again(self, requests: list[SweepRequest]) -> None:
        context, since = self._context, min(each.trades_since for each in requests)
        trades = await retry(partial(context.source.trades_since, self._symbol, since), context.log)
        for trade in trades:
            await self._events.store_again(msgspec.structs.replace(trade, source=ReportSource.SWEEP))
        for payment in await self._payments_since(since):
            await self._events.store_again(payment)
        for request in requests:
            self._answers[request.request_id] = _Answer(request.trades_since, monotonic_s())
            reached("sweep_request_answered")
            context.log.info(
                "sweep_request_answered",
                symbol=self._symbol,
                request_id=request.request_id,
                trades_since=request.trades_since,
                trades=len(trades),
            )

    async def _payments_since(self, since: TimeNs) -> list[Funding]:
        request = partial(self._context.source.funding_since, self._symbol, since - FUNDING_OVERLAP_NS)
        return await retry(request, self._context.log)

    def _is_answered(self, request: SweepRequest) -> bool:
        answer = self._answers.get(request.request_id)
        return answer is not None and answer.trades_since <= request.trades_since

    def _remember_answers(self, requests: list[SweepRequest]) -> None:
        now = monotonic_s()
        for request in requests:
            if (answer := self._answers.get(request.request_id)) is not None:
                answer.answered = now
        # Later sweeps name them too: of several unread sweeps, the engine reads the newest.
        self._answers = {
            request_id: answer
            for request_id, answer in self._answers.items()
            if now - answer.answered < MAX_ANSWER_AGE_S
        }

    async def _last_sequence(self) -> int:
        """Return the ORDERS sequence of the symbol's last event, 0 without one."""
        bus, log = self._context.bus, self._context.log
        order_events = subjects.own_order_events(self._context.venue, self._symbol)
        requests = (last_stored(bus, Stream.ORDERS, subject, log) for subject in order_events)
        last = await asyncio.gather(*requests)
        return max((message.sequence for message in last if message is not None), default=0)
