"""Market data: tickers, public trades, candles, feed state, the venue's clock."""

from enum import StrEnum

import msgspec

from schemas.units import ZERO, Money, Price, Quantity, Side, Symbol, TimeNs, VenueId


class Ticker(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Best bid and ask and the last trade price; only the newest ticker counts."""

    venue: VenueId
    symbol: Symbol
    bid: Price
    ask: Price
    last: Price
    time: TimeNs
    """The venue's time."""
    received_time: TimeNs = 0
    """The publisher's time of receipt; 0 when not recorded."""
    mark: Price = ZERO
    """The venue's mark price; 0 where it has none."""


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trade of other market participants."""

    venue: VenueId
    symbol: Symbol
    trade_id: str
    side: Side
    """The taker's side."""
    price: Price
    quantity: Quantity
    time: TimeNs


class Candle(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open, high, low, close and volume of one interval."""

    venue: VenueId
    symbol: Symbol
    interval: str
    """In the notation of ccxt: `1m`, `5m`, `1h`."""
    open_time: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    """Base currency."""
    closed: bool
    time: TimeNs
    """The venue's time."""
    quote_volume: Money | None = None


class FeedState(StrEnum):
    """Whether the data of a feed can be relied on."""

    UP = "up"
    DOWN = "down"
    GAPPED = "gapped"
    """Connected, but data was missed."""


class FeedChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The feed of a symbol, or of the account, came up, went down or missed data."""

    venue: VenueId
    symbol: Symbol
    state: FeedState
    reason: str
    time: TimeNs


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """The market is a recording that is replayed."""

    name: str
    """The name of its file, without directories."""
    speed: float
    """Speed-up factor; 0 in lock-step (`--speed max`)."""


class ClockRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A reading of the venue's clock."""

    venue: VenueId
    time: TimeNs
    """The venue's time."""
    received_time: TimeNs
    """The publisher's time when the answer arrived."""
    recording: Recording | None = None
    """The recording that the venue replays; None on a live or generated market."""
