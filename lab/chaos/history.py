"""The history of a run: journal, intents and published copies by symbol; the venue's data."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec

from bus import Bus, FromSequence, OffsetLost, Received, read
from cli.errors import CommandError
from cli.inspect.audit import VenueRecords
from engine.core.grid import Grid
from engine.core.replay import replay
from engine.core.upgrade import upgraded
from producers.simulated.matching.orders import Arrival
from schemas import subjects
from schemas.codec import FormatTooNew, UndecodableError, decode, encode
from schemas.engine.events import DecisionMade, Fill, PositionCorrected
from schemas.engine.journal import Step, SymbolEntry
from schemas.formats import STATE_VERSION, record_hash
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import ZERO, ClientOrderId, SignedQuantity, Symbol, TimeNs
from schemas.venue.orders import Decision, OrderIntent
from schemas.venue.requests import OrderRequest, RequestAction

T = TypeVar("T")

REQUEST_TIMEOUT_S = 20.0


class CommittedStep(NamedTuple):
    """A step of the journal, with the position of its state; a claim is kept without decisions, fills and corrections."""

    step: int
    epoch: int
    """Number of the engine's ownership of the symbol; increases by one with each claim."""
    is_claim: bool
    sequence: int
    """JOURNAL sequence."""
    stored_time: TimeNs
    """The bus's timestamp of the message."""
    decisions: tuple[Decision, ...] = ()
    fills: tuple[Fill, ...] = ()
    corrections: tuple[PositionCorrected, ...] = ()
    generation: int = 1
    """Number of the addition of the symbol; each starts without a position."""
    position: SignedQuantity = ZERO
    adopted: SignedQuantity = ZERO
    """The part of the position that the account held before the first step."""


class CommittedIntent(NamedTuple):
    """An intent of the gateway: the orders it is about to send for a step."""

    epoch: int
    """Number of the gateway's ownership of the symbol."""
    step: int
    step_sequence: int
    """JOURNAL sequence of the step."""
    stored_time: TimeNs
    """The bus's timestamp of the message."""
    decisions: tuple[Decision, ...] = ()
    is_recorded: bool = True
    """Whether the gateway records its requests: not in version 1."""
    unresolved: int = 0
    """Number of orders of earlier intents whose outcome at the venue is unknown."""


class PublishedCopy(NamedTuple):
    """A decision, fill or correction as published on `engine.>`."""

    event: DecisionMade | Fill | PositionCorrected
    stored_time: TimeNs
    """The bus's timestamp of the message."""


@dataclass(slots=True)
class History:
    """The stored messages of one symbol."""

    symbol: Symbol
    steps: list[CommittedStep] = field(default_factory=list)
    """In stream order; a claim repeats the number of the step before it."""
    intents: list[CommittedIntent] = field(default_factory=list)
    copies: list[PublishedCopy] = field(default_factory=list)
    requested: set[ClientOrderId] = field(default_factory=set)
    """The ids in the gateway's records of its placements, and of those that it took over without sending them."""
    state: GridState | None = None
    """State of the last step."""
    not_reproducible: list[str] = field(default_factory=list)
    """Texts on steps that do not follow from their causes."""
    undecodable: int = 0
    """Number of messages that are undecodable or of an unexpected type."""
    unlinked: list[str] = field(default_factory=list)
    """Texts on steps and intents that do not carry the hash of the record before them."""
    discarded: list[str] = field(default_factory=list)
    """Ranges that the streams discarded before they were read."""

    @property
    def fills(self) -> list[Fill]:
        """All published fills."""
        return [copy.event for copy in self.copies if isinstance(copy.event, Fill)]

    @property
    def corrections(self) -> list[PositionCorrected]:
        """All published corrections of the position."""
        return [copy.event for copy in self.copies if isinstance(copy.event, PositionCorrected)]

    @property
    def decisions(self) -> list[Decision]:
        """All committed decisions."""
        return [decision for step in self.steps for decision in step.decisions]

    @property
    def intended_decisions(self) -> list[Decision]:
        """All decisions in the gateway's intents."""
        return [decision for intent in self.intents for decision in intent.decisions]

    @property
    def gateway_takeovers(self) -> int:
        """Number of times a gateway took over from another."""
        return sum(b.epoch != a.epoch for a, b in pairwise(self.intents))

    @property
    def takeover_queries(self) -> int:
        """Number of orders whose outcome a gateway had to query at the venue after a takeover."""
        return sum(b.unresolved for a, b in pairwise(self.intents) if b.epoch != a.epoch)


