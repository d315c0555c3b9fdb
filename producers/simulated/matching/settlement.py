"""Funding, liquidation, and the settlement of delisted perpetuals."""

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, localcontext

from producers.simulated.listing import Listing
from producers.simulated.matching.account import Account
from producers.simulated.matching.depth import Level
from producers.simulated.matching.fee_tiers import fees_at
from producers.simulated.matching.ledger import AMOUNT_STEP, EXACT, Holding
from producers.simulated.matching.records import LIQUIDATION, SETTLEMENT, Records
from schemas.units import ZERO, DurationNs, Price, Quantity, Ratio, Side, Symbol, TimeNs
from schemas.venue.orders import OrderStatus

MAX_TRADES = 128
"""Upper bound of the trades of one liquidation, whose fees are rounded up."""

Book = Callable[[Symbol, Side, TimeNs], list[Level]]
"""Returns what an order of a side could take, best price first."""
Take = Callable[[Symbol, Side, Quantity, TimeNs], None]
"""Records that a quantity was taken from a book."""


class Settlement:
    """What the venue does to positions by itself."""

    def __init__(
        self,
        listings: Mapping[Symbol, Listing],
        account: Account,
        records: Records,
        book: Book,
        take: Take,
    ) -> None:
        self._listings = listings
        self._account = account
        self._records = records
        self._book = book
        self._take = take

    def pay_funding(self, rate: Ratio, interval: DurationNs, time: TimeNs) -> None:
        """Book a funding payment of each position for each interval that has passed, at the mark price.

        At a positive rate longs pay shorts.
        """
        counters = self._records.counters
        due = time - time % interval
        last, counters.funded_time = counters.funded_time, due
        if not last:
            return
        with localcontext(EXACT):
            for each in range(last - last % interval + interval, due + 1, interval):
                for holding in self._account.held.all():
                    if holding.quantity:
                        self._records.pay_funding(holding, rate, each)

    def liquidate(self, time: TimeNs) -> None:
        """Close the positions that are below maintenance margin, after canceling the orders that share their cover.

        They are closed on the book with the taker fee, as trades without a client order id, at no worse than their
        bankruptcy price: there, cover and loss are equal. What the book does not take at this price, the insurance fund
        takes over. So the balance of the account is never below zero.
        """
        with localcontext(EXACT):
            for group in self._account.below_maintenance():
                self._cancel_orders(group, time)
                # Profits first: they cover the losses of the others.
                for holding in sorted(group, key=self._loss):
                    self._liquidate(holding, time)

    def settle(self, symbol: Symbol, time: TimeNs) -> None:
        """Close the positions in a delisted perpetual at the mark price, without fees."""
        with localcontext(EXACT):
            for holding in self._account.held.of(symbol):
                if holding.quantity:
                    mark = self._account.quotes[symbol].mark_price
                    self._records.close(holding, abs(holding.quantity), mark, time, SETTLEMENT)

    def bankruptcy_price(self, holding: Holding, time: TimeNs) -> Price:
        """Return the worst price, a multiple of the tick, at which closing a position leaves its cover at 0 or above.

        With cover c, quantity q, fee rate f: c + q x p - cost - f x |q| x p = 0. At most 0 means that any price does.
        """
        listing = self._listings[holding.symbol]
        rate = max(fees_at(listing, self._records.counters, time).taker, ZERO)
        cover = self._account.cover(holding) - MAX_TRADES * AMOUNT_STEP
        price = (holding.cost - cover) / (holding.quantity - rate * abs(holding.quantity))
        tick = listing.rules.tick_size
        rounding = ROUND_CEILING if holding.quantity > 0 else ROUND_FLOOR
        return (price / tick).to_integral_value(rounding) * tick

    def _liquidate(self, holding: Holding, time: TimeNs) -> None:
        symbol, side = holding.symbol, Side.SELL if holding.quantity > 0 else Side.BUY
        worst = self.bankruptcy_price(holding, time)
        best = self._account.quotes[symbol].other_side(side)
        last = best
        for level in self._book(symbol, side, time)[: MAX_TRADES - 1]:
            if side.sign * (level.price - worst) > 0 or not holding.quantity:
                break
            quantity = min(level.quantity, abs(holding.quantity))
            self._take(symbol, side, quantity, time)
            self._records.close(holding, quantity, level.price, time, LIQUIDATION)
            last = level.price
        if left := abs(holding.quantity):
            price = last if side.sign * (last - worst) <= 0 else worst
            self._records.counters.insurance_paid += max(side.sign * (best - price), ZERO) * left
            self._records.close(holding, left, price, time, LIQUIDATION)

    def _loss(self, holding: Holding) -> tuple[Price, Symbol]:
        return -holding.unrealized(self._account.quotes[holding.symbol].mark_price), holding.symbol

    def _cancel_orders(self, group: list[Holding], time: TimeNs) -> None:
        symbols = [holding.symbol for holding in group]
        if not any(map(self._account.held.is_isolated, symbols)):
            symbols = self._account.symbols_using(self._listings[symbols[0]].rules.settle)
        for symbol in symbols:
            for order in list(self._account.open_orders[symbol].values()):
                self._records.finish(order, OrderStatus.CANCELED, time, detail="liquidation")
