"""Numbered events for the tests of the bus, and helpers to store and read them."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from bus import Batch, Bus, Received
from schemas.codec import decode_as
from schemas.venue.market import ClockRead
from tests.builders import SIM


def event(number: int) -> ClockRead:
    """Return an event with a number, which `numbers` reads back."""
    return ClockRead(venue=SIM, time=number, received_time=0)


def numbers(messages: Iterable[Received]) -> list[int]:
    return [decode_as(message.data, ClockRead).time for message in messages]


async def store_many(bus: Bus, subject: str, count: int, first: int = 0) -> list[int]:
    """Store events with consecutive numbers, pipelined, and return their sequences."""
    futures = [await bus.send(subject, event(number)) for number in range(first, first + count)]
    return [await future for future in futures]


async def until_caught_up(batches: AsyncIterator[Batch]) -> list[Received]:
    """Return the messages up to the first batch that is caught up."""
    found: list[Received] = []
    async for batch in batches:
        found += batch.messages
        if batch.caught_up:
            return found
    raise AssertionError("a stream is read for ever")


async def until_number(batches: AsyncIterator[Batch], last: int) -> list[Received]:
    """Return the messages up to and including the event with this number."""
    found: list[Received] = []
    async for batch in batches:
        found += batch.messages
        if last in numbers(batch.messages):
            return found
    raise AssertionError("a stream is read for ever")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a condition that has no event to wait for, until it is true."""
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110 - polling is the purpose
            await asyncio.sleep(0.01)


def lose_republished(bus: Bus, rng: random.Random, share: float) -> None:
    """Have the connection lose this share of the republished messages, as a broken route in a cluster would."""
    callbacks = bus.nc._fast_parser.direct
    for sid, subscription in bus.nc._subs.items():
        if subscription.subject.startswith("live."):
            receive = callbacks[sid]
            callbacks[sid] = lambda *message, receive=receive: (
                receive(*message) if rng.random() >= share else None
            )


def on_reply(bus: Bus, is_passed: Callable[..., object]) -> None:
    """Have the connection lose messages of replies to direct gets: those for which `is_passed` is false.

    It receives the number of the message since this call, from 0, then subject, reply, headers and data.
    """
    count = 0

    def receive(*message: bytes) -> None:
        nonlocal count
        count += 1
        if is_passed(count - 1, *message):
            pass_on(*message)

    callbacks = bus.nc._fast_parser.direct
    (sid,) = [
        sid for sid, each in bus.nc._subs.items() if sid in callbacks and each.subject.startswith("_INBOX.")
    ]
    pass_on, callbacks[sid] = callbacks[sid], receive
