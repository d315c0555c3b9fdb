"""Positions in perpetuals at the mark price: profit, initial and maintenance margin, liquidation price."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.ledger import AMOUNT_STEP, Holding
from producers.simulated.matching.orders import Order
from producers.simulated.parameters import MarginMode, PositionMode, PositionSide
from schemas.units import ZERO, ClientOrderId, Money, Price, Ratio, Side, Symbol
from schemas.venue.instruments import InstrumentKind, LeverageBracket, maintenance_margin

OpenOrders = Mapping[Symbol, Mapping[ClientOrderId, Order]]


class Positions:
    """The positions of the account: one for each perpetual, or a long and a short one in hedge mode."""

    def __init__(
        self,
        listings: Mapping[Symbol, Listing],
        quotes: Mapping[Symbol, Quote],
        open_orders: OpenOrders,
        holdings: Iterable[Holding],
        mode: PositionMode,
    ) -> None:
        self.mode = mode
        self._listings = listings
        self._quotes = quotes
        self._open_orders = open_orders
        perpetuals = [s for s, each in listings.items() if each.rules.kind is InstrumentKind.LINEAR_PERPETUAL]
        self.holdings = {symbol: Holding(symbol=symbol) for symbol in perpetuals}
        """One-way positions, or the long ones in hedge mode."""
        self.shorts: dict[Symbol, Holding] = {}
        """The short positions in hedge mode."""
        if mode is PositionMode.HEDGE:
            self.holdings = {s: Holding(symbol=s, side=PositionSide.LONG) for s in perpetuals}
            self.shorts = {s: Holding(symbol=s, side=PositionSide.SHORT) for s in perpetuals}
        for holding in holdings:
            (self.shorts if holding.side is PositionSide.SHORT else self.holdings)[holding.symbol] = holding

    def all(self) -> Iterator[Holding]:
        yield from self.holdings.values()
        yield from self.shorts.values()

    def of(self, symbol: Symbol) -> list[Holding]:
        """Return the positions of a symbol: none of a spot symbol, two in hedge mode."""
        return [held[symbol] for held in (self.holdings, self.shorts) if symbol in held]

    def holding(self, symbol: Symbol, side: PositionSide) -> Holding:
        return self.shorts[symbol] if side is PositionSide.SHORT else self.holdings[symbol]

    def settled_in(self, asset: str) -> list[Symbol]:
        return [symbol for symbol in self.holdings if self._listings[symbol].rules.settle == asset]

    def is_isolated(self, symbol: Symbol) -> bool:
        return self._listings[symbol].margin_mode is MarginMode.ISOLATED

    def unrealized(self, asset: str, *, cross_only: bool = False) -> Money:
        """Return the profit of closing all positions that settle in an asset at the mark price, before fees."""
        return sum(
            (
                each.unrealized(self._quotes[symbol].mark_price)
                for symbol in self.settled_in(asset)
                for each in self.of(symbol)
                if not (cross_only and self.is_isolated(symbol))
            ),
            ZERO,
        )

    def isolated_margin(self, asset: str) -> Money:
        """Return the part of an asset that covers isolated positions only."""
        return sum((each.margin for s in self.settled_in(asset) for each in self.of(s)), ZERO)

    def initial_margin(self, symbol: Symbol, extra: Order | None = None) -> Money:
        """Return the initial margin of a symbol's positions and opening orders, with `extra` added, rounded up.

        That of an isolated position is not included: it is set apart from the balance already.
        """
        leverage, total = self._listings[symbol].leverage, ZERO
        for holding in self.of(symbol):
            worst = self._largest_position(holding, extra)
            if self.is_isolated(symbol):
                worst = max(worst - abs(holding.quantity) * self._quotes[symbol].mark_price, ZERO)
            total += (worst / leverage).quantize(AMOUNT_STEP, ROUND_CEILING)
        return total

    def largest_position(self, symbol: Symbol, extra: Order | None = None) -> Money:
        """Return the notional after all buy orders, or after all sell orders if that is larger."""
        return max(self._largest_position(holding, extra) for holding in self.of(symbol))

    def maintenance(self, holding: Holding) -> Money:
        """Return the maintenance margin of a position at the mark price."""
        value = abs(holding.quantity) * self._quotes[holding.symbol].mark_price
        return maintenance_margin(self._brackets(holding.symbol), value)

    def has_maintenance(self) -> bool:
        """Return whether any symbol has a maintenance margin, and so can be liquidated."""
        return any(each.rules.leverage_brackets or each.maintenance_ratio for each in self._listings.values())

    def liquidation_price(self, holding: Holding, cover: Money) -> Price | None:
        """Return the mark price at which `cover` plus its profit is its maintenance margin; None without one above zero.

        With ratio r and deduction d of the bracket that the position is in at that price, the margin is r x notional - d:
        cover + q x p - cost = r x |q| x p - d, so p = (cost - cover - d) / (q - r x |q|).
        """
        if not holding.quantity:
            return None
        quantity, deduction = holding.quantity, ZERO
        previous = ZERO
        for each in self._brackets(holding.symbol):
            ratio = each.maintenance_ratio
            deduction += each.notional_floor * (ratio - previous)
            previous = ratio
            slope = quantity - ratio * abs(quantity)
            price = (holding.cost - cover - deduction) / slope if slope else ZERO
            notional = abs(quantity) * price
            if notional > each.notional_floor and (
                each.notional_cap is None or notional <= each.notional_cap
            ):
                return price.quantize(self._listings[holding.symbol].rules.tick_size)
        return None

    def _largest_position(self, holding: Holding, extra: Order | None) -> Money:
        symbol = holding.symbol
        value = holding.quantity * self._quotes[symbol].mark_price
        buys, sells = value, -value
        for order in [*self._open_orders[symbol].values(), *([extra] if extra else [])]:
            if order.reduce_only or (holding.side and order.position_side is not holding.side):
                continue
            if order.side is Side.BUY:
                buys += order.remaining * order.price
            else:
                sells += order.remaining * order.price
        return max(buys, sells)

    def _brackets(self, symbol: Symbol) -> tuple[LeverageBracket, ...]:
        listing = self._listings[symbol]
        if listing.rules.leverage_brackets:
            return listing.rules.leverage_brackets
        return (_single_bracket(listing.leverage, listing.maintenance_ratio),)


def _single_bracket(leverage: Decimal, ratio: Ratio) -> LeverageBracket:
    return LeverageBracket(notional_floor=ZERO, maximum_leverage=leverage, maintenance_ratio=ratio)