class HistoryRecorder:
    """Records a symbol's streams as they grow, and recomputes each step from the one before."""

    def __init__(self, entry: SymbolEntry) -> None:
        self.history = History(entry.symbol)
        # Effects are read before their causes, so that the step of a recorded copy or intent is never missing.
        self._sources = {
            Stream.ENGINE: (
                subjects.decision(entry.venue, entry.symbol),
                subjects.fill(entry.venue, entry.symbol),
                subjects.correction(entry.venue, entry.symbol),
            ),
            Stream.ORDERS: (
                subjects.order_intent(entry.venue, entry.symbol),
                subjects.order_request(entry.venue, entry.symbol),
            ),
            Stream.JOURNAL: (subjects.step(entry.venue, entry.symbol),),
        }
        self._next = dict.fromkeys(self._sources, 1)
        self._hashes: dict[str, str] = {}
        """The hash of the newest record by subject."""
        self._replica = Grid(None, 0)

    async def record(self, bus: Bus) -> None:
        """Read the messages stored since the last call. Discarded ones are noted and skipped.

        Raises: StreamGone, Refused, Ambiguous.
        """
        for stream, filters in self._sources.items():
            try:
                await self._read(bus, stream, filters)
            except OffsetLost as lost:
                self.history.discarded.append(str(lost))
                self._next[stream] = lost.first
                self._hashes.clear()

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
        except FormatTooNew as error:
            raise CommandError(str(error)) from error
        except UndecodableError:
            self.history.undecodable += 1
            return
        if isinstance(event, Step | OrderIntent):
            self._check_link(event, stored)
        match event:
            case Step():
                self._add_step(event, stored)
            case OrderIntent():
                self.history.intents.append(
                    CommittedIntent(
                        event.epoch,
                        event.step,
                        event.step_sequence,
                        stored.time_ns,
                        event.decisions,
                        event.created_time > 0,
                        len(event.unresolved),
                    )
                )
            case OrderRequest():
                if event.action is RequestAction.PLACE:
                    self.history.requested.add(event.client_order_id)
            case DecisionMade() | Fill() | PositionCorrected():
                self.history.copies.append(PublishedCopy(event, stored.time_ns))
            case _:
                self.history.undecodable += 1

    def _check_link(self, record: Step | OrderIntent, stored: Received) -> None:
        before = self._hashes.get(stored.subject)
        self._hashes[stored.subject] = record_hash(stored.data)
        # Records of version 1 have no hashes; the first record that was read is an anchor.
        if record.previous_hash and before is not None and record.previous_hash != before:
            self.history.unlinked.append(
                f"{stored.subject} at {stored.sequence} does not follow the record before it"
            )

    def _add_step(self, step: Step, stored: Received) -> None:
        is_claim = not step.causes
        self.history.steps.append(
            CommittedStep(
                step.step,
                step.epoch,
                is_claim,
                stored.sequence,
                stored.time_ns,
                () if is_claim else step.decisions,
                () if is_claim else step.fills,
                () if is_claim else _corrections(step),
                step.state.generation,
                step.state.accounts.position,
                step.state.accounts.adopted,
            )
        )
        if difference := self._recompute(step):
            self.history.not_reproducible.append(f"step {step.step} of epoch {step.epoch}: {difference}")
        self.history.state = step.state

    def _recompute(self, step: Step) -> str:
        """Process the step's causes, and return how the result differs from the step; empty when it does not.

        A step of an earlier version is not processed: the core of that version made it.
        """
        committed_state = encode(step.state)
        if step.state_version < STATE_VERSION:
            self._replica = _grid_of(encode(upgraded(step).state), step)
            return ""
        if not step.causes:
            is_same = self._replica.state is None or encode(self._replica.state) == committed_state
            self._replica = _grid_of(committed_state, step)
            return "" if is_same else "a claim changed the state"
        change = replay(self._replica, step)
        state = self._replica.state
        if change is None or state is None:
            difference = "its causes lead to no step"
        elif (change.step, change.decisions) != (step.step, step.decisions):
            difference = (
                f"its causes lead to step {change.step} with {change.decisions}, not {step.decisions}"
            )
        elif change.fills != step.fills:
            difference = "its causes lead to different fills"
        elif change.notices != step.notices:
            difference = "its causes lead to different notices"
        elif encode(state) != committed_state:
            difference = "its causes lead to a different state"
        else:
            return ""
        self._replica = _grid_of(committed_state, step)
        return difference


def _corrections(step: Step) -> tuple[PositionCorrected, ...]:
    return tuple(notice for notice in step.notices if isinstance(notice, PositionCorrected))


def _grid_of(state: bytes, step: Step) -> Grid:
    return Grid(msgspec.json.decode(state, type=GridState), step.step)


class VenueHistory(NamedTuple):
    """The venue's orders, trades and holdings, and every request to place an order that reached it."""

    accounts: VenueRecords
    arrivals: tuple[Arrival, ...]
    """Requests to place an order, including rejected ones."""


async def fetch_venue_history(venue_url: str) -> VenueHistory:
    """Fetch the complete data of the simulated venue.

    Raises: aiohttp.ClientError, TimeoutError.
    """
    return VenueHistory(
        await _get(f"{venue_url}/admin/books", VenueRecords),
        await _get(f"{venue_url}/admin/arrivals", tuple[Arrival, ...]),
    )


async def _get(url: str, expected: type[T]) -> T:
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        response.raise_for_status()
        return msgspec.json.decode(await response.read(), type=expected)
