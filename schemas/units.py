"""What a number or a name means: the units and identities that every event is written in."""

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
"""Quote (or settlement) currency; the sign says which way it went."""

Ratio: TypeAlias = Decimal
"""A fraction: 0.001 is 0.1 %."""

TimeNs: TypeAlias = int
"""Nanoseconds since the Unix epoch, UTC."""

DurationNs: TypeAlias = int
"""A length of time in nanoseconds."""

VenueId = NewType("VenueId", str)
"""`sim`, `paper-<venue>`, or the ccxt id of an exchange."""

Symbol = NewType("Symbol", str)
"""The ccxt symbol: `BTC/USDT` is spot, `BTC/USDT:USDT` a linear perpetual."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our name of an order, sent at most once: see `schemas.order_ids`."""

TradeId = NewType("TradeId", str)
"""The venue's name of one trade, unique for a symbol."""

SECOND_NS: DurationNs = 1_000_000_000
MILLISECOND_NS: DurationNs = 1_000_000


class Side(StrEnum):
    """The side of an order or a trade, seen from us."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a trade does to the position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY
