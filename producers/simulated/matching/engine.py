"""The simulated venue's books: orders matched against a market, and the account they are paid from. Pure: no I/O.

Everything is `Decimal` and exact. What the market offers comes in from outside, so the same requests and ticks always
give the same books.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import NamedTuple

from producers.ports import AccountEvent, AccountUpdate
from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.account import Account
from producers.simulated.matching.changes import Changes, Counters
from producers.simulated.matching.ledger import CENT, EXACT, Holding, Wallet, fee_of
from producers.simulated.matching.orders import NewOrder, Order, Refusal, check_rules
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
from schemas.venue.instruments import InstrumentKind, floor_to
from schemas.venue.orders import Funding, OrderReport, OrderStatus, RejectReason, Trade


class Liquidity(NamedTuple):
    """What others trade in one tick."""

    traded: Quantity
    """All that our resting orders can get together."""
    queue_share: Ratio
    """The part of it that reaches us when the price only touches our order: others wait there too."""


class Books:
    """One account at the venue, and its orders."""

    def __init__(
        self,
        venue: VenueId,
        listings: Mapping[Symbol, Listing],
        wallets: Iterable[Wallet],
        *,
        holdings: Iterable[Holding] = (),
        orders: Iterable[Order] = (),
        counters: Counters | None = None,
    ) -> None:
        self._venue = venue
        self.account = Account(venue, listings, wallets, holdings)
        self.counters = counters or Counters()
        self._listings = listings
        self._open = self.account.open_orders
        self._depth: dict[Symbol, Quantity] = {}
        self._changes = Changes()
        for order in orders:
            self._open[order.symbol][order.client_order_id] = order

    def place(self, new: NewOrder, time: TimeNs) -> OrderReport:
        """Accept an order; what of it fills at once comes as further events.

        Raises: Refusal.
        """
        with localcontext(EXACT):
            listing = self.listing(new.symbol)
            check_rules(listing.rules, new)
            self._check_place(new, listing)
            order = self._admit(new, listing, time)
            accepted = order.report(self._venue)
            self._touch(order)
            self._say(accepted)
            if order.is_taking:
                self._take(order, listing, time)
            return accepted

    def cancel(self, symbol: Symbol, client_order_id: ClientOrderId, time: TimeNs) -> OrderReport:
        """Take an open order out of the book; return its final report.

        Raises: Refusal, with NOT_FOUND when it is not open.
        """
        self.listing(symbol)
        order = self._open[symbol].get(client_order_id)
        if order is None:
            raise Refusal(RejectReason.NOT_FOUND, f"no open order {client_order_id}")
        return self._end(order, OrderStatus.CANCELED, time)

    def trade_at(
        self, symbol: Symbol, quote: Quote, liquidity: Callable[[], Liquidity], time: TimeNs
    ) -> None:
        """Let the market trade at a quote.

        A resting order that the price goes through gets all that it wants of what is traded, the best priced first;
        one that is only touched gets the share of its place in the queue.
        """
        self.account.quotes[symbol] = quote
        self._depth.pop(symbol, None)
        reached = [order for order in self._open[symbol].values() if quote.reaches(order.side, order.price)]
        if not reached:
            return
        with localcontext(EXACT):
            listing = self._listings[symbol]
            left, queue_share = liquidity()
            for order in sorted(reached, key=_priority):
                if order.is_taking and quote.crosses(order.side, order.price):
                    self._take(order, listing, time)
                    continue
                order.is_taking = False
                is_through = quote.is_through(order.side, order.price)
                offered = left if is_through else floor_to(left * queue_share, listing.rules.lot_size)
                left -= self._fill(order, offered, order.price, time=time, is_maker=True)

    def pay_funding(self, rate: Ratio, interval: DurationNs, time: TimeNs) -> None:
        """Let longs pay shorts when it is due: once, however many intervals passed unseen."""
        due = time - time % interval
        was, self.counters.funded_time = self.counters.funded_time, due
        if not 0 < was < due:
            return
        with localcontext(EXACT):
            for symbol, holding in self.account.holdings.items():
                if holding.quantity:
                    self._pay(symbol, holding.quantity, rate, due)

    def liquidate(self, maintenance: Ratio, time: TimeNs) -> None:
        """Close what the account cannot hold any more, at the market and with the taker's fee: an order of nobody."""
        with localcontext(EXACT):
            for symbol in self.account.underfunded(maintenance):
                for order in list(self._open[symbol].values()):
                    self._end(order, OrderStatus.CANCELED, time, detail="liquidation")
                self._close_by_force(symbol, time)

    def take_changes(self, time: TimeNs, *, at_tick: bool) -> Changes:
        """Return the changes since the last time, closed with the levels that they led to.

        Positions and balances are told when something filled; what only became locked or free is told at the next tick.
        """
        changes = self._changes
        if changes.filled or (at_tick and self.counters.untold):
            with localcontext(EXACT):
                for symbol in sorted(changes.filled):
                    self._say(self.account.position(symbol, time))
                for asset in sorted(changes.assets | self.counters.untold):
                    self._say(self.account.balance(asset, time))
            self.counters.untold = set()
        else:
            self.counters.untold |= changes.assets
        self._changes = Changes()
        return changes

    def listing(self, symbol: Symbol) -> Listing:
        """Return a symbol's rules.

        Raises: Refusal.
        """
        listing = self._listings.get(symbol)
        if listing is None:
            raise Refusal(RejectReason.UNKNOWN_SYMBOL, f"{symbol} is not traded here")
        return listing

    def open_orders(self, symbol: Symbol) -> list[Order]:
        """Return the open orders of a symbol, oldest first.

        Raises: Refusal.
        """
        self.listing(symbol)
        return list(self._open[symbol].values())

    def open_order(self, symbol: Symbol, client_order_id: ClientOrderId) -> Order | None:
        """Return an open order by its id.

        Raises: Refusal.
        """
        self.listing(symbol)
        return self._open[symbol].get(client_order_id)

    def _check_place(self, new: NewOrder, listing: Listing) -> None:
        orders = self._open[new.symbol]
        if new.client_order_id in orders:
            raise Refusal(RejectReason.DUPLICATE_ID, f"{new.client_order_id} is open")
        if new.reduce_only and not self.account.closable(new.symbol, new.side):
            raise Refusal(RejectReason.REDUCE_ONLY, f"there is no position that a {new.side} would reduce")
        quote = self.account.quotes[new.symbol]
        if new.post_only and quote.crosses(new.side, new.price):
            best = quote.other_side(new.side)
            raise Refusal(RejectReason.POST_ONLY_WOULD_CROSS, f"{new.side} at {new.price} would take {best}")
        if len(orders) >= listing.maximum_open_orders:
            raise Refusal(
                RejectReason.OTHER, f"no more than {listing.maximum_open_orders} open orders in a symbol"
            )

    def _admit(self, new: NewOrder, listing: Listing, time: TimeNs) -> Order:
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
        self.account.admit(order)
        self.counters.order = number
        return order

    def _take(self, order: Order, listing: Listing, time: TimeNs) -> None:
        price = self.account.quotes[order.symbol].other_side(order.side)
        depth = self._depth.get(order.symbol)
        if depth is None:
            depth = max(listing.rules.quantity_down(listing.depth_notional / price), listing.rules.lot_size)
        filled = self._fill(order, depth, price, time=time, is_maker=False)
        self._depth[order.symbol] = depth - filled

    def _fill(
        self, order: Order, offered: Quantity, price: Price, *, time: TimeNs, is_maker: bool
    ) -> Quantity:
        quantity = min(offered, order.remaining)
        has_to_end = False
        if order.reduce_only:
            closable = self.account.closable(order.symbol, order.side)
            has_to_end = quantity > closable
            quantity = min(quantity, closable)
        if quantity:
            self._trade(order, quantity, price, time=time, is_maker=is_maker)
        if has_to_end:
            self._end(order, OrderStatus.EXPIRED, time, detail="reduce-only: the position is closed")
        elif not order.remaining:
            self._end(order, OrderStatus.FILLED, time)
        elif quantity:
            order.status, order.time = OrderStatus.PARTIALLY_FILLED, time
            self._touch(order)
            self._say(order.report(self._venue))
        return quantity

    def _trade(self, order: Order, quantity: Quantity, price: Price, *, time: TimeNs, is_maker: bool) -> None:
        rules = self._listings[order.symbol].rules
        fee = fee_of(price * quantity, rules.maker_fee if is_maker else rules.taker_fee)
        self.counters.trade += 1
        trade = Trade(
            venue=self._venue,
            symbol=order.symbol,
            trade_id=TradeId(str(self.counters.trade)),
            client_order_id=order.client_order_id,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=rules.settle,
            is_maker=is_maker,
            time=time,
            venue_order_id=str(order.number),
        )
        order.filled += quantity
        self.account.book(trade)
        self._changes.filled.add(order.symbol)
        self._changes.trades.append(trade)
        self._say(trade)

    def _close_by_force(self, symbol: Symbol, time: TimeNs) -> None:
        held, rules = self.account.holdings[symbol].quantity, self._listings[symbol].rules
        side = Side.SELL if held > 0 else Side.BUY
        price = self.account.quotes[symbol].other_side(side)
        self.counters.trade += 1
        trade = Trade(
            venue=self._venue,
            symbol=symbol,
            trade_id=TradeId(str(self.counters.trade)),
            client_order_id=ClientOrderId(""),
            side=side,
            price=price,
            quantity=abs(held),
            fee=fee_of(price * abs(held), rules.taker_fee),
            fee_asset=rules.settle,
            is_maker=False,
            time=time,
            venue_order_id="liquidation",
        )
        self.account.book(trade)
        self._changes.filled.add(symbol)
        self._changes.assets.add(rules.settle)
        self._changes.trades.append(trade)
        self._say(trade)

    def _pay(self, symbol: Symbol, held: SignedQuantity, rate: Ratio, due: TimeNs) -> None:
        self.counters.funding += 1
        funding = Funding(
            venue=self._venue,
            symbol=symbol,
            funding_id=str(self.counters.funding),
            amount=-(held * self.account.quotes[symbol].last * rate).quantize(CENT, ROUND_CEILING),
            rate=rate,
            position=held,
            time=due,
        )
        self.account.book_funding(funding)
        self._changes.filled.add(symbol)
        self._changes.assets.add(self._listings[symbol].rules.settle)
        self._changes.fundings.append(funding)
        self._say(funding)

    def _end(self, order: Order, status: OrderStatus, time: TimeNs, detail: str = "") -> OrderReport:
        order.status, order.time, order.detail = status, time, detail
        del self._open[order.symbol][order.client_order_id]
        self._touch(order)
        report = order.report(self._venue)
        self._say(report)
        return report

    def _touch(self, order: Order) -> None:
        rules = self._listings[order.symbol].rules
        self._changes.orders[order.number] = order
        self._changes.assets.add(rules.settle)
        if rules.kind is InstrumentKind.SPOT:
            self._changes.assets.add(rules.base)

    def _say(self, event: AccountEvent) -> None:
        self.counters.event += 1
        self._changes.events.append(AccountUpdate(self.counters.event, event))


def _priority(order: Order) -> tuple[Side, Decimal, int]:
    return order.side, -order.side.sign * order.price, order.number
