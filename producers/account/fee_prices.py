"""The value of fees in a third coin, such as BNB: an estimate at that coin's price when the trade was made."""

import msgspec

from bus import Bus, Logger, decode_or_log
from producers.retry import last_stored
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs, Price, Symbol, TimeNs, VenueId
from schemas.venue.fees import assets_of, fee_in_quote
from schemas.venue.market import Ticker
from schemas.venue.orders import Trade

MAX_AGE_NS: DurationNs = 300 * SECOND_NS
"""How far the ticker's time may be from the trade's."""


async def with_fee_value(trade: Trade, bus: Bus, log: Logger) -> Trade:
    """Return a trade with an estimate of its fee in quote currency, unless its value is known or the coin has no ticker.

    The ticker is that of the coin at the same venue: `BNB/USDT`, or the perpetual `BNB/USDT:USDT`.
    """
    if fee_in_quote(trade) is not None:
        return trade
    quote = assets_of(trade.symbol)[1]
    for symbol in (f"{trade.fee_asset}/{quote}", f"{trade.fee_asset}/{quote}:{quote}"):
        price = await _price(bus, trade.venue, Symbol(symbol), trade.time, log)
        if price is not None:
            return msgspec.structs.replace(trade, fee_value=trade.fee * price, is_fee_estimated=True)
    return trade


async def _price(bus: Bus, venue: VenueId, symbol: Symbol, time: TimeNs, log: Logger) -> Price | None:
    stored = await last_stored(bus, Stream.MARKET, subjects.ticker(venue, symbol), log)
    ticker = None if stored is None else decode_or_log(stored, Ticker, log)
    if ticker is None or ticker.last <= 0 or abs(ticker.time - time) > MAX_AGE_NS:
        return None
    return ticker.last
