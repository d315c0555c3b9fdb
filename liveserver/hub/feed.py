"""Feed the projection from the bus: read the streams to their end, publish the view, follow the streams.

The projection folds bus events into the view of every market, from which viewers get snapshots and messages.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Never

from bus import (
    Bus,
    BusError,
    ConnectionClosed,
    FromSequence,
    FromStart,
    FromTime,
    LatestValues,
    Logger,
    OffsetLost,
    Received,
    Start,
    TopologyDiffers,
    last_per_subject,
    log_undecodable,
    provision,
    read,
)
from bus.runtime import monotonic_s, time_ns
from liveserver.hub.replica import Replica
from liveserver.protocol.cursors import DURABLE_STREAMS
from liveserver.protocol.symbol_names import Market
from liveserver.view.history import subject_filters
from liveserver.view.projection import Outgoing, Projection
from schemas import subjects
from schemas.codec import FormatTooNew, UndecodableError, UnknownKind, decode, try_decode
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs, Symbol
from schemas.venue.account import OpenOrders

LATEST_SUBJECTS = {
    Stream.MARKET: ("market.*.*.ticker", "market.*.*.candle.*", "market.*.*.feed", subjects.all_clocks()),
    Stream.ACCOUNT: ("account.>",),
}
"""State messages: only the newest of each subject is read."""

LATEST_OF_SYMBOL = {
    Stream.MARKET: ("market.*.{}.ticker", "market.*.{}.candle.*", "market.*.{}.feed"),
    Stream.ACCOUNT: ("account.*.{}.position", "account.*.{}.orders"),
}
LATEST_OF_VENUE = {Stream.MARKET: (subjects.all_clocks(),), Stream.ACCOUNT: ("account.*.balance.*",)}
"""State messages that a server of some symbols reads; the placeholder is a symbol."""

MAX_AGE_NS: DurationNs = 24 * 3600 * SECOND_NS
"""History read from ENGINE, ALERTS and CONTROL, by the time of storage."""

MAX_ORDER_MESSAGES = 50_000
"""History read from ORDERS; more if the listing of open orders of any account starts further back."""

MAX_JOURNAL_MESSAGES = 5_000
"""History read from JOURNAL, in addition to the newest grid of each symbol.

