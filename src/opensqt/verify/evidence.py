"""What a run left behind: the streams, read whole, and the venue's own books."""

from contextlib import aclosing
from dataclasses import dataclass, field

import aiohttp
import msgspec

from bus import Bus, Everything, read
from opensqt.books import VenueBooks
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.engine import Fill
from schemas.journal import Step, SymbolEntry
from schemas.orders import Decision, OrderIntent
from schemas.subjects import Stream
from schemas.units import Symbol


@dataclass(slots=True)
class Trail:
    """What the bus has of one symbol."""

    symbol: Symbol
    steps: list[Step] = field(default_factory=list)
    """In the order of the stream; claims repeat a number."""
    intents: list[OrderIntent] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    undecodable: int = 0

    @property
    def decided(self) -> list[Decision]:
        """Every decision that was committed."""
        return [decision for step in self.steps for decision in step.decisions]

    @property
    def intended(self) -> list[Decision]:
        """Every decision that the gateway was about to carry out."""
        return [decision for intent in self.intents for decision in intent.decisions]


async def trail_of(bus: Bus, entry: SymbolEntry) -> Trail:
    """Return all that the bus has of a symbol's engine and gateway."""
    trail = Trail(entry.symbol)
    await _gather(bus, Stream.JOURNAL, subjects.step(entry.venue, entry.symbol), trail)
    await _gather(bus, Stream.ORDERS, subjects.order_intent(entry.venue, entry.symbol), trail)
    await _gather(bus, Stream.ENGINE, subjects.fill(entry.venue, entry.symbol), trail)
    return trail


async def books_of(venue_url: str) -> VenueBooks:
    """Return the simulated venue's complete books."""
    async with aiohttp.ClientSession() as session, session.get(f"{venue_url}/admin/books") as answer:
        answer.raise_for_status()
        return msgspec.json.decode(await answer.read(), type=VenueBooks)


async def _gather(bus: Bus, stream: Stream, subject: str, trail: Trail) -> None:
    async with aclosing(read(bus, stream, (subject,), Everything())) as batches:
        async for batch in batches:
            for message in batch.messages:
                _add(trail, message.data)
            if batch.caught_up:
                return


def _add(trail: Trail, data: bytes) -> None:
    try:
        event = decode(data)
    except UndecodableError:
        trail.undecodable += 1
        return
    match event:
        case Step():
            trail.steps.append(event)
        case OrderIntent():
            trail.intents.append(event)
        case Fill():
            trail.fills.append(event)
        case _:
            trail.undecodable += 1
