"""Recorder of bus events during a scenario: waits for events, and summarizes them for people."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple, TypeVar

import msgspec

from bus import Bus, NewOnly, forever, read
from bus.runtime import monotonic_s
from cli.errors import CommandError
from schemas.codec import Event, UndecodableError, decode
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, Reconciled, RiskChanged
from schemas.subjects import Stream
from schemas.units import Symbol
from schemas.venue.orders import OrderReport

FILTERS = {
    Stream.ENGINE: ("engine.>",),
    Stream.ALERTS: ("alert.>",),
    Stream.CONTROL: ("control.>",),
    Stream.ORDERS: ("order.>",),
    Stream.ACCOUNT: ("account.>",),
    Stream.JOURNAL: ("journal.>",),
}
"""Subjects that are recorded, by stream."""
E = TypeVar("E", bound=msgspec.Struct)


class NotObserved(CommandError):
    """An expected event or state did not occur in time."""


class RecordedEvent(NamedTuple):
    """One event, and the time of its receipt in seconds since the recorder was created."""

    at_s: float
    subject: str
    event: Event


class EventRecorder:
    """Records the events of `FILTERS` from its creation on, in the order of each stream.

    `since` parameters are indexes into `events`: pass an earlier value of `mark` to ignore the events before it.
    """

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self._changed = asyncio.Condition()
        self._started_s = monotonic_s()

    @property
    def mark(self) -> int:
        """Index of the next event to be recorded."""
        return len(self.events)

    async def wait_for(
        self,
        description: str,
        kind: type[E],
        matches: Callable[[E], bool] = lambda event: True,
        *,
        since: int = 0,
        within_s: float = 30.0,
    ) -> E:
        """Return the first event of a kind that matches, waiting for it if it is not recorded yet.

        Raises: NotObserved, with the description, after `within_s` seconds.
        """
        index = since
        try:
            async with asyncio.timeout(within_s), self._changed:
                while True:
                    for recorded in self.events[index:]:
                        if isinstance(recorded.event, kind) and matches(recorded.event):
                            return recorded.event
                    index = len(self.events)
                    await self._changed.wait()
        except TimeoutError:
            raise NotObserved(f"not observed within {within_s:g} s: {description}") from None

    def all(
        self, kind: type[E], matches: Callable[[E], bool] = lambda event: True, *, since: int = 0
    ) -> list[E]:
        """Return the recorded events of a kind that match."""
        return [r.event for r in self.events[since:] if isinstance(r.event, kind) and matches(r.event)]

    def summary(self, since: int = 0) -> list[str]:
        """Return one line per notable event; of the order rejections with one symbol and reason, only the first."""
        lines, rejected = [], set()
        for recorded in self.events[since:]:
            event = recorded.event
            if isinstance(event, OrderReport) and event.reject_reason is not None:
                key = (event.symbol, event.reject_reason)
                if key in rejected:
                    continue
                rejected.add(key)
            if (line := _line(recorded)) is not None:
                lines.append(line)
        return lines

    async def record(self, bus: Bus, stream: Stream, ready: asyncio.Event) -> None:
        """Record the new events of a stream; never ends. `ready` is set once no further event can be missed."""
        async with aclosing(read(bus, stream, FILTERS[stream], NewOnly())) as batches:
            async for batch in batches:
                ready.set()
                async with self._changed:
                    for message in batch.messages:
                        try:
                            event = decode(message.data)
                        except UndecodableError:
                            continue
                        self.events.append(
                            RecordedEvent(monotonic_s() - self._started_s, message.subject, event)
                        )
                    self._changed.notify_all()


@asynccontextmanager
async def recording_events(bus: Bus) -> AsyncIterator[EventRecorder]:
    """Record events for as long as the context lasts."""
    recorder = EventRecorder()
    async with asyncio.TaskGroup() as tasks:
        ready = {stream: asyncio.Event() for stream in FILTERS}
        readers = [
            tasks.create_task(forever(stream, recorder.record(bus, stream, ready[stream])), name=stream)
            for stream in FILTERS
        ]
        for event in ready.values():
            await event.wait()
        yield recorder
        for task in readers:
            task.cancel()


def _line(recorded: RecordedEvent) -> str | None:
    event = recorded.event
    at = f"{recorded.at_s:7.1f} s"
    match event:
        case RiskChanged():
            state = "activated" if event.active else "cleared"
            return f"{at}  {_column(event.symbol)} {event.severity} {event.reason} {state}: {event.details}"
        case AlertRaised():
            return f"{at}  {_column(event.symbol)} {event.severity} {event.code}: {event.detail}"
        case Reconciled():
            finding = f"{event.finding} {event.client_order_id}".rstrip()
            return f"{at}  {_column(event.symbol)} reconciled {finding}: {event.action}"
        case OrderReport() if event.reject_reason is not None:
            return f"{at}  {_column(event.symbol)} {event.status} {event.client_order_id}: {event.detail}"
        case CommandResult():
            command = f"{event.name} by {event.operator} {event.outcome}"
            return f"{at}  {_column(event.symbol)} {command}: {event.detail}"
        case _:
            return None


def _column(symbol: Symbol) -> str:
    return f"{symbol:15}"
