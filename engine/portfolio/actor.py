"""A venue's portfolio actor: hears all its symbols, lets the core decide, commits, and only then speaks.

The protocol is that of a symbol's actor: the claim fences every earlier one, a step is one record with the offsets in it,
copies, commands and roster entries go out after the commit and are said again at the next start. There are few steps, so
each is said to the end before the next one is made.
"""

import asyncio
import time
from collections import deque
from contextlib import aclosing
from decimal import Decimal

import msgspec

from bus import Bus, Journal, LatestValues, Logger, OffsetLost, Received, forever, newest, read_durable
from engine.core.portfolio.portfolio import Portfolio, seen
from engine.core.portfolio.step import PortfolioChange
from engine.portfolio.inputs import Inputs
from engine.portfolio.publisher import PortfolioPublisher
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.engine.events import Fill
from schemas.engine.journal import StreamOffset
from schemas.engine.portfolio import OrderLatency
from schemas.engine.portfolio_journal import PortfolioInput, PortfolioStep
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.units import Money, VenueId
from schemas.venue.market import ClockRead

LOOK_EVERY_S = 0.25
"""The grids are looked at no more often: the gateway makes the last check of each order."""
EXACT = (Stream.ENGINE, Stream.CONTROL)


class PortfolioActor:
    """Runs one venue's portfolio until it is fenced or a commit fails."""

    def __init__(self, bus: Bus, venue: VenueId, log: Logger) -> None:
        self._bus = bus
        self._venue = venue
        self._log = log
        self._step_subject = subjects.portfolio_step(venue)
        self._inputs = Inputs(bus, venue, log)
        self._speaker = PortfolioPublisher(bus, venue, log)
        self._portfolio = Portfolio(None, 0)
        self._offsets: dict[str, StreamOffset] = {}
        self._epoch = 1
        self._exact: deque[tuple[Stream, StreamOffset, Received]] = deque()
        self._levels: dict[str, PortfolioInput] = {}
        self._wanted = asyncio.Event()
        self._said = ""

    async def run(self) -> None:
        """Take the venue's portfolio over and run it.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when a commit failed.
        """
        self._journal = await Journal.open(self._bus, Stream.JOURNAL, self._step_subject)
        last = await newest(self._bus, Stream.JOURNAL, self._step_subject, PortfolioStep, self._journal.last)
        if last is None:
            self._offsets = await self._offsets_now()
        else:
            await self._claim(last.event)
            await self._speaker.say_again(self._step_subject, last.stored.sequence)
        async with (
            LatestValues(self._bus, Stream.JOURNAL, (subjects.grids(self._venue),)) as grids,
            asyncio.TaskGroup() as tasks,
        ):
            # All symbols before anything else: some of them alone would look like less than there is.
            self._take(grids.take())
            await self._process(await self._inputs.settings(), *self._waiting_levels())
            self._listen(tasks, grids)
            await self._decide()

    @property
    def exposure(self) -> Money:
        """Return what all symbols hold together."""
        return Decimal(0) if self._portfolio.state is None else self._portfolio.limits().exposure

    def status(self) -> dict[str, object]:
        """Return what /status says of the portfolio."""
        if self._portfolio.state is None:
            return {"step": self._portfolio.step}
        limits = self._portfolio.limits()
        return {
            "step": self._portfolio.step,
            "epoch": self._epoch,
            "exposure": str(limits.exposure),
            "max_exposure": str(limits.max_exposure),
            "breaker": limits.breaker.value,
            "reason": limits.reason,
        }

    async def _claim(self, last: PortfolioStep) -> None:
        self._epoch = last.epoch + 1
        self._offsets = dict(last.offsets)
        self._portfolio = Portfolio(last.state, last.step)
        self._speaker.through = last.published_through
        claim = msgspec.structs.replace(
            last, epoch=self._epoch, causes=(), notices=(), commands=(), entries=()
        )
        await self._journal.commit(claim)
        self._log.info("claimed", step=last.step, epoch=self._epoch)

    async def _offsets_now(self) -> dict[str, StreamOffset]:
        return {
            stream: StreamOffset(
                created=await self._bus.stream_created(stream), sequence=await self._bus.last_sequence(stream)
            )
            for stream in EXACT
        }

    async def _decide(self) -> None:
        while True:
            await self._show()
            await self._wait()
            while self._exact:
                stream, offset, message = self._exact.popleft()
                self._offsets[stream] = offset
                event = await self._event(message)
                if event is not None:
                    await self._process(event, *self._waiting_levels())
            await self._process(*self._waiting_levels())

    async def _wait(self) -> None:
        # What is not exact is looked at now and then: nobody needs more than one look in a moment.
        self._wanted.clear()
        if not self._exact and not self._levels:
            await self._wanted.wait()

    async def _event(self, message: Received) -> PortfolioInput | None:
        try:
            event = decode(message.data)
            return event if isinstance(event, Fill) else await self._inputs.command(event, time.time_ns())
        except UndecodableError as error:
            self._undecodable(message, error)
            return None

    def _waiting_levels(self) -> tuple[PortfolioInput, ...]:
        levels, self._levels = tuple(self._levels.values()), {}
        return levels

    async def _process(self, *events: PortfolioInput) -> None:
        change = self._portfolio.process(events)
        if change is None:
            return
        step = self._step(change)
        sequence = await self._journal.commit(step)
        await self._show()
        await self._speaker.say(step, sequence)

    def _step(self, change: PortfolioChange) -> PortfolioStep:
        assert self._portfolio.state is not None
        return PortfolioStep(
            venue=self._venue,
            step=change.step,
            epoch=self._epoch,
            offsets=self._offsets,
            causes=change.causes,
            state=self._portfolio.state,
            notices=change.notices,
            commands=change.commands,
            entries=change.entries,
            published_through=self._speaker.through,
            time=change.time,
        )

    async def _show(self) -> None:
        await self._speaker.show(self._portfolio.limits(), self._journal.sequence, self._step_subject)

    def _listen(self, tasks: asyncio.TaskGroup, grids: LatestValues) -> None:
        pumps = {
            "fills": self._read(Stream.ENGINE, (subjects.fills(self._venue),)),
            "commands": self._read(Stream.CONTROL, subjects.commands_to_all(self._venue)),
            "grids": self._follow_grids(grids),
            "latency": self._follow(Stream.ACCOUNT, subjects.order_latency(self._venue)),
            "clock": self._follow(Stream.MARKET, subjects.clock(self._venue)),
            "settings": self._follow_settings(),
        }
        for name, pump in pumps.items():
            tasks.create_task(forever(name, pump), name=f"portfolio {name}:{self._venue}")

    async def _read(self, stream: Stream, filters: tuple[str, ...]) -> None:
        while True:
            offset = self._offsets[stream]
            try:
                async with aclosing(read_durable(self._bus, stream, filters, offset)) as batches:
                    async for batch in batches:
                        for message in batch.messages:
                            at = StreamOffset(created=offset.created, sequence=message.sequence)
                            self._exact.append((stream, at, message))
                            self._wanted.set()
            except OffsetLost as lost:
                self._log.error("offset_lost", stream=stream, detail=str(lost))
                self._offsets[stream] = StreamOffset(
                    created=await self._bus.stream_created(stream), sequence=max(lost.first - 1, 0)
                )

    async def _follow_grids(self, grids: LatestValues) -> None:
        while True:
            await grids.changed()
            self._take(grids.take())
            await asyncio.sleep(LOOK_EVERY_S)

    async def _follow(self, stream: Stream, subject: str) -> None:
        async with LatestValues(self._bus, stream, (subject,)) as levels:
            async for message in levels:
                self._take([message])

    async def _follow_settings(self) -> None:
        async for entry in self._inputs.follow_settings():
            self._put("settings", entry)

    def _take(self, messages: list[Received]) -> None:
        for message in messages:
            try:
                event = decode(message.data)
            except UndecodableError as error:
                self._undecodable(message, error)
                continue
            if isinstance(event, GridView):
                self._put(message.subject, seen(event))
            elif isinstance(event, OrderLatency | ClockRead):
                self._put(message.subject, event)

    def _put(self, key: str, level: PortfolioInput) -> None:
        self._levels[key] = level
        self._wanted.set()

    def _undecodable(self, message: Received, error: UndecodableError) -> None:
        self._log.error("undecodable", subject=message.subject, sequence=message.sequence, detail=str(error))