Sequences are counted, so also the steps, which viewers do not receive.
"""

RETRY_S = 0.5


class Feed:
    """Follows the bus. A view is published when every durable stream was read to its end once."""

    def __init__(self, replica: Replica, bus: Bus, log: Logger) -> None:
        self._replica = replica
        self._bus = bus
        self._log = log

    async def run(self) -> Never:
        """Follow the bus for ever; recreate the view after a bus error, such as a recreated stream.

        Raises: an ExceptionGroup with ConnectionClosed or TopologyDiffers, which no retry resolves.
        """
        while True:
            try:
                await _ViewFeed(self._replica, self._bus, self._log).follow()
            except* (ConnectionClosed, TopologyDiffers):
                raise
            except* BusError as group:
                self._log.warning("view_lost", detail="; ".join(str(error) for error in group.exceptions))
            await asyncio.sleep(RETRY_S)


class _ViewFeed:
    """One projection and the readers that feed it. Durable streams are called logs here."""

    def __init__(self, replica: Replica, bus: Bus, log: Logger) -> None:
        self._replica = replica
        self._metrics = replica.metrics
        self._bus = bus
        self._log = log
        symbols = replica.symbols_served
        self._projection = Projection(served=symbols)
        self._latest_subjects = _latest_subjects(symbols) if symbols else LATEST_SUBJECTS
        self._log_subjects = {stream: subject_filters(stream, symbols=symbols) for stream in DURABLE_STREAMS}
        """Durable events: all messages are read, in order."""
        self._unread: set[Stream] = set(self._log_subjects)
        """Streams not read to their end yet."""

    async def follow(self) -> None:
        await provision(self._bus)
        self._mark_catching_up()
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            stack.callback(self._bus.on_reconnect(self._mark_catching_up))
            included: list[int] = []
            for stream, filters in self._latest_subjects.items():
                latest = await stack.enter_async_context(LatestValues(self._bus, stream, filters))
                first = latest.take()
                included += _included_sequences(first)
                self._apply_all(first)
                group.create_task(self._follow_latest(latest), name=f"latest_{stream}")
            for stream in self._log_subjects:
                await self._add_stream(stream)
            group.create_task(self._replica.roster.follow(self._bus, self._log), name="roster")
            starts = await self._starts(included)
            for stream, start in starts.items():
                group.create_task(self._follow_log(stream, start), name=f"log_{stream}")

    async def _add_stream(self, stream: Stream) -> None:
        """Buffer a stream; its first cursor is the newest message that is sent to viewers."""
        created = await self._bus.stream_created(stream)
        newest = await last_per_subject(self._bus, stream, self._log_subjects[stream])
        floor = max((message.sequence for message in newest), default=0)
        self._projection.log.add_stream(stream, created, floor)
        if stream is Stream.JOURNAL:
            for message in newest:
                self._apply(message, is_logged=False)

    async def _starts(self, included: Sequence[int]) -> dict[Stream, Start]:
        """Return where to start reading each stream; `included` are the ORDERS sequences that listings include."""
        state = await self._bus.stream_state(Stream.ORDERS)
        recent = max(state.last - MAX_ORDER_MESSAGES, 0)
        after = min([recent, *included])
        journal = await self._bus.stream_state(Stream.JOURNAL)
        since = FromTime(time_ns() - MAX_AGE_NS)
        return {
            Stream.CANDLES: FromStart(),
            Stream.ORDERS: FromSequence(max(after + 1, state.first)),
            Stream.ENGINE: since,
            Stream.ALERTS: since,
            Stream.CONTROL: since,
            Stream.JOURNAL: FromSequence(max(journal.last - MAX_JOURNAL_MESSAGES + 1, journal.first)),
        }

    async def _follow_latest(self, latest: LatestValues) -> None:
        while True:
            await latest.changed()
            self._apply_all(latest.take())

    async def _follow_log(self, stream: Stream, start: Start) -> None:
        async for batch in read(self._bus, stream, self._log_subjects[stream], start):
            self._apply_all(batch.messages)
            if batch.caught_up:
                self._replica.catching_up.discard(stream)
            if batch.caught_up and stream in self._unread:
                await self._check_created(stream)
                self._unread.remove(stream)
                self._publish_when_ready()

    def _mark_catching_up(self) -> None:
        self._replica.catching_up = {str(stream) for stream in self._log_subjects}

    async def _check_created(self, stream: Stream) -> None:
        # The stream may have been recreated between `_add_stream` and the first read; later the reader notices that.
        state = await self._bus.stream_state(stream)
        known = self._projection.log.cursors[stream]
        if state.created != known.created:
            raise OffsetLost(stream, known.sequence, state.first, state.created)

    def _publish_when_ready(self) -> None:
        if not self._unread:
            self._log.info("view_ready", symbols=len(self._projection.names))
            self._replica.set_projection(self._projection)

    def _apply_all(self, messages: Iterable[Received]) -> None:
        received_at_s = monotonic_s()
        outgoing = [each for message in messages for each in self._apply(message)]
        if not self._unread and outgoing:
            self._replica.hub.publish(outgoing, received_at_s)

    def _apply(self, message: Received, *, is_logged: bool = True) -> list[Outgoing]:
        try:
            event = decode(message.data)
        except UndecodableError as error:
            self._projection.log.skip(message.stream, message.sequence)
            return self._on_undecodable(message, error)
        if not is_logged:
            return self._projection.apply(event, message.sequence)
        return self._projection.apply_stored(
            message.stream, message.sequence, message.time_ns, event, message.data
        )

    def _on_undecodable(self, message: Received, error: UndecodableError) -> list[Outgoing]:
        """Log a message that is skipped; the page shows which symbols need a newer live server."""
        symbol = subjects.parse(message.subject).symbol
        if isinstance(error, FormatTooNew) and symbol is not None:
            market = Market(subjects.parse(message.subject).venue, symbol)
            if self._projection.problems.get(market) == str(error):
                return []
            self._log.error("format_too_new", subject=message.subject, detail=str(error))
            return self._projection.set_problem(market, str(error))
        if not isinstance(error, UnknownKind):
            self._metrics.undecodable.inc()
        log_undecodable(message, error, self._log)
        return []


def _latest_subjects(symbols: Collection[Symbol]) -> dict[Stream, tuple[str, ...]]:
    tokens = [subjects.escape(symbol) for symbol in sorted(symbols)]
    return {
        stream: (
            *(pattern.format(token) for pattern in patterns for token in tokens),
            *LATEST_OF_VENUE[stream],
        )
        for stream, patterns in LATEST_OF_SYMBOL.items()
    }


def _included_sequences(messages: Iterable[Received]) -> list[int]:
    """Return the ORDERS sequences up to which listings of open orders include the reports."""
    listings = (
        try_decode(message.data, OpenOrders) for message in messages if message.subject.endswith(".orders")
    )
    return [listing.includes for listing in listings if listing is not None]
