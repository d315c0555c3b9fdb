"""Keep the ledger of fills complete: fills that ENGINE lost are published again from JOURNAL, what cannot be is reported.

The accounts count every fill that was booked, so a count of the stored ones shows a loss in any part of the stream.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from bus import (
    Bus,
    BusError,
    FromStart,
    FromTime,
    Logger,
    Received,
    StreamGone,
    message_count,
    provision,
    read,
    stored_at,
    trace_context,
)
from bus.marks import reached
from bus.runtime import background_s, time_ns
from engine.actor.publisher import DerivedEvent, derived_events
from engine.journaled_actor import stored_steps
from schemas import subjects
from schemas.codec import INVALID_JSON, try_decode
from schemas.engine.events import Fill
from schemas.engine.journal import LedgerGap, Step, SymbolEntry
from schemas.subjects import Stream
from schemas.traceparent import traceparent_of
from schemas.units import TimeNs, TradeId
from schemas.venue.fees import position_change

CHECK_INTERVAL_S = 5.0
"""Seconds between two counts of the stored fills."""
GAP_INTERVAL_S = 60.0
"""Seconds after a gap before fills are missed again: a search reads all stored ones, and old ones may be expiring."""


class Booked(NamedTuple):
    """What the state says of the grid's fills, once their events were sent."""

    step: int
    """The step of the state."""
    sequence: int
    """A JOURNAL sequence that it does not exceed."""
    fills: int
    """Number of fills since the grid's start."""
    lost: int
    """Those of them that are lost for good."""
    since: TimeNs
    """The grid's start, in venue time; 0 before its first price."""
    time: TimeNs
    """The market time of the state."""
    complete_from: TimeNs
    """The mark of the ledger known by the state, see `GridState.ledger_from`."""


class _Header(msgspec.Struct, frozen=True):
    """The field that all events derived from a step have."""

    step: int = 0


@dataclass(slots=True)
class _Kept:
    """The fills on ENGINE."""

    fills: dict[TradeId, Fill] = field(default_factory=dict)
    """Those of the grid, in stream order."""
    surplus: int = 0
    """Number of messages that repeat one of them, or are from before the grid's start."""


