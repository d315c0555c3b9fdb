"""Actor of a venue's portfolio: applies fills, commands and grids, and commits each step.

It follows the protocol of a symbol's actor. Steps are few: each is completely published before the next one is made.
"""

import asyncio
import time
from collections import deque
from typing import Self

from bus import Bus, LatestValues, Logger, Received, forever
from engine.core.portfolio.portfolio import Portfolio, seen
from engine.core.portfolio.step import PortfolioChange
from engine.journaled_actor import ClaimedJournal, JournaledActor, claim_journal
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
from schemas.units import ZERO, Money, VenueId
from schemas.venue.market import ClockRead

GRIDS_INTERVAL_S = 0.25
"""The shortest time between two evaluations of the grids: the gateway makes the final check of each order."""
INPUTS = (Stream.ENGINE, Stream.CONTROL)
"""Durable input streams."""
OUTPUTS = ("causes", "notices", "commands", "entries")
"""Fields of a step that a claim leaves empty."""


class PortfolioActor(JournaledActor[PortfolioStep]):
    """Runs one venue's portfolio until it is fenced or a commit fails. Created by `start`."""

    def __init__(
        self,
        bus: Bus,
        venue: VenueId,
        claimed: ClaimedJournal[PortfolioStep],
        publisher: PortfolioPublisher,
        log: Logger,
    ) -> None:
        super().__init__(bus, claimed, log)
        last = claimed.last
        self._venue = venue
        self._publisher = publisher
        self._inputs = Inputs(bus, venue, log)
        self._portfolio = Portfolio(None, 0) if last is None else Portfolio(last.state, last.step)
        self._durable: deque[tuple[Stream, StreamOffset, Received]] = deque()
        self._updates: dict[str, PortfolioInput] = {}
        self._has_input = asyncio.Event()

    @classmethod
    async def start(cls, bus: Bus, venue: VenueId, log: Logger) -> Self:
        """Claim the portfolio's journal, republish unconfirmed steps, and return an actor that continues there.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when the claim failed.
        """
        subject = subjects.portfolio_step(venue)
        claimed = await claim_journal(bus, subject, PortfolioStep, inputs=INPUTS, outputs=OUTPUTS, log=log)
        publisher = PortfolioPublisher(bus, venue, log, claimed.published_through)
        await publisher.republish(claimed.last_sequence)
        return cls(bus, venue, claimed, publisher, log)

    async def run(self) -> None:
        """Run the venue's portfolio, for ever.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when a commit failed.
        """
        async with (
            LatestValues(self._bus, Stream.JOURNAL, (subjects.grids(self._venue),)) as grids,
            asyncio.TaskGroup() as tasks,
        ):
            # All symbols first: some of them alone would give too low an exposure.
            self._put_messages(grids.take())
            await self._process(await self._inputs.settings(), *self._take_updates())
            self._start_pumps(tasks, grids)
            await self._decide()

    @property
    def exposure(self) -> Money:
        """The exposure of all symbols together."""
        return ZERO if self._portfolio.state is None else self._portfolio.limits().exposure

    def status(self) -> dict[str, object]:
        """Return the portfolio's part of /status."""
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

    async def _decide(self) -> None:
        while True:
            await self._publish_limits()
            await self._wait_input()
            while self._durable:
                stream, offset, message = self._durable.popleft()
                self._offsets[stream] = offset
                event = await self._decode(message)
                if event is not None:
                    await self._process(event, *self._take_updates())
            await self._process(*self._take_updates())

    async def _wait_input(self) -> None:
        self._has_input.clear()
        if not self._durable and not self._updates:
            await self._has_input.wait()

    async def _decode(self, message: Received) -> PortfolioInput | None:
        try:
            event = decode(message.data)
            return event if isinstance(event, Fill) else await self._inputs.command(event, time.time_ns())
        except UndecodableError as error:
            self._log_undecodable(message, error)
            return None

    def _take_updates(self) -> tuple[PortfolioInput, ...]:
        updates, self._updates = tuple(self._updates.values()), {}
        return updates

    async def _process(self, *events: PortfolioInput) -> None:
        change = self._portfolio.process(events)
        if change is None:
            return
        step = self._step(change)
        sequence = await self._journal.commit(step)
        await self._publish_limits()
        await self._publisher.publish(step, sequence)

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
            published_through=self._publisher.published_through,
            time=change.time,
        )

    async def _publish_limits(self) -> None:
        await self._publisher.publish_limits(self._portfolio.limits(), self._journal.sequence)

    def _start_pumps(self, tasks: asyncio.TaskGroup, grids: LatestValues) -> None:
        pumps = {
            "fills": self._read_durable(Stream.ENGINE, (subjects.fills(self._venue),), self._put_durable),
            "commands": self._read_durable(
                Stream.CONTROL, subjects.commands_to_all(self._venue), self._put_durable
            ),
            "grids": self._follow_grids(grids),
            "latency": self._follow(Stream.ACCOUNT, subjects.order_latency(self._venue)),
            "clock": self._follow(Stream.MARKET, subjects.clock(self._venue)),
            "settings": self._follow_settings(),
        }
        for name, pump in pumps.items():
            tasks.create_task(forever(name, pump), name=f"portfolio {name}:{self._venue}")

    async def _put_durable(self, stream: Stream, offset: StreamOffset, message: Received) -> None:
        self._durable.append((stream, offset, message))
        self._has_input.set()

    async def _follow_grids(self, grids: LatestValues) -> None:
        while True:
            await grids.changed()
            self._put_messages(grids.take())
            await asyncio.sleep(GRIDS_INTERVAL_S)

    async def _follow(self, stream: Stream, subject: str) -> None:
        async with LatestValues(self._bus, stream, (subject,)) as latest:
            async for message in latest:
                self._put_messages([message])

    async def _follow_settings(self) -> None:
        async for entry in self._inputs.follow_settings():
            self._put_update("settings", entry)

    def _put_messages(self, messages: list[Received]) -> None:
        for message in messages:
            try:
                event = decode(message.data)
            except UndecodableError as error:
                self._log_undecodable(message, error)
                continue
            if isinstance(event, GridView):
                self._put_update(message.subject, seen(event))
            elif isinstance(event, OrderLatency | ClockRead):
                self._put_update(message.subject, event)

    def _put_update(self, key: str, update: PortfolioInput) -> None:
        self._updates[key] = update
        self._has_input.set()
