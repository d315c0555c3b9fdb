"""Read past messages from the bus: several streams merged in the order of storage."""

from collections import deque
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import NamedTuple

from bus import Batch, Bus, FromSequence, FromStart, FromTime, Received, Start, read
from liveserver.protocol.symbol_names import Market
from schemas.subjects import Stream, escape
from schemas.units import Symbol, TimeNs

BATCH_SIZE = 256
LOOK_BACK_MESSAGES = 1_000
"""Sequences in which the last message on a subject is looked for at first."""
UNBOUNDED = 1 << 63

SUBJECT_PATTERNS: dict[Stream, tuple[str, ...]] = {
    Stream.CANDLES: ("candle.{}.{}.>",),
    Stream.ORDERS: ("order.{}.{}.report", "order.{}.{}.trade"),
    Stream.ENGINE: (
        "engine.{}.{}.fill",
        "engine.{}.{}.risk",
        "engine.{}.{}.reconciliation",
        "engine.{}.{}.correction",
        "engine.{}.{}.quoting",
        "engine.{}.{}.alert",  # of version 1
    ),
    Stream.ALERTS: ("alert.{}.{}",),
    Stream.CONTROL: ("control.{}.{}.result",),
    Stream.JOURNAL: ("journal.{}.{}.grid",),
}
"""Subjects whose messages are sent to viewers; the placeholders are venue and symbol."""


class StreamSlice(NamedTuple):
    """A range of one stream: from `start` to the sequence `last` or the time `until`, whichever comes first."""

    stream: str
    filters: Sequence[str]
    start: Start
    last: int = UNBOUNDED
    """Inclusive."""
    until: TimeNs = UNBOUNDED
    """Time of storage, exclusive."""


def subject_filters(
    stream: Stream, markets: Sequence[Market] | None = None, symbols: Collection[Symbol] = ()
) -> tuple[str, ...]:
    """Return the subjects sent to viewers, of these markets: `candle.sim.BTC-USDT.>`.

    Without markets those of `symbols` on all venues: `candle.*.BTC-USDT.>`; without both those of all markets.
    """
    tokens = [(str(market.venue), escape(market.symbol)) for market in markets or ()]
    if markets is None:
        tokens = [("*", escape(symbol)) for symbol in sorted(symbols)] or [("*", "*")]
    return tuple(pattern.format(*each) for pattern in SUBJECT_PATTERNS[stream] for each in tokens)


async def read_merged(bus: Bus, slices: Sequence[StreamSlice]) -> AsyncGenerator[list[Received], None]:
    """Yield the messages that the slices contain now, by time of storage; each stream in its own order.

    Use `contextlib.aclosing` if the loop may end early.
    Raises: OffsetLost, StreamGone, Refused.
    """
    async with AsyncExitStack() as stack:
        heads: list[_Head] = []
        for each in slices:
            batches = read(bus, each.stream, each.filters, each.start, batch=BATCH_SIZE)
            heads.append(_Head(each, await stack.enter_async_context(aclosing(batches))))
        while heads:
            for head in heads:
                await head.fill()
            heads = [head for head in heads if head.waiting]
            taken: list[Received] = []
            # The earliest message is known only while every head has one.
            while heads and all(head.waiting for head in heads):
                taken.append(min(heads, key=lambda head: head.waiting[0].time_ns).waiting.popleft())
                heads = [head for head in heads if head.waiting or not head.is_done]
            if taken:
                yield taken


class _Head:
    def __init__(self, bounds: StreamSlice, batches: AsyncGenerator[Batch, None]) -> None:
        self._bounds = bounds
        self._batches = batches
        self.waiting: deque[Received] = deque()
        self.is_done = False

    async def fill(self) -> None:
        """Read until a message is waiting or the slice has ended."""
        while not self.waiting and not self.is_done:
            batch = await anext(self._batches)
            self.is_done = batch.caught_up
            for message in batch.messages:
                if message.sequence > self._bounds.last or message.time_ns >= self._bounds.until:
                    self.is_done = True
                    break
                self.waiting.append(message)


async def first_message(bus: Bus, stream: Stream, wanted: Sequence[str], start: Start) -> Received | None:
    """Return the first message from `start` on, None if there is none yet.

    Raises: OffsetLost, StreamGone, Refused.
    """
    async with aclosing(read(bus, stream, wanted, start, batch=1)) as batches:
        async for batch in batches:
            return batch.messages[0] if batch.messages else None
    return None


async def sequence_at(bus: Bus, stream: Stream, time: TimeNs) -> int:
    """Return the sequence of the first message stored at this time or later; the next sequence if there is none."""
    root = SUBJECT_PATTERNS[stream][0].partition(".")[0]
    found = await first_message(bus, stream, (f"{root}.>",), FromTime(time))
    return found.sequence if found else (await bus.stream_state(stream)).last + 1


async def last_message(bus: Bus, stream: Stream, subject: str, before: int) -> Received | None:
    """Return the last message on a subject with a sequence below `before`, None if none is kept.

    Raises: OffsetLost, StreamGone, Rejected.
    """
    oldest = (await bus.stream_state(stream)).first
    distance, end = LOOK_BACK_MESSAGES, before
    while end > oldest:
        first = max(before - distance, oldest)
        found: Received | None = None
        part = StreamSlice(stream, (subject,), FromSequence(first), last=end - 1)
        async with aclosing(read_merged(bus, (part,))) as batches:
            async for batch in batches:
                found = batch[-1]
        if found is not None:
            return found
        distance, end = distance * 4, first
    return None


class Kept(NamedTuple):
    """What the streams keep of some markets; times of storage."""

    first: TimeNs | None
    """Of the oldest message; None if nothing is kept."""
    complete_since: TimeNs
    """Since when no message was discarded; 0 if none was. A stream that has discarded messages of any market counts from
    its oldest message of these markets."""
    first_grid: TimeNs
    """Of the oldest state of a grid; 0 if none is kept."""


async def kept(bus: Bus, markets: Sequence[Market]) -> Kept:
    """Return what is kept of these markets.

    Raises: OffsetLost, StreamGone, Rejected.
    """
    times: list[TimeNs] = []
    complete_since: TimeNs = 0
    first_grid: TimeNs = 0
    for stream in SUBJECT_PATTERNS:
        found = await first_message(bus, stream, subject_filters(stream, markets), FromStart())
        if found is None:
            continue
        times.append(found.time_ns)
        if stream is Stream.JOURNAL:
            first_grid = found.time_ns
        state = await bus.stream_state(stream)
        has_gaps = state.messages <= state.last - state.first
        if state.first > 1 or has_gaps:
            complete_since = max(complete_since, found.time_ns)
    return Kept(min(times, default=None), complete_since, first_grid)
