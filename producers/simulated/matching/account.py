"""The account that orders are paid from: what is held, what is locked or bound as margin, and what is free.

Spot orders lock what they will spend, fees included. A linear perpetual binds the initial margin of the larger of what
would be held if all its buys, or all its sells, were filled; orders that only reduce bind nothing. What falls short of the
maintenance margin is told here, and liquidated by the books.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, localcontext

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.ledger import CENT, EXACT, Holding, Wallet, most_of_fees
from producers.simulated.matching.orders import Order, Refusal
from schemas.units import (
    ZERO,
    ClientOrderId,
    Money,
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
    """Wallets, positions and what the open orders bind of them."""

    def __init__(
        self,
        venue: VenueId,
        listings: Mapping[Symbol, Listing],
        wallets: Iterable[Wallet],
        holdings: Iterable[Holding] = (),
    ) -> None:
        self._venue = venue
        self._listings = listings
        self.quotes: dict[Symbol, Quote] = {}
        self.open_orders: dict[Symbol, dict[ClientOrderId, Order]] = {symbol: {} for symbol in listings}
        self.wallets = {wallet.asset: wallet for wallet in wallets}
        self.holdings = {symbol: Holding(symbol=symbol) for symbol in self._perpetuals()}
        self.holdings |= {holding.symbol: holding for holding in holdings}
        for listing in listings.values():
            for asset in _assets(listing.rules):
                self.wallets.setdefault(asset, Wallet(asset=asset, initial=ZERO, total=ZERO))

    def admit(self, order: Order) -> None:
        """Put an order into the book.

        Raises: Refusal when the account cannot pay for it; the book is as before then.
        """
        rules = self._listings[order.symbol].rules
        if rules.kind is InstrumentKind.SPOT:
            self._check_spot(order, rules)
        else:
            self._check_margin(order, rules)
        self.open_orders[order.symbol][order.client_order_id] = order

    def book(self, trade: Trade) -> None:
        """Move the money of an own trade."""
        rules = self._listings[trade.symbol].rules
        signed = trade.side.sign * trade.quantity
        if rules.kind is InstrumentKind.SPOT:
            self.wallets[rules.base].book(signed)
            self.wallets[rules.quote].book(-signed * trade.price, trade.fee)
        else:
            realized = self.holdings[trade.symbol].trade(signed, trade.price)
            self.wallets[rules.settle].book(realized, trade.fee)

    def book_funding(self, funding: Funding) -> None:
        """Move the money of a funding payment."""
        self.wallets[self._listings[funding.symbol].rules.settle].book_funding(funding.amount)

    def underfunded(self, maintenance: Ratio) -> list[Symbol]:
        """Return the perpetuals that are held and whose account has less left than a share of their worth."""
        found = []
        for asset in sorted(self.wallets):
            held = [symbol for symbol in self._settled_in(asset) if self.holdings[symbol].quantity]
            worth = sum((abs(self.holdings[s].quantity) * self.quotes[s].last for s in held), ZERO)
            if self.wallets[asset].total + self._unrealized(asset) < maintenance * worth:
                found += held
        return found

    def closable(self, symbol: Symbol, side: Side) -> Quantity:
        """Return how much of the position an order of `side` would close."""
        return max(-side.sign * self._held(symbol), ZERO)

    def position(self, symbol: Symbol, time: TimeNs) -> Position:
        """Return what is held in a symbol; a spot venue knows no entry price."""
        mark = self.quotes[symbol].last
        holding = self.holdings.get(symbol)
        return Position(
            venue=self._venue,
            symbol=symbol,
            quantity=self._held(symbol),
            entry_price=holding.entry_price() if holding else ZERO,
            mark_price=mark,
            unrealized_pnl=holding.unrealized(mark) if holding else ZERO,
            leverage=self._listings[symbol].leverage,
            time=time,
        )

    def positions(self, time: TimeNs) -> list[Position]:
        """Return what is held in every symbol."""
        with localcontext(EXACT):
            return [self.position(symbol, time) for symbol in self._listings]

    def balance(self, asset: str, time: TimeNs) -> Balance:
        """Return one asset."""
        total, unrealized = self.wallets[asset].total, self._unrealized(asset)
        return Balance(
            venue=self._venue,
            asset=asset,
            total=total,
            free=max(total + unrealized - self._bound(asset), ZERO),
            margin_balance=total + unrealized,
            unrealized_pnl=unrealized,
            time=time,
        )

    def balances(self, time: TimeNs) -> list[Balance]:
        """Return every asset."""
        with localcontext(EXACT):
            return [self.balance(asset, time) for asset in sorted(self.wallets)]

    def locked(self, asset: str) -> Money:
        """Return what open spot orders will spend of an asset at most."""
        return sum(
            (
                self._lock(order, rules)
                for rules, order in self._spot_orders()
                if _spent(order, rules) == asset
            ),
            ZERO,
        )

    def margin(self, symbol: Symbol, extra: Order | None = None) -> Money:
        """Return the initial margin of a perpetual's position and opening orders, rounded up."""
        held = self.holdings[symbol].quantity * self.quotes[symbol].last
        buys, sells = held, -held
        orders = [*self.open_orders[symbol].values(), *([extra] if extra else [])]
        for order in orders:
            if order.reduce_only:
                continue
            if order.side is Side.BUY:
                buys += order.remaining * order.price
            else:
                sells += order.remaining * order.price
        return (max(buys, sells) / self._listings[symbol].leverage).quantize(CENT, ROUND_CEILING)

    def _check_spot(self, order: Order, rules: Instrument) -> None:
        asset, need = _spent(order, rules), self._lock(order, rules)
        # Unrealised profit of a perpetual cannot be spent.
        free = self.wallets[asset].total + min(self._unrealized(asset), ZERO) - self._bound(asset)
        if free < need:
            raise Refusal(
                RejectReason.INSUFFICIENT_MARGIN, f"needs {need} {asset}, free are {max(free, ZERO)}"
            )

    def _check_margin(self, order: Order, rules: Instrument) -> None:
        more = self.margin(order.symbol, order) - self.margin(order.symbol)
        equity = self.wallets[rules.settle].total + self._unrealized(rules.settle)
        free = equity - self._bound(rules.settle)
        if more > 0 and free < more:
            raise Refusal(
                RejectReason.INSUFFICIENT_MARGIN,
                f"needs {more} {rules.settle} more, free are {max(free, ZERO)}",
            )

    def _held(self, symbol: Symbol) -> SignedQuantity:
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else self.wallets[self._listings[symbol].rules.base].total

    def _bound(self, asset: str) -> Money:
        return self.locked(asset) + sum((self.margin(symbol) for symbol in self._settled_in(asset)), ZERO)

    def _unrealized(self, asset: str) -> Money:
        held = ((self.holdings[symbol], self.quotes[symbol].last) for symbol in self._settled_in(asset))
        return sum((holding.unrealized(mark) for holding, mark in held), ZERO)

    def _lock(self, order: Order, rules: Instrument) -> Money:
        if order.side is Side.SELL:
            return order.remaining
        rate = max(rules.maker_fee, rules.taker_fee, ZERO)
        fees = most_of_fees(order.price, order.remaining, rules.lot_size, rate)
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


def _spent(order: Order, rules: Instrument) -> str:
    return rules.quote if order.side is Side.BUY else rules.base


def _assets(rules: Instrument) -> tuple[str, ...]:
    return (rules.base, rules.quote) if rules.kind is InstrumentKind.SPOT else (rules.settle,)
