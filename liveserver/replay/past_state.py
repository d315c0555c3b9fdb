"""The state of markets at a moment in the past, rebuilt from the streams."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing

from bus import Bus, FromSequence, Received
from liveserver.protocol.server_messages import MessageType
from liveserver.protocol.symbol_names import Market
from liveserver.view.history import Kept, StreamSlice, last_message, read_merged, subject_filters
from liveserver.view.projection import Outgoing, Projection, ProtocolFilter
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.units import SECOND_NS, ZERO, DurationNs, TimeNs
from schemas.venue.account import Position

WARM_UP_MESSAGES: dict[Stream, int] = {
    Stream.ORDERS: 20_000,
    Stream.ENGINE: 5_000,
    Stream.ALERTS: 1_000,
    Stream.CONTROL: 1_000,
}
"""Sequences before a moment that are read to rebuild the state then. CANDLES is read in full, of JOURNAL the last grids."""
MAX_RENDERED_AT_ONCE = 50
"""Messages applied at once, which bounds the time that the event loop is blocked."""
STARTUP_NS: DurationNs = 60 * SECOND_NS
"""Time in which a new stack publishes its first candles, orders and grids."""


def first_moment(kept: Kept, first: TimeNs) -> TimeNs:
    """Return the first moment at which there is something to show, where `first` is the time of the oldest message kept.

    It is just after the first grid, unless that comes later than a start of the whole stack takes.
    """
    ready = first + STARTUP_NS
    return min(kept.first_grid + 1, ready) if kept.first_grid else ready


async def rebuild(
    bus: Bus,
    markets: Sequence[Market],
    sequences: Mapping[Stream, int],
    start: TimeNs,
    is_canceled: Callable[[], bool],
) -> Projection | None:
    """Return the view of these markets at `start`, None once `is_canceled`.

    `sequences` are those of the first message of each stream stored at `start` or later.
    Raises: OffsetLost, StreamGone, Rejected.
    """
    projection = Projection()
    for venue in {market.venue for market in markets}:
        clock = await bus.last(Stream.MARKET, subjects.clock(venue))
        if clock is not None:
            apply(
                projection, clock
            )  # says whether the venue replays a recording: then market time is not that of storage
    slices = await _slices(bus, markets, sequences, start)
    async with aclosing(read_merged(bus, slices)) as batches:
        async for batch in batches:
            for first in range(0, len(batch), MAX_RENDERED_AT_ONCE):
                for message in batch[first : first + MAX_RENDERED_AT_ONCE]:
                    apply(projection, message)
                await asyncio.sleep(0)
            if is_canceled():
                return None
    for market in markets:
        subject = subjects.grid(*market)
        grid = await last_message(bus, Stream.JOURNAL, subject, before=sequences[Stream.JOURNAL])
        if grid is not None:
            apply(projection, grid)
    return None if is_canceled() else projection


def apply(projection: Projection, message: Received) -> list[Outgoing]:
    """Apply a stored message; return what viewers of `opensqt.v2` receive.

    The positions of the past are not kept: with each grid, its position is published as that of the market.
    """
    try:
        event = decode(message.data)
    except UndecodableError:
        return []
    outgoing = projection.apply_stored(message.stream, message.sequence, message.time_ns, event, message.data)
    if isinstance(event, GridView):
        outgoing = [each for each in outgoing if each.payload.type is not MessageType.POSITION]
        outgoing += projection.apply(_position(event), message.sequence)
    return [each for each in outgoing if each.protocols is not ProtocolFilter.PLAIN]


async def _slices(
    bus: Bus, markets: Sequence[Market], sequences: Mapping[Stream, int], start: TimeNs
) -> list[StreamSlice]:
    slices = []
    for stream, sequence in sequences.items():
        oldest = (await bus.stream_state(stream)).first
        first = max(sequence - WARM_UP_MESSAGES[stream], oldest) if stream in WARM_UP_MESSAGES else oldest
        if stream is not Stream.JOURNAL and first < sequence:
            filters = subject_filters(stream, markets)
            slices.append(StreamSlice(stream, filters, FromSequence(first), last=sequence - 1, until=start))
    return slices


def _position(grid: GridView) -> Position:
    """Return the account's position as a grid knew it. The entry price follows from the grid: see `MarketView`."""
    held = grid.position + grid.foreign_position if grid.venue_position is None else grid.venue_position
    return Position(
        venue=grid.venue,
        symbol=grid.symbol,
        quantity=held,
        entry_price=ZERO,
        mark_price=grid.price or ZERO,
        unrealized_pnl=ZERO,
        leverage=ZERO,
        time=grid.time,
    )
