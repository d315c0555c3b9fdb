"""Trades of orders that the grid has forgotten: whether one is new or a repeat is looked up in ORDERS."""

from contextlib import aclosing

from bus import Bus, FromTime, read
from engine.actor.inbox import DurableInput
from engine.core.orders.slots import is_forgotten
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Input, LateTrade
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import SECOND_NS
from schemas.venue.orders import Trade

SKEW_NS = 3600 * SECOND_NS
"""How far the venue's clock may be ahead of the bus's: no trade is stored so long before it happened."""


async def looked_up(bus: Bus, state: GridState | None, heard: DurableInput) -> Input:
    """Return an exact input as the core is to hear it: a late trade as such when ORDERS never had it before."""
    trade = heard.event
    assert trade is not None
    if not isinstance(trade, Trade) or state is None or not is_forgotten(state, trade.client_order_id):
        return trade
    # What is there before it was heard before, once: if its id is not among it, nobody booked it.
    filters = (subjects.own_trade(trade.venue, trade.symbol),)
    since = FromTime(max(trade.time - SKEW_NS, 0))
    async with aclosing(read(bus, Stream.ORDERS, filters, since)) as batches:
        async for batch in batches:
            for message in batch.messages:
                if message.sequence >= heard.offset.sequence:
                    return LateTrade(trade=trade)
                if _trade_id(message.data) == trade.trade_id:
                    return trade
            if batch.caught_up:
                break
    return LateTrade(trade=trade)


def _trade_id(data: bytes) -> str | None:
    try:
        return decode_as(data, Trade).trade_id
    except UndecodableError:
        return None
