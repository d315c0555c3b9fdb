"""Entries that vanish from a bucket are put back; deleted ones are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bus import Bus, Registry, get_logger, keep_entries, preserve_entries
from bus.streams import bucket_keeper, stream_watch
from schemas.codec import encode
from schemas.venue.market import ClockRead
from tests.bus.events import event, eventually

BUCKET = "instruments"
STREAM = f"KV_{BUCKET}"
A, B = "sim.A", "sim.B"
LOG = get_logger("test")


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_keeper, "CHECK_INTERVAL_S", 0.02)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_stored(bus: Bus, key: str, number: int) -> None:
    subject = f"$KV.{BUCKET}.{key}"

    async def is_stored() -> bool:
        await bus.wait_connected()
        names = (await bus.api("STREAM.NAMES", None, dict)).get("streams") or ()
        last = await bus.last(STREAM, subject) if STREAM in names else None
        return last is not None and last.data == encode(event(number))

    await eventually(is_stored)


@pytest.mark.parametrize("loss", ["PURGE", "DELETE"])
async def test_a_vanished_entry_is_put_back(bus: Bus, loss: str) -> None:
    await Registry(bus, BUCKET).create(A, event(1))
    restored: list[str] = []

    async def on_restored(key: str) -> None:
        restored.append(key)

    async with running(keep_entries(bus, BUCKET, lambda: {A: event(1)}, LOG, on_restored=on_restored)):
        await bus.api(f"STREAM.{loss}.{STREAM}", None, dict)
        await until_stored(bus, A, 1)
    assert restored == [A]


async def test_a_deleted_entry_stays_deleted(bus: Bus) -> None:
    registry = Registry(bus, BUCKET)
    revision = await registry.create(A, event(1))
    assert revision is not None
    await registry.delete(A, revision)
    async with running(keep_entries(bus, BUCKET, lambda: {A: event(1), B: event(2)}, LOG)):
        await until_stored(bus, B, 2)

    assert set(await registry.entries()) == {B}


async def test_a_changed_entry_is_left_as_it_is(bus: Bus) -> None:
    await Registry(bus, BUCKET).create(A, event(3))
    async with running(keep_entries(bus, BUCKET, lambda: {A: event(1), B: event(2)}, LOG)):
        await until_stored(bus, B, 2)
        await until_stored(bus, A, 3)


async def test_the_last_values_that_were_read_are_put_back(bus: Bus) -> None:
    registry = Registry(bus, BUCKET)
    await registry.create("elsewhere.A", event(1))
    await registry.create(A, event(2))

    async def is_read() -> bool:
        return STREAM in stream_watch._watches.get(bus, {})  # joined by readers that have caught up

    async with running(preserve_entries(bus, BUCKET, ClockRead, LOG, prefix="sim.")):
        await eventually(is_read)
        await bus.api(f"STREAM.PURGE.{STREAM}", None, dict)
        await until_stored(bus, A, 2)
    assert set(await registry.entries()) == {A}
