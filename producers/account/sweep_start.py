"""Where a sweep of a symbol starts: at the engine's mark of booked trades, less an overlap; without a journal, now.

What is older than a new grid is not the grid's, even if ids repeat, so it is not fetched.
"""

import msgspec

from bus import Bus, Logger, Received, newest
from producers.retry import last_stored
from schemas import subjects
from schemas.codec import INVALID_JSON
from schemas.engine.journal import RiskSummary
from schemas.formats import TRADE_OVERLAP_NS
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.account import OpenOrders


class _State(msgspec.Struct, frozen=True):
    """The field of the state that serves as the mark in steps of version 1."""

    traded_time: TimeNs = 0


class _Step(msgspec.Struct, frozen=True, tag="Step"):
    """The mark in a step; the rest is not decoded."""

    state: _State
    risk: RiskSummary | None = None


_steps = msgspec.json.Decoder(_Step)


async def sweep_start(bus: Bus, venue: VenueId, symbol: Symbol, now: TimeNs, log: Logger) -> TimeNs:
    """Return the venue time from which the trades of a symbol are to be fetched; 0 when all are.

    `now` is the venue's time: a mark later than that, of another clock, does not count. Without an engine the mark is the
    time through which the last sweep was complete, and `now` before the first sweep.
    """
    step = await last_stored(bus, Stream.JOURNAL, subjects.step(venue, symbol), log)
    mark = await _last_complete(bus, venue, symbol, log, now) if step is None else _mark(step, log)
    return max(min(mark, now) - TRADE_OVERLAP_NS, 0)


def _mark(stored: Received, log: Logger) -> TimeNs:
    try:
        step = _steps.decode(stored.data)
    except INVALID_JSON as error:
        log.error("undecodable", subject=stored.subject, sequence=stored.sequence, detail=str(error))
        return 0
    return step.state.traded_time if step.risk is None else step.risk.booked_through


async def _last_complete(bus: Bus, venue: VenueId, symbol: Symbol, log: Logger, now: TimeNs) -> TimeNs:
    subject = subjects.open_orders(venue, symbol)
    stored = await last_stored(bus, Stream.ACCOUNT, subject, log)
    last = await newest(bus, Stream.ACCOUNT, subject, OpenOrders, stored)
    return now if last is None else last.event.complete_through
