"""Instruments: tick and lot size, minimum order, fees; rounding to valid prices and quantities."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

import msgspec

from schemas.units import Money, Price, Quantity, Ratio, Symbol, VenueId


class InstrumentKind(StrEnum):
    """The kind of an instrument."""

    SPOT = "spot"
    LINEAR_PERPETUAL = "linear_perpetual"


class Instrument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A symbol of a venue with its trading rules."""

    venue: VenueId
    symbol: Symbol
    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    """The currency of fees, margin and profit."""
    tick_size: Price
    lot_size: Quantity
    minimum_quantity: Quantity
    minimum_notional: Money
    maker_fee: Ratio
    taker_fee: Ratio
    maximum_leverage: Decimal = Decimal(1)

    def price_down(self, price: Price) -> Price:
        """Return the highest valid price not above `price`."""
        return floor_to(price, self.tick_size)

    def price_up(self, price: Price) -> Price:
        """Return the lowest valid price not below `price`."""
        return ceil_to(price, self.tick_size)

    def quantity_down(self, quantity: Quantity) -> Quantity:
        """Return the largest valid quantity not above `quantity`."""
        return floor_to(quantity, self.lot_size)


def quote_of(symbol: Symbol) -> str:
    """Return the quote currency in the name of a symbol: `USDT` of `BTC/USDT:USDT`; empty when there is none."""
    return symbol.partition("/")[2].partition(":")[0]


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` not above `value`, with the number of decimals of `step`."""
    return ((value / step).to_integral_value(ROUND_FLOOR) * step).quantize(step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` not below `value`, with the number of decimals of `step`."""
    return ((value / step).to_integral_value(ROUND_CEILING) * step).quantize(step)
