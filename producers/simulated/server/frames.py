"""Events of a market tick, as the market stream sends them."""

from collections.abc import Iterator

from producers.ports import MarketEvent
from producers.simulated.market.tape import Tick
from schemas.units import ZERO, TimeNs, VenueId
from schemas.venue.market import FeedChanged, FeedState, Ticker


def market_events(venue: VenueId, tick: Tick, time: TimeNs) -> Iterator[MarketEvent]:
    """Yield the events of one symbol: a gap, closed candles, the ticker, the open candle."""
    if tick.gap:
        for state in (FeedState.GAPPED, FeedState.UP):
            yield FeedChanged(venue=venue, symbol=tick.symbol, state=state, reason=tick.gap, time=time)
    yield from (candle for candle in tick.candles if candle.closed)
    quote = tick.quote
    yield Ticker(
        venue=venue,
        symbol=tick.symbol,
        bid=quote.bid,
        ask=quote.ask,
        last=quote.last,
        time=time,
        mark=quote.mark or ZERO,
    )
    yield from (candle for candle in tick.candles if not candle.closed)
