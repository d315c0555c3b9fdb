"""What a run leaves behind: the streams, read as they grow, and the venue's own books."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec

from bus import Bus, FromSequence, OffsetLost, Received, read
from cli.inspect.audit import VenueBooks
from engine.core.grid import Grid
from producers.simulated.matching.orders import Arrival
from schemas import subjects
from schemas.codec import UndecodableError, decode, encode
from schemas.engine.events import DecisionMade, Fill
from schemas.engine.journal import Step, SymbolEntry
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs
from schemas.venue.orders import Decision, OrderIntent

T = TypeVar("T")

ASK_WITHIN_S = 20.0


class Committed(NamedTuple):
    """A step of the journal, without its state."""

    step: int
    epoch: int
    is_claim: bool
    sequence: int
    time: TimeNs
    """When the bus stored it."""
    decisions: tuple[Decision, ...] = ()
    fills: tuple[Fill, ...] = ()


class Intended(NamedTuple):
    """An intent of the gateway."""

    epoch: int
    step: int
    step_sequence: int
    time: TimeNs
    """When the bus stored it."""
    decisions: tuple[Decision, ...] = ()
    unresolved: int = 0


class Said(NamedTuple):
    """A copy on `engine.>`, of a decision or of a fill."""

    event: DecisionMade | Fill
    time: TimeNs
    """When the bus stored it."""


@dataclass(slots=True)
class Trail:
    """What the bus has of one symbol."""

    symbol: Symbol
    steps: list[Committed] = field(default_factory=list)
    """In the order of the stream; claims repeat a number."""
    intents: list[Intended] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    state: GridState | None = None
    """That of the last step."""
    not_repeatable: list[str] = field(default_factory=list)
    """Steps that their causes do not lead to."""
    undecodable: int = 0
    lost: list[str] = field(default_factory=list)
    """What the streams discarded before it was read."""

    @property
    def fills(self) -> list[Fill]:
        """Every fill that was said."""
        return [said.event for said in self.said if isinstance(said.event, Fill)]

    @property
    def decided(self) -> list[Decision]:
        """Every decision that was committed."""
        return [decision for step in self.steps for decision in step.decisions]

    @property
    def intended(self) -> list[Decision]:
        """Every decision that the gateway was about to carry out."""
        return [decision for intent in self.intents for decision in intent.decisions]

    @property
    def takeovers(self) -> int:
        """How often a gateway took over from another."""
        return sum(b.epoch != a.epoch for a, b in pairwise(self.intents))

    @property
    def queries(self) -> int:
        """How often a gateway that took over had an order to ask for."""
        return sum(b.unresolved for a, b in pairwise(self.intents) if b.epoch != a.epoch)


class Witness:
    """Reads a symbol's streams as they grow, and computes each step anew from the one before."""

    def __init__(self, entry: SymbolEntry) -> None:
        self.trail = Trail(entry.symbol)
        # What comes of something is read before it: whatever is seen has its reason in what is read next.
        self._sources = {
            Stream.ENGINE: (
                subjects.decision(entry.venue, entry.symbol),
                subjects.fill(entry.venue, entry.symbol),
            ),
            Stream.ORDERS: (subjects.order_intent(entry.venue, entry.symbol),),
            Stream.JOURNAL: (subjects.step(entry.venue, entry.symbol),),
        }
        self._next = dict.fromkeys(self._sources, 1)
        self._replica = Grid(None, 0)

    async def look(self, bus: Bus) -> None:
        """Read what has come since.

        Raises: StreamGone, Refused, Ambiguous.
        """
        for stream, filters in self._sources.items():
            try:
                await self._read(bus, stream, filters)
            except OffsetLost as lost:
                self.trail.lost.append(str(lost))
                self._next[stream] = lost.first

    async def _read(self, bus: Bus, stream: Stream, filters: Sequence[str]) -> None:
        async with aclosing(read(bus, stream, filters, FromSequence(self._next[stream]))) as batches:
            async for batch in batches:
                for message in batch.messages:
                    self._add(message)
                    self._next[stream] = message.sequence + 1
                if batch.caught_up:
                    return

    def _add(self, stored: Received) -> None:
        try:
            event = decode(stored.data)
        except UndecodableError:
            self.trail.undecodable += 1
            return
        match event:
            case Step():
                self._add_step(event, stored)
            case OrderIntent():
                self.trail.intents.append(
                    Intended(
                        event.epoch,
                        event.step,
                        event.step_sequence,
                        stored.time_ns,
                        event.decisions,
                        len(event.unresolved),
                    )
                )
            case DecisionMade() | Fill():
                self.trail.said.append(Said(event, stored.time_ns))
            case _:
                self.trail.undecodable += 1

    def _add_step(self, step: Step, stored: Received) -> None:
        is_claim = not step.causes
        self.trail.steps.append(
            Committed(
                step.step,
                step.epoch,
                is_claim,
                stored.sequence,
                stored.time_ns,
                () if is_claim else step.decisions,
                () if is_claim else step.fills,
            )
        )
        if difference := self._recompute(step):
            self.trail.not_repeatable.append(f"step {step.step} of epoch {step.epoch}: {difference}")
        self.trail.state = step.state

    def _recompute(self, step: Step) -> str:
        """Return how what the causes lead to differs from what was committed."""
        wanted = encode(step.state)
        if not step.causes:
            is_same = self._replica.state is None or encode(self._replica.state) == wanted
            self._replica = Grid(msgspec.json.decode(wanted, type=GridState), step.step)
            return "" if is_same else "a claim changed the state"
        change = self._replica.process(step.causes)
        state = self._replica.state
        if change is None or state is None:
            difference = "its causes lead to no step"
        elif (change.step, change.decisions) != (step.step, step.decisions):
            difference = (
                f"its causes lead to step {change.step} with {change.decisions}, not {step.decisions}"
            )
        elif (change.fills, change.notices) != (step.fills, step.notices):
            difference = "its causes lead to other fills or notices"
        elif encode(state) != wanted:
            difference = "its causes lead to another state"
        else:
            return ""
        self._replica = Grid(msgspec.json.decode(wanted, type=GridState), step.step)
        return difference


class VenueEvidence(NamedTuple):
    """What the venue has."""

    books: VenueBooks
    arrivals: tuple[Arrival, ...]
    """Every request to place an order that ever reached it."""


async def venue_evidence(venue_url: str) -> VenueEvidence:
    """Return the simulated venue's complete books."""
    return VenueEvidence(
        await books_of(venue_url), await _ask(f"{venue_url}/admin/arrivals", tuple[Arrival, ...])
    )


async def books_of(venue_url: str) -> VenueBooks:
    """Return the orders, trades and holdings that the simulated venue has."""
    return await _ask(f"{venue_url}/admin/books", VenueBooks)


async def _ask(url: str, kind: type[T]) -> T:
    timeout = aiohttp.ClientTimeout(total=ASK_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        answer.raise_for_status()
        return msgspec.json.decode(await answer.read(), type=kind)
