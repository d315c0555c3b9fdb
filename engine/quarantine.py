"""Quarantine: a symbol that fails repeatedly, mostly on one input, does not run until a reset command."""

from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import NamedTuple

import msgspec

from bus import Bus, Conflict, FromSequence, Journal, newest, read
from bus.alerts import store_alert, too_new_alert
from bus.runtime import monotonic_s, time_ns
from engine.core.view import view
from schemas import subjects
from schemas.codec import FormatTooNew, try_decode
from schemas.engine.control import Command, CommandName
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import Step, SymbolEntry
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream

MAX_FAILURES = 3
WINDOW_S = 600.0
"""A symbol is quarantined after `MAX_FAILURES` failures on the same input within this time."""


class InputRef(NamedTuple):
    """The input on which an actor failed: `ORDERS 7`, `Ticker`."""

    source: str
    """A stream, or the type of a state update; `actor` for failures outside the core."""
    sequence: int = 0
    """Of the message, for a durable input."""

    def __str__(self) -> str:
        return f"{self.source} {self.sequence}" if self.sequence else self.source

    def incident(self, entry: SymbolEntry, step: int) -> str:
        """Return the incident of a quarantine: `quarantined.sim.BTC-USDT_USDT.12.ORDERS.7`."""
        key = subjects.registry_key(entry.venue, entry.symbol)
        return f"quarantined.{key}.{step}.{self.source}.{self.sequence}"


JOURNAL_LOST = InputRef("journal lost")
"""Skipped by a reset: the symbol starts with an empty grid although its journal is gone."""


class PoisonInput(Exception):
    """The core failed on an input."""

    def __init__(self, ref: InputRef, step: int, error: Exception) -> None:
        super().__init__(f"{error!r} on {ref} after step {step}")
        self.ref = ref
        self.step = step


class FailureCounter:
    """Counts the failures on each input."""

    def __init__(self, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._times: dict[InputRef, deque[float]] = {}  # seconds of the monotonic clock

    def add(self, ref: InputRef) -> bool:
        """Count a failure, and return whether the symbol has to be quarantined."""
        times = self._times.setdefault(ref, deque(maxlen=MAX_FAILURES))
        times.append(self._clock())
        return len(times) == MAX_FAILURES and times[-1] - times[0] <= WINDOW_S

    def clear(self) -> None:
        """Forget all failures."""
        self._times.clear()


async def announce(bus: Bus, entry: SymbolEntry, ref: InputRef, detail: str) -> AlertRaised:
    """Publish the quarantine of a symbol: an alert, once, and the reason in its grid. Return the alert.

    Raises: BusError when it is not published, retry; FormatTooNew.
    """
    journal = await Journal.open(bus, Stream.JOURNAL, subjects.step(entry.venue, entry.symbol))
    last = await newest(bus, Stream.JOURNAL, subjects.step(entry.venue, entry.symbol), Step, journal.last)
    step = last.event.step if last is not None else 0
    alert = AlertRaised(
        venue=entry.venue,
        symbol=entry.symbol,
        severity=Severity.CRITICAL,
        code="quarantined",
        detail=detail,
        step=step,
        time=time_ns(),
        incident=ref.incident(entry, step),
    )
    await store_alert(bus, alert)
    if last is None:
        return alert
    grid = msgspec.structs.replace(view(last.event.state, step), not_quoting=NotQuoting.QUARANTINED)
    with suppress(Conflict):  # another engine committed a step: the symbol works there
        await bus.store(
            subjects.grid(entry.venue, entry.symbol),
            grid,
            expect_last=journal.sequence,
            expect_subject=subjects.step(entry.venue, entry.symbol),
        )
    return alert


async def announce_end(bus: Bus, alert: AlertRaised) -> None:
    """Publish that a quarantine, announced by `alert`, was ended by an operator.

    Raises: BusError when it is not published; retry.
    """
    ended = msgspec.structs.replace(
        alert, severity=Severity.LOW, detail="reset by a command", time=time_ns(), ended=True
    )
    await store_alert(bus, ended)


async def announce_refusal(bus: Bus, entry: SymbolEntry, reason: FormatTooNew) -> None:
    """Publish an alert that a symbol does not run here because its journal needs a newer program.

    Raises: BusError when it is not published.
    """
    await store_alert(bus, too_new_alert(entry.venue, entry.symbol, reason, time_ns()))


async def wait_reset(bus: Bus, entry: SymbolEntry, after: int) -> None:
    """Wait for an unexpired reset of the symbol after the CONTROL sequence `after`.

    Raises: BusError when the stream cannot be read; retry.
    """
    resets = (subjects.command(entry.venue, entry.symbol, CommandName.RESET),)
    async with aclosing(read(bus, Stream.CONTROL, resets, FromSequence(after + 1))) as batches:
        async for batch in batches:
            for message in batch.messages:
                command = try_decode(message.data, Command)
                if command is not None and command.expires_time >= time_ns():
                    return
