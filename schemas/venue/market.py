"""What the market did: tickers, public trades, candles, the state of the feed, the venue's clock."""

from enum import StrEnum

import msgspec

from schemas.units import Money, Price, Quantity, Side, Symbol, TimeNs, VenueId


class Ticker(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The best prices and the last traded one; only the newest counts."""

    venue: VenueId
    symbol: Symbol
    bid: Price
    ask: Price
    last: Price
    time: TimeNs
    """When it was so, by the venue's clock."""
    received_time: TimeNs = 0
    """When our publisher had it, by the publisher's clock; 0 when it was not taken."""


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trade between others."""

    venue: VenueId
    symbol: Symbol
    trade_id: str
    side: Side
    """The side of the taker."""
    price: Price
    quantity: Quantity
    time: TimeNs


class Candle(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open, high, low, close and volume of one interval."""

    venue: VenueId
    symbol: Symbol
    interval: str
    """As the venues write it: `1m`, `5m`, `1h`."""
    open_time: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    """Base currency."""
    closed: bool
    time: TimeNs
    """When it was so, by the venue's clock."""
    quote_volume: Money | None = None


class FeedState(StrEnum):
    """Whether what we see of a symbol's market can be relied on."""

    UP = "up"
    DOWN = "down"
    GAPPED = "gapped"


class FeedChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The market feed of a symbol came up, went down, or lost something."""

    venue: VenueId
    symbol: Symbol
    state: FeedState
    reason: str
    time: TimeNs


class ClockRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue's clock, read now and then."""

    venue: VenueId
    time: TimeNs
    """The venue's time."""
    received_time: TimeNs
    """Ours, when the answer came."""
