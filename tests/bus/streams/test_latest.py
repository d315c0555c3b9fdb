"""The latest message of each subject."""

import asyncio

import pytest

from bus import Bus, Conflict, EmbeddedServer, LatestValues, StreamGone, connect, provision
from tests.bus.events import event, numbers, store_many
from tests.conftest import NewServer

A = "account.sim.A.position"
B = "account.sim.B.position"
ALL = ("account.>",)
CLOCK = "market.sim.clock"


async def until(latest: LatestValues, number: int) -> list[int]:
    """Return the numbers yielded up to and including this one."""
    found: list[int] = []
    async for received in latest:
        found += numbers([received])
        if number in found:
            return found
    raise AssertionError("latest values are followed for ever")


async def test_the_latest_of_each_subject_is_available_at_first(bus: Bus) -> None:
    await store_many(bus, A, 3)
    await store_many(bus, B, 3, first=10)

    async with LatestValues(bus, "ACCOUNT", ALL) as latest:
        taken = latest.take()

    assert numbers(taken) == [2, 12]
    assert [message.subject for message in taken] == [A, B]
    assert all(message.time_ns for message in taken)


async def test_later_messages_follow(bus: Bus) -> None:
    async with LatestValues(bus, "ACCOUNT", ALL) as latest:
        sequence = await bus.store(A, event(1))
        await latest.changed()
        (taken,) = latest.take()
        stored = await bus.last("ACCOUNT", A)

    assert stored is not None
    assert (taken.subject, taken.data, taken.sequence) == (A, stored.data, sequence)
    assert (taken.time_ns, taken.stream) == (stored.time_ns, "ACCOUNT")


async def test_a_slow_reader_gets_conflated_messages(bus: Bus) -> None:
    async with LatestValues(bus, "ACCOUNT", ALL) as latest:
        await store_many(bus, A, 500)
        await bus.store(B, event(1000))
        found = await until(latest, 1000)
        newest = latest.get(A)

    assert newest is not None
    assert numbers([newest]) == [499]
    assert found[-2:] == [499, 1000]
    assert len(found) < 100


async def test_rejected_messages_are_never_received(bus: Bus) -> None:
    async with LatestValues(bus, "JOURNAL", ["journal.*.*.grid"]) as latest:
        step = await bus.store("journal.sim.A.step", event(0))
        grid, expected = "journal.sim.A.grid", "journal.sim.A.step"
        await bus.store(grid, event(1), expect_last=step, expect_subject=expected)
        with pytest.raises(Conflict):
            await bus.store(grid, event(2), expect_last=step + 5, expect_subject=expected)
        await bus.store(grid, event(3), expect_last=step, expect_subject=expected)

        assert set(await until(latest, 3)) <= {1, 3}


async def test_messages_not_stored_in_a_stream_are_ignored(bus: Bus) -> None:
    async with LatestValues(bus, "ACCOUNT", ALL) as latest:
        await bus.publish(f"live.{A}", b"{}")
        await bus.store(A, event(1))

        assert await until(latest, 1) == [1]


async def test_the_latest_is_received_after_a_reconnect(server: EmbeddedServer, bus: Bus) -> None:
    async with connect(server.url, name="other") as other, LatestValues(other, "ACCOUNT", ALL) as latest:
        await bus.store(A, event(1))
        await until(latest, 1)
        await other.nc.force_reconnect()
        await bus.store(A, event(2))

        assert await until(latest, 2) == [2]


async def test_the_latest_is_received_after_messages_were_dropped(bus: Bus) -> None:
    async with LatestValues(bus, "ACCOUNT", ALL) as latest:
        (subscription,) = [sub for sub in bus.nc._subs.values() if sub.subject.startswith("live.")]
        subscription._pending_bytes_limit = 1  # drops every message
        await bus.store(A, event(1))

        assert await until(latest, 1) == [1]


async def test_latest_values_survive_a_server_restart(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await store_many(bus, A, 3)
        async with LatestValues(bus, "ACCOUNT", ALL) as latest:
            assert numbers(latest.take()) == [2]
            server.kill()
            await server.wait()
            await server.start()
            await bus.wait_connected()
            await bus.store(A, event(3))

            assert await until(latest, 3) == [3]


async def test_a_memory_stream_recreated_after_a_server_restart_is_followed(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await store_many(bus, CLOCK, 100)
        async with LatestValues(bus, "MARKET", [CLOCK]) as latest:
            assert numbers(latest.take()) == [99]
            server.kill()
            await server.wait()
            await server.start()
            await bus.wait_connected()
            await provision(bus)
            await bus.store(CLOCK, event(100))  # the first of the new stream

            assert await until(latest, 100) == [100]


async def test_a_recreated_stream_is_followed_from_sequence_one(bus: Bus) -> None:
    await store_many(bus, A, 5)
    async with LatestValues(bus, "ACCOUNT", ALL) as latest:
        await bus.store(A, event(5))
        await until(latest, 5)
        await bus.api("STREAM.DELETE.ACCOUNT", None, dict)
        await provision(bus)
        await bus.store(A, event(6))

        assert await until(latest, 6) == [6]


async def test_a_missing_stream_raises_and_leaves_no_subscription(bus: Bus) -> None:
    with pytest.raises(StreamGone):
        async with LatestValues(bus, "NOTHING", ALL):
            raise AssertionError("entered without a stream")

    assert [sub for sub in bus.nc._subs.values() if sub.subject.startswith("live.")] == []


async def test_the_latest_is_received_despite_repeated_reconnects(bus: Bus, server: EmbeddedServer) -> None:
    async with connect(server.url, name="other") as other, LatestValues(other, "ACCOUNT", ALL) as latest:
        following = asyncio.create_task(until(latest, 299))
        for number in range(300):
            await bus.store(A, event(number))
            if number % 60 == 30:
                await other.nc.force_reconnect()

        found = await following

    assert found == sorted(set(found))
