"""Find out at the start of an actor whether records on the bus were lost or restored, and request the sweep after a loss.

Engine and gateway vouch for each other: an intent names the step it acts on, and a step names the newest intent known. A
record that is named but missing, or has another hash, shows that its stream went back.
"""

import asyncio
from collections.abc import Callable

from bus import Bus, Newest, newest, record_before, stored_at
from bus.marks import reached
from bus.runtime import time_ns
from engine.journaled_actor import ClaimedJournal
from schemas import subjects
from schemas.codec import encode
from schemas.engine.journal import ResyncRequired, Step, SymbolEntry
from schemas.formats import TRADE_OVERLAP_NS, record_hash
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.venue.account import SweepRequest
from schemas.venue.order_ids import parse_order_id
from schemas.venue.orders import OrderIntent

REQUEST_INTERVAL_S = 1.0
"""Seconds between two requests of a sweep."""


class JournalLost(Exception):
    """The journal of a symbol has no steps, but the gateway acted on some: position and profit are unknown."""


async def find_loss(
    bus: Bus, entry: SymbolEntry, claimed: ClaimedJournal[Step], *, may_start_empty: bool
) -> ResyncRequired | None:
    """Return what an actor has to resynchronize for after its claim, None if nothing was lost.

    Raises: JournalLost, unless `may_start_empty`; BusError.
    """
    subject = subjects.order_intent(entry.venue, entry.symbol)
    last = await bus.last(Stream.ORDERS, subject)
    intent = await newest(bus, Stream.ORDERS, subject, OrderIntent, last)
    generation = _highest_generation(entry, claimed, intent)
    journal_loss = await _journal_loss(bus, entry, claimed, intent)
    if journal_loss and claimed.last is None and not may_start_empty:
        reached("journal_lost")
        raise JournalLost(journal_loss)
    is_restored = claimed.last is not None and entry.restore_id not in {"", claimed.last.state.restore_id}
    if journal_loss or is_restored:
        reached("journal_went_back" if journal_loss else "bus_restored")
        reason = journal_loss or "the bus was restored from a backup"
        return _required(claimed, reason, generation, raises_generation=True, restore_id=entry.restore_id)
    intent_loss = await _intent_loss(bus, claimed, intent)
    if intent_loss:
        reached("intents_went_back")
        return _required(claimed, intent_loss, generation, raises_generation=False)
    return None


def is_added_again(state: GridState, entry: SymbolEntry) -> bool:
    """Return whether a symbol starts from an empty grid, because it was removed and added since its last step.

    `bus restore` raises the generation of the entry as well, above every id that was in use. The state is then kept, and
    its own generation is raised at the end of the resynchronization.
    """
    if entry.restore_id not in {"", state.restore_id}:
        return False
    known = state.generation if state.resync is None else max(state.generation, state.resync.generation)
    return known < entry.generation


def required_by_offset(detail: str, generation: int, epoch: int) -> ResyncRequired:
    """Return the input for a durable offset that was lost while the actor ran."""
    now = time_ns()
    return ResyncRequired(
        request_id=f"{epoch}-{now}", reason=detail, raises_generation=False, generation=generation, time=now
    )


async def request_sweeps(bus: Bus, state: Callable[[], GridState | None]) -> None:
    """Publish a request every `REQUEST_INTERVAL_S` while a resynchronization is pending, for ever.

    The request is a core message: the account publisher may be down, so it is repeated.
    """
    while True:
        current = state()
        if current is not None and current.resync is not None:
            request = SweepRequest(
                venue=current.venue,
                symbol=current.symbol,
                request_id=current.resync.request_id,
                trades_since=max(current.booked_through - TRADE_OVERLAP_NS, 0),
            )
            await bus.publish(subjects.sweep(current.venue), encode(request))
        await asyncio.sleep(REQUEST_INTERVAL_S)


def _required(
    claimed: ClaimedJournal[Step],
    reason: str,
    generation: int,
    *,
    raises_generation: bool,
    restore_id: str = "",
) -> ResyncRequired:
    now = time_ns()
    return ResyncRequired(
        request_id=f"{claimed.epoch}-{now}",
        reason=reason,
        raises_generation=raises_generation,
        generation=generation,
        restore_id=restore_id,
        time=now,
    )


async def _journal_loss(
    bus: Bus, entry: SymbolEntry, claimed: ClaimedJournal[Step], intent: Newest[OrderIntent] | None
) -> str:
    if claimed.went_back:
        return f"the journal went back: this engine had committed step {claimed.step}, which is gone"
    if await _is_chain_broken(bus, entry, claimed):
        return f"the hash chain of the journal is broken before step {claimed.step}: a record was changed or lost"
    if intent is None or not intent.event.step_sequence:
        return ""
    return await _loss_of_named_step(bus, entry, claimed, intent)


async def _loss_of_named_step(
    bus: Bus, entry: SymbolEntry, claimed: ClaimedJournal[Step], intent: Newest[OrderIntent]
) -> str:
    named = f"the gateway's intent {intent.stored.sequence} names step {intent.event.step}"
    if claimed.last is None:
        return f"the journal of {entry.symbol} on {entry.venue} has no steps, but {named}"
    # A gateway that takes over at the same time may name the claim of this actor already.
    is_claim = intent.event.step_sequence == claimed.journal.sequence
    if intent.event.step_sequence > claimed.last_record_sequence and not is_claim:
        return f"the journal went back: {named}, which is gone"
    if intent.event.step_hash:
        step = await stored_at(bus, Stream.JOURNAL, intent.event.step_sequence)
        if step is not None and record_hash(step.data) != intent.event.step_hash:
            return f"the journal was replaced: {named}, which is another one now"
    return ""


async def _is_chain_broken(bus: Bus, entry: SymbolEntry, claimed: ClaimedJournal[Step]) -> bool:
    """Return whether the last step does not carry the hash of the record before it; only the end of the chain is checked."""
    if claimed.last is None or not claimed.last.previous_hash:
        return False
    subject = subjects.step(entry.venue, entry.symbol)
    before = await record_before(bus, Stream.JOURNAL, subject, claimed.last_sequence)
    return before is not None and record_hash(before.data) != claimed.last.previous_hash


async def _intent_loss(bus: Bus, claimed: ClaimedJournal[Step], intent: Newest[OrderIntent] | None) -> str:
    last = claimed.last
    if last is None:
        return ""
    if intent is None:
        return f"the gateway's intents are gone, although the journal has {last.step} steps"
    if last.intent is None:
        return ""
    named = f"step {last.step} names intent {last.intent.sequence}"
    stored = await stored_at(bus, Stream.ORDERS, last.intent.sequence)
    if stored is None or record_hash(stored.data) != last.intent.hash:
        return f"the gateway's intents went back: {named}, which is {'gone' if stored is None else 'another one now'}"
    return ""


def _highest_generation(
    entry: SymbolEntry, claimed: ClaimedJournal[Step], intent: Newest[OrderIntent] | None
) -> int:
    known = [entry.generation]
    if claimed.last is not None:
        known.append(claimed.last.state.generation)
    if intent is not None:
        ids = [*intent.event.unresolved, *(each.client_order_id for each in intent.event.decisions)]
        known += [parts.generation for each in ids if (parts := parse_order_id(each)) is not None]
    return max(known)
