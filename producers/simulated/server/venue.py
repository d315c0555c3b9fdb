"""The venue: matching engine, market and store, with one transaction per request and per tick."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from bus.runtime import time_ns
from producers.ports import AccountUpdate
from producers.simulated.draws import key_of
from producers.simulated.market.model import ModelTape
from producers.simulated.market.tape import Tape, Tick, draw_liquidity
from producers.simulated.matching.conditionals import Conditional, NewConditional
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import Arrival, NewOrder, Order, VenueRejection
from producers.simulated.server.frames import market_events
from producers.simulated.server.latency import request_delay
from producers.simulated.server.schedule import Schedule, changed
from producers.simulated.server.store import Cursor, Store
from producers.simulated.settings import VenueSettings, symbol_mistakes
from producers.simulated.wire import MAX_PAGE_ROWS, MarketFrame, Marks
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Quantity, Symbol, TimeNs
from schemas.venue.account import Balance, OpenOrder, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle
from schemas.venue.orders import Funding, OrderReport, RejectReason, Trade


class Venue:
    """One simulated venue. Events are published after they are committed.

    `on_failure` is called once when a transaction fails: memory may then be ahead of the store, every further request
    raises, and the process must end.
    """

    def __init__(
        self,
        settings: VenueSettings,
        store: Store,
        tape: Tape,
        matching: MatchingEngine,
        cursor: Cursor,
        schedule: Schedule,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.settings = settings
        self.tape = tape
        self.matching = matching
        self.cursor = cursor
        self._schedule = schedule
        self._on_failure = on_failure
        self._listeners: list[Callable[[Sequence[AccountUpdate]], None]] = []
        self._store = store
        self._symbols = {s.instrument.symbol: s for s in settings.symbols}
        self._has_failed = False

    @property
    def has_ended(self) -> bool:
        """Whether the market has made its last tick."""
        return self.tape.last_tick is not None and self.cursor.tick >= self.tape.last_tick

    def now(self) -> TimeNs:
        """Return the market time; it never decreases."""
        return max(self.tape.time(self.cursor.tick, time_ns()), self.cursor.time)

    def subscribe(self, listener: Callable[[Sequence[AccountUpdate]], None]) -> None:
        """Call `listener` with the account events of each transaction once it is committed."""
        self._listeners.append(listener)

    def instruments(self) -> list[Instrument]:
        """Return the trading rules of all symbols, with the fees that the account pays now."""
        time = self.now()
        return [self.matching.rules(symbol, time) for symbol in self._symbols]

    def contract_sizes(self) -> dict[Symbol, Quantity]:
        """Return the contract sizes of the symbols that are counted in contracts."""
        rules = (self.matching.listing(symbol).rules for symbol in self._symbols)
        return {each.symbol: each.contract_size for each in rules if each.contract_size != 1}

    def marks(self, symbol: Symbol) -> Marks:
        """Return mark and index price of a symbol, and its next funding.

        Raises: VenueRejection.
        """
        self.matching.listing(symbol)
        quote, funding, time = self.matching.account.quotes[symbol], self.settings.funding, self.now()
        is_funded = bool(funding.interval) and symbol in self.matching.account.holdings
        return Marks(
            symbol=symbol,
            mark=quote.mark_price,
            index=quote.index_price,
            funding_rate=funding.rate if is_funded else None,
            next_funding_time=time - time % funding.interval + funding.interval if is_funded else None,
        )

    def maintenance_left_s(self) -> float | None:
        """Return the market seconds until the present maintenance ends, None without one."""
        time = self.now()
        end = self._schedule.maintenance_end(time)
        return None if end is None else (end - time) / SECOND_NS

    def replace_instrument(self, instrument: Instrument) -> None:
        """Change the trading rules of a symbol until the venue restarts. A delisting cancels its open orders.

        Raises: VenueRejection.
        """
        self.matching.listing(instrument.symbol)
        settings = msgspec.structs.replace(self._symbols[instrument.symbol], instrument=instrument)
        if mistakes := symbol_mistakes(self.settings, settings):
            raise VenueRejection(RejectReason.OTHER, "; ".join(mistakes))
        with self._transaction() as time:
            self.matching.replace_rules(instrument, time)

    def record_arrival(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        """Store the arrival of a request to place an order, before it is processed."""
        with self._fail_on_error():
            self._store.add_arrival(Arrival(symbol=symbol, client_order_id=client_order_id, time=time_ns()))

    def arrivals(self) -> list[Arrival]:
        """Return all requests to place an order, oldest first."""
        return self._store.arrivals()

    def apply_due_rules(self) -> None:
        """Apply the scheduled rule changes that are due, such as those of before a restart."""
        if self.settings.rule_changes:
            with self._transaction() as time:
                self._apply_rule_changes(time)

    def place(self, new: NewOrder) -> OrderReport:
        """Accept an order.

        Raises: VenueRejection.
        """
        with self._transaction() as time:
            return self.matching.place(new, time, self._market_delay(new.client_order_id, "place"))

    def cancel(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel an open order.

        Raises: VenueRejection.
        """
        with self._transaction() as time:
            delay = self._market_delay(client_order_id, "cancel")
            return self.matching.cancel(symbol, client_order_id, time, delay)

    def place_conditional(self, new: NewConditional) -> Conditional:
        """Accept a conditional order.

        Raises: VenueRejection.
        """
        with self._transaction() as time:
            return self.matching.place_conditional(new, time)

    def cancel_conditional(self, symbol: Symbol, client_order_id: ClientOrderId) -> Conditional:
        """Cancel an open conditional order.

        Raises: VenueRejection.
        """
        with self._transaction() as time:
            return self.matching.triggers.cancel(symbol, client_order_id, time)

    def conditional(self, symbol: Symbol, client_order_id: ClientOrderId) -> Conditional:
        """Return the newest conditional order with an id, open or final.

        Raises: VenueRejection: UNKNOWN_SYMBOL, NOT_FOUND.
        """
        self.matching.listing(symbol)
        found = self._store.conditional(symbol, client_order_id)
        if found is None:
            raise VenueRejection(RejectReason.NOT_FOUND, f"no conditional order {client_order_id}")
        return found

    def conditionals(self, symbol: Symbol) -> list[Conditional]:
        """Return the open conditional orders of a symbol, oldest first.

        Raises: VenueRejection.
        """
        return self.matching.triggers.of(symbol)

    def order(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Return the report of the open order with an id, or else of the newest one.

        Raises: VenueRejection: UNKNOWN_SYMBOL, NOT_FOUND.
        """
        order = self.matching.open_order(symbol, client_order_id) or self._store.order(
            symbol, client_order_id
        )
        if order is None:
            raise VenueRejection(RejectReason.NOT_FOUND, f"no order {client_order_id}")
        return order.report(self.settings.venue)

    def open_orders(self, symbol: Symbol) -> list[OpenOrder]:
        """Return the open orders of a symbol, oldest first.

        Raises: VenueRejection.
        """
        return [order.to_open_order() for order in self.matching.open_orders(symbol)]

    def trades(self, symbol: Symbol, since: TimeNs, after: int = 0) -> list[Trade]:
        """Return a page of own trades, oldest first: of time `since` with numbers above `after`, then of later times.

        Raises: VenueRejection.
        """
        self.matching.listing(symbol)
        return self._store.trades(symbol, since, after, MAX_PAGE_ROWS)

    def fundings(self, symbol: Symbol, since: TimeNs, after: int = 0) -> list[Funding]:
        """Return a page of funding payments, like `trades`.

        Raises: VenueRejection.
        """
        self.matching.listing(symbol)
        return self._store.fundings(symbol, since, after, MAX_PAGE_ROWS)

    def all_fundings(self) -> list[Funding]:
        """Return all funding payments in the store."""
        return self._store.all_fundings()

    def cancel_all(self, symbol: Symbol) -> int:
        """Cancel every open order of a symbol and return their number.

        Raises: VenueRejection.
        """
        with self._transaction() as time:
            orders = self.matching.open_orders(symbol)
            for order in orders:
                self.matching.cancel(symbol, order.client_order_id, time)
            return len(orders)

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle]:
        """Return the newest candles, oldest first.

        Raises: VenueRejection.
        """
        self.matching.listing(symbol)
        candles = self.tape.candles(symbol, interval, limit)
        if candles is None:
            raise VenueRejection(RejectReason.OTHER, f"no candles of interval {interval}")
        return candles

    def positions(self) -> list[Position]:
        return self.matching.account.positions(self.now())

    def balances(self) -> list[Balance]:
        return self.matching.account.balances(self.now())

    def snapshot(self, symbols: frozenset[Symbol]) -> MarketFrame:
        """Return the present state of the market as a frame: the first one of a stream."""
        ticks = [t for t in self.tape.snapshot(self.cursor.tick, self.cursor.time) if t.symbol in symbols]
        return self._frame(ticks)

    def tick(self) -> MarketFrame:
        """Advance the market by one tick and commit it."""
        assert not self.has_ended
        number = self.cursor.tick + 1
        with self._fail_on_error():
            time = max(self.tape.time(number, time_ns()), self.cursor.time)
            ticks = self.tape.advance(number, time)
            self._apply_rule_changes(time)
            in_maintenance = self._schedule.maintenance_end(time) is not None
            for tick in ticks:
                settings = self._symbols[tick.symbol]
                traded = partial(draw_liquidity, self.settings, settings, tick, number)
                self.matching.apply_tick(tick.symbol, tick.quote, traded, time, is_halted=in_maintenance)
            self._apply_funding_and_liquidation(time)
            self.cursor.tick = number
            closed = (
                [c for t in ticks for c in t.candles if c.closed] if isinstance(self.tape, ModelTape) else []
            )
            self._commit(time, closed, at_tick=True)
        return self._frame(ticks)

    def history(self) -> tuple[list[Order], list[Trade]]:
        """Return all orders and all trades in the store."""
        return self._store.orders(), self._store.all_trades()

    def _apply_funding_and_liquidation(self, time: TimeNs) -> None:
        funding = self.settings.funding
        if funding.interval:
            self.matching.pay_funding(funding.rate, funding.interval, time)
        if self.matching.account.held.has_maintenance():
            self.matching.liquidate(time)

    def _apply_rule_changes(self, time: TimeNs) -> None:
        for each in self._schedule.take_due(time):
            self.matching.replace_rules(changed(self.matching.listing(each.symbol).rules, each.changes), time)

    def _market_delay(self, client_order_id: ClientOrderId, action: str) -> DurationNs:
        """Return the market time that a request takes to the book: 0 where it takes that time by the clock.

        Drawn by the order's id, so that it does not depend on the order in which requests arrive.
        """
        latency = self.settings.latency
        if not (latency and self.settings.is_lock_step):
            return 0
        key = key_of(self.settings.seed, "latency", action, client_order_id)
        return request_delay(latency, key, self.cursor.tick)

    @contextmanager
    def _transaction(self) -> Iterator[TimeNs]:
        time = self.now()
        with self._fail_on_error():
            yield time
            self._commit(time, [], at_tick=False)

    @contextmanager
    def _fail_on_error(self) -> Iterator[None]:
        if self._has_failed:
            raise RuntimeError("the venue has failed and is shutting down")
        try:
            yield
        except VenueRejection:
            raise
        except BaseException as error:
            self._has_failed = True
            self._on_failure(error)
            raise

    def _commit(self, time: TimeNs, candles: list[Candle], *, at_tick: bool) -> None:
        self.cursor.time = time
        if isinstance(self.tape, ModelTape):
            self.cursor.paths = self.tape.paths()
        changes = self.matching.take_changes(time, at_tick=at_tick)
        account = self.matching.account
        self._store.commit(
            self.cursor,
            changes,
            wallets=account.wallets.values() if changes.filled else (),
            holdings=account.held.all() if changes.filled else (),
            candles=candles,
        )
        for listener in self._listeners:
            listener(changes.events)

    def _frame(self, ticks: list[Tick]) -> MarketFrame:
        venue, time = self.settings.venue, self.cursor.time
        return MarketFrame(
            tick=self.cursor.tick,
            events=tuple(event for tick in ticks for event in market_events(venue, tick, time)),
            account_sequence=self.matching.counters.event,
            time=time,
            is_last=self.has_ended,
            is_lock_step=self.settings.is_lock_step,
        )