class Ledger:
    """Checks the ledger of one symbol at the start and every `CHECK_INTERVAL_S`."""

    def __init__(
        self,
        bus: Bus,
        entry: SymbolEntry,
        booked: Callable[[], Booked | None],
        put: Callable[[LedgerGap], None],
        log: Logger,
    ) -> None:
        self._bus = bus
        self._steps = subjects.step(entry.venue, entry.symbol)
        self._fills = subjects.fill(entry.venue, entry.symbol)
        self._prefix = self._fills.removesuffix("fill")
        self._booked = booked
        self._put = put
        self._log = log
        self._surplus: int | None = None
        """Messages beyond one for each fill; None before the first check."""
        self._gap_at = 0.0
        """When the last gap was found, by the loop's clock; 0 when there was none."""

    async def run(self) -> None:
        """Check for ever."""
        while True:
            try:
                await self._check()
            except StreamGone:
                with suppress(BusError):  # tried again with the next check
                    await provision(self._bus)
            except BusError as error:
                self._log.warning("ledger_not_checked", detail=str(error))
            await asyncio.sleep(background_s(CHECK_INTERVAL_S))

    async def _check(self) -> None:
        known = self._booked()
        if known is None or not known.since:
            return
        await self._bus.flush_window()  # the events of its steps are sent, and stored now
        expected = known.fills - known.lost
        count = await message_count(self._bus, Stream.ENGINE, self._fills)
        is_complete = count == expected if self._surplus is None else count >= expected + self._surplus
        if is_complete:
            self._surplus = self._surplus or 0
        elif not self._gap_at or self._now() - self._gap_at >= GAP_INTERVAL_S:
            await self._restore(known)

    async def _restore(self, known: Booked) -> None:
        """Publish missing fills again, and report those that JOURNAL does not have."""
        kept = await self._read_fills(known)
        first: Step | None = None
        if (missing := known.fills - known.lost - len(kept.fills)) > 0:
            self._log.error("fills_missing", detail=f"{missing} fills on {self._fills} are missing")
            first, restored = await self._republish(known, kept.fills.keys())
            kept.fills |= {fill.trade_id: fill for fill in restored}
            if restored:
                reached("fills_republished")
            self._log.info("fills_published_again", fills=len(restored))
        self._surplus = kept.surplus
        lost = known.fills - len(kept.fills)
        if lost > known.lost:
            earlier = (fill for fill in kept.fills.values() if fill.time >= known.complete_from)
            since = known.time + 1 if first is None else _complete_from(first, earlier)
            reached("ledger_gap")
            self._put(LedgerGap(complete_from=since, lost_fills=lost))
            self._gap_at = self._now()

    async def _read_fills(self, known: Booked) -> _Kept:
        kept = _Kept()
        async with aclosing(read(self._bus, Stream.ENGINE, (self._fills,), FromStart())) as batches:
            async for batch in batches:
                for message in batch.messages:
                    fill = try_decode(message.data, Fill)
                    if fill is None or fill.time < known.since or fill.trade_id in kept.fills:
                        kept.surplus += 1
                    elif fill.step <= known.step:
                        kept.fills[fill.trade_id] = fill
                if batch.caught_up:
                    break
        return kept

    async def _republish(self, known: Booked, kept: Collection[TradeId]) -> tuple[Step | None, list[Fill]]:
        """Publish the events of stored steps that ENGINE does not have.

        Return the oldest stored step, None without one, and the fills published.
        """
        first: Step | None = None
        stored: set[tuple[str, int]] = set()
        restored: list[Fill] = []
        sent: list[asyncio.Future[int]] = []
        # The server still knows the ids of lost messages for two minutes, and would drop these as repeated.
        suffix = f".{time_ns()}"
        steps = stored_steps(self._bus, self._steps, Step, self._log, after=0, through=known.sequence)
        async with aclosing(steps):
            async for step, sequence in steps:
                if step.step > known.step:
                    break
                if first is None:
                    first, stored = step, await self._stored_events(sequence)
                for each in derived_events(step):
                    if not self._is_lost(each, step, kept, stored):
                        continue
                    with trace_context(traceparent_of(step)):
                        message_id = each.message_id + suffix
                        sent.append(await self._bus.send(each.subject, each.event, message_id=message_id))
                    restored += [each.event] if isinstance(each.event, Fill) else []
                await asyncio.sleep(0)  # decoding takes long, and the symbol trades meanwhile
        await asyncio.gather(*sent)
        return first, restored

    def _is_lost(
        self, derived: DerivedEvent, step: Step, kept: Collection[TradeId], stored: set[tuple[str, int]]
    ) -> bool:
        if isinstance(derived.event, Fill):
            return derived.event.trade_id not in kept
        # Alerts and answers to commands are in other streams.
        is_here = derived.subject.startswith(self._prefix)
        return is_here and (derived.subject, step.step) not in stored

    async def _stored_events(self, sequence: int) -> set[tuple[str, int]]:
        """Return subject and step of the events that were stored since the JOURNAL record of a sequence."""
        record = await stored_at(self._bus, Stream.JOURNAL, sequence)
        start = FromStart() if record is None else FromTime(record.time_ns)
        found: set[tuple[str, int]] = set()
        async with aclosing(read(self._bus, Stream.ENGINE, (f"{self._prefix}*",), start)) as batches:
            async for batch in batches:
                found |= {(message.subject, _step_of(message)) for message in batch.messages}
                if batch.caught_up:
                    break
        return found

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _complete_from(first: Step, kept: Iterable[Fill]) -> TimeNs:
    """Return the venue time from which no fill is missing: all since `first`, the oldest step in JOURNAL, are kept.

    Those before it are complete backwards from its newest fill for as long as each one leads to the position of the next.
    """
    earlier = sorted((each for each in kept if each.step <= first.step), key=lambda fill: fill.step)
    if not earlier or earlier[-1].step != first.state.last_fill_step:
        return first.state.time + 1
    oldest = earlier.pop()
    for fill in reversed(earlier):
        if fill.position + position_change(oldest) != oldest.position:
            break
        oldest = fill
    return oldest.time + 1  # one before it may have the same time


def _step_of(message: Received) -> int:
    try:
        return msgspec.json.decode(message.data, type=_Header).step
    except INVALID_JSON:
        return 0
