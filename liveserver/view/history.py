"""What the streams had, read from the bus again: several of them as one, in the order in which they were stored."""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import NamedTuple

from bus import Batch, Bus, FromStart, FromTime, Received, Start, read
from liveserver.protocol.symbol_names import Market
from schemas.subjects import Stream, escape
from schemas.units import TimeNs

BATCH = 256
FOR_EVER = 1 << 63

DETAILS: dict[Stream, tuple[str, ...]] = {
    Stream.CANDLES: ("candle.{}.{}.>",),
    Stream.ORDERS: ("order.{}.{}.report", "order.{}.{}.trade"),
    Stream.ENGINE: (
        "engine.{}.{}.fill",
        "engine.{}.{}.risk",
        "engine.{}.{}.reconciliation",
        "engine.{}.{}.alert",
    ),
    Stream.CONTROL: ("control.{}.{}.result",),
    Stream.JOURNAL: ("journal.{}.{}.grid",),
}
"""What viewers are told of, by venue and symbol."""


class Source(NamedTuple):
    """A part of a stream."""

    stream: str
    filters: Sequence[str]
    start: Start
    last: int = FOR_EVER
    """The sequence that it ends with, if not before."""
    until: TimeNs = FOR_EVER
    """Nothing that was stored at this time or later."""


def filters(stream: Stream, markets: Sequence[Market] | None = None) -> tuple[str, ...]:
    """Return the subjects of all markets, or of these, that viewers are told of."""
    if markets is None:
        return tuple(detail.format("*", "*") for detail in DETAILS[stream])
    tokens = [(market.venue, escape(market.symbol)) for market in markets]
    return tuple(detail.format(*each) for detail in DETAILS[stream] for each in tokens)


async def merged(bus: Bus, sources: Sequence[Source]) -> AsyncGenerator[list[Received], None]:
    """Yield what the sources have now, in the order of the times it was stored; each stream in its own order.

    Leave it with `contextlib.aclosing` when the loop may end early.
    Raises: OffsetLost, StreamGone, Refused.
    """
    async with AsyncExitStack() as stack:
        heads: list[_Head] = []
        for source in sources:
            batches = read(bus, source.stream, source.filters, source.start, batch=BATCH)
            heads.append(_Head(source, await stack.enter_async_context(aclosing(batches))))
        while heads:
            for head in heads:
                await head.fill()
            heads = [head for head in heads if head.waiting]
            taken: list[Received] = []
            # As far as everybody's next message is known.
            while heads and all(head.waiting for head in heads):
                taken.append(min(heads, key=lambda head: head.waiting[0].time_ns).waiting.popleft())
                heads = [head for head in heads if head.waiting or not head.is_done]
            if taken:
                yield taken


class _Head:
    def __init__(self, source: Source, batches: AsyncGenerator[Batch, None]) -> None:
        self._source = source
        self._batches = batches
        self.waiting: deque[Received] = deque()
        self.is_done = False

    async def fill(self) -> None:
        """Have something waiting, unless nothing is left."""
        while not self.waiting and not self.is_done:
            batch = await anext(self._batches)
            self.is_done = batch.caught_up
            for message in batch.messages:
                if message.sequence > self._source.last or message.time_ns >= self._source.until:
                    self.is_done = True
                    break
                self.waiting.append(message)


async def first_of(bus: Bus, stream: Stream, wanted: Sequence[str], start: Start) -> Received | None:
    """Return the first message from there on, None when there is none now.

    Raises: OffsetLost, StreamGone, Refused.
    """
    async with aclosing(read(bus, stream, wanted, start, batch=1)) as batches:
        async for batch in batches:
            return batch.messages[0] if batch.messages else None
    return None


async def sequence_at(bus: Bus, stream: Stream, time: TimeNs) -> int:
    """Return the sequence of the first message that was stored at this time or later; the next one's if none was."""
    root = DETAILS[stream][0].partition(".")[0]
    found = await first_of(bus, stream, (f"{root}.>",), FromTime(time))
    return found.sequence if found else (await bus.stream_state(stream)).last + 1


async def kept_from(bus: Bus, markets: Sequence[Market]) -> tuple[TimeNs | None, TimeNs]:
    """Return when the first was stored of all that is kept of these markets, and from when on nothing was discarded."""
    times: list[TimeNs] = []
    complete: TimeNs = 0
    for stream in DETAILS:
        found = await first_of(bus, stream, filters(stream, markets), FromStart())
        if found is None:
            continue
        times.append(found.time_ns)
        state = await bus.stream_state(stream)
        if state.first > 1 or state.messages <= state.last - state.first:
            complete = max(complete, found.time_ns)
    return min(times, default=None), complete
