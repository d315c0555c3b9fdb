"""Account of the simulated venue: wallets, positions, locked amounts, margin and free balance.

Spot orders lock the amount that they will spend, fees included. A linear perpetual uses the initial margin of the larger
of two positions: the one after all its buy orders, and the one after all its sell orders; reduce-only orders use none.
The margin of an isolated position is set apart; all others are covered by what is left of the wallet.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.ledger import EXACT, Holding, Wallet, fee_of, max_fees
from producers.simulated.matching.orders import Order, VenueRejection
from producers.simulated.matching.positions import Positions
from producers.simulated.parameters import PositionMode, PositionSide
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
from schemas.venue.instruments import Instrument, InstrumentKind
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
        mode: PositionMode = PositionMode.ONE_WAY,
    ) -> None:
        self._venue = venue
        self._listings = listings
        self.quotes = dict(quotes)
        self.open_orders: dict[Symbol, dict[ClientOrderId, Order]] = {symbol: {} for symbol in listings}
        self.wallets = {wallet.asset: wallet for wallet in wallets}
        self.held = Positions(listings, self.quotes, self.open_orders, holdings, mode)
        for listing in listings.values():
            for asset in _assets(listing.rules):
                self.wallets.setdefault(asset, Wallet(asset=asset, initial=ZERO, total=ZERO))

    @property
    def holdings(self) -> Mapping[Symbol, Holding]:
        """The one-way positions, or the long ones in hedge mode."""
        return self.held.holdings

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

    def book_trade(self, trade: Trade, position_side: PositionSide = PositionSide.NET) -> None:
        """Book an own trade into position and wallets."""
        listing = self._listings[trade.symbol]
        rules = listing.rules
        signed = trade.side.sign * trade.quantity
        if rules.kind is InstrumentKind.SPOT:
            self.wallets[rules.base].book(signed)
            self.wallets[rules.quote].book(-signed * trade.price)
        else:
            holding = self.held.holding(trade.symbol, position_side)
            if self.held.is_isolated(trade.symbol):
                holding.assign_margin(signed, trade.price, listing.leverage)
            self.wallets[rules.settle].book(holding.trade(signed, trade.price))
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

    def book_funding(self, funding: Funding, holding: Holding) -> None:
        """Book a funding payment into the settlement wallet, and into the margin of an isolated position."""
        if self.held.is_isolated(funding.symbol):
            holding.margin = max(holding.margin + funding.amount, ZERO)
        self.wallets[self._listings[funding.symbol].rules.settle].book_funding(funding.amount)

    def below_maintenance(self) -> list[list[Holding]]:
        """Return the positions below maintenance margin: each isolated one alone, cross ones of one asset together.

        The margin follows the leverage brackets of the instrument, else the listing's ratio; the price is the mark price.
        """
        found = []
        for asset in sorted(self.wallets):
            held = [each for s in self.held.settled_in(asset) for each in self.held.of(s) if each.quantity]
            cross = [each for each in held if not self.held.is_isolated(each.symbol)]
            if cross and self._cross_equity(asset) < sum(map(self.held.maintenance, cross), ZERO):
                found.append(cross)
            isolated = [each for each in held if self.held.is_isolated(each.symbol)]
            found += [
                [each] for each in isolated if each.margin + self._profit(each) < self.held.maintenance(each)
            ]
        return found

    def cover(self, holding: Holding) -> Money:
        """Return what covers the loss of a position: its isolated margin, or all of the wallet that is not set apart."""
        if self.held.is_isolated(holding.symbol):
            return holding.margin
        asset = self._listings[holding.symbol].rules.settle
        return self.wallets[asset].total - self.held.isolated_margin(asset)

    def closable_quantity(
        self, symbol: Symbol, side: Side, position_side: PositionSide = PositionSide.NET
    ) -> Quantity:
        """Return the quantity of the position that an order of `side` can close."""
        if symbol in self.held.holdings:
            held = self.held.holding(symbol, position_side).quantity
        else:
            held = self._position_quantity(symbol)
        return max(-side.sign * held, ZERO)

    def position(self, symbol: Symbol, time: TimeNs) -> Position:
        """Return the position in a symbol, the net one in hedge mode. Spot has entry price 0: none is reported."""
        mark, held = self.quotes[symbol].mark_price, self.held.of(symbol)
        net = Holding(
            symbol=symbol,
            quantity=sum((each.quantity for each in held), ZERO),
            cost=sum((each.cost for each in held), ZERO),
        )
        return Position(
            venue=self._venue,
            symbol=symbol,
            quantity=self._position_quantity(symbol),
            entry_price=net.entry_price(),
            mark_price=mark,
            unrealized_pnl=net.unrealized(mark),
            leverage=self._listings[symbol].leverage,
            time=time,
            liquidation_price=self._liquidation_price(held[0]) if len(held) == 1 else None,
        )

    def positions(self, time: TimeNs) -> list[Position]:
        """Return the positions of all symbols, flat ones included."""
        with localcontext(EXACT):
            return [self.position(symbol, time) for symbol in self._listings]

    def balance(self, asset: str, time: TimeNs) -> Balance:
        """Return the balance of one asset."""
        total, unrealized = self.wallets[asset].total, self.held.unrealized(asset)
        return Balance(
            venue=self._venue,
            asset=asset,
            total=total,
            free=max(self._cross_equity(asset) - self._in_use(asset), ZERO),
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

    def initial_margin(self, symbol: Symbol) -> Money:
        """Return the initial margin of a perpetual's position and opening orders, rounded up."""
        return self.held.initial_margin(symbol)

    def symbols_using(self, asset: str) -> list[Symbol]:
        """Return the symbols whose orders an asset's balance covers: perpetuals settled in it, spot bought with it."""
        return [symbol for symbol, listing in self._listings.items() if listing.rules.settle == asset]

    def _liquidation_price(self, holding: Holding) -> Price | None:
        if not self.held.has_maintenance():
            return None
        cover = self.cover(holding)
        if not self.held.is_isolated(holding.symbol):
            asset = self._listings[holding.symbol].rules.settle
            cover += self.held.unrealized(asset, cross_only=True) - self._profit(holding)
            others = [each for s in self.held.settled_in(asset) for each in self.held.of(s)]
            cover -= sum(
                (
                    self.held.maintenance(each)
                    for each in others
                    if each is not holding and each.quantity and not self.held.is_isolated(each.symbol)
                ),
                ZERO,
            )
        return self.held.liquidation_price(holding, cover)

    def _profit(self, holding: Holding) -> Money:
        return holding.unrealized(self.quotes[holding.symbol].mark_price)

    def _cross_equity(self, asset: str) -> Money:
        cross = self.wallets[asset].total - self.held.isolated_margin(asset)
        return cross + self.held.unrealized(asset, cross_only=True)

    def _check_spot_funds(self, order: Order, rules: Instrument) -> None:
        asset, need = _spent_asset(order, rules), self._locked_by(order, rules)
        # Unrealized profit of a perpetual cannot be spent, but an unrealized loss reduces the balance.
        unrealized = min(self.held.unrealized(asset, cross_only=True), ZERO)
        total = self.wallets[asset].total - self.held.isolated_margin(asset)
        free = total + unrealized - self._in_use(asset)
        if free < need:
            raise VenueRejection(
                RejectReason.INSUFFICIENT_MARGIN, f"order needs {need} {asset}, {max(free, ZERO)} is free"
            )

    def _check_margin(self, order: Order, rules: Instrument) -> None:
        self._check_bracket(order, rules)
        more = self.held.initial_margin(order.symbol, order) - self.held.initial_margin(order.symbol)
        free = self._cross_equity(rules.settle) - self._in_use(rules.settle)
        if more > 0 and free < more:
            raise VenueRejection(
                RejectReason.INSUFFICIENT_MARGIN,
                f"order needs {more} {rules.settle} of margin, {max(free, ZERO)} is free",
            )

    def _check_bracket(self, order: Order, rules: Instrument) -> None:
        largest, leverage = (
            self.held.largest_position(order.symbol, order),
            self._listings[order.symbol].leverage,
        )
        if not rules.leverage_brackets or order.reduce_only:
            return
        bracket = rules.bracket(largest)
        if bracket is None or leverage > bracket.maximum_leverage:
            raise VenueRejection(
                RejectReason.POSITION_LIMIT, f"a position of {largest} is too large for leverage {leverage}"
            )

    def _position_quantity(self, symbol: Symbol) -> SignedQuantity:
        held = self.held.of(symbol)
        if held:
            return sum((each.quantity for each in held), ZERO)
        return self.wallets[self._listings[symbol].rules.base].total

    def _in_use(self, asset: str) -> Money:
        return self.locked_amount(asset) + sum(
            (self.held.initial_margin(symbol) for symbol in self.held.settled_in(asset)), ZERO
        )

    def _locked_by(self, order: Order, rules: Instrument) -> Money:
        rate = max(rules.maker_fee, rules.taker_fee, ZERO)
        if order.side is Side.SELL:
            is_base = rules.charged_asset(Side.SELL) == rules.base
            fees = max_fees(Decimal(1), order.remaining, rules.lot_size, rate) if is_base else ZERO
            return order.remaining + fees
        if rules.charged_asset(Side.BUY) != rules.quote:
            return order.remaining * order.price
        fees = max_fees(order.price, order.remaining, rules.lot_size, rate)
        return order.remaining * order.price + fees

    def _spot_orders(self) -> Iterable[tuple[Instrument, Order]]:
        for symbol, listing in self._listings.items():
            if listing.rules.kind is InstrumentKind.SPOT:
                yield from ((listing.rules, order) for order in self.open_orders[symbol].values())


def _spent_asset(order: Order, rules: Instrument) -> str:
    return rules.quote if order.side is Side.BUY else rules.base


def _assets(rules: Instrument) -> tuple[str, ...]:
    traded = (rules.base, rules.quote) if rules.kind is InstrumentKind.SPOT else (rules.settle,)
    return *traded, *(rules.charged_asset(side) for side in Side)
