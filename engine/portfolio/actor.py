"""Actor of the portfolio of all venues: applies fills, commands and grids, and commits each step.

It follows the protocol of a symbol's actor. Steps are few: each is completely published before the next one is made.
"""

import asyncio
from collections import deque
from typing import Self

from bus import Bus, LatestValues, Logger, Received, forever
from bus.alerts import store_alert
from bus.runtime import time_ns
from engine.core.portfolio.portfolio import Portfolio
from engine.core.portfolio.step import PortfolioChange
from engine.journaled_actor import ClaimedJournal, JournaledActor, claim_journal
from engine.portfolio.inputs import Inputs
from engine.portfolio.marks import ALL_TICKERS, Marks
from engine.portfolio.migration import migrate_portfolio
from engine.portfolio.publisher import PortfolioPublisher
from schemas import subjects
from schemas.codec import UndecodableError, UnknownKind, decode
from schemas.engine.events import AlertRaised, Fill, Severity
from schemas.engine.journal import StreamOffset
from schemas.engine.portfolio import BucketLimits, OrderLatency
from schemas.engine.portfolio_journal import PortfolioInput, PortfolioStep, SymbolSeen
from schemas.formats import MINIMUM_READER, STATE_VERSION
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.units import Money, Symbol
from schemas.venue.market import ClockRead, Ticker

GRIDS_INTERVAL_S = 0.25
"""The shortest time between two evaluations of the grids: the gateway makes the final check of each order."""
INPUTS = (Stream.ENGINE, Stream.CONTROL)
"""Durable input streams."""
OUTPUTS = ("causes", "notices", "commands", "entries")
"""Fields of a step that a claim leaves empty."""


