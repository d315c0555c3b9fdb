"""Quarantine: a symbol whose core fails again and again is set aside, so that it harms nobody and a person can look."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import NamedTuple

import msgspec

from bus import Bus, Conflict, FromSequence, Journal, newest, read
from engine.core.view import view
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.control import Command, CommandName
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import Step, SymbolEntry
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream

FAILURES = 3
WITHIN_S = 600.0
"""So many failures at the same place within so long, and the symbol is set aside."""


class Place(NamedTuple):
    """Where an actor failed."""

    source: str
    """A stream, or the kind of a level; `actor` when it was not the core."""
    sequence: int = 0
    """Of the message, for an input that is heard exactly once."""

    def __str__(self) -> str:
        return f"{self.source} {self.sequence}" if self.sequence else self.source


class Poisoned(Exception):
    """The core failed on an input."""

    def __init__(self, place: Place, step: int, error: Exception) -> None:
        super().__init__(f"{error!r} on {place} after step {step}")
        self.place = place
        self.step = step


class Failures:
    """Counts how often it failed at a place."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[Place, deque[float]] = {}

    def add(self, place: Place) -> bool:
        """Add one, and tell whether that is too much."""
        times = self._times.setdefault(place, deque(maxlen=FAILURES))
        times.append(self._clock())
        return len(times) == FAILURES and times[-1] - times[0] <= WITHIN_S

    def clear(self) -> None:
        """Begin anew."""
        self._times.clear()


async def announce(bus: Bus, entry: SymbolEntry, place: Place, detail: str) -> None:
    """Say that a symbol is set aside: an alert, once, and the reason in its grid.

    Raises: BusError: say it again.
    """
    journal = await Journal.open(bus, Stream.JOURNAL, subjects.step(entry.venue, entry.symbol))
    last = await newest(bus, Stream.JOURNAL, subjects.step(entry.venue, entry.symbol), Step, journal.last)
    step = last.event.step if last is not None else 0
    subject = subjects.alert(entry.venue, entry.symbol)
    alert = AlertRaised(
        venue=entry.venue,
        symbol=entry.symbol,
        severity=Severity.CRITICAL,
        code="quarantined",
        detail=detail,
        step=step,
        time=time.time_ns(),
    )
    await bus.store(subject, alert, message_id=f"{subject}.quarantined.{step}.{place}")
    if last is None:
        return
    grid = msgspec.structs.replace(view(last.event.state, step), not_quoting=NotQuoting.QUARANTINED)
    with suppress(Conflict):  # somebody else wrote a step: it does not fail there
        await bus.store(
            subjects.grid(entry.venue, entry.symbol),
            grid,
            expect_last=journal.sequence,
            expect_subject=subjects.step(entry.venue, entry.symbol),
        )


async def until_reset(bus: Bus, entry: SymbolEntry, after: int) -> None:
    """Return when a person resets the symbol, by a command behind the CONTROL sequence `after`.

    Raises: BusError: wait again.
    """
    resets = (subjects.command(entry.venue, entry.symbol, CommandName.RESET),)
    async with aclosing(read(bus, Stream.CONTROL, resets, FromSequence(after + 1))) as batches:
        async for batch in batches:
            for message in batch.messages:
                with suppress(UndecodableError):
                    if decode_as(message.data, Command).expires_time >= time.time_ns():
                        return
