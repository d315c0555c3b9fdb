"""Market data: tickers, public trades, candles, feed state, the venue's clock."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.units import SECOND_NS, ZERO, DurationNs, Money, Price, Quantity, Side, Symbol, TimeNs, VenueId


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


MAX_AHEAD_NS: DurationNs = 5 * SECOND_NS
"""A venue's time may be ahead of the receiver's clock by so much: a later one is wrong."""


class MarketFault(StrEnum):
    """Why a message of the market is dropped."""

    NOT_A_NUMBER = "not_a_number"
    """A figure is NaN, infinite or negative."""
    CROSSED = "crossed"
    """The best bid is above the best ask."""
    NO_PRICE = "no_price"
    """A price is missing, or 0."""
    TIME_AHEAD = "time_ahead"
    """Its time is ahead of the clocks by more than `MAX_AHEAD_NS`."""
    UNDECODABLE = "undecodable"
    """A field is missing, null or of another type."""


def ticker_fault(ticker: Ticker) -> MarketFault | None:
    """Return what is wrong with a ticker's prices, None if they can be used."""
    bid, ask, last = ticker.bid, ticker.ask, ticker.last
    if not (_is_amount(bid) and _is_amount(ask) and _is_amount(last) and _is_amount(ticker.mark)):
        return MarketFault.NOT_A_NUMBER
    if 0 < ask < bid:
        return MarketFault.CROSSED
    return None if last > 0 or bid > 0 else MarketFault.NO_PRICE


def candle_fault(candle: Candle) -> MarketFault | None:
    """Return what is wrong with a candle's figures, None if they can be used."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    if not all(_is_amount(each) for each in (*prices, candle.volume, candle.quote_volume or ZERO)):
        return MarketFault.NOT_A_NUMBER
    return None if all(each > 0 for each in prices) else MarketFault.NO_PRICE


def trade_fault(trade: PublicTrade) -> MarketFault | None:
    """Return what is wrong with a public trade's figures, None if they can be used."""
    if not (_is_amount(trade.price) and _is_amount(trade.quantity)):
        return MarketFault.NOT_A_NUMBER
    return None if trade.price > 0 else MarketFault.NO_PRICE


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and value >= 0
