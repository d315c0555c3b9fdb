"""Account of the simulated venue: wallets, positions, locked amounts, margin and free balance.

Spot orders lock the amount that they will spend, fees included. A linear perpetual uses the initial margin of the larger
of two positions: the one after all its buy orders, and the one after all its sell orders; reduce-only orders use none.
The matching engine liquidates the positions that `below_maintenance` returns.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, localcontext

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.ledger import AMOUNT_STEP, EXACT, Holding, Wallet, fee_of, max_fees
from producers.simulated.matching.orders import Order, VenueRejection
from schemas.units import (
    ZERO,
    ClientOrderId,
    Money,
    Price,
    Quantity,
    Ratio,
    Side,
    SignedQuantity,
    Symbol,
    TimeNs,
    VenueId,
)
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument, InstrumentKind, maintenance_margin
from schemas.venue.orders import Funding, RejectReason, Trade


class Account:
    """Wallets, positions, and the balance that open orders use."""

    def __init__(
        self,
        venue: VenueId,
        listings: Mapping[Symbol, Listing],
        wallets: Iterable[Wallet],
        quotes: Mapping[Symbol, Quote],
        holdings: Iterable[Holding] = (),
    ) -> None:
        self._venue = venue
        self._listings = listings
        self.quotes = dict(quotes)
        self.open_orders: dict[Symbol, dict[ClientOrderId, Order]] = {symbol: {} for symbol in listings}
        self.wallets = {wallet.asset: wallet for wallet in wallets}
        self.holdings = {symbol: Holding(symbol=symbol) for symbol in self._perpetuals()}
        self.holdings |= {holding.symbol: holding for holding in holdings}
        for listing in listings.values():
            for asset in _assets(listing.rules):
                self.wallets.setdefault(asset, Wallet(asset=asset, initial=ZERO, total=ZERO))

    def add_order(self, order: Order) -> None:
        """Add an order to the open orders.

        Raises: VenueRejection: INSUFFICIENT_MARGIN when the free balance is too small; nothing changes then.
        """
        rules = self._listings[order.symbol].rules
        if rules.kind is InstrumentKind.SPOT:
            self._check_spot_funds(order, rules)
        else:
            self._check_margin(order, rules)
        self.open_orders[order.symbol][order.client_order_id] = order

    def book_trade(self, trade: Trade) -> None:
        """Book an own trade into position and wallets."""
        rules = self._listings[trade.symbol].rules
        signed = trade.side.sign * trade.quantity
        if rules.kind is InstrumentKind.SPOT:
            self.wallets[rules.base].book(signed)
            self.wallets[rules.quote].book(-signed * trade.price)
        else:
            realized = self.holdings[trade.symbol].trade(signed, trade.price)
            self.wallets[rules.settle].book(realized)
        self.wallets[trade.fee_asset].book(ZERO, trade.fee)

    def fee(
        self, listing: Listing, side: Side, quantity: Quantity, price: Price, rate: Ratio
    ) -> tuple[Money, str]:
        """Return the fee of a trade and its asset: the received one, where there is too little of a named one."""
        rules, unit_price = listing.rules, listing.fee_asset_price
        received = rules.base if rules.kind is InstrumentKind.SPOT and side is Side.BUY else rules.settle
        asset = rules.charged_asset(side)
        if unit_price is not None:
            fee = fee_of(price * quantity / unit_price, rate)
            if fee <= self.wallets[asset].total:
                return fee, asset
            asset = received
        return fee_of(quantity if asset == rules.base else price * quantity, rate), asset

    def book_funding(self, funding: Funding) -> None:
        """Book a funding payment into the settlement wallet."""
        self.wallets[self._listings[funding.symbol].rules.settle].book_funding(funding.amount)

    def below_maintenance(self, maintenance_margin: Ratio) -> list[Symbol]:
        """Return the perpetuals with a position whose settlement asset is below maintenance margin.

        The margin is the sum over all positions that settle in the same asset: by leverage brackets where the instrument
        has them, else the share `maintenance_margin` of the value.
        """
        found = []
        for asset in sorted(self.wallets):
            held = [symbol for symbol in self._settled_in(asset) if self.holdings[symbol].quantity]
            needed = sum((self._maintenance(symbol, maintenance_margin) for symbol in held), ZERO)
            if self.wallets[asset].total + self._unrealized(asset) < needed:
                found += held
        return found

    def closable_quantity(self, symbol: Symbol, side: Side) -> Quantity:
        """Return the quantity of the position that an order of `side` can close."""
        return max(-side.sign * self._position_quantity(symbol), ZERO)

    def position(self, symbol: Symbol, time: TimeNs) -> Position:
        """Return the position in a symbol. A spot position has entry price 0, because spot venues report none."""
        mark = self.quotes[symbol].last
        holding = self.holdings.get(symbol)
        return Position(
            venue=self._venue,
            symbol=symbol,
            quantity=self._position_quantity(symbol),
            entry_price=holding.entry_price() if holding else ZERO,
            mark_price=mark,
            unrealized_pnl=holding.unrealized(mark) if holding else ZERO,
            leverage=self._listings[symbol].leverage,
            time=time,
        )

    def positions(self, time: TimeNs) -> list[Position]:
        """Return the positions of all symbols, flat ones included."""
        with localcontext(EXACT):
            return [self.position(symbol, time) for symbol in self._listings]

    def balance(self, asset: str, time: TimeNs) -> Balance:
        """Return the balance of one asset."""
        total, unrealized = self.wallets[asset].total, self._unrealized(asset)
        return Balance(
            venue=self._venue,
            asset=asset,
            total=total,
            free=max(total + unrealized - self._in_use(asset), ZERO),
            margin_balance=total + unrealized,
            unrealized_pnl=unrealized,
            time=time,
        )

    def balances(self, time: TimeNs) -> list[Balance]:
        """Return the balances of all assets, sorted by asset."""
        with localcontext(EXACT):
            return [self.balance(asset, time) for asset in sorted(self.wallets)]

    def locked_amount(self, asset: str) -> Money:
        """Return the most that the open spot orders can spend of an asset."""
        return sum(
            (
                self._locked_by(order, rules)
                for rules, order in self._spot_orders()
                if _spent_asset(order, rules) == asset
            ),
            ZERO,
        )

    def initial_margin(self, symbol: Symbol, extra: Order | None = None) -> Money:
        """Return the initial margin of a perpetual's position and opening orders, with `extra` added, rounded up."""
        worst = self._largest_position(symbol, extra)
        return (worst / self._listings[symbol].leverage).quantize(AMOUNT_STEP, ROUND_CEILING)

    def _largest_position(self, symbol: Symbol, extra: Order | None = None) -> Money:
        """Return the notional after all buy orders, or after all sell orders if that is larger."""
        position_value = self.holdings[symbol].quantity * self.quotes[symbol].last
        buys, sells = position_value, -position_value
        orders = [*self.open_orders[symbol].values(), *([extra] if extra else [])]
        for order in orders:
            if order.reduce_only:
                continue
            if order.side is Side.BUY:
                buys += order.remaining * order.price
            else:
                sells += order.remaining * order.price
        return max(buys, sells)

    def _maintenance(self, symbol: Symbol, ratio: Ratio) -> Money:
        value = abs(self.holdings[symbol].quantity) * self.quotes[symbol].last
        brackets = self._listings[symbol].rules.leverage_brackets
        return maintenance_margin(brackets, value) if brackets else ratio * value

    def _check_spot_funds(self, order: Order, rules: Instrument) -> None:
        asset, need = _spent_asset(order, rules), self._locked_by(order, rules)
        # Unrealized profit of a perpetual cannot be spent, but an unrealized loss reduces the balance.
        free = self.wallets[asset].total + min(self._unrealized(asset), ZERO) - self._in_use(asset)
        if free < need:
            raise VenueRejection(
                RejectReason.INSUFFICIENT_MARGIN, f"order needs {need} {asset}, {max(free, ZERO)} is free"
            )

    def _check_margin(self, order: Order, rules: Instrument) -> None:
        self._check_bracket(order, rules)
        more = self.initial_margin(order.symbol, order) - self.initial_margin(order.symbol)
        equity = self.wallets[rules.settle].total + self._unrealized(rules.settle)
        free = equity - self._in_use(rules.settle)
        if more > 0 and free < more:
            raise VenueRejection(
                RejectReason.INSUFFICIENT_MARGIN,
                f"order needs {more} {rules.settle} of margin, {max(free, ZERO)} is free",
            )

    def _check_bracket(self, order: Order, rules: Instrument) -> None:
        largest, leverage = self._largest_position(order.symbol, order), self._listings[order.symbol].leverage
        if not rules.leverage_brackets or order.reduce_only:
            return
        bracket = rules.bracket(largest)
        if bracket is None or leverage > bracket.maximum_leverage:
            raise VenueRejection(
                RejectReason.POSITION_LIMIT, f"a position of {largest} is too large for leverage {leverage}"
            )

    def _position_quantity(self, symbol: Symbol) -> SignedQuantity:
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else self.wallets[self._listings[symbol].rules.base].total

    def _in_use(self, asset: str) -> Money:
        return self.locked_amount(asset) + sum(
            (self.initial_margin(symbol) for symbol in self._settled_in(asset)), ZERO
        )

    def _unrealized(self, asset: str) -> Money:
        return sum(
            (
                self.holdings[symbol].unrealized(self.quotes[symbol].last)
                for symbol in self._settled_in(asset)
            ),
            ZERO,
        )

    def _locked_by(self, order: Order, rules: Instrument) -> Money:
        if order.side is Side.SELL:
            return order.remaining
        if rules.charged_asset(Side.BUY) != rules.quote:
            return order.remaining * order.price
        rate = max(rules.maker_fee, rules.taker_fee, ZERO)
        fees = max_fees(order.price, order.remaining, rules.lot_size, rate)
        return order.remaining * order.price + fees

    def _spot_orders(self) -> Iterable[tuple[Instrument, Order]]:
        for symbol, listing in self._listings.items():
            if listing.rules.kind is InstrumentKind.SPOT:
                yield from ((listing.rules, order) for order in self.open_orders[symbol].values())

    def _perpetuals(self) -> list[Symbol]:
        return [
            s
            for s, listing in self._listings.items()
            if listing.rules.kind is InstrumentKind.LINEAR_PERPETUAL
        ]

    def _settled_in(self, asset: str) -> list[Symbol]:
        return [symbol for symbol in self.holdings if self._listings[symbol].rules.settle == asset]


def _spent_asset(order: Order, rules: Instrument) -> str:
    return rules.quote if order.side is Side.BUY else rules.base


def _assets(rules: Instrument) -> tuple[str, ...]:
    traded = (rules.base, rules.quote) if rules.kind is InstrumentKind.SPOT else (rules.settle,)
    return *traded, *(rules.charged_asset(side) for side in Side)
