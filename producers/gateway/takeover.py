"""Takeover: fences the previous gateway, and finds the orders that it may have sent.

    intents   ... [last] [claim] [recovery]
    steps     ... acted on | between | later

The claim fences the previous gateway. A step that was committed before it is never acted on by sending an order: the
previous gateway may have done so, and its intent may be lost. The orders of the steps in between are therefore queried by
their ids; their cancels and queries are carried out. The recovery intent records that before anything is sent.

Intents and steps name each other by sequence and hash. If one names a record that is missing or different, intents or
steps were lost or restored: then the orders of all recent steps are queried.
"""

from contextlib import aclosing
from typing import NamedTuple

import msgspec

from bus import (
    Bus,
    FromSequence,
    FromTime,
    Journal,
    Logger,
    Newest,
    OffsetLost,
    Received,
    Start,
    newest,
    read,
    stored_at,
)
from bus.marks import reached
from bus.runtime import time_ns
from producers.gateway.executor import IntentRef
from producers.gateway.steps import StepHeader, decode_step
from schemas import subjects
from schemas.formats import record_hash
from schemas.subjects import Stream
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Symbol, TimeNs, VenueId
from schemas.venue.orders import Decision, OrderIntent, PlaceOrder

RECENT_NS: DurationNs = 60 * SECOND_NS
"""Of lost intents: how much older than place lifetime and receive window the steps may be whose orders are queried."""


class Inherited(NamedTuple):
    """What a gateway takes over."""

    epoch: int
    step: Received | None
    """The last step that is not acted on by sending its orders; None when there are no steps."""
    decisions: tuple[Decision, ...]
    """Cancels and queries to carry out."""
    unresolved: dict[ClientOrderId, IntentRef]
    """Orders that may be at the venue without a known outcome."""
    orders: tuple[PlaceOrder, ...]
    """Those among them that the intents do not name."""
    market_time: TimeNs
    is_lossy: bool
    """Whether records were lost or restored."""


