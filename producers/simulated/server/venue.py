"""The venue as a whole: books, market and store moving together, one transaction for each request and each tick."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import time_ns

from producers.ports import AccountUpdate, MarketEvent
from producers.simulated.market.model import ModelTape
from producers.simulated.market.tape import Tape, Tick, liquidity
from producers.simulated.matching.engine import Books
from producers.simulated.matching.orders import Arrival, NewOrder, Order, Refusal
from producers.simulated.server.store import Cursor, Store
from producers.simulated.settings import VenueSettings
from producers.simulated.wire import TRADES_A_PAGE, MarketFrame
from schemas.units import ClientOrderId, Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrder, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import Funding, OrderReport, RejectReason, Trade


class Venue:
    """One simulated venue. What it tells has been committed."""

    def __init__(
        self, settings: VenueSettings, store: Store, tape: Tape, books: Books, cursor: Cursor
    ) -> None:
        self.settings = settings
        self.tape = tape
        self.books = books
        self.cursor = cursor
        self.listeners: list[Callable[[Sequence[AccountUpdate]], None]] = []
        """Called with the account events of each transaction."""
        self.on_failure: Callable[[BaseException], None] = lambda _: None
        """Called once when the books in memory may be ahead of the store: the process has to end."""
        self._store = store
        self._symbols = {s.instrument.symbol: s for s in settings.symbols}
        self._is_dead = False

    @property
    def has_ended(self) -> bool:
        """There is no further tick."""
        return self.tape.last_tick is not None and self.cursor.tick >= self.tape.last_tick

    def now(self) -> TimeNs:
        """Return the venue's time; it never goes back."""
        return max(self.tape.time(self.cursor.tick, time_ns()), self.cursor.time)

    def instruments(self) -> list[Instrument]:
        return [s.instrument for s in self.settings.symbols]

    def arrived(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        """Take note that somebody wants an order, before anything becomes of it."""
        with self._dying():
            self._store.add_arrival(Arrival(symbol=symbol, client_order_id=client_order_id, time=time_ns()))

    def arrivals(self) -> list[Arrival]:
        """Return every request to place an order that ever came, oldest first."""
        return self._store.arrivals()

    def place(self, new: NewOrder) -> OrderReport:
        """Accept an order.

        Raises: Refusal.
        """
        with self._transaction() as time:
            return self.books.place(new, time)

    def cancel(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel an open order.

        Raises: Refusal.
        """
        with self._transaction() as time:
            return self.books.cancel(symbol, client_order_id, time)

    def order(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Return what there is of an order: the open one of that id, or the newest.

        Raises: Refusal.
        """
        order = self.books.open_order(symbol, client_order_id) or self._store.order(symbol, client_order_id)
        if order is None:
            raise Refusal(RejectReason.NOT_FOUND, f"no order {client_order_id}")
        return order.report(self.settings.venue)

    def open_orders(self, symbol: Symbol) -> list[OpenOrder]:
        """Return the open orders of a symbol, oldest first.

        Raises: Refusal.
        """
        return [order.listed() for order in self.books.open_orders(symbol)]

    def trades(self, symbol: Symbol, after: int, limit: int = TRADES_A_PAGE) -> list[Trade]:
        """Return own trades, oldest first.

        Raises: Refusal.
        """
        self.books.listing(symbol)
        return self._store.trades(symbol, after, min(limit, TRADES_A_PAGE))

    def fundings(self, symbol: Symbol, after: int, limit: int = TRADES_A_PAGE) -> list[Funding]:
        """Return funding payments, oldest first.

        Raises: Refusal.
        """
        self.books.listing(symbol)
        return self._store.fundings(symbol, after, min(limit, TRADES_A_PAGE))

    def all_fundings(self) -> list[Funding]:
        """Return every funding payment there ever was, as the store has them."""
        return self._store.all_fundings()

    def cancel_all(self, symbol: Symbol) -> int:
        """Cancel every open order of a symbol, whoever placed it, and return how many.

        Raises: Refusal.
        """
        with self._transaction() as time:
            orders = self.books.open_orders(symbol)
            for order in orders:
                self.books.cancel(symbol, order.client_order_id, time)
            return len(orders)

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle]:
        """Return the newest candles, oldest first.

        Raises: Refusal.
        """
        self.books.listing(symbol)
        candles = self.tape.candles(symbol, interval, limit)
        if candles is None:
            raise Refusal(RejectReason.OTHER, f"there are no candles of {interval}")
        return candles

    def positions(self) -> list[Position]:
        return self.books.account.positions(self.now())

    def balances(self) -> list[Balance]:
        return self.books.account.balances(self.now())

    def standing(self, symbols: frozenset[Symbol]) -> MarketFrame:
        """Return how the market stands, as the first thing that a stream sends."""
        ticks = [t for t in self.tape.standing(self.cursor.tick, self.cursor.time) if t.symbol in symbols]
        return self._frame(ticks)

    def tick(self) -> MarketFrame:
        """Let the market move on by one tick."""
        assert not self.has_ended
        number = self.cursor.tick + 1
        with self._dying():
            time = max(self.tape.time(number, time_ns()), self.cursor.time)
            ticks = self.tape.advance(number, time)
            for tick in ticks:
                settings = self._symbols[tick.symbol]
                traded = partial(liquidity, self.settings.seed, settings, tick.quote.last, number)
                self.books.trade_at(tick.symbol, tick.quote, traded, time)
            self._settle(time)
            self.cursor.tick = number
            closed = (
                [c for t in ticks for c in t.candles if c.closed] if isinstance(self.tape, ModelTape) else []
            )
            self._commit(time, closed, at_tick=True)
        return self._frame(ticks)

    def history(self) -> tuple[list[Order], list[Trade]]:
        """Return all orders and all trades there ever were, as the store has them."""
        return self._store.orders(), self._store.all_trades()

    def _settle(self, time: TimeNs) -> None:
        funding = self.settings.funding
        if funding.interval:
            self.books.pay_funding(funding.rate, funding.interval, time)
        if self.settings.maintenance_margin:
            self.books.liquidate(self.settings.maintenance_margin, time)

    @contextmanager
    def _transaction(self) -> Iterator[TimeNs]:
        time = self.now()
        with self._dying():
            yield time
            self._commit(time, [], at_tick=False)

    @contextmanager
    def _dying(self) -> Iterator[None]:
        if self._is_dead:
            raise RuntimeError("the venue failed and is ending")
        try:
            yield
        except Refusal:
            raise
        except BaseException as error:
            self._is_dead = True
            self.on_failure(error)
            raise

    def _commit(self, time: TimeNs, candles: list[Candle], *, at_tick: bool) -> None:
        self.cursor.time = time
        if isinstance(self.tape, ModelTape):
            self.cursor.paths = self.tape.paths()
        changes = self.books.take_changes(time, at_tick=at_tick)
        account = self.books.account
        self._store.commit(
            self.cursor,
            changes,
            wallets=account.wallets.values() if changes.filled else (),
            holdings=account.holdings.values() if changes.filled else (),
            candles=candles,
        )
        for listen in self.listeners:
            listen(changes.events)

    def _frame(self, ticks: list[Tick]) -> MarketFrame:
        venue, time = self.settings.venue, self.cursor.time
        return MarketFrame(
            tick=self.cursor.tick,
            events=tuple(event for tick in ticks for event in _events(venue, tick, time)),
            account_sequence=self.books.counters.event,
            time=time,
            is_last=self.has_ended,
            is_lock_step=self.settings.is_lock_step,
        )


def _events(venue: VenueId, tick: Tick, time: TimeNs) -> Iterator[MarketEvent]:
    if tick.gap:
        for state in (FeedState.GAPPED, FeedState.UP):
            yield FeedChanged(venue=venue, symbol=tick.symbol, state=state, reason=tick.gap, time=time)
    yield from (candle for candle in tick.candles if candle.closed)
    quote = tick.quote
    yield Ticker(venue=venue, symbol=tick.symbol, bid=quote.bid, ask=quote.ask, last=quote.last, time=time)
    yield from (candle for candle in tick.candles if not candle.closed)
