"""Numbered events for the tests of the bus, and helpers to store and read them."""

import asyncio
import functools
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from bus import Batch, Bus, Received
from bus.client.direct_get import NO_RESULTS, _Reply, parse_stored
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


async def store_each(bus: Bus, count: int) -> None:
    """Store an event on each of so many subjects of MARKET: `market.sim.S0.ticker` has number 0."""
    futures = [await bus.send(f"market.sim.S{number}.ticker", event(number)) for number in range(count)]
    for future in futures:
        await future


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
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - polling is the purpose
            await asyncio.sleep(0.01)


def lose_republished(bus: Bus, rng: random.Random, share: float) -> Callable[[], None]:
    """Have the connection lose this share of the republished messages, as a broken route in a cluster would.

    Returns a function that ends it.
    """
    callbacks = bus.nc._fast_parser.direct
    before = dict(callbacks)

    def lossy(receive: Callable[..., None]) -> Callable[..., None]:
        return lambda *message: receive(*message) if rng.random() >= share else None

    for sid, subscription in bus.nc._subs.items():
        if subscription.subject.startswith("live."):
            if sid in callbacks:
                callbacks[sid] = lossy(callbacks[sid])
            elif subscription._cb is not None:
                subscription._pending_msgs_limit = 0
    return lambda: callbacks.update(before)


def on_reply(bus: Bus, is_passed: Callable[..., object]) -> None:
    """Have the connection lose messages of replies to direct gets: those for which `is_passed` is false.

    It receives the number of the message since this call, from 0, then subject, reply, headers and data.
    """
    numbers = itertools.count()
    _intercept(
        bus, lambda pass_on, *message: pass_on(*message) if is_passed(next(numbers), *message) else None
    )


def replace_reply(bus: Bus, headers: bytes, count: int) -> None:
    """Have so many replies to direct gets begin with other headers and no data."""
    replaced: set[bytes] = set()

    def receive(pass_on: Callable[..., None], subject: bytes, *rest: bytes) -> None:
        if subject not in replaced and len(replaced) >= count:
            pass_on(subject, *rest)
        elif subject not in replaced:
            replaced.add(subject)
            pass_on(subject, b"", headers, b"")

    _intercept(bus, receive)


def end_replies_at(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """Have direct gets answer as a replica would that has stored nothing after a sequence."""
    add = _Reply.add

    def receive(reply: _Reply, headers: bytes, data: bytes) -> None:
        stored = parse_stored(headers)
        if stored is not None and stored.sequence <= last:
            add(reply, headers, data)
        elif stored is None and reply._messages:
            end = f"Nats-Num-Pending: 0\r\nNats-Last-Sequence: {reply._last}\r\nNats-UpTo-Sequence: {last}"
            add(reply, f"NATS/1.0 204 EOB\r\n{end}\r\n\r\n".encode(), b"")
        elif stored is None:
            add(reply, f"NATS/1.0 404 {NO_RESULTS}\r\n\r\n".encode(), b"")

    monkeypatch.setattr(_Reply, "add", receive)


def _intercept(bus: Bus, receive: Callable[..., None]) -> None:
    callbacks = bus.nc._fast_parser.direct
    inboxes = [sid for sid, each in bus.nc._subs.items() if each.subject.startswith("_INBOX.")]
    (sid,) = [sid for sid in inboxes if sid in callbacks and callbacks[sid] != bus._requests._on_reply]
    callbacks[sid] = functools.partial(receive, callbacks[sid])
