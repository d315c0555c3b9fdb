"""Requests the sweep that ends a resynchronization, until it is answered."""

import asyncio
from collections.abc import Callable

from bus import Bus
from schemas import subjects
from schemas.codec import encode
from schemas.formats import TRADE_OVERLAP_NS
from schemas.grid.state import GridState
from schemas.venue.account import SweepRequest

REQUEST_INTERVAL_S = 1.0


async def request_sweeps(bus: Bus, state: Callable[[], GridState | None]) -> None:
    """Publish a request every `REQUEST_INTERVAL_S` while a resynchronization is pending, for ever.

    The request is a core message: the account publisher may be down, so it is repeated.
    """
    while True:
        current = state()
        if current is not None and current.resync is not None:
            request = SweepRequest(
                venue=current.venue,
                symbol=current.symbol,
                request_id=current.resync.request_id,
                trades_since=max(current.booked_through - TRADE_OVERLAP_NS, 0),
            )
            await bus.publish(subjects.sweep(current.venue), encode(request))
        await asyncio.sleep(REQUEST_INTERVAL_S)
