"""Trades of orders that the grid has forgotten: ORDERS shows whether one is a repeat."""

from contextlib import aclosing

from bus import Bus, FromTime, read
from engine.actor.inbox import DurableInput
from engine.core.orders.slots import is_forgotten
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.journal import Input, LateTrade
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import SECOND_NS
from schemas.venue.orders import Trade

MAX_CLOCK_SKEW_NS = 3600 * SECOND_NS
"""How far the venue's clock may be ahead of the bus's: no trade is stored earlier than this before its own time."""


async def mark_late_trade(bus: Bus, state: GridState | None, durable: DurableInput) -> Input:
    """Return the input for the core: a late trade as LateTrade when ORDERS has no earlier copy of it."""
    trade = durable.event
    assert trade is not None
    if not isinstance(trade, Trade) or state is None or not is_forgotten(state, trade.client_order_id):
        return trade
    # Every earlier message was applied once: without an earlier copy the trade was never booked.
    filters = (subjects.own_trade(trade.venue, trade.symbol),)
    since = FromTime(max(trade.time - MAX_CLOCK_SKEW_NS, 0))
    async with aclosing(read(bus, Stream.ORDERS, filters, since)) as batches:
        async for batch in batches:
            for message in batch.messages:
                if message.sequence >= durable.offset.sequence:
                    return LateTrade(trade=trade)
                earlier = try_decode(message.data, Trade)
                if earlier is not None and earlier.trade_id == trade.trade_id:
                    return trade
            if batch.caught_up:
                break
    return LateTrade(trade=trade)
