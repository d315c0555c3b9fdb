"""Units and identifiers used in every event."""

from decimal import Decimal
from enum import StrEnum
from typing import NewType, TypeAlias

ZERO = Decimal(0)

Price: TypeAlias = Decimal
"""Quote currency for one unit of the base currency."""

Quantity: TypeAlias = Decimal
"""Base currency; never negative."""

SignedQuantity: TypeAlias = Decimal
"""Base currency; positive is long, negative is short."""

Money: TypeAlias = Decimal
"""Quote or settlement currency. Positive is received, negative is paid, unless a field says otherwise."""

Ratio: TypeAlias = Decimal
"""A fraction: 0.001 is 0.1 %."""

TimeNs: TypeAlias = int
"""Nanoseconds since the Unix epoch, UTC."""

DurationNs: TypeAlias = int
"""A length of time in nanoseconds."""

Figures: TypeAlias = dict[str, str]
"""Named figures behind an event: `{"drawdown": "41.2", "limit": "40", "stale_s": "12.5"}`.

Decimals are written out. Prices and money are in quote currency, counts have no unit; a name with another unit ends in it:
`_base`, `_s`, `_ms`, `_ratio`.
"""

VenueId = NewType("VenueId", str)
"""The configured name of an account at an exchange; by default `sim`, `paper-<exchange>`, or the exchange's ccxt id."""

Symbol = NewType("Symbol", str)
"""The ccxt symbol: `BTC/USDT` is spot, `BTC/USDT:USDT` a linear perpetual."""

ClientOrderId = NewType("ClientOrderId", str)
"""The id that the engine gives an order; sent to the venue at most once: see `schemas.venue.order_ids`."""

TradeId = NewType("TradeId", str)
"""The venue's id of a trade, unique within a symbol."""

SECOND_NS: DurationNs = 1_000_000_000
MILLISECOND_NS: DurationNs = 1_000_000


class Side(StrEnum):
    """The side of an order or trade, from the point of view of this account."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: the sign of the change of position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY
