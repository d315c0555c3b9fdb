"""Publish committed steps: their events, at least once each, and the view of the newest grid."""

import asyncio
from collections import deque
from contextlib import aclosing
from typing import NamedTuple, assert_never

import msgspec

from bus import Bus, BusError, Conflict, Logger, trace_context
from bus.marks import reached
from engine.journaled_actor import stored_steps
from schemas import subjects
from schemas.engine.control import CommandResult
from schemas.engine.events import (
    AlertRaised,
    DecisionMade,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.engine.journal import Notice, Step
from schemas.grid.view import GridView
from schemas.traceparent import traceparent_of

MAX_UNACKNOWLEDGED_STEPS = 500
"""Steps whose events may be unacknowledged; with more the actor waits."""

GRID_INTERVAL_S = 0.02
"""Minimum seconds between two grids: more frequent ones are not visible to viewers."""


class DerivedEvent(NamedTuple):
    """An event derived from a step, on `engine.>` or `control.>`."""

    subject: str
    event: msgspec.Struct
    message_id: str
    """Example: `engine.sim.BTC-USDT_USDT.fill.3.0` (step 3, index 0). The stream drops repetitions within two minutes."""


class Publisher:
    """Publishes the steps of one symbol, only after they were committed."""

    def __init__(
        self, bus: Bus, step_subject: str, grid_subject: str, log: Logger, published_through: int
    ) -> None:
        self._bus = bus
        self._step_subject = step_subject
        self._grid_subject = grid_subject
        self._log = log
        self._published_through = published_through
        self._unacknowledged: deque[tuple[int, list[asyncio.Future[int]]]] = deque()
        self._grid: tuple[GridView, int] | None = None
        self._grid_changed = asyncio.Event()

    @property
    def published_through(self) -> int:
        """The JOURNAL sequence of the last step whose events are known to be stored.

        Raises: BusError when an event could not be stored: the actor ends, and its successor republishes.
        """
        while self._unacknowledged and all(future.done() for future in self._unacknowledged[0][1]):
            sequence, futures = self._unacknowledged.popleft()
            for future in futures:
                future.result()
            self._published_through = sequence
        return self._published_through

    async def publish(self, step: Step, sequence: int) -> None:
        """Publish the events of a step that was committed as `sequence`."""
        futures = []
        with trace_context(traceparent_of(step)):
            for derived in derived_events(step):
                future = await self._bus.send(derived.subject, derived.event, message_id=derived.message_id)
                future.add_done_callback(_retrieve_exception)
                futures.append(future)
        self._unacknowledged.append((sequence, futures))
        if len(self._unacknowledged) > MAX_UNACKNOWLEDGED_STEPS:
            await self._bus.flush_window()

    async def republish(self, last_sequence: int) -> None:
        """Publish the events of every step after `published_through` up to `last_sequence`."""
        after = self._published_through
        if last_sequence <= after:
            return
        reached("events_republished")
        steps = stored_steps(
            self._bus, self._step_subject, Step, self._log, after=after, through=last_sequence
        )
        async with aclosing(steps):
            async for step, sequence in steps:
                await self.publish(step, sequence)
        await self._bus.flush_window()

    def publish_grid(self, view: GridView, sequence: int) -> None:
        """Hand over a grid to be stored by `run_grids`, unless a newer one replaces it first."""
        self._grid = (view, sequence)
        self._grid_changed.set()

    async def run_grids(self) -> None:
        """Store the newest grid after changes, at most once every `GRID_INTERVAL_S`, for ever."""
        while True:
            await self._grid_changed.wait()
            await self._store_grid()
            await asyncio.sleep(GRID_INTERVAL_S)

    async def flush(self) -> None:
        """Wait until every event is acknowledged or failed, and store the newest grid; a failure of that is logged."""
        await self._bus.flush_window()
        if self._grid_changed.is_set():
            await self._store_grid()

    async def _store_grid(self) -> None:
        self._grid_changed.clear()
        assert self._grid is not None
        view, sequence = self._grid
        try:
            await self._bus.store(
                self._grid_subject, view, expect_last=sequence, expect_subject=self._step_subject
            )
        except Conflict:
            pass  # a newer step is in the journal; its writer publishes its grid
        except BusError as error:
            self._log.warning("grid_not_published", detail=str(error))


def derived_events(step: Step) -> list[DerivedEvent]:
    """Return the events derived from a step, in order of publication."""
    out = [
        _derived(
            subjects.decision(step.venue, step.symbol),
            DecisionMade(
                venue=step.venue,
                symbol=step.symbol,
                step=step.step,
                index=index,
                decision=decision,
                time=step.time,
            ),
            step,
            index,
        )
        for index, decision in enumerate(step.decisions)
    ]
    fill_subject = subjects.fill(step.venue, step.symbol)
    out += [_derived(fill_subject, fill, step, index) for index, fill in enumerate(step.fills)]
    for index, notice in enumerate(step.notices):
        subject = notice_subject(notice)
        out.append(DerivedEvent(subject, notice, notice_id(notice, f"{subject}.{step.step}.{index}")))
    return out


def notice_id(notice: Notice, default: str) -> str:
    """Return the message id of a notice: the incident of an alert, else `default`. Alerts of version 1 have none."""
    return notice.message_id if isinstance(notice, AlertRaised) and notice.incident else default


def notice_subject(notice: Notice) -> str:
    """Return the subject of a notice: `engine.sim.BTC-USDT_USDT.risk`."""
    match notice:
        case RiskChanged():
            return subjects.risk(notice.venue, notice.symbol)
        case Reconciled():
            return subjects.reconciliation(notice.venue, notice.symbol)
        case PositionCorrected():
            return subjects.correction(notice.venue, notice.symbol)
        case AlertRaised():
            return subjects.alert(notice.venue, notice.symbol)
        case QuotingChanged():
            return subjects.quoting(notice.venue, notice.symbol)
        case CommandResult():
            return subjects.command_result(notice.venue, notice.symbol)
        case _:
            assert_never(notice)


def _derived(subject: str, event: msgspec.Struct, step: Step, index: int) -> DerivedEvent:
    return DerivedEvent(subject, event, f"{subject}.{step.step}.{index}")


def _retrieve_exception(future: "asyncio.Future[int]") -> None:
    # After the publisher has ended no result is awaited, and asyncio logs each exception that was never retrieved.
    if not future.cancelled():
        future.exception()