class PortfolioActor(JournaledActor[PortfolioStep]):
    """Runs the portfolio until it is fenced or a commit fails. Created by `start`."""

    def __init__(
        self,
        bus: Bus,
        claimed: ClaimedJournal[PortfolioStep],
        publisher: PortfolioPublisher,
        log: Logger,
    ) -> None:
        super().__init__(bus, claimed, log)
        last = claimed.last
        self._publisher = publisher
        self._inputs = Inputs(bus, log)
        self._marks = Marks()
        self._portfolio = Portfolio(None, 0) if last is None else Portfolio(last.state, last.step)
        self._durable: deque[tuple[Stream, StreamOffset, Received]] = deque()
        self._updates: dict[str, PortfolioInput] = {}
        self._has_input = asyncio.Event()
        self._unknown_kinds: set[str] = set()
        """Unknown types of inputs that an alert was raised for."""

    @classmethod
    async def start(cls, bus: Bus, log: Logger) -> Self:
        """Claim the portfolio's journal, republish unconfirmed steps, and return an actor that continues there.

        The first actor continues the portfolios of version 0.1, which had one for each venue.
        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when the claim failed.
        """
        for done in await migrate_portfolio(bus):
            log.info("portfolio_migrated", detail=done)
        subject = subjects.portfolio_step()
        claimed = await claim_journal(bus, subject, PortfolioStep, inputs=INPUTS, outputs=OUTPUTS, log=log)
        publisher = PortfolioPublisher(bus, log, claimed.published_through)
        await publisher.republish(claimed.last_sequence)
        return cls(bus, claimed, publisher, log)

    async def run(self) -> None:
        """Run the portfolio, for ever.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when a commit failed or an alert was
        not stored.
        """
        async with (
            LatestValues(self._bus, Stream.JOURNAL, (subjects.all_grids(),)) as grids,
            asyncio.TaskGroup() as tasks,
        ):
            # All symbols first: some of them alone would give too low an exposure.
            self._put_messages(grids.take())
            await self._process(await self._inputs.settings(), *self._take_updates())
            self._start_pumps(tasks, grids)
            await self._decide()

    def exposures(self) -> dict[str, Money]:
        """Return the exposure of all symbols together, by quote currency."""
        if self._portfolio.state is None:
            return {}
        return {name: each.exposure for name, each in self._portfolio.limits().buckets.items()}

    def status(self) -> dict[str, object]:
        """Return the portfolio's part of /status."""
        if self._portfolio.state is None:
            return {"step": self._portfolio.step}
        limits = self._portfolio.limits()
        return {
            "step": self._portfolio.step,
            "epoch": self._epoch,
            "breaker": limits.breaker.value,
            "reason": limits.reason,
            "currencies": {name: _bucket_status(each) for name, each in limits.buckets.items()},
        }

    async def _decide(self) -> None:
        while True:
            await self._publish_limits()
            await self._wait_input()
            while self._durable:
                stream, offset, message = self._durable.popleft()
                self._offsets[stream] = offset
                event = await self._decode(stream, message)
                if event is not None:
                    await self._process(event, *self._take_updates())
            await self._process(*self._take_updates())

    async def _wait_input(self) -> None:
        self._has_input.clear()
        if not self._durable and not self._updates:
            await self._has_input.wait()

    async def _decode(self, stream: Stream, message: Received) -> PortfolioInput | None:
        try:
            event = decode(message.data)
            return event if isinstance(event, Fill) else await self._inputs.command(event, time_ns())
        except UndecodableError as error:
            self._log_undecodable(message, error)
            if isinstance(error, UnknownKind):
                await self._report_unknown(stream, message, error)
            return None

    async def _report_unknown(self, stream: Stream, message: Received, error: UnknownKind) -> None:
        """Raise an alert for the first input of an unknown type. The portfolio continues, to keep up its limits."""
        if error.kind in self._unknown_kinds:
            return
        detail = f"the limits over all symbols do not take {message.subject} ({stream} {message.sequence}) into account"
        await store_alert(
            self._bus,
            AlertRaised(
                venue=subjects.ALL_VENUES,
                symbol=Symbol(subjects.ALL),
                severity=Severity.HIGH,
                code="unknown_kind",
                detail=f"{detail}: {error}",
                step=self._portfolio.step,
                time=time_ns(),
                incident=f"unknown_kind.{subjects.ALL}.{subjects.ALL}.{stream}.{message.sequence}",
            ),
        )
        self._unknown_kinds.add(error.kind)

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
            venue=subjects.ALL_VENUES,
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
            state_version=STATE_VERSION,
            minimum_reader=MINIMUM_READER,
        )

    async def _publish_limits(self) -> None:
        await self._publisher.publish_limits(self._portfolio.limits(), self._journal.sequence)

    def _start_pumps(self, tasks: asyncio.TaskGroup, grids: LatestValues) -> None:
        pumps = {
            "fills": self._read_durable(Stream.ENGINE, (subjects.all_fills(),), self._put_durable),
            "commands": self._read_durable(
                Stream.CONTROL, subjects.commands_to_portfolio(), self._put_durable
            ),
            "grids": self._follow_grids(grids),
            "latency": self._follow(Stream.ACCOUNT, subjects.all_order_latencies()),
            "tickers": self._follow(Stream.MARKET, ALL_TICKERS),
            "clock": self._follow(Stream.MARKET, subjects.all_clocks()),
            "settings": self._follow_settings(),
        }
        for name, pump in pumps.items():
            tasks.create_task(forever(name, pump), name=f"portfolio {name}")

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
                self._put_seen(self._marks.on_grid(event))
            elif isinstance(event, Ticker):
                if (marked := self._marks.on_ticker(event)) is not None:
                    self._put_seen(marked)
            elif isinstance(event, OrderLatency | ClockRead):
                self._put_update(message.subject, event)

    def _put_seen(self, seen: SymbolSeen) -> None:
        self._put_update(subjects.grid(seen.venue, seen.symbol), seen)

    def _put_update(self, key: str, update: PortfolioInput) -> None:
        self._updates[key] = update
        self._has_input.set()


def _bucket_status(bucket: BucketLimits) -> dict[str, object]:
    return {
        "exposure": str(bucket.exposure),
        "max_exposure": str(bucket.max_exposure),
        "breaker": bucket.breaker.value,
        "reason": bucket.reason,
    }
