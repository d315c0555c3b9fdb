"""Records of the account: numbers its trades, payments and events, and collects the changes of a transaction."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, localcontext

import msgspec

from producers.ports import AccountEvent, AccountUpdate
from producers.simulated.listing import Listing
from producers.simulated.matching.account import Account
from producers.simulated.matching.changes import Changes, Counters
from producers.simulated.matching.fee_tiers import add_traded, fees_at
from producers.simulated.matching.ledger import AMOUNT_STEP, EXACT, Holding
from producers.simulated.matching.orders import Order
from producers.simulated.parameters import PositionSide
from schemas.units import (
    ZERO,
    ClientOrderId,
    Price,
    Quantity,
    Ratio,
    Side,
    Symbol,
    TimeNs,
    TradeId,
    VenueId,
)
from schemas.venue.instruments import InstrumentKind
from schemas.venue.orders import Funding, OrderReport, OrderStatus, RejectReason, Trade

LIQUIDATION = "liquidation"
SETTLEMENT = "settlement"
"""`venue_order_id` of trades that no order of the account made."""


class Records:
    """Books into the account and records what changed. All of it belongs to one transaction until `take_changes`."""

    def __init__(
        self, venue: VenueId, listings: Mapping[Symbol, Listing], account: Account, counters: Counters
    ) -> None:
        self.counters = counters
        self.changes = Changes()
        self._venue = venue
        self._listings = listings
        self._account = account

    def fill(self, order: Order, quantity: Quantity, price: Price, time: TimeNs, *, is_maker: bool) -> None:
        """Book a fill of an order."""
        order.filled += quantity
        trade = self._new_trade(order.symbol, order.side, quantity, price, time)
        trade = msgspec.structs.replace(
            trade,
            client_order_id=order.client_order_id,
            venue_order_id=str(order.number),
            is_maker=is_maker,
        )
        self._book(trade, order.position_side)

    def close(self, holding: Holding, quantity: Quantity, price: Price, time: TimeNs, origin: str) -> None:
        """Book a trade of the venue that closes a part of a position; a settlement is free of fees."""
        side = Side.SELL if holding.quantity > 0 else Side.BUY
        trade = self._new_trade(holding.symbol, side, quantity, price, time)
        self._book(msgspec.structs.replace(trade, venue_order_id=origin), holding.side)

    def pay_funding(self, holding: Holding, rate: Ratio, due: TimeNs) -> None:
        """Book a funding payment at the mark price."""
        symbol, mark = holding.symbol, self._account.quotes[holding.symbol].mark_price
        self.counters.funding += 1
        funding = Funding(
            venue=self._venue,
            symbol=symbol,
            funding_id=str(self.counters.funding),
            amount=-(holding.quantity * mark * rate).quantize(AMOUNT_STEP, ROUND_CEILING),
            rate=rate,
            position=holding.quantity,
            time=due,
        )
        self._account.book_funding(funding, holding)
        self.changes.filled.add(symbol)
        self.changes.assets.add(self._listings[symbol].rules.settle)
        self.changes.fundings.append(funding)
        self.emit(funding)

    def report_progress(self, order: Order, time: TimeNs) -> None:
        """Report a partial fill."""
        order.status, order.time = OrderStatus.PARTIALLY_FILLED, time
        self.mark_changed(order)
        self.emit(order.report(self._venue))

    def finish(
        self,
        order: Order,
        status: OrderStatus,
        time: TimeNs,
        detail: str = "",
        reason: RejectReason | None = None,
    ) -> OrderReport:
        """End an order and return its final report."""
        order.status, order.time, order.detail, order.reject_reason = status, time, detail, reason
        order.arrival_time = order.cancel_time = None
        del self._account.open_orders[order.symbol][order.client_order_id]
        self.mark_changed(order)
        report = order.report(self._venue)
        self.emit(report)
        return report

    def mark_changed(self, order: Order) -> None:
        """Record that an order changed, and with it what it locks."""
        rules = self._listings[order.symbol].rules
        self.changes.orders[order.number] = order
        self.changes.assets.add(rules.settle)
        if rules.kind is InstrumentKind.SPOT:
            self.changes.assets.add(rules.base)

    def emit(self, event: AccountEvent) -> None:
        """Add an event with the next number, to be published once the transaction is committed."""
        self.counters.event += 1
        self.changes.events.append(AccountUpdate(self.counters.event, event))

    def take_changes(self, time: TimeNs, *, at_tick: bool) -> Changes:
        """Return the changes since the last call, with the resulting positions and balances as the last events.

        After fills they are published at once; a change of locked amounts alone is published at the next tick.
        """
        changes = self.changes
        if changes.filled or (at_tick and self.counters.pending_balances):
            with localcontext(EXACT):
                for symbol in sorted(changes.filled):
                    self.emit(self._account.position(symbol, time))
                for asset in sorted(changes.assets | self.counters.pending_balances):
                    self.emit(self._account.balance(asset, time))
            self.counters.pending_balances = set()
        else:
            self.counters.pending_balances |= changes.assets
        self.changes = Changes()
        return changes

    def _new_trade(self, symbol: Symbol, side: Side, quantity: Quantity, price: Price, time: TimeNs) -> Trade:
        self.counters.trade += 1
        return Trade(
            venue=self._venue,
            symbol=symbol,
            trade_id=TradeId(str(self.counters.trade)),
            client_order_id=ClientOrderId(""),
            side=side,
            price=price,
            quantity=quantity,
            fee=ZERO,
            fee_asset="",
            is_maker=False,
            time=time,
        )

    def _book(self, trade: Trade, position_side: PositionSide) -> None:
        listing = self._listings[trade.symbol]
        rules = listing.rules
        fees = fees_at(listing, self.counters, trade.time)
        rate = fees.maker if trade.is_maker else fees.taker
        if trade.venue_order_id == SETTLEMENT:
            rate = ZERO
        fee, fee_asset = self._account.fee(listing, trade.side, trade.quantity, trade.price, rate)
        trade = msgspec.structs.replace(trade, fee=fee, fee_asset=fee_asset)
        add_traded(self.counters, rules.quote, trade.price * trade.quantity, trade.time)
        self._account.book_trade(trade, position_side)
        self.changes.filled.add(trade.symbol)
        self.changes.assets |= {rules.settle, fee_asset}
        self.changes.trades.append(trade)
        self.emit(trade)
