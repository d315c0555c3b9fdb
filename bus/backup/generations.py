"""The highest generation of order ids that the bus names for each symbol."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TypeVar

import msgspec

from bus.client.connection import Bus
from bus.client.message import Received
from bus.errors import StreamGone
from bus.streams.reader import last_per_subject, read
from bus.streams.registry import Registry
from bus.streams.start import FromTime
from schemas import subjects
from schemas.codec import INVALID_JSON, try_decode
from schemas.engine.journal import SymbolEntry
from schemas.subjects import ALL, Stream
from schemas.units import SECOND_NS
from schemas.venue.order_ids import parse_order_id

T = TypeVar("T")

INTENTS_NS = 24 * 3600 * SECOND_NS
"""How far before the last intent of a symbol its intents are read: generations only grow."""

Generations = Mapping[str, int]
"""By the key of the symbol in the bucket `symbols`."""


class _State(msgspec.Struct, frozen=True):
    generation: int = 0


class _Step(msgspec.Struct, frozen=True):
    """The part of a step that is read here."""

    state: _State = _State()


class _Decision(msgspec.Struct, frozen=True):
    client_order_id: str = ""


class _Intent(msgspec.Struct, frozen=True):
    """The part of an intent that is read here."""

    decisions: tuple[_Decision, ...] = ()
    unresolved: tuple[str, ...] = ()


async def highest_generations(bus: Bus) -> Generations:
    """Return the highest generation that roster, journal and intents name, by symbol; missing streams are empty.

    Raises: Rejected, Ambiguous.
    """
    found: dict[str, int] = defaultdict(int)
    async for key, generation in _named_generations(bus):
        found[key] = max(found[key], generation)
    return found


async def _named_generations(bus: Bus) -> AsyncIterator[tuple[str, int]]:
    for key, entry in (await _registered(bus)).items():
        yield key, entry.generation
    for stored in await _last(bus, Stream.JOURNAL, "journal.*.*.step"):
        step = _decoded(stored, _Step)
        if step is not None:
            yield _key(stored), step.state.generation
    for stored in await _last(bus, Stream.ORDERS, "order.*.*.intent"):
        yield _key(stored), await _highest_intended(bus, stored)


async def _registered(bus: Bus) -> dict[str, SymbolEntry]:
    try:
        stored = await Registry(bus, "symbols").entries()
    except StreamGone:
        return {}
    decoded = {key: try_decode(each.data, SymbolEntry) for key, each in stored.items()}
    return {key: entry for key, entry in decoded.items() if entry is not None}


async def _highest_intended(bus: Bus, last: Received) -> int:
    start = FromTime(max(last.time_ns - INTENTS_NS, 0))
    highest = 0
    async with aclosing(read(bus, Stream.ORDERS, (last.subject,), start)) as batches:
        async for batch in batches:
            for message in batch.messages:
                highest = max(highest, _generation_of(_decoded(message, _Intent)))
            if batch.caught_up or (batch.messages and batch.messages[-1].sequence >= last.sequence):
                break
    return highest


def _generation_of(intent: _Intent | None) -> int:
    if intent is None:
        return 0
    ids = (*(decision.client_order_id for decision in intent.decisions), *intent.unresolved)
    return max((parts.generation for each in ids if (parts := parse_order_id(each)) is not None), default=0)


async def _last(bus: Bus, stream: str, subject: str) -> list[Received]:
    try:
        found = await last_per_subject(bus, stream, (subject,))
    except StreamGone:
        return []
    return [each for each in found if ALL not in each.subject.split(".")]


def _key(stored: Received) -> str:
    subject = subjects.parse(stored.subject)
    assert subject.symbol is not None, "a subject of a symbol"
    return subjects.registry_key(subject.venue, subject.symbol)


def _decoded(stored: Received, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(stored.data, type=kind)
    except INVALID_JSON:
        return None
