"""What the bus says while a scenario runs, as it comes, and what a person reads of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple, TypeVar

import msgspec

from bus import Bus, NewOnly, forever, read
from cli.errors import CommandError
from schemas.codec import Event, UndecodableError, decode
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, Reconciled, RiskChanged
from schemas.subjects import Stream
from schemas.units import Symbol
from schemas.venue.orders import OrderReport

FILTERS = {
    Stream.ENGINE: ("engine.>",),
    Stream.CONTROL: ("control.>",),
    Stream.ORDERS: ("order.>",),
    Stream.ACCOUNT: ("account.>",),
    Stream.JOURNAL: ("journal.>",),
}
E = TypeVar("E", bound=msgspec.Struct)


class NotSeen(CommandError):
    """What a scenario waits for did not happen in time."""


class Told(NamedTuple):
    """One event, and when it was heard, in seconds since the story began."""

    at_s: float
    subject: str
    event: Event


class Story:
    """Everything that was told since it began, in the order of each stream."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._more = asyncio.Condition()
        self._began = time.monotonic()

    @property
    def now(self) -> int:
        """Return the place in the story that comes next."""
        return len(self.told)

    async def until(
        self,
        what: str,
        kind: type[E],
        wanted: Callable[[E], bool] = lambda event: True,
        *,
        since: int = 0,
        within_s: float = 30.0,
    ) -> E:
        """Return the first event of a kind that is wanted, from a place in the story on; wait for it.

        Raises: NotSeen.
        """
        place = since
        try:
            async with asyncio.timeout(within_s), self._more:
                while True:
                    for told in self.told[place:]:
                        if isinstance(told.event, kind) and wanted(told.event):
                            return told.event
                    place = len(self.told)
                    await self._more.wait()
        except TimeoutError:
            raise NotSeen(f"not seen within {within_s:g} s: {what}") from None

    def all(
        self, kind: type[E], wanted: Callable[[E], bool] = lambda event: True, *, since: int = 0
    ) -> list[E]:
        """Return all events of a kind that are wanted, from a place in the story on."""
        return [t.event for t in self.told[since:] if isinstance(t.event, kind) and wanted(t.event)]

    def lines(self, since: int = 0) -> list[str]:
        """Return what a person reads of it; of refusals that are alike, the first."""
        found, refused = [], set()
        for told in self.told[since:]:
            event = told.event
            if isinstance(event, OrderReport) and event.reject_reason is not None:
                kind = (event.symbol, event.reject_reason)
                if kind in refused:
                    continue
                refused.add(kind)
            if (line := _line(told)) is not None:
                found.append(line)
        return found

    async def listen(self, bus: Bus, stream: Stream, ready: asyncio.Event) -> None:
        """Add what a stream brings from now on, for ever; `ready` is set once nothing can be missed any more."""
        async with aclosing(read(bus, stream, FILTERS[stream], NewOnly())) as batches:
            async for batch in batches:
                ready.set()
                async with self._more:
                    for message in batch.messages:
                        try:
                            event = decode(message.data)
                        except UndecodableError:
                            continue
                        self.told.append(Told(time.monotonic() - self._began, message.subject, event))
                    self._more.notify_all()


@asynccontextmanager
async def telling(bus: Bus) -> AsyncIterator[Story]:
    """Follow the bus for as long as the context lasts."""
    story = Story()
    async with asyncio.TaskGroup() as tasks:
        ready = {stream: asyncio.Event() for stream in FILTERS}
        following = [
            tasks.create_task(forever(stream, story.listen(bus, stream, ready[stream])), name=stream)
            for stream in FILTERS
        ]
        for event in ready.values():
            await event.wait()
        yield story
        for task in following:
            task.cancel()


def _line(told: Told) -> str | None:
    event = told.event
    at = f"{told.at_s:7.1f} s"
    match event:
        case RiskChanged():
            state = "steps in" if event.active else "steps back"
            return f"{at}  {_who(event.symbol)} {event.severity} {event.reason} {state}: {event.details}"
        case AlertRaised():
            return f"{at}  {_who(event.symbol)} {event.severity} {event.code}: {event.detail}"
        case Reconciled():
            what = f"{event.finding} {event.client_order_id}".rstrip()
            return f"{at}  {_who(event.symbol)} reconciled {what}: {event.action}"
        case OrderReport() if event.reject_reason is not None:
            return f"{at}  {_who(event.symbol)} {event.status} {event.client_order_id}: {event.detail}"
        case CommandResult():
            return (
                f"{at}  {_who(event.symbol)} {event.name} by {event.operator} {event.outcome}: {event.detail}"
            )
        case _:
            return None


def _who(symbol: Symbol) -> str:
    return f"{symbol:15}"
