"""Key-value registries."""

import asyncio
from contextlib import aclosing

import pytest

from bus import Bus, Conflict, Entry, LastPerSubject, Registry, provision, read
from schemas.codec import decode_as, encode
from schemas.venue.market import ClockRead
from tests.bus.events import event, eventually

KEY = "sim.BTC-USDT"


def number(entry: Entry | None) -> int | None:
    return decode_as(entry.data, ClockRead).time if entry else None


@pytest.fixture
def symbols(bus: Bus) -> Registry:
    return Registry(bus, "symbols")


async def test_a_key_is_created_once(symbols: Registry) -> None:
    revision = await symbols.create(KEY, event(1))

    assert revision is not None
    assert await symbols.create(KEY, event(2)) is None
    assert await symbols.get(KEY) == Entry(KEY, encode(event(1)), revision)


async def test_one_of_many_concurrent_creates_succeeds(symbols: Registry) -> None:
    revisions = await asyncio.gather(*(symbols.create(KEY, event(n)) for n in range(5)))

    assert len([revision for revision in revisions if revision is not None]) == 1


async def test_an_update_needs_the_current_revision(symbols: Registry) -> None:
    revision = await symbols.create(KEY, event(1))
    assert revision is not None
    newer = await symbols.update(KEY, event(2), revision)

    with pytest.raises(Conflict):
        await symbols.update(KEY, event(3), revision)
    assert (number(await symbols.get(KEY)), newer > revision) == (2, True)


async def test_a_deleted_key_can_be_created_again(symbols: Registry) -> None:
    revision = await symbols.create(KEY, event(1))
    assert revision is not None
    await symbols.delete(KEY, revision)

    assert await symbols.get(KEY) is None
    assert await symbols.entries() == {}
    assert await symbols.create(KEY, event(2)) is not None


async def test_entries_are_the_keys_with_a_value(symbols: Registry) -> None:
    for n, key in enumerate(["sim.A", "sim.B"]):
        await symbols.create(key, event(n))

    assert {key: number(entry) for key, entry in (await symbols.entries()).items()} == {
        "sim.A": 0,
        "sim.B": 1,
    }


async def test_follow_yields_the_entries_and_each_change(symbols: Registry) -> None:
    revision = await symbols.create(KEY, event(1))
    assert revision is not None
    async with aclosing(symbols.follow()) as changes:
        changes_seen = [await anext(changes)]
        revision = await symbols.update(KEY, event(2), revision)
        changes_seen.append(await anext(changes))
        await symbols.delete(KEY, revision)
        changes_seen.append(await anext(changes))

    assert [(key, number(entry)) for key, entry in changes_seen] == [(KEY, 1), (KEY, 2), (KEY, None)]


async def test_follow_continues_when_the_bucket_is_recreated(bus: Bus, symbols: Registry) -> None:
    await symbols.create("sim.A", event(1))
    async with aclosing(symbols.follow()) as changes:
        await anext(changes)
        following = asyncio.ensure_future(anext(changes))
        await bus.api("STREAM.DELETE.KV_symbols", None, dict)
        await provision(bus)
        await symbols.create("sim.B", event(2))
        revision = await symbols.create("sim.A", event(3))
        assert revision is not None
        await symbols.delete("sim.A", revision)
        changes_seen = [await following]
        while changes_seen[-1][1] is not None:
            changes_seen.append(await anext(changes))

    # The key that vanished with the bucket is not a deleted one.
    assert (changes_seen[0][0], changes_seen[-1]) == ("sim.B", ("sim.A", None))


async def test_a_deleted_key_has_not_vanished(bus: Bus, symbols: Registry) -> None:
    await symbols.create("sim.A", event(1))
    revision = await symbols.create("sim.B", event(1))
    assert revision is not None
    await symbols.delete("sim.B", revision)
    assert await symbols.vanished(["sim.A", "sim.B", "sim.C"]) == {"sim.C"}

    await bus.api("STREAM.PURGE.KV_symbols", None, dict)
    assert await symbols.vanished(["sim.A", "sim.B"]) == {"sim.A", "sim.B"}


async def test_a_value_with_ttl_expires(bus: Bus) -> None:
    lease = Registry(bus, "lease")
    revision = await lease.create("sim", event(1), ttl_s=1)
    assert revision is not None
    await lease.update("sim", event(2), revision, ttl_s=1)
    assert await lease.create("sim", event(3), ttl_s=1) is None

    async def is_free() -> bool:
        return await lease.create("sim", event(4), ttl_s=1) is not None

    await eventually(is_free)


async def test_a_bucket_is_readable_by_the_nats_client(bus: Bus, symbols: Registry) -> None:
    await symbols.create(KEY, event(1))
    bucket = await bus.nc.jetstream().key_value("symbols")

    assert (await bucket.get(KEY)).value == encode(event(1))


async def test_an_entry_that_was_replaced_unread_is_no_loss(bus: Bus, symbols: Registry) -> None:
    async with aclosing(read(bus, "KV_symbols", (f"$KV.symbols.{KEY}",), LastPerSubject())) as batches:
        assert (await anext(batches)).caught_up
        first = await symbols.create("sim.ETH-USDT", event(1))
        assert first is not None
        await symbols.update(
            "sim.ETH-USDT", event(2), first
        )  # the stream now begins behind where it was read
        revision = await symbols.create(KEY, event(3))
        async for batch in batches:
            if batch.messages:
                break
    assert [message.sequence for message in batch.messages] == [revision]
