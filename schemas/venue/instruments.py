"""Instruments: trading rules, limits and fees of a symbol; rounding to valid prices and quantities."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

import msgspec

from schemas.units import ZERO, Money, Price, Quantity, Ratio, Side, SignedQuantity, Symbol, VenueId

FEE_IN_QUOTE = "quote"
FEE_IN_RECEIVED = "received"


class InstrumentKind(StrEnum):
    """The kind of an instrument."""

    SPOT = "spot"
    LINEAR_PERPETUAL = "linear_perpetual"


class InstrumentStatus(StrEnum):
    """Whether the venue accepts new orders for an instrument."""

    TRADING = "trading"
    HALTED = "halted"
    """No new orders for now, as in a maintenance."""
    DELISTED = "delisted"
    """No new orders any more; also an instrument that the venue does not list any longer."""


class PriceBand(msgspec.Struct, frozen=True, kw_only=True):
    """The prices that a venue accepts for an order. A bound that is None does not exist; of two, the narrower one counts.

    Example, with the last price at 60000: below 0.1 and highest 65000 accept 54000 to 65000.
    """

    below: Ratio | None = None
    """How far below the reference price, usually the last price, as a ratio of it."""
    above: Ratio | None = None
    """How far above the reference price."""
    lowest: Price | None = None
    """In quote currency."""
    highest: Price | None = None
    """In quote currency."""

    def bounds(self, reference: Price) -> tuple[Price, Price | None]:
        """Return the lowest and the highest price accepted at a reference price; None without an upper bound."""
        lows = [ZERO if self.below is None else reference * (1 - self.below), self.lowest or ZERO]
        highs = [None if self.above is None else reference * (1 + self.above), self.highest]
        return max(lows), min((high for high in highs if high is not None), default=None)

    def accepts(self, price: Price, reference: Price) -> bool:
        """Return whether an order's price is within the band."""
        low, high = self.bounds(reference)
        return low <= price and (high is None or price <= high)


class LeverageBracket(msgspec.Struct, frozen=True, kw_only=True):
    """The largest leverage and the maintenance margin of a position, by its notional in quote currency."""

    notional_floor: Money
    """Exclusive, but the first bracket includes 0."""
    notional_cap: Money | None = None
    """Inclusive; None for a last bracket without an end."""
    maximum_leverage: Decimal
    maintenance_ratio: Ratio
    """Maintenance margin of the notional within the bracket, as a ratio of it."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A symbol of a venue with its trading rules.

    Quantities are in base currency, notionals in quote currency. A limit that is None does not exist, or is not stated.
    """

    venue: VenueId
    symbol: Symbol
    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    """The currency of margin and profit, and of fees unless `fee_asset` says otherwise."""
    tick_size: Price
    lot_size: Quantity
    minimum_quantity: Quantity
    minimum_notional: Money
    maker_fee: Ratio
    taker_fee: Ratio
    maximum_leverage: Decimal = Decimal(1)
    fee_asset: str = FEE_IN_QUOTE
    """What fees are charged in: `quote`; `received` (spot: base on a buy, quote on a sale); or an asset such as `BNB`."""
    maximum_quantity: Quantity | None = None
    """Of one order."""
    maximum_notional: Money | None = None
    """Of one order."""
    buy_band: PriceBand | None = None
    """The prices accepted for buy orders; None accepts all."""
    sell_band: PriceBand | None = None
    """The prices accepted for sell orders."""
    contract_size: Quantity = Decimal(1)
    """Base currency in one contract, at a venue that counts contracts; its connector converts all quantities."""
    closes_exempt_from_minimum: bool = False
    """Whether reduce-only orders may be below `minimum_notional`."""
    status: InstrumentStatus = InstrumentStatus.TRADING
    leverage_brackets: tuple[LeverageBracket, ...] = ()
    """In ascending order, without gaps; empty where `maximum_leverage` holds for every notional."""

    def price_down(self, price: Price) -> Price:
        """Return the highest valid price not above `price`."""
        return floor_to(price, self.tick_size)

    def price_up(self, price: Price) -> Price:
        """Return the lowest valid price not below `price`."""
        return ceil_to(price, self.tick_size)

    def quantity_down(self, quantity: Quantity) -> Quantity:
        """Return the largest valid quantity not above `quantity`."""
        return floor_to(quantity, self.lot_size)

    def order_quantity(self, quantity: Quantity, price: Price) -> Quantity:
        """Return the largest valid quantity not above `quantity` that one order at `price` may have."""
        if self.maximum_quantity is not None:
            quantity = min(quantity, self.maximum_quantity)
        if self.maximum_notional is not None and price > 0:
            quantity = min(quantity, self.maximum_notional / price)
        return self.quantity_down(quantity)

    def is_above_maximum(self, quantity: Quantity, price: Price) -> bool:
        """Return whether an order is larger than one order may be."""
        return (self.maximum_quantity is not None and quantity > self.maximum_quantity) or (
            self.maximum_notional is not None and quantity * price > self.maximum_notional
        )

    def closable(self, held: SignedQuantity) -> Quantity:
        """Return how much of a holding an order may close: all, less a fee that a sale on spot takes in base currency."""
        quantity = abs(held)
        is_spot_sale = held > 0 and self.kind is InstrumentKind.SPOT
        if is_spot_sale and self.charged_asset(Side.SELL) == self.base:
            quantity /= 1 + max(self.maker_fee, self.taker_fee, ZERO)
        return quantity

    def band(self, side: Side) -> PriceBand | None:
        """Return the band of the prices accepted for orders of a side, None without one."""
        return self.buy_band if side is Side.BUY else self.sell_band

    def accepts_price(self, side: Side, price: Price, reference: Price) -> bool:
        """Return whether an order's price is within the band of its side; `reference` is the last price."""
        band = self.band(side)
        return band is None or band.accepts(price, reference)

    def bracket(self, notional: Money) -> LeverageBracket | None:
        """Return the bracket of a position; None without brackets, or when it is larger than the last one allows."""
        return next(
            (
                each
                for each in self.leverage_brackets
                if each.notional_cap is None or notional <= each.notional_cap
            ),
            None,
        )

    def charged_asset(self, side: Side) -> str:
        """Return the asset in which the fee of a trade is charged."""
        match self.fee_asset:
            case "quote":
                return self.settle
            case "received" if self.kind is InstrumentKind.SPOT and side is Side.BUY:
                return self.base
            case "received":
                return self.settle
            case asset:
                return asset


def maintenance_margin(brackets: tuple[LeverageBracket, ...], notional: Money) -> Money:
    """Return the maintenance margin of a position: each bracket's ratio of the part of the notional within it."""
    margin = ZERO
    for each in brackets:
        is_last = each is brackets[-1] or each.notional_cap is None
        end = notional if is_last else min(notional, each.notional_cap or ZERO)
        margin += max(end - each.notional_floor, ZERO) * each.maintenance_ratio
    return margin


def quote_of(symbol: Symbol) -> str:
    """Return the quote currency in the name of a symbol: `USDT` of `BTC/USDT:USDT`; empty when there is none."""
    return symbol.partition("/")[2].partition(":")[0]


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` not above `value`, with the number of decimals of `step`."""
    return ((value / step).to_integral_value(ROUND_FLOOR) * step).quantize(step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` not below `value`, with the number of decimals of `step`."""
    return ((value / step).to_integral_value(ROUND_CEILING) * step).quantize(step)
