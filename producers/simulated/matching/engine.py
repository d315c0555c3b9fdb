"""Matching engine of the simulated venue: one account's orders matched against a quoted market.

Pure: no I/O, no clock, no randomness. All arithmetic is exact `Decimal`, and liquidity is an input, so the same requests
and ticks always give the same result.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal, localcontext

from producers.ports import AccountEvent, AccountUpdate
from producers.simulated.listing import Liquidity, Listing, Quote
from producers.simulated.matching.account import Account
from producers.simulated.matching.changes import Changes, Counters
from producers.simulated.matching.ledger import AMOUNT_STEP, EXACT, Holding, Wallet
from producers.simulated.matching.orders import NewOrder, Order, VenueRejection, validate_order
from schemas.units import (
    ClientOrderId,
    DurationNs,
    Price,
    Quantity,
    Ratio,
    Side,
    SignedQuantity,
    Symbol,
    TimeNs,
    TradeId,
    VenueId,
)
from schemas.venue.instruments import Instrument, InstrumentKind, InstrumentStatus, floor_to
from schemas.venue.orders import Funding, OrderReport, OrderStatus, RejectReason, Trade


class MatchingEngine:
    """Matches the orders of one account and books their trades."""

    def __init__(
        self,
        venue: VenueId,
        listings: dict[Symbol, Listing],
        wallets: Iterable[Wallet],
        quotes: Mapping[Symbol, Quote],
        *,
        holdings: Iterable[Holding] = (),
        orders: Iterable[Order] = (),
        counters: Counters | None = None,
    ) -> None:
        self._venue = venue
        self.account = Account(venue, listings, wallets, quotes, holdings)
        self.counters = counters or Counters()
        self._listings = listings
        self._open_orders = self.account.open_orders
        self._depth_left: dict[Symbol, Quantity] = {}
        """Quantity left at the best price for takers until the next tick."""
        self._changes = Changes()
        for order in orders:
            self._open_orders[order.symbol][order.client_order_id] = order

    def place(self, new: NewOrder, time: TimeNs) -> OrderReport:
        """Accept an order and return its NEW report; immediate fills are published as further events.

        Raises: VenueRejection.
        """
        with localcontext(EXACT):
            listing = self.listing(new.symbol)
            validate_order(listing.rules, new, self.account.quotes[new.symbol].last)
            self._check_admissible(new, listing)
            order = self._add_order(new, listing, time)
            accepted = order.report(self._venue)
            self._mark_changed(order)
            self._emit(accepted)
            if order.is_taking:
                self._fill_as_taker(order, listing, time)
            return accepted

    def cancel(self, symbol: Symbol, client_order_id: ClientOrderId, time: TimeNs) -> OrderReport:
        """Cancel an open order and return its final report.

        Raises: VenueRejection: NOT_FOUND when the order is not open.
        """
        self.listing(symbol)
        order = self._open_orders[symbol].get(client_order_id)
        if order is None:
            raise VenueRejection(RejectReason.NOT_FOUND, f"no open order {client_order_id}")
        return self._finish(order, OrderStatus.CANCELED, time)

    def apply_tick(
        self, symbol: Symbol, quote: Quote, liquidity: Callable[[], Liquidity], time: TimeNs
    ) -> None:
        """Apply one market tick and fill the resting orders that it reaches, best price first.

        An order that the price trades through fills from all of the traded quantity; an order that is only touched fills
        from the queue share of it.
        """
        self.account.quotes[symbol] = quote
        self._depth_left.pop(symbol, None)
        reached = [
            order for order in self._open_orders[symbol].values() if quote.reaches(order.side, order.price)
        ]
        if not reached or self._listings[symbol].rules.status is not InstrumentStatus.TRADING:
            return
        with localcontext(EXACT):
            listing = self._listings[symbol]
            left, queue_share = liquidity()
            for order in sorted(reached, key=_priority):
                if order.is_taking and quote.crosses(order.side, order.price):
                    self._fill_as_taker(order, listing, time)
                    continue
                order.is_taking = False
                is_through = quote.is_through(order.side, order.price)
                offered = left if is_through else floor_to(left * queue_share, listing.rules.lot_size)
                left -= self._fill(order, offered, order.price, time=time, is_maker=True)

    def pay_funding(self, rate: Ratio, interval: DurationNs, time: TimeNs) -> None:
        """Book one funding payment per position if an interval has passed: only one, also after several missed intervals.

        At a positive rate longs pay shorts.
        """
        due = time - time % interval
        last, self.counters.funded_time = self.counters.funded_time, due
        if not 0 < last < due:
            return
        with localcontext(EXACT):
            for symbol, holding in self.account.holdings.items():
                if holding.quantity:
                    self._pay_funding(symbol, holding.quantity, rate, due)

    def replace_rules(self, rules: Instrument) -> None:
        """Replace the trading rules of a symbol. Open orders stay as they are."""
        self._listings[rules.symbol] = self._listings[rules.symbol]._replace(rules=rules)

    def liquidate(self, maintenance_margin: Ratio, time: TimeNs) -> None:
        """Cancel the orders and close the positions that are below maintenance margin.

        Positions are closed at the market with the taker fee, as a trade without a client order id.
        """
        with localcontext(EXACT):
            for symbol in self.account.below_maintenance(maintenance_margin):
                for order in list(self._open_orders[symbol].values()):
                    self._finish(order, OrderStatus.CANCELED, time, detail="liquidation")
                self._liquidate_position(symbol, time)

    def take_changes(self, time: TimeNs, *, at_tick: bool) -> Changes:
        """Return the changes since the last call, with the resulting positions and balances as the last events.

        After fills they are published at once; a change of locked amounts alone is published at the next tick.
        """
        changes = self._changes
        if changes.filled or (at_tick and self.counters.pending_balances):
            with localcontext(EXACT):
                for symbol in sorted(changes.filled):
                    self._emit(self.account.position(symbol, time))
                for asset in sorted(changes.assets | self.counters.pending_balances):
                    self._emit(self.account.balance(asset, time))
            self.counters.pending_balances = set()
        else:
            self.counters.pending_balances |= changes.assets
        self._changes = Changes()
        return changes

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

    def _check_admissible(self, new: NewOrder, listing: Listing) -> None:
        orders = self._open_orders[new.symbol]
        if new.client_order_id in orders:
            raise VenueRejection(RejectReason.DUPLICATE_ID, f"an order {new.client_order_id} is already open")
        if new.reduce_only and not self.account.closable_quantity(new.symbol, new.side):
            raise VenueRejection(
                RejectReason.REDUCE_ONLY, f"no position that a {new.side} order would reduce"
            )
        quote = self.account.quotes[new.symbol]
        if new.post_only and quote.crosses(new.side, new.price):
            best = quote.other_side(new.side)
            raise VenueRejection(
                RejectReason.POST_ONLY_WOULD_CROSS, f"{new.side} at {new.price} would trade at {best}"
            )
        if len(orders) >= listing.maximum_open_orders:
            raise VenueRejection(
                RejectReason.OTHER, f"at most {listing.maximum_open_orders} open orders per symbol"
            )

    def _add_order(self, new: NewOrder, listing: Listing, time: TimeNs) -> Order:
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
            is_taking=self.account.quotes[new.symbol].crosses(new.side, new.price),
            placed_time=time,
            time=time,
        )
        self.account.add_order(order)
        self.counters.order = number
        return order

    def _fill_as_taker(self, order: Order, listing: Listing, time: TimeNs) -> None:
        price = self.account.quotes[order.symbol].other_side(order.side)
        depth = self._depth_left.get(order.symbol)
        if depth is None:
            depth = max(listing.rules.quantity_down(listing.depth_notional / price), listing.rules.lot_size)
        filled = self._fill(order, depth, price, time=time, is_maker=False)
        self._depth_left[order.symbol] = depth - filled

    def _fill(
        self, order: Order, offered: Quantity, price: Price, *, time: TimeNs, is_maker: bool
    ) -> Quantity:
        quantity = min(offered, order.remaining)
        is_capped = False
        if order.reduce_only:
            closable = self.account.closable_quantity(order.symbol, order.side)
            is_capped = quantity > closable
            quantity = min(quantity, closable)
        if quantity:
            self._execute(order, quantity, price, time=time, is_maker=is_maker)
        if is_capped:
            self._finish(order, OrderStatus.EXPIRED, time, detail="reduce-only: the position is closed")
        elif not order.remaining:
            self._finish(order, OrderStatus.FILLED, time)
        elif quantity:
            order.status, order.time = OrderStatus.PARTIALLY_FILLED, time
            self._mark_changed(order)
            self._emit(order.report(self._venue))
        return quantity

    def _execute(
        self, order: Order, quantity: Quantity, price: Price, *, time: TimeNs, is_maker: bool
    ) -> None:
        order.filled += quantity
        self._book_trade(
            order.symbol,
            order.side,
            quantity,
            price,
            time=time,
            is_maker=is_maker,
            client_order_id=order.client_order_id,
            venue_order_id=str(order.number),
        )

    def _liquidate_position(self, symbol: Symbol, time: TimeNs) -> None:
        held = self.account.holdings[symbol].quantity
        side = Side.SELL if held > 0 else Side.BUY
        price = self.account.quotes[symbol].other_side(side)
        self._book_trade(
            symbol,
            side,
            abs(held),
            price,
            time=time,
            is_maker=False,
            client_order_id=ClientOrderId(""),
            venue_order_id="liquidation",
        )

    def _book_trade(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Quantity,
        price: Price,
        *,
        time: TimeNs,
        is_maker: bool,
        client_order_id: ClientOrderId,
        venue_order_id: str,
    ) -> None:
        listing = self._listings[symbol]
        rules = listing.rules
        fee, fee_asset = self.account.fee(
            listing, side, quantity, price, rules.maker_fee if is_maker else rules.taker_fee
        )
        self.counters.trade += 1
        trade = Trade(
            venue=self._venue,
            symbol=symbol,
            trade_id=TradeId(str(self.counters.trade)),
            client_order_id=client_order_id,
            side=side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            time=time,
            venue_order_id=venue_order_id,
        )
        self.account.book_trade(trade)
        self._changes.filled.add(symbol)
        self._changes.assets |= {rules.settle, fee_asset}
        self._changes.trades.append(trade)
        self._emit(trade)

    def _pay_funding(self, symbol: Symbol, held: SignedQuantity, rate: Ratio, due: TimeNs) -> None:
        self.counters.funding += 1
        funding = Funding(
            venue=self._venue,
            symbol=symbol,
            funding_id=str(self.counters.funding),
            amount=-(held * self.account.quotes[symbol].last * rate).quantize(AMOUNT_STEP, ROUND_CEILING),
            rate=rate,
            position=held,
            time=due,
        )
        self.account.book_funding(funding)
        self._changes.filled.add(symbol)
        self._changes.assets.add(self._listings[symbol].rules.settle)
        self._changes.fundings.append(funding)
        self._emit(funding)

    def _finish(self, order: Order, status: OrderStatus, time: TimeNs, detail: str = "") -> OrderReport:
        order.status, order.time, order.detail = status, time, detail
        del self._open_orders[order.symbol][order.client_order_id]
        self._mark_changed(order)
        report = order.report(self._venue)
        self._emit(report)
        return report

    def _mark_changed(self, order: Order) -> None:
        rules = self._listings[order.symbol].rules
        self._changes.orders[order.number] = order
        self._changes.assets.add(rules.settle)
        if rules.kind is InstrumentKind.SPOT:
            self._changes.assets.add(rules.base)

    def _emit(self, event: AccountEvent) -> None:
        self.counters.event += 1
        self._changes.events.append(AccountUpdate(self.counters.event, event))


def _priority(order: Order) -> tuple[Side, Decimal, int]:
    return order.side, -order.side.sign * order.price, order.number
