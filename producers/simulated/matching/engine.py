"""Matching engine of the simulated venue: one account's orders matched against a quoted market.

Pure: no I/O, no clock, no randomness. All arithmetic is exact `Decimal`, and liquidity is an input, so the same requests
and ticks always give the same result.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext

import msgspec

from producers.simulated.listing import Liquidity, Listing, Quote
from producers.simulated.matching.account import Account
from producers.simulated.matching.changes import Changes, Counters, StoredState
from producers.simulated.matching.conditionals import Conditional, NewConditional
from producers.simulated.matching.execution import Execution
from producers.simulated.matching.fee_tiers import fees_at
from producers.simulated.matching.fills import TickLiquidity, quantity_ahead
from producers.simulated.matching.ledger import EXACT, Wallet
from producers.simulated.matching.orders import NewOrder, Order, VenueRejection, validate_order
from producers.simulated.matching.records import Records
from producers.simulated.matching.settlement import Settlement
from producers.simulated.matching.triggers import Triggers
from producers.simulated.parameters import PositionMode, PositionSide, SelfTradePrevention
from schemas.units import ClientOrderId, DurationNs, Price, Ratio, Side, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind, InstrumentStatus
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason


class MatchingEngine:
    """Matches the orders of one account and books their trades."""

    def __init__(
        self,
        venue: VenueId,
        listings: dict[Symbol, Listing],
        wallets: Iterable[Wallet],
        quotes: Mapping[Symbol, Quote],
        *,
        stored: StoredState | None = None,
        position_mode: PositionMode = PositionMode.ONE_WAY,
    ) -> None:
        stored = stored or StoredState()
        self._venue = venue
        self.account = Account(venue, listings, wallets, quotes, stored.holdings, position_mode)
        self.counters = stored.counters or Counters()
        self._listings = listings
        self._open_orders = self.account.open_orders
        self._records = Records(venue, listings, self.account, self.counters)
        self._execution = Execution(listings, self.account, self._records)
        self.settlement = Settlement(
            listings, self.account, self._records, self._execution.book, self._execution.take_depth
        )
        self.triggers = Triggers(self.listing, self.account.quotes, self._records, stored.conditionals)
        for order in stored.orders:
            self._open_orders[order.symbol][order.client_order_id] = order

    def place(self, new: NewOrder, time: TimeNs, delay: DurationNs = 0) -> OrderReport:
        """Accept an order and return its NEW report; immediate fills are published as further events.

        With a delay it reaches the book only at a later tick, on the quote before it.
        Raises: VenueRejection.
        """
        with localcontext(EXACT):
            return self._place(new, time, delay)

    def cancel(
        self, symbol: Symbol, client_order_id: ClientOrderId, time: TimeNs, delay: DurationNs = 0
    ) -> OrderReport:
        """Cancel an open order and return its final report; with a delay its present one, and the final one later.

        Raises: VenueRejection: NOT_FOUND when the order is not open.
        """
        self.listing(symbol)
        order = self._open_orders[symbol].get(client_order_id)
        if order is None:
            raise VenueRejection(RejectReason.NOT_FOUND, f"no open order {client_order_id}")
        if not delay:
            return self._records.finish(order, OrderStatus.CANCELED, time)
        if order.cancel_time is None:
            order.cancel_time = time + delay
            self._records.mark_changed(order)
        return order.report(self._venue)

    def place_conditional(self, new: NewConditional, time: TimeNs) -> Conditional:
        """Accept a conditional order.

        Raises: VenueRejection.
        """
        side = self._checked_position_side(new.symbol, new.position_side)
        return self.triggers.add(msgspec.structs.replace(new, position_side=side), time)

    def apply_tick(
        self,
        symbol: Symbol,
        quote: Quote,
        liquidity: Callable[[], Liquidity],
        time: TimeNs,
        *,
        is_halted: bool = False,
    ) -> None:
        """Apply one market tick and fill the resting orders that it reaches, best price first.

        An order that the price trades through is filled, up to the recorded volume of the candle where there is one. One
        that is only touched fills by the fill model. Requests that were on their way come before the tick. Nothing is filled
        while the venue is halted.
        """
        with localcontext(EXACT):
            self._apply_arrivals(symbol, time)
            self.account.quotes[symbol] = quote
            self._execution.refill(symbol)
            if is_halted or self._listings[symbol].rules.status is not InstrumentStatus.TRADING:
                return
            for conditional in self.triggers.reached(symbol, quote.mark_price):
                self._send_child(conditional, time)
            self._match(symbol, quote, liquidity, time)

    def pay_funding(self, rate: Ratio, interval: DurationNs, time: TimeNs) -> None:
        """Book the funding payments that are due; see `Settlement.pay_funding`."""
        self.settlement.pay_funding(rate, interval, time)

    def liquidate(self, time: TimeNs) -> None:
        """Close the positions that are below maintenance margin; see `Settlement.liquidate`."""
        self.settlement.liquidate(time)

    def replace_rules(self, rules: Instrument, time: TimeNs) -> None:
        """Replace the trading rules of a symbol. Open orders stay as they are, unless it is delisted.

        A delisting cancels them and settles the positions at the mark price.
        """
        symbol = rules.symbol
        self._listings[symbol] = self._listings[symbol]._replace(rules=rules)
        if rules.status is InstrumentStatus.DELISTED:
            for order in list(self._open_orders[symbol].values()):
                self._records.finish(order, OrderStatus.CANCELED, time, detail="delisted")
            self.triggers.cancel_all(symbol, time, "delisted")
            self.settlement.settle(symbol, time)

    def rules(self, symbol: Symbol, time: TimeNs) -> Instrument:
        """Return the trading rules of a symbol, with the fees of the account's tier at a time."""
        listing = self.listing(symbol)
        if not listing.fee_tiers:
            return listing.rules
        fees = fees_at(listing, self.counters, time)
        return msgspec.structs.replace(listing.rules, maker_fee=fees.maker, taker_fee=fees.taker)

    def take_changes(self, time: TimeNs, *, at_tick: bool) -> Changes:
        """Return the changes since the last call; see `Records.take_changes`."""
        return self._records.take_changes(time, at_tick=at_tick)

    def listing(self, symbol: Symbol) -> Listing:
        """Return the listing of a symbol.

        Raises: VenueRejection: UNKNOWN_SYMBOL.
        """
        listing = self._listings.get(symbol)
        if listing is None:
            raise VenueRejection(RejectReason.UNKNOWN_SYMBOL, f"{symbol} is not traded here")
        return listing

    def open_orders(self, symbol: Symbol) -> list[Order]:
        """Return the open orders of a symbol, oldest first.

        Raises: VenueRejection: UNKNOWN_SYMBOL.
        """
        self.listing(symbol)
        return list(self._open_orders[symbol].values())

    def open_order(self, symbol: Symbol, client_order_id: ClientOrderId) -> Order | None:
        """Return the open order of an id, None if there is none.

        Raises: VenueRejection: UNKNOWN_SYMBOL.
        """
        self.listing(symbol)
        return self._open_orders[symbol].get(client_order_id)

    def _place(
        self, new: NewOrder, time: TimeNs, delay: DurationNs = 0, *, is_immediate: bool = False
    ) -> OrderReport:
        listing, quote = self.listing(new.symbol), self.account.quotes[new.symbol]
        new = self._with_position_side(new)
        is_perpetual = listing.rules.kind is InstrumentKind.LINEAR_PERPETUAL
        validate_order(listing.rules, new, quote.mark_price if is_perpetual else quote.last)
        self._check_admissible(new, listing)
        if not delay:
            self._check_post_only(new.side, new.price, new.symbol, is_post_only=new.post_only)
        order = self._add_order(new, listing, time, is_immediate=is_immediate)
        order.arrival_time = time + delay if delay else None
        accepted = order.report(self._venue)
        self._records.mark_changed(order)
        self._records.emit(accepted)
        if not delay:
            self._arrive(order, time)
        return accepted

    def _apply_arrivals(self, symbol: Symbol, time: TimeNs) -> None:
        due: list[tuple[TimeNs, int, Order, bool]] = []
        for order in self._open_orders[symbol].values():
            if order.arrival_time is not None and order.arrival_time <= time:
                due.append((order.arrival_time, order.number, order, False))
            if order.cancel_time is not None and order.cancel_time <= time:
                due.append((order.cancel_time, order.number, order, True))
        for at, _, order, is_cancel in sorted(due, key=lambda each: (each[0], each[3], each[1])):
            if not order.is_open:
                continue
            if is_cancel:
                self._records.finish(order, OrderStatus.CANCELED, at)
                continue
            order.arrival_time = None
            self._records.mark_changed(order)
            try:
                self._check_post_only(order.side, order.price, symbol, is_post_only=order.post_only)
            except VenueRejection as rejection:
                self._records.finish(order, OrderStatus.REJECTED, at, rejection.detail, rejection.reason)
            else:
                self._arrive(order, at)

    def _arrive(self, order: Order, time: TimeNs) -> None:
        listing, quote = self._listings[order.symbol], self.account.quotes[order.symbol]
        order.queue_ahead = quantity_ahead(listing, quote, order.side, order.price)
        order.is_taking = quote.crosses(order.side, order.price)
        if listing.rules.status is InstrumentStatus.TRADING:
            self._execution.trade_at_once(order, time)

    def _match(self, symbol: Symbol, quote: Quote, liquidity: Callable[[], Liquidity], time: TimeNs) -> None:
        reached = [
            order
            for order in self._open_orders[symbol].values()
            if order.arrival_time is None and quote.reaches(order.side, order.price)
        ]
        if not reached:
            return
        offered = TickLiquidity(self._listings[symbol], liquidity(), self.counters.candle_fills.get(symbol))
        for order in sorted(reached, key=_priority):
            if order.is_taking and quote.crosses(order.side, order.price):
                self._execution.take(order, order.price, time)
                continue
            order.is_taking = False
            is_through = quote.is_through(order.side, order.price)
            ahead = order.queue_ahead
            offer = offered.offer(order, is_through=is_through)
            filled = self._execution.fill(order, offer, order.price, time, is_maker=True)
            offered.take(filled, is_through=is_through)
            if order.queue_ahead != ahead:
                self._records.changes.orders[order.number] = order
        if offered.candle_fills is not None:
            self.counters.candle_fills[symbol] = offered.candle_fills

    def _send_child(self, conditional: Conditional, time: TimeNs) -> None:
        name = ClientOrderId(f"stop-{self.counters.order + 1}")
        new = self.triggers.child_order(conditional, name)
        try:
            self._place(new, time, is_immediate=conditional.new.price is None)
        except VenueRejection as rejection:
            self.triggers.reject(conditional, time, rejection.detail)
        else:
            self.triggers.finish(conditional, time, name)

    def _with_position_side(self, new: NewOrder) -> NewOrder:
        side = self._checked_position_side(new.symbol, new.position_side)
        if side is PositionSide.NET:
            return new
        is_closing = (side is PositionSide.LONG) is (new.side is Side.SELL)
        return msgspec.structs.replace(new, reduce_only=is_closing)

    def _checked_position_side(self, symbol: Symbol, side: PositionSide) -> PositionSide:
        listing = self.listing(symbol)
        is_hedged = (
            self.account.held.mode is PositionMode.HEDGE
            and listing.rules.kind is InstrumentKind.LINEAR_PERPETUAL
        )
        if is_hedged is (side is PositionSide.NET):
            needed = "long or short" if is_hedged else "empty"
            raise VenueRejection(
                RejectReason.OTHER,
                f"position_side has to be {needed} in position mode {self.account.held.mode}",
            )
        return side

    def _check_admissible(self, new: NewOrder, listing: Listing) -> None:
        orders = self._open_orders[new.symbol]
        if new.client_order_id in orders:
            raise VenueRejection(RejectReason.DUPLICATE_ID, f"an order {new.client_order_id} is already open")
        if new.reduce_only and not self.account.closable_quantity(new.symbol, new.side, new.position_side):
            raise VenueRejection(
                RejectReason.REDUCE_ONLY, f"no position that a {new.side} order would reduce"
            )
        if len(orders) >= listing.maximum_open_orders:
            raise VenueRejection(
                RejectReason.OTHER, f"at most {listing.maximum_open_orders} open orders per symbol"
            )

    def _check_post_only(self, side: Side, price: Price, symbol: Symbol, *, is_post_only: bool) -> None:
        if not is_post_only:
            return
        quote = self.account.quotes[symbol]
        best = quote.other_side(side) if quote.crosses(side, price) else None
        if self._listings[symbol].self_trade_prevention is not SelfTradePrevention.IGNORE:
            own = self._execution.own_opposite(symbol, side, price)
            best = own[0].price if own and best is None else best
        if best is not None:
            raise VenueRejection(
                RejectReason.POST_ONLY_WOULD_CROSS, f"{side} at {price} would trade at {best}"
            )

    def _add_order(self, new: NewOrder, listing: Listing, time: TimeNs, *, is_immediate: bool) -> Order:
        number = self.counters.order + 1
        order = Order(
            number=number,
            symbol=new.symbol,
            client_order_id=new.client_order_id or ClientOrderId(f"web-{number}"),
            side=new.side,
            price=new.price.quantize(listing.rules.tick_size),
            quantity=new.quantity.quantize(listing.rules.lot_size),
            post_only=new.post_only,
            reduce_only=new.reduce_only,
            immediate=is_immediate,
            position_side=new.position_side,
            placed_time=time,
            time=time,
        )
        self.account.add_order(order)
        self.counters.order = number
        return order


def _priority(order: Order) -> tuple[Side, Decimal, int]:
    return order.side, -order.side.sign * order.price, order.number