class Takeover:
    """Takes over the orders of one symbol."""

    def __init__(
        self, bus: Bus, log: Logger, venue: VenueId, symbol: Symbol, sendable_ns: DurationNs
    ) -> None:
        """`sendable_ns`: how long after its step an order may arrive at the venue at the latest."""
        self._bus = bus
        self._log = log
        self._venue = venue
        self._symbol = symbol
        self._sendable_ns = sendable_ns
        self._step_subject = subjects.step(venue, symbol)

    async def run(self, journal: Journal) -> Inherited:
        """Commit the claim, and the recovery intent if there is something to recover.

        Raises: Fenced when another gateway took over; FormatTooNew; BusError.
        """
        last = await newest(
            self._bus,
            Stream.ORDERS,
            subjects.order_intent(self._venue, self._symbol),
            OrderIntent,
            journal.last,
        )
        claim, unresolved = self._claim(last)
        await journal.commit(claim)
        # Read after the claim was committed: the orders of all later steps are this gateway's.
        stored = await self._bus.last(Stream.JOURNAL, self._step_subject)
        end = stored.sequence if stored is not None else 0
        step_loss = await self._find_lost_step(last, stored)
        problem = step_loss or await self._find_lost_intent(last, stored)
        if problem:
            reached("takeover_lossy")
            event = "steps_lost" if step_loss else "intents_lost"
            self._log.error(event, symbol=self._symbol, detail=problem)
        now = time_ns()
        if problem or last is None:
            start: Start = FromTime(max(now - self._sendable_ns - RECENT_NS, 0))
        else:
            start = FromSequence(claim.step_sequence + 1)
        between = await self._read_steps(start, end)
        if unresolved:
            reached("takeover_with_unknown_orders")
        if between and last is not None:
            reached("takeover_between")
        orders = []
        decisions = list(claim.decisions)
        for decision in (each for step in between for each in step.decisions):
            if not isinstance(decision, PlaceOrder):
                decisions.append(decision)
            elif decision.client_order_id not in unresolved:
                orders.append(decision)
                unresolved[decision.client_order_id] = IntentRef(now)
        market_time = max([claim.time, *(step.time for step in between)])
        inherited = Inherited(
            claim.epoch,
            stored,
            tuple({(type(each), each.client_order_id): each for each in decisions}.values()),
            unresolved,
            tuple(orders),
            market_time,
            is_lossy=bool(problem),
        )
        recovery = self._recovery(claim, inherited, now)
        if stored is not None and end > claim.step_sequence and not step_loss:
            number = between[-1].step if between else claim.step
            recovery = msgspec.structs.replace(
                recovery, step=number, step_sequence=end, step_hash=record_hash(stored.data)
            )
        # Otherwise the claim's step stays named: it shows the engine that its journal went back.
        if recovery != claim:
            await journal.commit(recovery)
        return inherited

    def _claim(self, last: Newest[OrderIntent] | None) -> tuple[OrderIntent, dict[ClientOrderId, IntentRef]]:
        """Return the claim, which repeats the last intent's cancels and queries, and the orders that may be at the venue.

        Without a last intent it is the first one of the symbol (genesis).
        """
        if last is None:
            return self._intent(epoch=1, created_time=time_ns()), {}
        intent = last.event
        created_time = intent.created_time or last.stored.time_ns
        placed = [each.client_order_id for each in intent.decisions if isinstance(each, PlaceOrder)]
        unresolved = {each: IntentRef(created_time) for each in intent.unresolved}
        unresolved |= {each: IntentRef(created_time, last.stored.sequence) for each in placed}
        claim = msgspec.structs.replace(
            intent,
            epoch=intent.epoch + 1,
            decisions=tuple(each for each in intent.decisions if not isinstance(each, PlaceOrder)),
            unresolved=tuple(unresolved),
            created_time=created_time,
            previous_hash="",
        )
        return claim, unresolved

    async def _find_lost_step(self, last: Newest[OrderIntent] | None, stored: Received | None) -> str:
        """Return why the step that the last intent names is not in the journal; empty when it is."""
        if last is None:
            return ""
        intent = last.event
        if intent.step_sequence > (stored.sequence if stored is not None else 0):
            return f"step {intent.step}, which the last intent names, is missing"
        if intent.step_hash:
            acted_on = await stored_at(self._bus, Stream.JOURNAL, intent.step_sequence)
            # One that is missing, with later ones behind it, was discarded by the limit of the journal.
            if acted_on is not None and record_hash(acted_on.data) != intent.step_hash:
                return f"step {intent.step}, which the last intent names, is another one now"
        return ""

    async def _find_lost_intent(self, last: Newest[OrderIntent] | None, stored: Received | None) -> str:
        """Return why the intent that the last step names is not stored; empty when it is."""
        if last is None:
            return "there are steps, but no intent" if stored is not None else ""
        step = decode_step(stored, self._log) if stored is not None else None
        if step is None or step.intent is None:
            return ""
        named = await stored_at(self._bus, Stream.ORDERS, step.intent.sequence)
        if named is not None and record_hash(named.data) == step.intent.hash:
            return ""
        return f"intent {step.intent.sequence}, which step {step.step} names, is missing or different"

    async def _read_steps(self, start: Start, end: int) -> list[StepHeader]:
        """Return the steps from `start` to the sequence `end`."""
        if end == 0 or (isinstance(start, FromSequence) and start.sequence > end):
            return []
        steps = []
        try:
            async with aclosing(read(self._bus, Stream.JOURNAL, (self._step_subject,), start)) as batches:
                async for batch in batches:
                    for message in batch.messages:
                        step = decode_step(message, self._log) if message.sequence <= end else None
                        if step is not None:
                            steps.append(step)
                    if batch.caught_up or (batch.messages and batch.messages[-1].sequence >= end):
                        return steps
        except OffsetLost as lost:
            self._log.error("steps_lost", symbol=self._symbol, detail=str(lost))
            return await self._read_steps(FromSequence(lost.first), end)
        raise AssertionError("a stream is read for ever")

    def _recovery(self, claim: OrderIntent, inherited: Inherited, now: TimeNs) -> OrderIntent:
        return msgspec.structs.replace(
            claim,
            decisions=inherited.decisions,
            unresolved=tuple(inherited.unresolved),
            time=inherited.market_time,
            created_time=now if inherited.orders else claim.created_time,
        )

    def _intent(self, *, epoch: int, created_time: TimeNs) -> OrderIntent:
        return OrderIntent(
            venue=self._venue,
            symbol=self._symbol,
            epoch=epoch,
            step=0,
            step_sequence=0,
            decisions=(),
            created_time=created_time,
        )
